"""The experiment that a verb is given: its file, and the options that stand for keys of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rung.config import Config

OPTIONS = {"seed": "--seed", "budget_usd": "--budget", "goal": "--goal", "only": "--only", "more": "--more"}


def experiment(path: Path, **given: Any) -> Config:
    """Read rung.yaml with what options say instead of it. Raises ConfigError, which names an option as it was typed."""
    from rung.config import load_config

    return load_config(path, given, OPTIONS)
