"""rung: do you need to fine-tune, and if not, what is the lowest rung that is good enough?

The public face. Names are resolved on first use, so that importing rung is fast and does nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "climb": "rung.ladder",
    "Run": "rung.ladder",
    "load_config": "rung.config",
    "Config": "rung.config",
    "audit": "rung.data.audit",
    "open_run": "rung.testing.measured",
    "Task": "rung.types",
    "Example": "rung.types",
    "Verdict": "rung.types",
    "RungError": "rung.errors",
}

__all__ = sorted([*_WHERE, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'rung' has no attribute {name!r}; it offers: {', '.join(__all__)}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__
