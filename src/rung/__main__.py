"""Where `rung` and `python -m rung` begin."""

from __future__ import annotations

from collections.abc import Callable

from rung.signals import program


def main() -> None:
    """Run the command line."""
    program(_load)


def _load() -> Callable[[], int]:
    from rung.cli import run  # not at the top: it takes as long as some commands, and may be interrupted

    return run


if __name__ == "__main__":
    main()
