"""What a fuzz target is, and the one rule that all of them are held to."""

from __future__ import annotations

import contextlib
import gc
import logging
import re
import resource
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rung.errors import RungError

MOST_S = 2.0  # CPU seconds for an input of 10 kB; a longer one may take as much longer
MOST_MIB = 256  # by which one input of 10 kB may raise the process's peak
LONGEST_MESSAGE = 2_000  # characters of an error: it is read by a person
SIZE = 10_000  # bytes of an input
_EDGE = b"\n==== "


@dataclass(frozen=True)
class Target:
    """One door for text from outside. `run(data, folder)` may raise what `allowed` names, and nothing else.

    `words` are given to the fuzzer as a dictionary.
    """

    name: str
    run: Callable[[bytes, Path], object]
    seeds: tuple[bytes, ...]
    words: tuple[str, ...] = ()
    allowed: tuple[type[Exception], ...] = (RungError,)


@dataclass(frozen=True)
class Fault:
    """What went wrong with one input: its kind (equal for equal causes) and the details."""

    kind: str
    detail: str


def fault_of(target: Target, data: bytes, folder: Path) -> Fault | None:
    """Run one input and return what is wrong: an error of no known kind, a message for nobody, a warning, a hang, memory."""
    share = max(1.0, len(data) / SIZE)
    peak = peak_mib()
    began = time.process_time()
    with _heard() as heard:
        try:
            target.run(data, folder)
        except target.allowed as error:
            if trouble := _message_trouble(str(error)):
                return Fault(f"message of {_place(error)}", f"{trouble}: {str(error)[:300]!r}")
        except RecursionError as error:  # its frames are thousands
            return Fault(f"RecursionError in {_place(error)}", "".join(traceback.format_exception(error, limit=-8)))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            return Fault(f"{type(error).__name__} in {_place(error)}", "".join(traceback.format_exception(error)))
    took, grown = time.process_time() - began, peak_mib() - peak
    if heard:
        kind = re.sub(r"['\"].*", "", heard[0])[:60]
        return Fault(f"heard on the terminal: {kind}", heard[0])
    if took > MOST_S * share:
        return Fault(f"slow: {target.name}", f"{took:.1f} CPU-s for {len(data):,} bytes")
    if grown > MOST_MIB * share:
        return Fault(f"memory: {target.name}", f"{grown:.0f} MiB more for {len(data):,} bytes")
    return None


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextlib.contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect warnings and log records that a user would see."""
    found: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(f"{record.name}: {record.getMessage()}")

    ear = Ear(logging.WARNING)
    logging.getLogger().addHandler(ear)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            yield found
        finally:
            logging.getLogger().removeHandler(ear)
            found += [f"{w.category.__name__}: {w.message}" for w in warned if w.category is not ResourceWarning]


def _message_trouble(text: str) -> str | None:
    if not text.strip():
        return "is empty"
    if len(text) > LONGEST_MESSAGE:
        return f"has {len(text):,} characters"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "cannot be written"
    return None


def _place(error: BaseException) -> str:
    """Return the innermost frame of ours that an error passed."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/rung/" in f.filename or "/bench/fuzz/" in f.filename] or frames
    return f"{Path(ours[-1].filename).name}:{ours[-1].name}" if ours else "nowhere"


def packed(members: Mapping[str, bytes]) -> bytes:
    """Return several named members as one input, so that the fuzzer sees them unpacked."""
    return b"".join(_EDGE + name.encode() + b"\n" + content for name, content in members.items())


def unpacked(data: bytes) -> dict[str, bytes]:
    """Return the members of an input; what has no name is passed over."""
    found = {}
    for piece in data.split(_EDGE)[1:]:
        name, _, content = piece.partition(b"\n")
        found[name.decode("utf-8", "replace").partition("\0")[0][:100]] = content
    return found


def must(right: bool, what: str) -> None:
    """Raise AssertionError unless a promise holds; it says which."""
    if not right:
        raise AssertionError(what)


def writable(*texts: str) -> None:
    """Check that texts can be kept in a UTF-8 file."""
    for text in texts:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise AssertionError(f"holds half of a surrogate pair: {text[:40]!r}") from None


def collected() -> None:
    """Free what cycles hold: big trees of one input are no memory of the next one."""
    gc.collect()
