"""The seam to code that is not ours: everything it raises is translated, nothing of our own is."""

import asyncio
import json

import pytest

from rung.errors import IntegrityError, RungError
from rung.foreign import ODD_SHAPE, foreign


def called(raised, passes=RungError):
    with foreign(lambda error: IntegrityError(f"damaged: {type(error).__name__}"), passes=passes):
        raise raised


@pytest.mark.parametrize(
    "raised",
    [ValueError("x"), KeyError("x"), AssertionError(), MemoryError(), RecursionError(), ZeroDivisionError(), OSError(5, "x"),
     UnicodeDecodeError("utf-8", b"", 0, 1, "x"), StopIteration(), SystemExit(3), Exception("bare"), type("Their", (Exception,), {})()],
    ids=lambda e: type(e).__name__,
)  # fmt: skip
def test_whatever_a_library_raises_is_translated_and_stays_the_cause(raised):
    with pytest.raises(IntegrityError, match=f"^damaged: {type(raised).__name__}$") as told:
        called(raised)
    assert told.value.__cause__ is raised


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()], ids=repr)
def test_a_wish_to_stop_is_no_fault(raised):
    with pytest.raises(type(raised)) as told:
        called(raised)
    assert told.value is raised


def test_errors_of_our_own_pass_as_they_are_unless_told_otherwise():
    own = RungError("ours")
    with pytest.raises(RungError, match="^ours$"):
        called(own)
    with pytest.raises(IntegrityError, match="^damaged: RungError$"):
        called(own, passes=())
    with pytest.raises(LookupError):
        called(KeyError("x"), passes=LookupError)


@pytest.mark.parametrize(
    "reply", ["", "nothing", "[" * 100_000, "null", "7", "[]", "{}", '{"a": []}', '{"a": {"b": 1}}', '{"a": [7]}']
)
def test_reading_a_reply_of_an_odd_shape_raises_what_is_named(reply):
    with pytest.raises(ODD_SHAPE):
        json.loads(reply)["a"][0].get("b")
