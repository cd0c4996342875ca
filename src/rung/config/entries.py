"""How rung.yaml names a plug-in in a list, as in `metrics` and `ladder`: by its name, or with settings and a name of the user's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """An entry of `metrics` or `ladder`: the plug-in, its settings, and the name by which the user tells it apart."""

    plugin: str
    settings: Mapping[str, Any]
    name: str | None = None


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")  # a file's name, too
_STORED = (  # as a run keeps a metric and a step
    *({"name", "settings", "plugin"}, {"name", "settings"}),
    *({"rung", "settings", "name"}, {"rung", "settings"}),
)


def named_entry(entry: Any) -> Entry:
    """Read `plugin` or `{plugin: {settings}}`; the setting `name` is the entry's own. Raises ValueError."""
    if isinstance(entry, str):
        return Entry(entry, {})
    if isinstance(entry, dict) and set(entry) in _STORED:
        plugin = entry.get("plugin") or entry.get("rung") or entry["name"]
        own = entry.get("name")
        return Entry(plugin, entry["settings"], None if own == plugin else own)
    if isinstance(entry, dict) and len(entry) == 1:
        [(plugin, settings)] = entry.items()
        if isinstance(plugin, str) and (settings is None or isinstance(settings, dict)):
            rest = dict(settings or {})
            name = rest.pop("name", None)
            if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
                raise ValueError(
                    f"the name {name!r} of {plugin} must be text of at most 60 letters, digits, dots, - and _, with a letter "
                    "or digit in front"
                )
            return Entry(plugin, rest, name)
    raise ValueError(
        f"write a name or a name with settings, such as fewshot or {{fewshot: {{model: small}}}}, not {entry!r}"
    )
