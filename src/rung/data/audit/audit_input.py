"""What every check is given, and the words they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rung.data.near import Duplicates, normal_text
from rung.data.parts import Parts
from rung.types import Example, Task

IDS_NAMED = 50  # example ids a finding carries at most
JUDGED_ROWS = 5_000  # rows whose expected outputs are judged; `rung data clean` looks at more


@dataclass(frozen=True)
class AuditInput:
    """The parted rows, the task they serve, the number of planned rungs, and model settings by role.

    `judged_rows`: how many expected outputs are judged at most (see `judged`). `tunes`: whether a planned approach tunes a model.
    """

    parts: Parts
    task: Task
    planned_rungs: int = 1
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    label_form: Callable[[str], str] = normal_text  # how labels are compared
    judged_rows: int = JUDGED_ROWS
    tunes: bool = True

    @cached_property
    def rows(self) -> tuple[Example, ...]:
        """All rows, the quarantined ones too: train, dev, quarantined, test."""
        p = self.parts
        return (*p.train, *p.dev, *(q.example for q in p.quarantine), *p.test)

    @cached_property
    def judged(self) -> tuple[Example, ...]:
        """The rows whose expected outputs are judged: all, or `judged_rows` of them, evenly spread over all parts."""
        total, most = len(self.rows), self.judged_rows
        return self.rows if total <= most else tuple(self.rows[i * total // most] for i in range(most))

    @property
    def judged_in_words(self) -> str:
        """What a finding about judged outputs adds where not all were judged; else nothing."""
        total, read = len(self.rows), len(self.judged)
        return f" Looked at were {read:,} of {total:,} examples, evenly spread." if read < total else ""

    @cached_property
    def by_id(self) -> dict[str, Example]:
        return {e.id: e for e in self.rows}

    @cached_property
    def duplicates(self) -> Duplicates:
        """Equal and nearly equal rows; without those that are kept for another run, which no check sees."""
        return self.parts.duplicates.among(self.by_id)

    @cached_property
    def sealed(self) -> frozenset[str]:
        """Ids of the test rows, which findings count but never name."""
        return frozenset(e.id for e in self.parts.test)

    def seen(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Return those ids that people may see (no test row), at most 50."""
        return tuple([i for i in ids if i not in self.sealed][:IDS_NAMED])

    def hidden(self, ids: Iterable[str]) -> int:
        """Return how many of the ids are test rows."""
        return sum(i in self.sealed for i in ids)


def counted(n: int, one: str, many: str | None = None) -> str:
    """Return "1 example" or "2 examples"."""
    return f"1 {one}" if n == 1 else f"{n:,} {many or one + 's'}"


def percent(share: float) -> str:
    """Return a share as a whole percentage, with one digit below 1 %."""
    return f"{100 * share:.1f} %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def quoted(values: Sequence[str], most: int = 5) -> str:
    """Return values in quotes, long ones cut, at most `most` of them."""
    shown = [repr(v if len(v) <= 40 else v[:37] + "...") for v in values[:most]]
    return ", ".join(shown) + (f" and {len(values) - most} more" if len(values) > most else "")


def of_test(hidden: int) -> str:
    """Return the remark that some of the rows lie in the sealed part."""
    return f" ({hidden:,} of them in the sealed test set)" if hidden else ""


def of_those(hidden: int) -> str:
    """Return the same remark for where a bracket counts the rows already."""
    return f", {hidden:,} of them in the sealed test set" if hidden else ""
