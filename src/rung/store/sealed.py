"""The sealed test examples, as a capability: only who holds a `SealedTest` reads them, and every reading is written down first.

Who may hold one is listed in the import contract "only these hold the sealed test set" (pyproject.toml).
"""

from __future__ import annotations

import os

from rung.errors import IntegrityError
from rung.store.run import EVENTS, RunFolder
from rung.types import Example, content_hash

FILE = "test.jsonl"
IDS_NAMED = 5
_MADE_HERE = object()


class SealedTest:
    """The right to read the test examples of one run. Made by `sealed_test` alone."""

    __slots__ = ("_run",)

    def __init__(self, run: RunFolder, key: object) -> None:
        if key is not _MADE_HERE:
            raise TypeError("a SealedTest is made by rung.store.sealed.sealed_test alone")
        self._run = run

    def __repr__(self) -> str:
        return "<the sealed test examples of a run>"

    def __reduce__(self) -> str:
        raise TypeError("a SealedTest is neither copied nor stored")

    def read(self, purpose: str) -> tuple[Example, ...]:
        """Return the frozen test examples, in frozen order; appends the event test_opened with `purpose`.

        Raises IntegrityError when an example changed, appeared or vanished since freezing.
        """
        return self._read("test_opened", purpose)

    def recompute(self, purpose: str) -> tuple[Example, ...]:
        """Return the test examples to recompute what is stored; as `read`, but in an archive that nobody may write."""
        events = self._run.path / EVENTS
        return self._read("test_opened", purpose) if os.access(events, os.W_OK) else self._rows()

    def reveal(self) -> tuple[Example, ...]:
        """Return the test examples for people to see; appends the event test_revealed, which marks them as spent."""
        return self._read("test_revealed", "shown to people")

    def _read(self, event: str, purpose: str) -> tuple[Example, ...]:
        self._run.event(event, why=purpose, rows=self._run.parts.manifest.need()["test"]["rows"])
        return self._rows()

    def _rows(self) -> tuple[Example, ...]:
        run = self._run
        entry = run.parts.manifest.need()["test"]
        rows = run.parts.load_rows(FILE, Example)
        frozen: dict[str, str] = entry["ids"]
        found = {e.id: e.sha256 for e in rows}
        differing = [i for i in frozen if found.get(i) != frozen[i]] + [i for i in found if i not in frozen]
        if differing or content_hash([e.sha256 for e in rows]) != entry["sha256"]:
            named = ", ".join(differing[:IDS_NAMED]) + (" ..." if len(differing) > IDS_NAMED else "")
            raise IntegrityError(
                f"{run.parts.path / FILE} is not what was frozen: {len(differing)} examples differ ({named or 'in order'}). "
                "Restore the file; the answers of this run stay in the project's cache, so climbing into a folder of another name is cheap"
            )
        return rows


def sealed_test(run: RunFolder) -> SealedTest:
    """Return the right to read the test examples of a run."""
    return SealedTest(run, _MADE_HERE)
