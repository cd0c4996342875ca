"""The register of test sets: which runs have used which test examples. Hashes only, beside rung.yaml, to be committed with it.

One JSON object a line, appended and never changed, so that two runs and two branches can both write: a line that tells of a
test set (`of`: hashes of its examples) or of its use by a run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rung.errors import RungError
from rung.store.folder import append_line, disk_errors, now
from rung.store.project import FOLDER, hidden_folder
from rung.types import EarlierUse, Example

FILE = "rung-tests.jsonl"
LOCK = "tests.lock"  # in the project's hidden folder
ENOUGH = 0.05  # share of a test set that other runs have used, from which a run on it is no first one any more
MOST = 2048  # hashes that are kept of a test set: the smallest ones, so that those of two sets can be compared
_DIGITS = 10  # of the hash of an example: two of a million examples share one in fewer than one set of two
_BUSY_S = 10.0
_NAMED = 3
_MERGED = re.compile(r"(<{7}|={7}|>{7}|\|{7})")  # what a merge leaves where both sides appended


@dataclass(frozen=True)
class TestSet:
    """What tells a test set from others: the hash of its inputs, wherever the rows lie and however they are called."""

    __test__ = False  # no test for pytest, in spite of its name

    sha256: str
    examples: int
    of: tuple[str, ...]

    @classmethod
    def from_examples(cls, examples: Iterable[Example]) -> TestSet:
        """Return the test set of these examples; space, letter case, ids, labels and order make no difference."""
        hashes = sorted({hash_of(e) for e in examples})
        kept = tuple(h[:_DIGITS] for h in hashes[:MOST])
        return cls(_hash("\n".join(hashes))[:16], len(hashes), kept)

    def share_in(self, other: TestSet) -> float:
        """Return the share of these examples that are in the other set: exact where both are kept whole, else estimated."""
        if self.sha256 == other.sha256:
            return 1.0
        whole = [s.of[-1] for s in (self, other) if s.examples > len(s.of)]
        last = min(whole, default="f" * _DIGITS)  # up to here both are known without a gap
        mine, theirs = ({h for h in s.of if h <= last} for s in (self, other))
        return len(mine & theirs) / len(mine) if mine else 0.0


@dataclass(frozen=True, slots=True)
class Use:
    """A run that measures on a test set. `plan`: hash of all that makes its candidates, the goal left out."""

    test: str
    run: str
    plan: str
    goal: float


class Register:
    """The register of one project. Opening it reads nothing."""

    def __init__(self, root: Path) -> None:
        self.path = root / FILE
        self._lock = root / FOLDER / LOCK

    def note(self, test: TestSet, use: Use) -> tuple[EarlierUse | None, str | None, bool]:
        """Write down that a run uses a test set, if that is not there yet; return what came before, what is damaged, and
        whether it was there.

        The same run, and one with the same approaches and goal as the first, is no later one. Raises RungError where the
        register cannot be written.
        """
        with self._held():
            sets, uses, damage = self._read()
            known = use in uses
            if not known:
                if test.sha256 not in sets:
                    about = {"test": test.sha256, "examples": test.examples, "of": list(test.of)}
                    append_line(self.path, about)
                line = {"test": use.test, "run": use.run, "plan": use.plan, "goal": use.goal, "at": now()}
                append_line(self.path, line)
        return earlier(test, use, sets, uses), damage, known

    def holds(self, example: Example) -> bool:
        """Whether an example stands in the test set of any run, as far as its hash is kept (the first 2,048 of a large set)."""
        digits = hash_of(example)[:_DIGITS]
        return any(digits in known.of for known in self._sets.values())

    @cached_property
    def _sets(self) -> dict[str, TestSet]:
        return self._read()[0]

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        with disk_errors(self._lock, "nothing was noted of this use of the test set"):
            hidden_folder(self.path.parent, LOCK)
            try:
                held = FileLock(self._lock, mode=0o600, thread_local=False).acquire(timeout=_BUSY_S)
            except Timeout as error:
                raise RungError(f"another process has held {self._lock} for {_BUSY_S:g} s") from error
        with held:
            yield

    def _read(self) -> tuple[dict[str, TestSet], list[Use], str | None]:
        sets: dict[str, TestSet] = {}
        uses: list[Use] = []
        damaged: list[int] = []
        with disk_errors(self.path):
            text = self.path.read_text("utf-8", "replace") if self.path.is_file() else ""
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip() or _MERGED.match(line):
                continue
            try:
                _take(json.loads(line), sets, uses)
            except (ValueError, TypeError, LookupError, RecursionError):
                damaged.append(number)
        return sets, uses, self._told(damaged)

    def _told(self, damaged: Sequence[int]) -> str | None:
        if not damaged:
            return None
        named = ", ".join(map(str, damaged[:_NAMED])) + (" ..." if len(damaged) > _NAMED else "")
        what = f"line {named} is" if len(damaged) == 1 else f"lines {named} are"
        return (
            f"{self.path.name}: {what} damaged and left out, all others count; take the file from version control, so that no "
            "earlier use of the test examples is forgotten"
        )


def earlier(test: TestSet, use: Use, sets: Mapping[str, TestSet], uses: Sequence[Use]) -> EarlierUse | None:
    """Return what runs before this one did with its test examples; None where it is the first, or the same as the first.

    A run that awaited a model, tuned elsewhere, had a plan without it: whoever followed that one used nothing that is new to it.
    """
    shares = {sha: test.share_in(other) for sha, other in sets.items()}
    before = uses[: uses.index(use)] if use in uses else uses
    # With more test examples than at its first look a run goes on with what it planned (`rung climb --more`).
    before = [u for u in before if (u.run, u.plan, u.goal) != (use.run, use.plan, use.goal)]
    awaiting = {u.plan: u.goal for u in before if u.run == use.run and u.plan != use.plan}
    other_goal = any(goal != use.goal for goal in awaiting.values())
    before = [u for u in before if shares.get(u.test, 0.0) >= ENOUGH and u.plan not in awaiting]
    if (not before or _same(before[0], use)) and not other_goal:
        return None
    others = [u for u in before if not _same(u, use)]
    candidates_came_first = not before or (before[0].test, before[0].plan) == (use.test, use.plan)
    return EarlierUse(
        runs=len(_different([u for u in others if u.plan != use.plan or u.test != use.test])),
        share=max(shares[u.test] for u in others) if others else 1.0,
        examples=test.examples,
        other_candidates=not candidates_came_first,
        other_goal=other_goal or any((u.test, u.plan) == (use.test, use.plan) for u in others),
    )


def _different(uses: Sequence[Use]) -> set[str]:
    """Return the runs that did something new: one that only did again what another had done is no further run."""
    first = {(u.test, u.plan, u.goal): u.run for u in reversed(uses)}
    return set(first.values())


def _same(one: Use, other: Use) -> bool:
    return (one.test, one.plan, one.goal) == (other.test, other.plan, other.goal)


def _take(line: Any, sets: dict[str, TestSet], uses: list[Use]) -> None:
    """Read one line. Raises ValueError, TypeError or LookupError where it is none of ours."""
    if "of" in line:
        of = tuple(map(str, line["of"]))
        if not of or any(not re.fullmatch(rf"[0-9a-f]{{{_DIGITS}}}", h) for h in of):
            raise ValueError("no hashes")
        sets.setdefault(_text(line["test"]), TestSet(_text(line["test"]), int(line["examples"]), of))
    else:
        use = Use(_text(line["test"]), _text(line["run"]), _text(line["plan"]), float(line["goal"]))
        if use not in uses:
            uses.append(use)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("no text")
    return value


def hash_of(example: Example) -> str:
    """Return the hash of an example's inputs; space and letter case make no difference."""
    return _hash(" ".join(example.text.split()).casefold())


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
