"""A small ONNX file written by hand: tokens looked up in a table, as `last_hidden_state`. https://github.com/onnx/onnx (onnx.proto)."""

from __future__ import annotations

import numpy as np


def _number(value: int) -> bytes:
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def _field(number: int, value: int | bytes | str) -> bytes:
    """Return one protobuf field."""
    if isinstance(value, int):
        return _number(number << 3) + _number(value)
    data = value.encode() if isinstance(value, str) else value
    return _number(number << 3 | 2) + _number(len(data)) + data


def _tensor_kind(name: str, kind: int, dims: tuple[int | str, ...]) -> bytes:
    shape = b"".join(_field(1, _field(1, d) if isinstance(d, int) else _field(2, d)) for d in dims)
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, shape)))


def lookup(table: np.ndarray, wants: str = "input_ids") -> bytes:
    """Return a model that gives each token its row of the table, (1, tokens, dimensions)."""
    rows, size = table.shape
    node = _field(1, "table") + _field(1, wants) + _field(2, "last_hidden_state") + _field(4, "Gather")
    data = table.astype("<f4").tobytes()
    held = _field(1, rows) + _field(1, size) + _field(2, 1) + _field(8, "table") + _field(9, data)
    graph = (
        _field(1, node) + _field(2, "lookup") + _field(5, held) + _field(11, _tensor_kind(wants, 7, ("batch", "sequence")))
        + _field(12, _tensor_kind("last_hidden_state", 1, ("batch", "sequence", size)))
    )  # fmt: skip
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 17))
