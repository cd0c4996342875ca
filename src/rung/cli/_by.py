"""Who changes which generation counts: the name that stands in the history."""

from __future__ import annotations

import getpass


def name_of(given: str | None) -> str:
    """Return the given name, else that of the account."""
    try:
        return given or getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
