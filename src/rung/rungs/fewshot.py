"""Rung 2: training rows shown as examples in the best prompt; how many and which, chosen by racing on dev."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import stdev
from typing import ClassVar

from pydantic import Field

from rung.errors import NotOffered
from rung.prompts.class_labels import labels_of
from rung.prompts.model_choice import AsksModels
from rung.prompts.postprocessing import unwrapped
from rung.prompts.race import Race, asked, context_fit, planned_calls, race, racing_scores
from rung.prompts.rewrites import Writer, drafts_that_fit
from rung.prompts.similar import apart_from, chat_system, chooser, diverse, representative, without_repeats
from rung.prompts.structured import written
from rung.prompts.templates import Template, as_it_stands, chat_of, only_the_row
from rung.protocols import AnsweringKit, Kit, System
from rung.types import (
    Candidate,
    Demonstration,
    Example,
    FewShotLearned,
    FitInput,
    Fitted,
    Learned,
    RungPlan,
    Selection,
    Skipped,
    Task,
    learned_as,
)

SELECTIONS: tuple[Selection, ...] = ("fixed", "diverse", "nearest")
NONE = "k=0"
SHORTER_SHARE = 0.75  # fixed and diverse examples come from the shorter three quarters of the rows: long ones cost most
ROWS_PLANNED_WITH = 20  # dev rows whose prompts a plan measures
MOST_SECOND_LOOKS = 2  # cheaper candidates that get all dev rows after the race


class FewShot(AsksModels):
    """Sweep the number of examples and the way they are chosen; keep the best, or where that reaches the goal the cheapest that does.

    For the nearest-per-input choice the demonstrations are the pool (at most `pool` training examples) from which k are taken
    for each input, the most similar one last.
    """

    learned: ClassVar[type[Learned]] = FewShotLearned
    title: ClassVar[str] = "few-shot"
    trains: ClassVar[bool] = False
    shows_answers: ClassVar[bool] = True  # so that it needs expected answers
    asks: ClassVar[tuple[str, ...]] = ("models", "model")
    fixes: ClassVar[frozenset[str]] = frozenset(
        {"missing convention", "format", "label confusion", "outside labels", "content"}
    )
    usual_cost: ClassVar[tuple[str, str]] = ("$0", "hours")
    said_to_fix: ClassVar[float | None] = 0.2

    k: tuple[int, ...] = Field((1, 3, 5, 8), min_length=1, description="numbers of examples to try; 0 always is")
    selections: tuple[Selection, ...] = Field(SELECTIONS, min_length=1, description="ways of choosing them")
    pool: int = Field(2000, ge=1, description="most training examples that examples are chosen from")

    async def fit_one(self, given: FitInput, kit: Kit) -> Fitted:
        """Start from the prompt of the rung below and choose examples by dev.

        No example equals or nearly equals a dev row. Raises NotOffered without training rows to show, and when the
        prompt does not fit the context even without examples.
        """
        task, train, dev = given.task, given.train, given.dev
        template = _below(given.below, task)
        rows = self._pool(train, dev, kit)
        tried = [_candidate(NONE, template, (), 0, None, self.model)]
        labels = labels_of(task, train)
        sizes = sorted({k for k in self.k if 0 < k <= len(rows)})
        tried += self._candidates(template, rows, sizes, labels is not None)
        tried = [_with_form(c, given.below) for c in tried]
        fitting, skipped = self._that_fit(tried, dev, kit)
        skipped += [
            Skipped(f"fewshot k={k}", f"only {len(rows)} training examples can be shown")
            for k in self.k
            if k > len(rows)
        ]
        found = await race(fitting, dev, task, kit)
        found = await asked(found, NONE, kit)
        found, chosen = await _knee(found, task, kit)
        found, edits = await unwrapped(replace(found, winner=chosen), task, kit, [chosen])
        chosen = found.winner
        found = await asked(found, chosen.name, kit, all_rows=True)
        if learned_as(chosen, FewShotLearned).k == 0:
            reason = (
                f"on {found.raced} dev examples no choice of them was ahead of none, or worth its tokens where the goal is reached: this "
                "candidate asks exactly what the prompt below asks"
            )
            skipped.append(Skipped("fewshot examples", reason))
            kit.say("fewshot: examples do not help enough; k=0 is kept")
        else:
            kit.say(f"fewshot: {chosen.name} is chosen among {len(found.candidates)} on dev")
        return Fitted(
            chosen, found.outcomes(dev, chosen.name), found.trials(task, chosen.name), tuple(skipped), edits=edits
        )

    def refit(self, candidate: Candidate, given: FitInput, kit: Kit) -> Candidate:
        """Return the candidate with the dev rows in its pool, where examples are chosen for each input; fixed ones were chosen on dev."""
        learned = learned_as(candidate, FewShotLearned)
        if learned.nearest is None:
            return candidate
        rows = self._each_once((*given.train, *given.dev), kit)
        shown = tuple(
            replace(d, target=written(d.target, learned.response_format)) for d in map(Demonstration.of, rows)
        )
        return replace(candidate, learned=replace(learned, demonstrations=shown), trained_on=tuple(e.id for e in rows))

    def plan_one(self, given: FitInput, kit: Kit) -> RungPlan:
        """Estimate the race and the second looks, by the prompt with the most examples on a few dev rows.

        The rung below may choose the longest rewrite of the prompt, so examples are counted on top of that. Raises
        NotOffered like `fit`.
        """
        task, train, dev = given.task, given.train, given.dev
        rows = self._pool(train, dev, kit)
        drafts, _ = drafts_that_fit(Writer.of(task, train, dev, kit).all_drafts(), dev, self.model, kit)
        template = max((d.template for d in drafts), key=lambda t: t.length, default=as_it_stands(task))
        sizes = sorted({k for k in self.k if 0 < k <= len(rows)})
        tried = [_candidate(NONE, template, (), 0, None, self.model)]
        tried += self._candidates(template, rows, sizes, labels_of(task, train) is not None)
        choose = chooser(chat_of(self._that_fit(tried, dev, kit)[0][-1]))  # with a shorter prompt all may fit
        chats = tuple(template.render(e.inputs, choose(e.inputs)) for e in dev[:ROWS_PLANNED_WITH])
        looks = MOST_SECOND_LOOKS + 1  # the prompt without examples is always asked, too
        return RungPlan(len(tried), planned_calls(len(tried), len(dev), looks), chats)

    @staticmethod
    def revive(candidate: Candidate, task: Task, kit: AnsweringKit) -> System:
        """Return a system that shows the learned examples, or for each input the nearest of the learned pool."""
        return chat_system(candidate, kit, task.labels)

    def _pool(self, train: Sequence[Example], dev: Sequence[Example], kit: Kit) -> tuple[Example, ...]:
        """Return the training rows that may be shown: answered, not near dev, each once, at most `pool`."""
        if not kit.card(self.model).reads_chat:
            raise NotOffered(only_the_row(kit.card(self.model)))
        if not train:
            raise NotOffered("fewshot shows training examples, and there are none")
        rows = self._each_once(apart_from([e for e in train if e.target.strip()], dev), kit)
        if not rows:
            raise NotOffered(
                f"all {len(train)} training examples equal or nearly equal a dev example: none can be shown"
            )
        return rows

    def _each_once(self, rows: Sequence[Example], kit: Kit) -> tuple[Example, ...]:
        """Return the answered rows without near repeats, at most `pool` of them."""
        rows = without_repeats([e for e in rows if e.target.strip()])
        if len(rows) <= self.pool:
            return rows
        chosen = sorted(kit.rng("fewshot pool").sample(range(len(rows)), self.pool))
        kit.say(f"fewshot: chooses examples from {self.pool} of {len(rows)} examples")
        return tuple(rows[i] for i in chosen)

    def _candidates(
        self,
        template: Template,
        rows: Sequence[Example],
        sizes: Sequence[int],
        labelled: bool,
    ) -> list[Candidate]:
        """Return one candidate for each size and selection, fewest examples first, equal choices once."""
        most = max(sizes, default=0)
        shorter = sorted(rows, key=lambda e: (len(e.text) + len(e.target), e.id))
        shorter = shorter[: max(most, math.ceil(SHORTER_SHARE * len(rows)))]
        targets = {e.target for e in rows} if labelled else None
        orders: dict[Selection, list[Example]] = {}
        if "fixed" in self.selections:
            orders["fixed"] = [shorter[i] for i in representative(shorter, most, targets)]
        if "diverse" in self.selections:
            orders["diverse"] = [shorter[i] for i in diverse(shorter, most, targets)]
        if "nearest" in self.selections:
            orders["nearest"] = list(rows)
        found: dict[str, Candidate] = {}
        for k in sizes:
            for selection, order in orders.items():
                if k >= len(rows) and any(learned_as(c, FewShotLearned).k == k for c in found.values()):
                    continue  # all rows are shown already: there is nothing to choose
                shown = order if selection == "nearest" else order[:k]
                candidate = _candidate(f"{selection} k={k}", template, shown, k, selection, self.model)
                key = selection if selection == "nearest" else ""
                found.setdefault(f"{k} {key} {candidate.trained_on}", candidate)
        return list(found.values())

    def _that_fit(
        self, tried: Sequence[Candidate], dev: Sequence[Example], kit: Kit
    ) -> tuple[list[Candidate], list[Skipped]]:
        fitting, skipped = [], []
        for candidate in tried:
            choose, template = chooser(chat_of(candidate)), Template.of(candidate)
            chats = (template.render(e.inputs, choose(e.inputs)) for e in dev)
            fit = context_fit(chats, self.model, kit)
            if fit is None or fit.holds:
                fitting.append(candidate)
                continue
            skipped.append(fit.skipped(f"fewshot {candidate.name}", kit.card(self.model).name))
            if candidate.name == NONE:
                raise NotOffered(f"the prompt leaves no room for examples: {skipped[-1].reason}")
        return fitting, skipped


def _below(below: Candidate | None, task: Task) -> Template:
    """Return the chat template to start from: the one below, or the prompt as it stands."""
    return as_it_stands(task) if below is None or below.chat is None else Template.of(below)


def _candidate(
    name: str, template: Template, shown: Sequence[Example], k: int, selection: Selection | None, role: str
) -> Candidate:
    learned = FewShotLearned(
        messages=template.messages,
        columns=template.columns,
        demonstrations=tuple(Demonstration.of(e) for e in shown),
        nearest=k if selection == "nearest" else None,
        k=k,
        selection=selection,
    )
    return Candidate("fewshot", name, learned, role, tuple(e.id for e in shown))


def _with_form(candidate: Candidate, below: Candidate | None) -> Candidate:
    """Return the candidate with the form of the rung below: what follows the model, and what holds it to a schema."""
    if below is None or below.chat is None:
        return candidate
    form = below.chat.response_format if below.model == candidate.model else None
    shown = tuple(replace(d, target=written(d.target, form)) for d in candidate.demonstrations)
    learned = replace(
        chat_of(candidate),
        demonstrations=shown,
        postprocessing=below.chat.postprocessing,
        response_format=form,
    )
    return replace(candidate, learned=learned)


async def _knee(found: Race, task: Task, kit: Kit) -> tuple[Race, Candidate]:
    """Return the cheapest candidate that reaches the goal on the raced rows and is there less than `min_gain` below the winner.

    Where the winner misses the goal on these rows it is kept, whatever it costs: saving comes after the goal. Cheaper ones that
    the race dropped early get these rows where their gap on the rows they saw is within one standard error of `min_gain`; at most
    two of them, cheapest first. The prompt without examples stays where no choice of them is ahead of it.
    """
    best = found.winner
    top = found.mean(best.name, task, found.raced)
    if top is None or top < task.goal:
        return found, best
    looks = 0
    for candidate in sorted(found.candidates, key=_cost(found)):
        if candidate.name == best.name:
            break
        if len(found.seen[candidate.name]) < found.raced:
            if looks == MOST_SECOND_LOOKS or not _promising(found, candidate, task):
                continue
            looks += 1
            found = await asked(found, candidate.name, kit)
        mean = found.mean(candidate.name, task, found.raced)
        if mean is not None and top - mean < task.min_gain and mean >= task.goal:
            return found, candidate
    return found, best


def _cost(found: Race) -> Callable[[Candidate], tuple[float, int]]:
    """Return a sort key: tokens a request as they were counted, else the number of examples; then the order tried."""
    tokens = {c.name: found.tokens(c.name) for c in found.candidates}
    places = {c.name: i for i, c in enumerate(found.candidates)}
    known = all(t is not None for t in tokens.values())

    def key(candidate: Candidate) -> tuple[float, int]:
        amount = tokens[candidate.name] if known else None
        return (float(learned_as(candidate, FewShotLearned).k) if amount is None else amount, places[candidate.name])

    return key


def _promising(found: Race, candidate: Candidate, task: Task) -> bool:
    seen = found.seen[candidate.name]
    own, best = racing_scores(seen, task), racing_scores(found.seen[found.winner.name][: len(seen)], task)
    gaps = [b - o for o, b in zip(own, best, strict=True)]
    error = stdev(gaps) / math.sqrt(len(gaps)) if len(gaps) > 1 else 1.0
    return sum(gaps) / len(gaps) - error < task.min_gain
