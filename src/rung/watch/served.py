"""Requests as the log of `rung serve` holds them, in the order of time, each input once a day."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rung.data.audit.private import masked
from rung.errors import DataError
from rung.foreign import json_objects, whole
from rung.types import Task, content_hash

MOST_SECONDS = 1e6


@dataclass(frozen=True, slots=True)
class Served:
    """One request. `answer` is None where it failed; `tokens`: prompt and answer together; `wrong`: by a label, where there is one."""

    day: int  # days since 0001-01-01
    id: str
    inputs: Mapping[str, str]
    status: int
    answer: str | None
    seconds: float | None
    tokens: int | None
    wrong: bool | None = None

    @property
    def text(self) -> str:
        return "\n".join(self.inputs.values())


@dataclass
class Log:
    """Log files in their order. The counts are complete once all was read."""

    paths: Sequence[Path]
    task: Task
    approach: str
    since: date | None = None
    generation: int | None = None  # whose requests alone count; None: those of every one
    damaged: int = 0
    other: int = 0  # of another approach or generation, or with other columns
    repeats: int = 0  # inputs that came again on the same day

    def read(self) -> Iterator[Served]:
        """Yield requests by day. Raises DataError for a file that cannot be read, or one older than its forerunner."""
        last, seen = 0, set[str]()
        for path in self.paths:
            for line in self._lines(path):
                one = self._served(line)
                if one is None or (self.since is not None and one.day < self.since.toordinal()):
                    continue
                if one.day < last:
                    raise DataError(
                        f"holds requests of {date.fromordinal(one.day)} after those of {date.fromordinal(last)}; give the logs in "
                        "the order of time",
                        file=str(path),
                    )
                if one.day > last:
                    last, seen = one.day, set()
                key = content_hash(list(one.inputs.values()))[:16]
                if key in seen:
                    self.repeats += 1
                else:
                    seen.add(key)
                    yield one

    def _lines(self, path: Path) -> Iterator[Mapping[str, Any]]:
        if not path.is_file():
            raise DataError("there is no such log", file=str(path))
        for value in json_objects(path):
            if value is None:
                self.damaged += 1
            else:
                yield value

    def _served(self, line: Mapping[str, Any]) -> Served | None:
        """Return the request that a line tells; None for a shadow's answer, and for what is counted instead."""
        if "way" not in line:
            return None
        inputs, day, status, answer = (line.get(key) for key in ("inputs", "at", "status", "answer"))
        day, told = _day(day), status == 200 and answer is not None
        if (
            day is None
            or not isinstance(inputs, dict)
            or type(status) is not int
            or not _texts(inputs.values(), [answer] * told)
        ):
            self.damaged += 1
            return None
        elsewhere = self.generation is not None and line.get("generation") != self.generation
        if elsewhere or line.get("approach") != self.approach or set(inputs) != set(self.task.inputs):
            self.other += 1
            return None
        identity = line.get("id")
        return Served(
            day,
            identity[:200] if isinstance(identity, str) else "",
            {c: masked(whole(inputs[c])) for c in self.task.inputs},
            status,
            masked(whole(str(answer))) if told else None,
            _number(line.get("seconds"), MOST_SECONDS),
            None if (tokens := _number(line.get("tokens"), 1e9)) is None else int(tokens),
        )


def _texts(*values: Iterable[object]) -> bool:
    """Whether all values are texts, as the server writes them."""
    return all(isinstance(value, str) for some in values for value in some)


def _number(value: object, most: float) -> float | None:
    usable = (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= most
    )
    return float(value) if usable else None  # type: ignore[arg-type]


def _day(at: object) -> int | None:
    try:
        return date.fromisoformat(str(at)[:10]).toordinal()
    except ValueError:
        return None
