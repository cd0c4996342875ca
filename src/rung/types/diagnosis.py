"""Why dev examples failed, and what that predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rung.types.answers import Estimate
from rung.types.candidates import Skipped


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a diagnosis predicts of a rung above, row by row, so that it can be checked on the same dev rows later.

    `rung`: the rung that works like the experiment ("fewshot"), "@ROLE" for the same rung with another model, None for
    whichever rung is measured next. `fixed`, `not_fixed`: the rows that it will, and will not, get right; other rows that
    were tried predict nothing. `share`: the fixed ones among all tried.
    """

    rung: str | None
    fixed: tuple[str, ...]
    not_fixed: tuple[str, ...]
    share: Estimate


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of dev failures: how many rows, the evidence, example rows, and what it predicts of the next rung.

    Found by reading, every failed row has exactly one cause, and `share` is one of all failed rows. Found by experiment,
    `count` rows passed under a change, and `share` is one of the rows tried (its n); a row may pass under several.
    """

    name: str
    count: int
    share: Estimate
    evidence: str
    example_ids: tuple[str, ...]
    suggests: str
    found_by: Literal["reading", "experiment"] = "reading"
    predicts: Prediction | None = None


@dataclass(frozen=True, slots=True)
class FormLoss:
    """What the form of its answers costs a rung on dev; scores are means of the deciding metric over all rows.

    `rows`: right but for their form. `lenient`: the score with the form forgiven. `untried`: post-processing steps that the
    candidate does not take and that raise the strict score to `mended`; None: none does.
    """

    rows: int
    strict: float
    lenient: float
    untried: str | None = None
    mended: float | None = None

    def reaches(self, goal: float) -> bool:
        """Whether the form alone keeps the rung from the goal."""
        return self.strict < goal <= max(self.lenient, self.mended or 0.0)


@dataclass(frozen=True)
class KnowledgeSplit:
    """Dev rows asked closed book, with the passages found, and with the passage that holds the expected answer: paired.

    `causes` part the rows that are wrong closed book; `failures` those that are wrong with passages too, or because of
    them. Every row stands under exactly one cause of each. `paired`: "wrong, right, right" (closed book, passages, gold;
    "-" where no gold passage is known) -> rows. `search`: how high the passages stand (recall at k, MRR, nDCG).
    """

    rows: int
    closed: Estimate
    retrieved: Estimate
    gold: Estimate | None  # of the rows whose passage is known; None where there is no such row
    causes: tuple[Cause, ...]
    failures: tuple[Cause, ...]
    paired: Mapping[str, int]
    abstentions: Mapping[str, int]  # of the answers with passages; see Outcome.abstained
    search: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Diagnosis:
    """Why dev rows of a rung failed, by experiment, and what the mix says the next rung should attack.

    `causes` by reading the answers; `experiments` by asking a sample of the failed rows again with one thing changed;
    `untried`: experiments that were not made, and why; `calls`: what the experiments asked, answers from the cache too.
    """

    rung: str
    n: int
    failed: int
    causes: tuple[Cause, ...]
    next_rung: str | None
    sentence: str
    experiments: tuple[Cause, ...] = ()
    untried: tuple[Skipped, ...] = ()
    calls: int = 0
    knowledge: KnowledgeSplit | None = None  # of the rung that looks answers up
    form: FormLoss | None = None  # of a rung that asks a model; None: no row fails by its form
    mostly: str | None = None  # a warning where one answer makes up most of them and is expected far less often
