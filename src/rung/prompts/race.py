"""Race the candidates of one rung on dev: few calls for weak ones, all dev rows for the one that wins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rung.decide.averages import contributed, deciding_sample, shows
from rung.protocols import Kit
from rung.stats.racing import Round, calls, halving, survivors
from rung.types import Candidate, Edit, Example, Message, Outcome, Skipped, Task, Trial

FEWEST_BEFORE_ONE = 30  # rows after which a late challenger may be dropped, where dev has them
MOST_RACED = 500  # dev rows on which candidates are compared; only the choice is asked all of a larger dev part
ROWS_THAT_MUST_FIT = 0.95  # share of the dev rows whose prompt must fit the context


@dataclass(frozen=True)
class Race:
    """Everything that was asked: outcomes by candidate name, in dev's racing order, and who was left at the end."""

    order: tuple[Example, ...]
    candidates: tuple[Candidate, ...]
    seen: Mapping[str, tuple[Outcome, ...]]
    winner: Candidate
    unasked: frozenset[str] = frozenset()  # names of candidates made from the answers of others, without a call

    @property
    def raced(self) -> int:
        """Rows on which candidates are compared."""
        return min(len(self.order), MOST_RACED)

    def mean(self, name: str, task: Task, rows: int | None = None) -> float | None:
        """Return the mean deciding score over the first `rows` rows seen (None: all); None if none has a score."""
        return mean_score(self.seen[name][:rows], task)

    def tokens(self, name: str) -> float | None:
        """Return the mean tokens of a request over the rows seen; None where unknown."""
        return tokens_per_request(self.seen[name])

    def outcomes(self, dev: Sequence[Example], name: str) -> tuple[Outcome, ...]:
        """Return a candidate's outcomes in the order of `dev`."""
        found = {o.example_id: o for o in self.seen[name]}
        return tuple(found[e.id] for e in dev if e.id in found)

    def trials(self, task: Task, kept: str) -> tuple[Trial, ...]:
        """Return one Trial a candidate; `kept` names the rung's choice."""
        return tuple(
            Trial(
                candidate=c,
                rows=len(self.seen[c.name]),
                mean=self.mean(c.name, task),
                kept=c.name == kept,
                calls=0
                if c.name in self.unasked
                else sum(len(o.answer.calls) if o.answer else 1 for o in self.seen[c.name]),
                tokens_per_request=tokens_per_request(self.seen[c.name]),
            )
            for c in self.candidates
        )


def mean_score(outcomes: Sequence[Outcome], task: Task) -> float | None:
    """Return the deciding metric of these rows under the task's rule for failed ones, as a rule a mean; None if none has a score."""
    if task.metrics[0].average is not None:
        found = deciding_sample(outcomes, task)
        return None if found is None else found.mean
    values = [o.value(task.metrics[0].name, task.failure_score) for o in outcomes]
    scored = [v for v in values if v is not None]
    return sum(scored) / len(scored) if scored else None


def racing_scores(outcomes: Sequence[Outcome], task: Task) -> list[float]:
    """Return one number a row for comparing candidates: its score, or what it adds to an average over labels."""
    spec = task.metrics[0]
    if spec.average is not None and shows(spec, outcomes):
        return [float(v) for v in contributed(spec, outcomes, False).values]
    return row_scores(outcomes, task)


def row_scores(outcomes: Sequence[Outcome], task: Task) -> list[float]:
    """Return the score of each row.

    A failed row counts as the task says, and as 0 where the task leaves failed rows out: left out here too, a candidate
    could win by failing on the hard rows. A row that the metric could not judge counts as the mean of the others.
    """
    values = [o.value(task.metrics[0].name, task.failure_score) for o in outcomes]
    known = [v for v in values if v is not None]
    usual = sum(known) / len(known) if known else 0.0
    return [usual if o.unjudged else 0.0 if v is None else v for o, v in zip(outcomes, values, strict=True)]


def tokens_per_request(outcomes: Sequence[Outcome]) -> float | None:
    """Return the mean input + output tokens of the answered rows; None where any count is unknown."""
    totals: list[int] = []
    for outcome in outcomes:
        if outcome.answer is None or not outcome.answer.calls:
            continue
        for call in outcome.answer.calls:
            if call.input_tokens is None or call.output_tokens is None:
                return None
        totals.append(sum((c.input_tokens or 0) + (c.output_tokens or 0) for c in outcome.answer.calls))
    return sum(totals) / len(totals) if totals else None


def racing_order(dev: Sequence[Example], kit: Kit) -> tuple[Example, ...]:
    """Return dev in the one random order that all rungs race in, whole groups at a time."""
    groups: dict[str, list[Example]] = defaultdict(list)
    for example in dev:
        groups[example.group].append(example)
    names = sorted(groups)
    kit.rng("racing order").shuffle(names)
    return tuple(e for name in names for e in groups[name])


def plan_rounds(candidates: int, rows: int) -> tuple[Round, ...]:
    """Return the elimination rounds of a race over the first 500 of `rows` dev rows; the survivor has seen all of these.

    The last two meet on all of them: decided on 30 rows instead, a climb reaches the verdict of a full evaluation in 71
    to 79 % instead of 90 to 95 % (bench/statistics/races.py). At 500 rows the standard error of the difference of two
    candidates that disagree on one row in ten is 0.014, less than a gain that is worth a rung.
    """
    return halving(candidates, min(rows, MOST_RACED))


def planned_calls(candidates: int, rows: int, more: int = 0) -> int:
    """Return the most calls of a race of at most so many candidates, of `more` later looks at others, and of the choice.

    Fewer candidates may cost more, as they have fewer rounds.
    """
    raced = min(rows, MOST_RACED)
    return max(calls(plan_rounds(n, rows), n) for n in range(1, candidates + 1)) + more * raced + rows - raced


async def race(candidates: Sequence[Candidate], dev: Sequence[Example], task: Task, kit: Kit) -> Race:
    """Race candidates, given in order of preference: on a tie the earlier one stays. The winner has all raced rows."""
    order = racing_order(dev, kit)
    seen: dict[str, tuple[Outcome, ...]] = {c.name: () for c in candidates}
    if len(seen) != len(candidates):
        raise ValueError(f"candidates share a name: {[c.name for c in candidates]}")
    left = list(candidates)
    for step in plan_rounds(len(candidates), len(order)):
        for candidate in left:
            seen[candidate.name] += await kit.run(candidate, order[len(seen[candidate.name]) : step.rows])
        stay = survivors({c.name: racing_scores(seen[c.name], task) for c in left}, step.keep)
        left = [c for c in left if c.name in stay]
        if len(left) == 1:
            break
    return await asked(Race(order, tuple(candidates), seen, left[0]), left[0].name, kit)


async def asked(found: Race, name: str, kit: Kit, *, all_rows: bool = False) -> Race:
    """Ask the named candidate for the raced rows (or for all rows of dev) that it has not seen."""
    candidate = next(c for c in found.candidates if c.name == name)
    rest = found.order[len(found.seen[name]) : None if all_rows else found.raced]
    outcomes = await kit.run(candidate, rest) if rest else ()
    return replace(found, seen={**found.seen, name: found.seen[name] + outcomes})


async def challenge(found: Race, candidate: Candidate, task: Task, kit: Kit, seen: tuple[Outcome, ...] = ()) -> Race:
    """Race one more candidate against the winner, whose rows are all known: it must be ahead to take its place.

    It is dropped after a quarter of the rows (at least 30) when it is behind on them. `seen`: its answers to the first rows.
    """
    total = found.raced
    best = found.seen[found.winner.name]
    first = min(total, max(FEWEST_BEFORE_ONE, total // 4))
    outcomes = seen + await kit.run(candidate, found.order[len(seen) : first])
    if first < total and sum(racing_scores(outcomes, task)) >= sum(racing_scores(best[:first], task)):
        outcomes += await kit.run(candidate, found.order[first:total])
    ahead = len(outcomes) == total and sum(racing_scores(outcomes, task)) > sum(racing_scores(best[:total], task))
    return replace(
        found,
        candidates=(*found.candidates, candidate),
        seen={**found.seen, candidate.name: outcomes},
        winner=candidate if ahead else found.winner,
    )


def paired(found: Race, before: Candidate, after: Candidate, diff: str, task: Task) -> Edit:
    """Return what one candidate changed against another on the rows that both have answered."""
    old, new = (row_scores(found.seen[c.name], task) for c in (before, after))
    moved = list(zip((e.id for e in found.order), old, new, strict=False))
    plain = before.chat is not None and before.chat.postprocessing is None and before.chat.response_format is None
    return Edit(
        before=f"{before.name}, as answered" if plain else before.name,
        after=after.name,
        diff=diff,
        rows=len(moved),
        mean_before=sum(a for _, a, _ in moved) / len(moved) if moved else None,
        mean_after=sum(b for _, _, b in moved) / len(moved) if moved else None,
        better=tuple(i for i, a, b in moved if b > a),
        worse=tuple(i for i, a, b in moved if b < a),
    )


@dataclass(frozen=True, slots=True)
class Fit:
    """How a candidate's prompts fit a model's context, over the dev rows."""

    longest: int
    too_long: int
    rows: int
    answer: int
    context: int

    @property
    def holds(self) -> bool:
        return self.too_long <= (1.0 - ROWS_THAT_MUST_FIT) * self.rows

    def skipped(self, what: str, model: str) -> Skipped:
        return Skipped(
            what,
            f"its prompt is too long for {model}: up to {self.longest} tokens and {self.answer} for the answer, the context "
            f"holds {self.context}; {self.too_long} of {self.rows} dev examples do not fit",
        )


def context_fit(chats: Iterable[tuple[Message, ...]], role: str, kit: Kit) -> Fit | None:
    """Return how the chats fit the context of the model in `role`; None where its context is unknown.

    Chats are tried from the longest text down until one fits, so that most are never counted.
    """
    card = kit.card(role)
    if card.context is None:
        return None
    answer = card.max_tokens
    by_length = sorted(chats, key=lambda chat: -sum(len(m.content) for m in chat))
    longest, too_long = 0, 0
    for chat in by_length:
        tokens = kit.count_tokens(role, chat)
        longest = max(longest, tokens)
        if tokens + answer <= card.context:
            break
        too_long += 1
    return Fit(longest, too_long, len(by_length), answer, card.context)
