"""Structure of an answer: how many lines or sections it has, and what must stand in each of them."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rung.metrics.text import squeeze
from rung.metrics.unwrap import after_lead, after_thought, strip_fence, strip_quotes
from rung.types import Example, Failure, Score, Task

Against = Literal["equals", "startswith", "endswith", "contains"]
_SAID: dict[str, str] = {"startswith": "starts with", "endswith": "ends with", "contains": "contains"}
_MARKER = re.compile(r"^\s*(?:[-*•]|\d+[.)]|(?:line|section)\s*\d+\s*:)\s+", re.IGNORECASE)

_LONGEST = 20_000  # characters in which wanted lines are looked for; a longer answer is a runaway


class LineCheck(BaseModel):
    """One demand on one line (1 is the first, -1 the last) or on each line; exactly one demand is set.

    `target` compares with the same line of the target, white space squeezed; the other demands are fixed text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: int | Literal["each"]
    equals: str | None = None
    startswith: str | None = None
    endswith: str | None = None
    contains: str | None = None
    regex: str | None = None
    one_of: tuple[str, ...] | Literal["labels"] | None = Field(None, description="allowed lines, or the task's labels")
    target: Against | None = Field(None, description="how the line must relate to the target's line")

    @model_validator(mode="after")
    def _one_demand(self) -> LineCheck:
        found = [name for name in _DEMANDS if getattr(self, name) is not None]
        if len(found) != 1:
            raise ValueError(
                f"a check needs exactly one of {', '.join(_DEMANDS)}; found {' and '.join(found) or 'none'}"
            )
        if self.line == 0:
            raise ValueError("line 0 does not exist; the first line is 1, the last -1")
        if self.regex is not None:
            try:
                re.compile(self.regex)
            except re.error as error:
                raise ValueError(f"{self.regex!r} is not a regular expression: {error}") from error
        return self

    @property
    def demand(self) -> str:
        return next(name for name in _DEMANDS if getattr(self, name) is not None)

    @property
    def name(self) -> str:
        """Short name for parts and reports, for example `line 1 one_of`."""
        return f"line {self.line} {self.target} target" if self.target else f"line {self.line} {self.demand}"

    def holds(self, said: str, wanted: str | None, task: Task) -> bool:
        """Whether the line `said` meets the demand; `wanted` is the target's line, None where it has no such line."""
        if self.target is not None:
            return wanted is not None and _relates(squeeze(said), self.target, squeeze(wanted))
        if self.one_of is not None:
            return said in ((task.labels or ()) if self.one_of == "labels" else self.one_of)
        if self.regex is not None:
            return re.search(self.regex, said) is not None
        return _relates(said, self.demand, str(getattr(self, self.demand)))

    def sentence(self, task: Task) -> str | None:
        """Say the demand in words for a prompt; None where it can only be known from examples."""
        if self.target is not None or self.regex is not None:
            return None
        where = "Each line" if self.line == "each" else "The last line" if self.line == -1 else f"Line {self.line}"
        if self.one_of is not None:
            allowed = (task.labels or ()) if self.one_of == "labels" else self.one_of
            return f"{where} is one of: {', '.join(allowed)}."
        if self.equals is not None:
            return f"{where} is exactly '{self.equals}'."
        return f"{where} {_SAID[self.demand]} '{getattr(self, self.demand)}'."


_DEMANDS = ("equals", "startswith", "endswith", "contains", "regex", "one_of", "target")


class Lines(BaseModel):
    """Score the share of checks that hold: the count of lines, each `checks` entry, and nothing of `absent`.

    Without `checks` each line must equal the target's line. `adheres`: every check that needs no target holds.
    With `all_checks` the value is 1 if every check holds, else 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int | Literal["target", "any"] = Field("target", description="lines asked for, or as many as the target has")
    unit: Literal["line", "section"] = Field("line", description="sections are parted by empty lines")
    checks: tuple[LineCheck, ...] = Field((), description="demands on single lines")
    absent: tuple[str, ...] = Field((), description="texts that must not occur, in any case")
    absent_inputs: tuple[str, ...] = Field((), description="input columns whose value must not occur in the answer")
    all_checks: bool = Field(False, description="score 1 only if every check holds")

    @field_validator("count")
    @classmethod
    def _positive(cls, count: int | str) -> int | str:
        if isinstance(count, int) and count < 1:
            raise ValueError(f"count is {count}; allowed: 1 or more, target, any")
        return count

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        missing = [column for column in self.absent_inputs if column not in example.inputs]
        if missing:
            have = ", ".join(example.inputs)
            return Failure("metric", f"absent_inputs names {missing[0]!r}; the example's input columns are {have}")
        said = _raw(answer, self.unit)
        parts = self._judge(said, example, task)
        form = [bool(v) for name, v in parts.items() if not name.endswith(" target")]
        return Score(self._value(parts), adheres=all(form) if form else None, parts=parts)

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        """Return the score with form checks counted as held, on the best run of cleaned lines.

        Forgiven: fences, quotes, bullets, numbering, a lead-in such as `Answer:`, empty lines, and lines before or after the wanted ones. Where no
        check compares with the target, the line checks themselves are the content and only the count is forgiven.
        """
        if any(column not in example.inputs for column in self.absent_inputs):
            return None
        raw, wanted = _raw(answer, self.unit), _raw(example.target, self.unit)
        bare = strip_fence(after_thought(answer))[:_LONGEST]
        lines = [strip_quotes(_MARKER.sub("", line)) for line in _units(bare, self.unit)]
        size = self.count if isinstance(self.count, int) else len(wanted)
        windows = [lines[i : i + size] for i in range(max(1, len(lines) - size + 1))]
        led = [[strip_quotes(after_lead(lines[0])), *lines[1:size]]] if lines else []
        return max(self._forgiven(window, example, task) for window in (raw, *windows, *led))

    def format_rule(self, task: Task) -> str | None:
        said = [s for s in (check.sentence(task) for check in self.checks) if s]
        if isinstance(self.count, int):
            unit = self.unit if self.count == 1 else f"{self.unit}s"
            said.insert(0, f"Write exactly {self.count} {unit} and nothing else.")
        if self.unit == "section":
            said.append("Put an empty line between sections.")
        said += [f"Do not write '{text}'." for text in self.absent]
        said += [f"Do not write the {column}." for column in self.absent_inputs]
        return " ".join(said) or None

    def _forgiven(self, lines: list[str], example: Example, task: Task) -> float:
        parts = self._judge(lines, example, task)
        content = [name for name in parts if name.endswith(" target")]
        content = content or [name for name in parts if name.startswith("line ")]
        return self._value({name: held if name in content else 1.0 for name, held in parts.items()})

    def _value(self, parts: dict[str, float]) -> float:
        share = sum(parts.values()) / len(parts) if parts else 1.0
        return float(share == 1.0) if self.all_checks else share

    def _judge(self, said: list[str], example: Example, task: Task) -> dict[str, float]:
        wanted = _raw(example.target, self.unit)
        parts: dict[str, float] = {}
        if self.count != "any":
            parts["count"] = float(len(said) == (len(wanted) if self.count == "target" else self.count))
        for check in self.checks or tuple(LineCheck(line=i + 1, target="equals") for i in range(len(wanted))):
            name = check.name
            if name in parts:
                name = f"{name} ({sum(known.startswith(name) for known in parts) + 1})"
            parts[name] = float(_check(check, said, wanted, task))
        whole = "\n".join(said).casefold()
        for text in (*self.absent, *(example.inputs[column] for column in self.absent_inputs)):
            if text.strip():
                parts[f"absent {text}"] = float(text.casefold() not in whole)
        return parts


def _check(check: LineCheck, said: list[str], wanted: list[str], task: Task) -> bool:
    if check.line == "each":
        return bool(said) and all(
            check.holds(s, wanted[i] if i < len(wanted) else None, task) for i, s in enumerate(said)
        )
    line, target = _at(said, check.line), _at(wanted, check.line)
    return line is not None and check.holds(line, target, task)


def _at(lines: list[str], number: int) -> str | None:
    index = number - 1 if number > 0 else len(lines) + number
    return lines[index] if 0 <= index < len(lines) else None


def _relates(said: str, how: str, text: str) -> bool:
    if how == "equals":
        return said == text
    if how == "contains":
        return text in said
    return said.startswith(text) if how == "startswith" else said.endswith(text)


def _raw(text: str, unit: str) -> list[str]:
    """Return the lines as they stand (outer space removed; empty lines inside count), or the sections."""
    return [line.strip() for line in text.strip().splitlines()] if unit == "line" else _units(text, unit)


def _units(text: str, unit: str) -> list[str]:
    """Return the non-empty lines or sections, outer space removed."""
    pieces = text.splitlines() if unit == "line" else re.split(r"\n\s*\n", text)
    return [piece.strip() for piece in pieces if piece.strip()]
