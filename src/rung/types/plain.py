"""Plain data and its hash: what equality and identity rest on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, TypeAlias

from pydantic import JsonValue

Json: TypeAlias = JsonValue  # what JSON can say


class _Nothing(dict[str, Any]):
    """An empty mapping that stays empty: it is shared by all that hold none."""

    def _refuse(self, *given: Any, **named: Any) -> NoReturn:
        raise TypeError(
            "a mapping of frozen data is not written to: make a new one, and `dataclasses.replace` the datum"
        )

    __setitem__ = __ior__ = setdefault = update = _refuse


_NOTHING = _Nothing()


def nothing() -> Mapping[str, Any]:
    """Return the one empty mapping of every datum that holds none: a climb keeps hundreds of thousands of them."""
    return _NOTHING


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no spaces: equal data, equal text, equal hash."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def json_text(value: Any) -> str:
    """Return `value` as JSON without spaces, keys in the order that they have: as the file wrote it, so a model is shown it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_hash(value: Any) -> str:
    """Return the SHA-256 (64 hex digits) of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in plain data, those of keys apart, in the order that they have."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from texts_in(inner)


def is_file_name(text: str) -> bool:
    """Whether a file or folder may have the name, and lies where it is put: no separator, no control character, 1 to 100
    characters of at most 200 bytes."""
    plain = text.isprintable() and not set(text) & set("/\\") and text not in (".", "..")
    return plain and 0 < len(text) <= 100 and len(text.encode("utf-8")) <= 200
