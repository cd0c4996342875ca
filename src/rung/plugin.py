"""Find plugins by kind and name: built-in files of `rung/<kind>/` and entry points of the group `rung.<kind>`.

File name = YAML name. A built-in or foreign module offers its settings model under the module attribute `plugin`
(an entry point may also point at the class itself). Nothing is imported before it is asked for.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rung.errors import MissingExtra, PluginConflict, PluginError, UnknownPlugin

if TYPE_CHECKING:
    from pydantic import ValidationInfo

KINDS: tuple[str, ...] = ("models", "metrics", "retrievers", "tuners", "rungs")


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin that exists: where it comes from and how to load it."""

    kind: str
    name: str
    origin: str  # "built-in" or the distribution's name
    target: str  # module, or module:attribute

    def load(self) -> type[Any]:
        module_name, _, attribute = self.target.partition(":")
        module = require(module_name)
        found = getattr(module, attribute or "plugin", None)
        if not isinstance(found, type):
            raise PluginError(
                f"{self.kind} plugin {self.name!r} of {self.origin}: {module_name} has no class "
                f"{attribute or 'plugin'!r}; name the settings model there"
            )
        return found


def require(module_name: str, extra: str | None = None) -> ModuleType:
    """Import a module, turning a missing optional package into MissingExtra with the pip line."""
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or "?"
        if missing.split(".")[0] == "rung":
            raise
        name = extra or _EXTRA_OF.get(missing.split(".")[0])
        line = f"pip install 'rung[{name}]'" if name else f"pip install {missing}"
        raise MissingExtra(f"{module_name} needs the package {missing!r}, which is not installed: {line}") from error


_EXTRA_OF: Mapping[str, str] = {
    "torch": "local",
    "transformers": "local",
    "tokenizers": "static",
    "safetensors": "static",
    "peft": "tune",
    "trl": "dev",
    "datasets": "dev",
    "accelerate": "tune",
    "gepa": "optimize",
    "sacrebleu": "text",
    "sqlglot": "sql",
    "pyarrow": "files",
    "openpyxl": "files",
    "pypdf": "docs",
    "docx": "docs",
    "lxml": "docs",
    "tinycss2": "docs",
    "cssselect": "docs",
    "lancedb": "lance",
    "sentence_transformers": "embed",
}


def _built_in(kind: str) -> list[Found]:
    folder = Path(__file__).parent / kind
    names = sorted(m.name for m in pkgutil.iter_modules([str(folder)]) if not m.name.startswith("_") and not m.ispkg)
    return [
        Found(kind, name, "built-in", f"rung.{kind}.{name}") for name in names if name not in _NOT_PLUGINS.get(kind, ())
    ]


_NOT_PLUGINS: Mapping[str, tuple[str, ...]] = {"models": ("client", "prices", "budget")}


def _foreign(kind: str) -> list[Found]:
    points: list[EntryPoint] = list(entry_points(group=f"rung.{kind}"))
    return [Found(kind, p.name, p.dist.name if p.dist else "an installed package", p.value) for p in points]


@cache
def available(kind: str) -> dict[str, Found]:
    """Return every plugin of a kind by name, sorted.

    Raises UnknownPlugin for a kind that does not exist and PluginConflict when two share a name.
    """
    if kind not in KINDS:
        raise UnknownPlugin(f"no plugin kind {kind!r}; kinds: {', '.join(KINDS)}")
    found: dict[str, Found] = {}
    for plugin in [*_built_in(kind), *_foreign(kind)]:
        if plugin.name in found:
            other = found[plugin.name]
            raise PluginConflict(
                f"two {kind} plugins are called {plugin.name!r}: {other.target} ({other.origin}) and {plugin.target} "
                f"({plugin.origin}); uninstall or rename one"
            )
        found[plugin.name] = plugin
    return dict(sorted(found.items()))


def find(kind: str, name: str, /) -> type[Any]:
    """Return the plugin class. Raises UnknownPlugin with the nearest names."""
    plugins = available(kind)
    if name not in plugins:
        near = difflib.get_close_matches(name, plugins, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(repr(n) for n in near)}?" if near else f"there are: {', '.join(plugins)}"
        raise UnknownPlugin(f"no {kind} plugin is called {name!r}; {hint}")
    return plugins[name].load()


def make(kind: str, name: str, /, **settings: Any) -> Any:
    """Return the plugin with its settings. Raises pydantic.ValidationError for settings it does not take."""
    return find(kind, name)(**settings)


def make_at(root: Path, kind: str, name: str, settings: Mapping[str, Any]) -> Any:
    """Return the plugin as `make` does; relative files in its settings start at `root`, the folder of rung.yaml.

    A plugin whose settings name a file passes it through `located` in a validator.
    """
    return find(kind, name).model_validate(dict(settings), context={"root": root})


def located(file: str, info: ValidationInfo) -> str:
    """Return a file of the settings as a path that can be opened; without a root the working directory counts."""
    context = info.context
    return str(Path(context["root"]) / file) if isinstance(context, Mapping) and "root" in context else file
