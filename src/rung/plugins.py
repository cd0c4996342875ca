"""Find plugins by kind and name: the table of built-in ones, and entry points of the group `rung.<kind>`.

File name = YAML name. An entry point names the settings model: "package.module:Class". Nothing is imported before it is
asked for.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rung.errors import MissingExtra, PluginConflict, PluginError, RungError, UnknownPlugin
from rung.foreign import foreign
from rung.usual_names import WELL_KNOWN

if TYPE_CHECKING:
    from pydantic import ValidationInfo

    from rung import protocols
    from rung.bases import Metric as Metric
    from rung.bases import Retriever as Retriever
    from rung.bases import Rung as Rung
    from rung.bases import Tuner as Tuner
    from rung.models.settings import ProviderSettings as Provider  # noqa: F401 - offered at the end of this file
    from rung.protocols import AnsweringKit, System
    from rung.types import Candidate, Learned, Task

BUILT_IN: Mapping[
    str, Mapping[str, str]
] = {  # kind -> name in rung.yaml -> class, in the file of that name or in the one before the colon
    "models": {
        "anthropic": "presets:Anthropic",
        "azure": "presets:Azure",
        "fake": "FakeModel",
        "gemini": "presets:Gemini",
        "http": "Http",
        "local": "Local",
        "ollama": "presets:Ollama",
        "onnx": "Onnx",
        "openai": "OpenAI",
        "openrouter": "presets:OpenRouter",
        "python": "PythonFeature",
        "recorded": "Recorded",
        "sentence": "Sentence",
        "static": "Static",
        "vllm": "presets:Vllm",
    },
    "metrics": {
        "assertions": "Assertions",
        "balanced_accuracy": "macro_f1:BalancedAccuracy",
        "chrf": "Chrf",
        "citations": "Citations",
        "contains": "Contains",
        "exact_match": "ExactMatch",
        "json_fields": "JsonFields",
        "judge": "ModelJudge",
        "label_f": "macro_f1:LabelF",
        "lines": "Lines",
        "macro_f1": "macro_f1:MacroF1",
        "normalized_match": "NormalizedMatch",
        "numeric": "Numeric",
        "python": "PythonFunction",
        "regex": "Regex",
        "rouge_l": "RougeL",
        "similarity": "Similarity",
        "sql": "Sql",
        "token_f1": "TokenF1",
    },
    "retrievers": {
        "lance": "LanceRetriever",
        "sqlite": "SqliteRetriever",
    },
    "tuners": {
        "full": "Full",
        "lora": "Lora",
    },
    "rungs": {  # in the usual order of a ladder
        "baseline": "Baseline",
        "prompt": "Prompt",
        "fewshot": "FewShot",
        "rag": "Rag",
        "finetune": "FineTune",
        "scratch": "ScratchRung",
    },
}
KINDS: tuple[str, ...] = tuple(BUILT_IN)
_SAID = {"models": "provider", "metrics": "metric", "retrievers": "retriever", "tuners": "tuner", "rungs": "approach"}
RUNG_TRAITS = ("learned", "title", "trains", "asks", "fixes", "usual_cost", "said_to_fix")
SEE = "tell the maker of the plug-in: docs/write-a-plugin.md says what it must offer, and rung.testing.conformance checks it"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that exists: where it comes from and how to load it."""

    kind: str
    name: str
    origin: str  # "built-in" or the distribution's name
    target: str  # module:class
    given: type[Any] | None = None  # the class itself, where `register` was called with it

    def _of_others(self, module_name: str) -> ModuleType:
        with foreign(
            lambda error: PluginError(
                f"{self.kind} plugin {self.name!r} of {self.origin}: {module_name} cannot be imported, "
                f"{type(error).__name__}: {error}; {SEE}"
            )
        ):
            return require(module_name)

    def load(self) -> type[Any]:
        if self.given is not None:
            return self.given
        module_name, _, attribute = self.target.partition(":")
        module = require(module_name) if self.origin == "built-in" else self._of_others(module_name)
        found = getattr(module, attribute, None) if attribute else None
        if not isinstance(found, type):
            raise PluginError(
                f"{self.kind} plugin {self.name!r} of {self.origin}: {self.target!r} names no class; an entry point names the "
                "settings model as package.module:Class"
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


def lacking(packages: Iterable[str]) -> str | None:
    """Return the sentence with the pip line for the first package that is not installed; nothing is imported. None: all are."""
    for package in packages:
        try:
            known = sys.modules[package] if package in sys.modules else importlib.util.find_spec(package)
        except (ImportError, ValueError):
            known = None
        if known is None:
            line = f"pip install 'rung[{_EXTRA_OF[package]}]'" if package in _EXTRA_OF else f"pip install {package}"
            return f"needs the package {package!r}, which is not installed: {line}"
    return None


_EXTRA_OF: Mapping[str, str] = {
    "torch": "local",
    "transformers": "local",
    "llguidance": "local",
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
    "onnxruntime": "onnx",
    "huggingface_hub": "onnx",
    "opentelemetry": "otel",
}


def _built_in(kind: str) -> list[Plugin]:
    places = {name: of if ":" in of else f"{name}:{of}" for name, of in BUILT_IN[kind].items()}
    return [Plugin(kind, name, "built-in", f"rung.{kind}.{place}") for name, place in places.items()]


_OFFERED_BY: Mapping[tuple[str, str], str] = {("models", "nano"): "rung-nano", ("tuners", "scratch"): "rung-nano"}


def _foreign(kind: str) -> list[Plugin]:
    points: list[EntryPoint] = list(entry_points(group=f"rung.{kind}"))
    return [Plugin(kind, p.name, p.dist.name if p.dist else "an installed package", p.value) for p in points]


_REGISTERED: dict[tuple[str, str], type[Any]] = {}


def register(kind: str, name: str, cls: type[Any]) -> None:
    """Make a class known to this process as a plug-in, from a notebook or a test; the same name again replaces it.

    Another process, `rung verify` among them, does not know it: an installed package with an entry point does that.
    Raises UnknownPlugin for a kind that does not exist, PluginConflict for a name that is taken.
    """
    taken = available(kind).get(name)
    if taken is not None and taken.given is None:
        raise PluginConflict(f"a {kind} plugin is called {name!r} already ({taken.origin}); choose another name")
    _REGISTERED[kind, name] = cls
    available.cache_clear()


def unregister(kind: str, name: str) -> None:
    """Take back what `register` made known."""
    _REGISTERED.pop((kind, name), None)
    available.cache_clear()


def _registered(kind: str) -> list[Plugin]:
    return [
        Plugin(of, name, "this process", f"{cls.__module__}:{cls.__qualname__}", cls)
        for (of, name), cls in _REGISTERED.items()
        if of == kind
    ]


@cache
def available(kind: str) -> dict[str, Plugin]:
    """Return every plugin of a kind by name, sorted.

    Raises UnknownPlugin for a kind that does not exist and PluginConflict when two share a name.
    """
    if kind not in KINDS:
        raise UnknownPlugin(f"no plugin kind {kind!r}; kinds: {', '.join(KINDS)}")
    found: dict[str, Plugin] = {}
    for plugin in [*_built_in(kind), *_foreign(kind), *_registered(kind)]:
        if plugin.name in found:
            other = found[plugin.name]
            raise PluginConflict(
                f"two {kind} plugins are called {plugin.name!r}: {other.target} ({other.origin}) and {plugin.target} "
                f"({plugin.origin}); uninstall or rename one"
            )
        found[plugin.name] = plugin
    return dict(sorted(found.items()))


def find(kind: str, name: str, /) -> type[Any]:
    """Return the plugin class. Raises UnknownPlugin with the nearest names, MissingExtra for one of ours not installed."""
    plugins = available(kind)
    if name not in plugins:
        if name in WELL_KNOWN.get(kind, {}):
            raise UnknownPlugin(f"no {_SAID[kind]} is called {name!r}; {WELL_KNOWN[kind][name]}")
        near = difflib.get_close_matches(name, plugins, n=3, cutoff=0.4)
        if (kind, name) in _OFFERED_BY:
            package = _OFFERED_BY[kind, name]
            raise MissingExtra(
                f"{name!r} comes with the package {package}, which is not installed: pip install {package}"
            )
        hint = f"did you mean {' or '.join(repr(n) for n in near)}?" if near else f"there are: {', '.join(plugins)}"
        raise UnknownPlugin(f"no {_SAID[kind]} is called {name!r}; {hint}")
    return plugins[name].load()


def make(kind: str, name: str, /, **settings: Any) -> Any:
    """Return the plugin with its settings. Raises pydantic.ValidationError for settings it does not take."""
    with _read(kind, name):
        return _settings_model(kind, name)(**settings)


def _settings_model(kind: str, name: str) -> type[Any]:
    found = find(kind, name)
    if not hasattr(found, "model_validate"):
        raise PluginError(
            f"{kind} plugin {name!r}: {found.__name__} must be a pydantic model whose fields are its settings"
        )
    if kind == "models" and not issubclass(found, __getattr__("Provider")):
        raise PluginError(
            f"models plugin {name!r}: {found.__name__} must inherit rung.plugins.Provider, which brings the settings that "
            f"every model has (name, limits, prices): {SEE}"
        )
    return found


def _read(kind: str, name: str) -> AbstractContextManager[None]:
    """Say whose settings raised what is no word on a setting: a validator raises ValueError, which pydantic reports."""
    if name in BUILT_IN[kind]:
        return nullcontext()
    from pydantic import ValidationError

    return foreign(
        lambda error: PluginError(
            f"{kind} plugin {name!r}: reading its settings raised {type(error).__name__}: {error}; a validator must raise "
            f"ValueError: {SEE}"
        ),
        (RungError, ValidationError),
    )


def make_at(root: Path, kind: str, name: str, settings: Mapping[str, Any]) -> Any:
    """Return the plugin as `make` does; relative files in its settings start at `root`, the folder of rung.yaml.

    A plugin whose settings name a file passes it through `located` in a validator.
    """
    with _read(kind, name):
        return _settings_model(kind, name).model_validate(dict(settings), context={"root": root})


def rung_type(name: str) -> type[protocols.Rung]:
    """Return a rung's class, for its traits. Raises UnknownPlugin, and PluginError for a class without them."""
    found = find("rungs", name)
    missing = [trait for trait in RUNG_TRAITS if not hasattr(found, trait)]
    if missing:
        raise PluginError(f"rungs plugin {name!r} ({found.__name__}) lacks {', '.join(missing)}: {SEE}")
    return found


def revive(candidate: Candidate, task: Task, kit: AnsweringKit) -> System:
    """Bring a candidate to life through the rung that made it.

    Raises UnknownPlugin where that is not installed, PluginError where it does not return a System.
    """
    with kept(candidate.rung, "revive", "a System with `async answer(inputs)`"):
        system = rung_type(candidate.rung).revive(candidate, task, kit)
    if not callable(getattr(system, "answer", None)):
        raise broken(candidate.rung, "revive", "a System with `async answer(inputs)`", system)
    return system


def learned_type(kind: str) -> type[Learned]:
    """Return the class of what an installed plug-in's rung learns, by its kind. Raises UnknownPlugin."""
    names = [name for name in available("rungs") if name not in BUILT_IN["rungs"]]
    for cls in (rung_type(name).learned for name in names):
        if cls.kind == kind:
            return cls
    raise UnknownPlugin(
        f"a stored candidate learned {kind!r}, which no installed approach knows (installed beside our own: "
        f"{', '.join(names) or 'none'}); install the plug-in that made it, or run `rung climb` again without it"
    )


def usual_order(planned: Iterable[str]) -> tuple[str, ...]:
    """Return all rungs lowest first: the built-in ones, and each planned one of a plug-in after the step before it."""
    order = list(BUILT_IN["rungs"])
    before = None
    for name in planned:
        if name not in order and name in available("rungs"):
            order.insert(order.index(before) + 1 if before is not None else 0, name)
        before = name if name in order else before
    return tuple(order)


def broken(name: str, method: str, expected: str, found: object, kind: str = "rungs") -> PluginError:
    """Return the error of a plug-in that broke its contract."""
    return PluginError(f"{kind} plugin {name!r}: {method} must give {expected}, not {_short(found)}: {SEE}")


def kept(name: str, method: str, expected: str, kind: str = "rungs") -> AbstractContextManager[None]:
    """Say which plug-in failed, in which method, when anything but a RungError leaves it. Our own raise as they are."""
    if name in BUILT_IN[kind]:
        return nullcontext()
    return foreign(
        lambda error: PluginError(
            f"{kind} plugin {name!r}: {method} must give {expected}, and raised {type(error).__name__}: {error}; {SEE}"
        )
    )


def _short(found: object) -> str:
    text = f"{type(found).__name__} {found!r}"
    return text if len(text) <= 120 else f"{text[:120]}…"


def located(file: str, info: ValidationInfo) -> str:
    """Return a file of the settings as a path that can be opened; without a root the working directory counts."""
    context = info.context
    return str(Path(context["root"]) / file) if isinstance(context, Mapping) and "root" in context else file


_BASES = {  # what plug-ins inherit; loaded on use, so that this module stays light
    "Metric": "rung.bases:Metric",
    "Provider": "rung.models.settings:ProviderSettings",
    "Retriever": "rung.bases:Retriever",
    "Rung": "rung.bases:Rung",
    "Tuner": "rung.bases:Tuner",
}


def __getattr__(name: str) -> Any:
    if name not in _BASES:
        raise AttributeError(f"module 'rung.plugins' has no attribute {name!r}; bases: {', '.join(_BASES)}")
    module, _, attribute = _BASES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
