"""rung: do you need to fine-tune, and if not, what is the lowest rung that is good enough?

The public face. Names are resolved on first use, so that importing rung is fast and does nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rung import plugins as plugins
    from rung.api import ExperimentArguments, aclimb, check, climb, compare, load_run, verify
    from rung.config import Config, load_config
    from rung.data.audit import audit
    from rung.errors import BudgetSpent, ConfigError, DataError, FolderBusy, Interrupted, RungError
    from rung.providers import (
        Anthropic,
        Azure,
        Fake,
        Gemini,
        Http,
        Local,
        Ollama,
        OpenAI,
        OpenRouter,
        Python,
        Recorded,
        Vllm,
    )
    from rung.run import DevRun, Run, Table
    from rung.testing.measured import open_run
    from rung.types import Example, Finding, Result, Task, Verdict

__version__ = "0.1.0"

__all__ = [
    "Anthropic",
    "Azure",
    "BudgetSpent",
    "Config",
    "ConfigError",
    "DataError",
    "DevRun",
    "Example",
    "ExperimentArguments",
    "Fake",
    "Finding",
    "FolderBusy",
    "Gemini",
    "Http",
    "Interrupted",
    "Local",
    "Ollama",
    "OpenAI",
    "OpenRouter",
    "Python",
    "Recorded",
    "Result",
    "Run",
    "RungError",
    "Table",
    "Task",
    "Verdict",
    "Vllm",
    "__version__",
    "aclimb",
    "audit",
    "check",
    "climb",
    "compare",
    "load_config",
    "load_run",
    "open_run",
    "plugins",
    "verify",
]

_MODULES = {  # module -> names; the imports above say the same to type checkers, and a test compares them
    "rung.api": ("ExperimentArguments", "aclimb", "check", "climb", "compare", "load_run", "verify"),
    "rung.config": ("Config", "load_config"),
    "rung.data.audit": ("audit",),
    "rung.errors": ("BudgetSpent", "ConfigError", "DataError", "FolderBusy", "Interrupted", "RungError"),
    "rung.providers": (
        "Anthropic",
        "Azure",
        "Fake",
        "Gemini",
        "Http",
        "Local",
        "Ollama",
        "OpenAI",
        "OpenRouter",
        "Python",
        "Recorded",
        "Vllm",
    ),
    "rung.run": ("DevRun", "Run", "Table"),
    "rung.testing.measured": ("open_run",),
    "rung.types": ("Example", "Finding", "Result", "Task", "Verdict"),
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "plugins":
        return importlib.import_module("rung.plugins")
    if name not in _WHERE:
        raise AttributeError(f"module 'rung' has no attribute {name!r}; it offers: {', '.join(__all__)}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__
