"""The one seam to code and data that are not ours: what a call may raise, and what reading a value of an odd shape raises.

No list of what a library raises was ever complete: for damaged files alone it had grown to fourteen classes.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rung.errors import RungError

if TYPE_CHECKING:
    import yaml

MOST_BYTES = 1 << 26  # of a file that is read as a whole: a prompt, a rubric, a configuration, a file of code
LONGEST_LINE = 1 << 23  # bytes of a line of JSON lines; the rest of a longer one is no object
MOST_VALUES = 1_000_000  # of a YAML text, after every anchor is unfolded

ODD_SHAPE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RecursionError,
)  # of a reply that is not what was agreed


@contextmanager
def foreign(
    fault: Callable[[Exception | SystemExit], Exception],
    passes: type[Exception] | tuple[type[Exception], ...] = RungError,
) -> Iterator[None]:
    """Raise `fault(error)` for whatever a call into a library or a user's function raises, its wish to exit included.

    Put nothing of our own inside that can be left outside: a mistake in it would be taken for the library's. `passes`: errors of
    our own that are left as they are.
    """
    try:
        yield
    except passes:
        raise
    except (Exception, SystemExit) as error:
        raise fault(error) from error


def file_bytes(path: Path) -> bytes:
    """Return what a file that the user names holds. Raises OSError as the system does, and for what would be read for ever: a
    pipe, a device, a file of more than 64 MiB.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, no file", str(path))
    if found.st_size > MOST_BYTES:
        raise OSError(errno.EINVAL, f"it has more than {MOST_BYTES // 2**20} MiB", str(path))
    return path.read_bytes()


def file_text(path: Path) -> str:
    """Return the text of such a file, its byte order mark taken off. Raises OSError and UnicodeDecodeError."""
    return file_bytes(path).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


@contextmanager
def uncollected() -> Iterator[None]:
    """Make many objects in one call without looking for garbage among them: five times quicker for a huge list of lists.

    It is a call of C code that hears no signal until it is done, so that it must be short.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def is_whole(text: str) -> bool:
    """Whether a text can be kept in a file: without halves of surrogate pairs, which escapes of JSON and YAML can write."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def whole(text: str) -> str:
    """Return the text with halves of surrogate pairs, which JSON may hold and UTF-8 may not, replaced by U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def whole_data(value: Any) -> Any:
    """Return plain data whose texts and keys are all `whole`."""
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, Mapping):
        return {whole_data(key): whole_data(inner) for key, inner in value.items()}
    return [whole_data(inner) for inner in value] if isinstance(value, list | tuple) else value


def file_name(name: str) -> str:
    """Return the name of a file as it can be kept: bytes that are no UTF-8 are written out, as in \\xff."""
    return name if is_whole(name) else os.fsencode(name).decode("utf-8", "backslashreplace")


def safe_yaml(text: str, loader: type[yaml.SafeLoader] | None = None) -> tuple[Any, yaml.Node | None]:
    """Return what a YAML text holds, and its tree with lines. Anchors may be used, as long as they do not multiply endlessly.

    `loader`: what reads the values; the ordinary safe one by default. Raises yaml.YAMLError, also for what holds itself, is
    nested too deeply or gives a key twice.
    """
    import yaml

    reader = (loader or yaml.SafeLoader)(text)
    try:
        node = reader.get_single_node()
        if node is None:
            return None, None
        if _unfolded(node, {}) > MOST_VALUES:
            raise yaml.YAMLError(
                f"its anchors unfold to more than {MOST_VALUES:,} values; write out those that are meant"
            )
        return reader.construct_document(node), node
    except RecursionError as error:
        raise yaml.YAMLError("it is nested too deeply") from error
    except (
        ValueError,
        TypeError,
    ) as error:  # a key that is a list, a date that is none, a number of thousands of digits
        raise yaml.YAMLError(f"it holds a value that cannot be read ({error})") from error
    finally:
        reader.dispose()


def _refuse_twice(keys: Sequence[Any]) -> None:
    """Raise yaml.YAMLError where a mapping gives a key twice: the first value would be lost without a word."""
    seen: set[tuple[str, str]] = set()
    for key in keys:
        if isinstance(key.value, str) and (named := (key.tag, key.value)) != (_MERGE, "<<"):
            if named in seen:
                import yaml

                raise yaml.YAMLError(
                    f"it gives {key.value[:60]!r} twice in one place, again in line {key.start_mark.line + 1}; keep one"
                )
            seen.add(named)


_MERGE = "tag:yaml.org,2002:merge"


def _unfolded(node: Any, known: dict[int, int]) -> int:
    """Return how many values a node holds where each alias counts like what it names."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = MOST_VALUES + 1  # as long as it is open: one that holds itself never ends
    value = node.value if isinstance(node.value, list) else []
    _refuse_twice([held[0] for held in value if isinstance(held, tuple)])
    inner = [part for held in value for part in (held if isinstance(held, tuple) else (held,))]
    known[id(node)] = 1 + sum(_unfolded(part, known) for part in inner)
    return known[id(node)]


def json_objects(path: Path) -> Iterator[dict[str, Any] | None]:
    """Yield the objects of a log of JSON lines, empty ones for empty lines; None for a line that is none, as a full disk leaves it."""
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            try:
                value = json.loads(line) if line.strip() else {}
            except (ValueError, RecursionError):
                value = None
            yield value if isinstance(value, dict) else None
