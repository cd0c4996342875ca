"""Feedback read from the request log of `rung serve`, from tables, and from the traces that `rung init` reads; masked on the way in."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from rung.data.audit.private import masked
from rung.data.cells import RawRow
from rung.data.files import raw_rows
from rung.data.importers.base import Found
from rung.data.load import as_text, holds, value_of
from rung.data.near import normal_text
from rung.errors import DataError
from rung.foreign import json_objects, whole
from rung.store.folder import now
from rung.store.records import Feedback
from rung.types import Task, content_hash

MOST_ROWS = 200_000  # of one table or trace file
MOST_KEPT = 50_000  # inputs of which nobody said anything; the newest stay
LOOKED_AT = 20  # lines by which a request log is recognised
REQUEST, THUMB, ANSWER = "id", "thumb", "answer"
EXPECTED = ("correction", "expected")
_UP = ("up", "+1", "1", "1.0", "true", "yes", "y", "good", "right", "like", "👍", "correct", "pass")
_DOWN = ("down", "-1", "0", "0.0", "false", "no", "n", "bad", "wrong", "dislike", "👎", "incorrect", "fail")


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that a source tells. `inputs` None: it names its request alone."""

    request: str | None
    inputs: Mapping[str, str] | None
    answer: str | None = None
    at: str = ""
    confidence: float | None = None
    shadow: str | None = None
    thumb: bool | None = None
    expected: str | None = None
    by: str | None = None
    challenger: str | None = None
    share: float | None = None


@dataclass
class Source:
    """A file of feedback. `notes` is complete once all was read."""

    path: Path
    task: Task
    thumb: str | None = None  # the column, or the scorer of a trace, that holds thumbs
    expected: str | None = None
    notes: list[str] = field(default_factory=list)

    def read(self) -> Iterator[Said]:
        """Yield what the file tells. Raises DataError for one that cannot be read, or tells nothing of this task's inputs."""
        if self._is_log():
            yield from self._log()
            return
        found = Found()
        rows = list(islice(raw_rows(self.path, self.notes.append, found), MOST_ROWS))
        yield from self._traces(rows, found) if found.tool and not found.own_columns else self._table(rows)

    def _is_log(self) -> bool:
        if not self.path.is_file():
            return False
        head = [line for line in islice(json_objects(self.path), LOOKED_AT) if line]
        return any("way" in line and isinstance(line.get("inputs"), dict) for line in head)

    def _log(self) -> Iterator[Said]:
        torn = other = 0
        for line in json_objects(self.path):
            if line is None:
                torn += 1
            elif not line or not isinstance(line.get("id"), str):
                continue
            elif "shadow" in line:
                yield Said(line["id"], None, shadow=_masked(line.get("answer")))
            elif (inputs := self._inputs(line.get("inputs") or {})) is None:
                other += 1
            elif line.get("status") == 200:
                sure = line.get("confidence")
                known = isinstance(sure, float) and math.isfinite(sure)
                yield Said(
                    line["id"],
                    inputs,
                    _masked(line.get("answer")),
                    str(line.get("at", ""))[:32],
                    sure if known else None,
                    by=_masked(line.get("by")),
                    **_trial_of(line),
                )
        self._note(torn, "damaged lines of the log are left out")
        self._note(other, "requests with other input columns are left out")

    def _table(self, rows: Sequence[RawRow]) -> Iterator[Said]:
        there = list(rows[0].cells) if rows else []
        expected = self.expected or next((c for c in (*EXPECTED, self.task.target) if c in there and c), None)
        thumb = self.thumb or (THUMB if THUMB in there else None)
        for name in (self.expected, self.thumb):
            if name is not None and name not in there:
                raise DataError(f"has no column {name!r}; columns: {_listed(there)}", file=str(self.path))
        whole_inputs = bool(rows) and all(holds(rows[0].cells, c) for c in self.task.inputs)
        if (expected is None and thumb is None) or not (whole_inputs or REQUEST in there):
            raise DataError(
                f"holds no feedback: it needs a column {THUMB!r} or {EXPECTED[0]!r}, and the request in {REQUEST!r} (as the server "
                f"logged it) or the input columns {_listed(self.task.inputs)}; columns: {_listed(there)}",
                file=str(self.path),
            )
        for row in rows:
            inputs = {c: value_of(row.cells, c) for c in self.task.inputs} if whole_inputs else None
            request = (_masked(row.cells.get(REQUEST)) or "").strip()[:200] or None
            said = Said(
                request,
                None if inputs is None else self._inputs(inputs),
                _masked(row.cells.get(ANSWER)),
                thumb=self._thumb(row, thumb),
                expected=_masked(row.cells.get(expected)) if expected is not None else None,
            )
            if said.thumb is not None or said.expected:
                yield replace(said, expected=said.expected or None)

    def _traces(self, rows: Sequence[RawRow], found: Found) -> Iterator[Said]:
        scorers = sorted({name for stored in found.stored.values() for name in stored.verdicts})
        if self.thumb is not None and self.thumb not in scorers:
            raise DataError(f"has no scores named {self.thumb!r}; there are {_listed(scorers)}", file=str(self.path))
        if self.thumb is None and scorers:
            self.notes.append(
                f"scores are no thumbs unless you name the one that is (`rung feedback --thumb NAME`): {_listed(scorers)}"
            )
        other = 0
        for row in rows:
            inputs = self._from_trace(row.cells, found)
            if inputs is None:
                other += 1
                continue
            given = next((s for s in found.stored.values() if row.cells.get(s.answer)), None)
            column = given.verdicts.get(self.thumb) if given and self.thumb else None
            score = row.cells.get(column) if column else None
            target = _masked(row.cells.get(found.target)) if found.target else None
            yield Said(
                _masked(row.cells.get(found.id)) if found.id else None,
                inputs,
                _masked(row.cells.get(given.answer)) if given else None,
                thumb=None if not isinstance(score, int | float) else score >= 0.5,
                expected=target or None,
            )
        if other == len(rows):
            raise DataError(
                f"tells no inputs of this task ({_listed(self.task.inputs)}): it holds {_listed(found.inputs)}",
                file=str(self.path),
            )
        self._note(other, "traces with other inputs are left out")

    def _from_trace(self, cells: Mapping[str, Any], found: Found) -> dict[str, str] | None:
        if all(c in cells for c in self.task.inputs):
            return self._inputs({c: cells[c] for c in self.task.inputs})
        text = cells.get(found.inputs[0]) if len(found.inputs) == 1 else None
        if text is None or len(self.task.inputs) == 1:
            return None if text is None else self._inputs({self.task.inputs[0]: text})
        try:
            held = json.loads(_masked(text) or "")
        except (ValueError, RecursionError):
            return None
        return self._inputs(held) if isinstance(held, dict) else None

    def _inputs(self, held: Mapping[str, Any]) -> dict[str, str] | None:
        """Return the task's input columns, masked; None where one is missing."""
        if not isinstance(held, Mapping) or any(c not in held for c in self.task.inputs):
            return None
        found = {c: "" if held[c] is None else _masked(held[c]) for c in self.task.inputs}
        return None if None in found.values() else {c: text or "" for c, text in found.items()}

    def _thumb(self, row: RawRow, column: str | None) -> bool | None:
        text = (_masked(row.cells.get(column)) or "").strip().casefold() if column is not None else ""
        if not text:
            return None
        if text in _UP or text in _DOWN:
            return text in _UP
        raise DataError(f"{text[:40]!r} is no thumb; write up or down", file=str(self.path), **row.place(column))

    def _note(self, count: int, what: str) -> None:
        if count:
            self.notes.append(f"{count:,} {what}")


def merged(held: Iterable[Feedback], said: Iterable[Said], task: Task) -> tuple[tuple[Feedback, ...], int]:
    """Return all feedback, an entry an input, and how many things were said of requests that nothing is known of.

    The newer word counts. The same source read twice changes nothing. Of inputs that nobody said anything of the newest stay.
    """
    found, taken_in = {f.id: f for f in held}, now()
    of_request = {request: f.id for f in found.values() for request in f.requests}
    unknown = 0
    for one in said:
        key = of_request.get(one.request or "") if one.inputs is None else key_of(one.inputs)
        if key is None or (one.inputs is None and key not in found):
            unknown += one.shadow is None
            continue
        before = found.pop(key, None) or Feedback(key, one.inputs or {})
        requests = before.requests
        if one.request is not None and one.request not in of_request:
            requests, of_request[one.request] = (*requests, one.request), key
        found[key] = replace(
            before,
            requests=requests,
            at=one.at or before.at,
            **{
                name: value
                for name in ("answer", "confidence", "shadow", "thumb", "by", "challenger", "share")
                if (value := getattr(one, name)) is not None
            },
            expected=before.expected if one.expected is None else as_label(one.expected, task),
            said_at=before.said_at or ("" if one.thumb is None and one.expected is None else taken_in),
        )
    silent = [f.id for f in found.values() if f.thumb is None and f.expected is None and not f.cannot_tell]
    for key in silent[: max(0, len(silent) - MOST_KEPT)]:
        del found[key]
    return tuple(found.values()), unknown


def key_of(inputs: Mapping[str, str]) -> str:
    """Return the id of an input: the same text is the same input, whoever asks."""
    return "f" + content_hash(list(inputs.values()))[:12]


def as_label(text: str, task: Task) -> str:
    """Return a label of the task in its own spelling; any other text as it is."""
    return next((label for label in task.labels or () if normal_text(label) == normal_text(text)), text)


def _trial_of(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the challenger that was on trial when a request was answered, and its share; nothing where none was."""
    name, share = line.get("challenger"), line.get("share")
    valid = isinstance(name, str) and isinstance(share, float) and 0.0 < share < 1.0
    return {"challenger": name, "share": share} if valid else {}


def _masked(value: object) -> str | None:
    """Return a value as text; None for no value, and for one that no text can hold: an endless number, a list too deep."""
    try:
        return None if value is None else masked(whole(as_text(value)))
    except (ValueError, RecursionError):
        return None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(str(n)[:60]) for n in islice(names, 12)) or "none"
