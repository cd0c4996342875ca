"""YAML as its version 1.2 means it, and as it is written: NO, on, 12:30, 010 and 1.10 are the texts that stand there."""

from __future__ import annotations

import re
from typing import Any

import yaml

from rung.errors import DataError
from rung.foreign import safe_yaml

_AS_WRITTEN = {"timestamp", "value", "bool", "int", "float"}  # tags of YAML 1.1 that are left out


class _Loader(yaml.SafeLoader):
    """Only true, false, null and numbers that would be written the same again are no texts."""


def _written_back(loader: _Loader, node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    number: int | float = float(text) if "." in text else int(text)
    return number if str(number) == text else text


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in _AS_WRITTEN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")
)
_Loader.add_implicit_resolver("!number", re.compile(r"-?\d{1,15}(?:\.\d{1,15})?\Z", re.ASCII), list("-0123456789"))
_Loader.add_constructor("!number", _written_back)


def read_yaml(text: str, file: str) -> tuple[Any, yaml.Node | None]:
    """Return what a YAML text holds, and its tree with lines. Raises DataError."""
    try:
        return safe_yaml(text, _Loader)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise DataError(f"is no YAML: {problem}", file=file, line=where.line + 1 if where else None) from error
