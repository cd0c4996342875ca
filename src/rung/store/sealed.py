"""The sealed test part: the only door to parts/test.jsonl. Every opening is written down before a row is read."""

from __future__ import annotations

from pathlib import Path

from rung.errors import IntegrityError
from rung.store.folder import RunFolder
from rung.types import Example, content_hash

FILE = "parts/test.jsonl"
IDS_NAMED = 5


def open_test(folder: Path, why: str) -> tuple[Example, ...]:
    """Return the frozen test rows, in frozen order; appends the event test_opened with `why`.

    Raises IntegrityError when a row changed, appeared or vanished since freezing.
    """
    return _read(folder, "test_opened", why)


def reveal(folder: Path) -> tuple[Example, ...]:
    """Return the test rows for people to see; appends the event test_revealed, which marks the part as spent."""
    return _read(folder, "test_revealed", "shown to people")


def times_opened(folder: Path) -> int:
    """Return how often the test part was opened, revealing included."""
    return sum(e.get("event") in ("test_opened", "test_revealed") for e in RunFolder(folder).events())


def is_spent(folder: Path) -> bool:
    """Whether people have seen test rows: later climbs on them are exploratory."""
    return any(e.get("event") == "test_revealed" for e in RunFolder(folder).events())


def _read(folder: Path, event: str, why: str) -> tuple[Example, ...]:
    run = RunFolder(folder)
    entry = run.read("parts/manifest.json")["test"]
    run.event(event, why=why, rows=entry["rows"])
    rows = run.load_rows(FILE, Example)
    frozen: dict[str, str] = entry["ids"]
    found = {e.id: e.sha256 for e in rows}
    differing = [i for i in frozen if found.get(i) != frozen[i]] + [i for i in found if i not in frozen]
    if differing or content_hash([e.sha256 for e in rows]) != entry["sha256"]:
        named = ", ".join(differing[:IDS_NAMED]) + (" ..." if len(differing) > IDS_NAMED else "")
        raise IntegrityError(
            f"{run.path / FILE} is not what was frozen: {len(differing)} rows differ ({named or 'in order'}). Restore the "
            "file, or climb in a new --folder"
        )
    return rows
