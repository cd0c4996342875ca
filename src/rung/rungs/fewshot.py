"""Rung 2: training rows shown as examples in the best prompt; how many and which, chosen by racing on dev."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from statistics import stdev
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from rung.errors import NotOffered
from rung.protocols import Kit, System
from rung.rungs._labels import labels_of
from rung.rungs._prompting import (
    Chooser,
    Demonstration,
    Template,
    as_it_stands,
    chat_system,
    learned_demonstrations,
    learned_template,
    only_the_row,
)
from rung.rungs._race import Race, asked, context_fit, planned_calls, race, racing_scores
from rung.rungs._rewrites import Writer, drafts_that_fit
from rung.rungs._similar import Index, apart_from, diverse, representative, without_repeats
from rung.types import Candidate, Diagnosis, Example, Fitted, RungPlan, Skipped, Task

Selection = Literal["fixed", "diverse", "nearest"]
SELECTIONS: tuple[Selection, ...] = ("fixed", "diverse", "nearest")
NONE = "k=0"
SHORTER_SHARE = 0.75  # fixed and diverse examples come from the shorter three quarters of the rows: long ones cost most
ROWS_PLANNED_WITH = 20  # dev rows whose prompts a plan measures
MOST_SECOND_LOOKS = 2  # cheaper candidates that get all dev rows after the race


class FewShot(BaseModel):
    """Sweep the number of examples and the way they are chosen; keep the cheapest within `worth_it` of the best.

    `learned` holds the chat template and the demonstrations; for the nearest-per-input choice these are the pool (at
    most `pool` training rows) from which k are taken for each input, the most similar one last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    trains: ClassVar[bool] = False
    asks_model: ClassVar[bool] = True

    model: str = Field("main", min_length=1, description="the role of the model that is asked")
    k: tuple[int, ...] = Field((1, 3, 5, 8), min_length=1, description="numbers of examples to try; 0 always is")
    selections: tuple[Selection, ...] = Field(SELECTIONS, min_length=1, description="ways of choosing them")
    pool: int = Field(2000, ge=1, description="most training rows that examples are chosen from")

    async def fit(
        self,
        task: Task,
        train: Sequence[Example],
        dev: Sequence[Example],
        kit: Kit,
        below: Candidate | None,
        diagnosis: Diagnosis | None,
    ) -> Fitted:
        """Start from the prompt of the rung below and choose examples by dev.

        No example equals or nearly equals a dev row. Raises NotOffered without training rows to show, and when the
        prompt does not fit the context even without examples.
        """
        template = _below(below, task)
        rows = self._pool(train, dev, kit)
        tried = [_candidate(NONE, template, (), {"k": 0}, self.model)]
        labels = labels_of(task, train)
        sizes = sorted({k for k in self.k if 0 < k <= len(rows)})
        tried += self._candidates(template, rows, sizes, labels is not None)
        fitting, skipped = self._that_fit(tried, dev, kit)
        skipped += [
            Skipped(f"fewshot k={k}", f"only {len(rows)} training rows can be shown") for k in self.k if k > len(rows)
        ]
        found = await race(fitting, dev, task, kit)
        found = await asked(found, NONE, kit)
        found, chosen = await _knee(found, task, kit)
        found = await asked(found, chosen.name, kit, all_rows=True)
        if chosen.name == NONE:
            reason = (
                f"on {found.raced} dev rows no choice of them was at least {task.worth_it:g} better than none: this "
                "candidate asks exactly what the prompt below asks"
            )
            skipped.append(Skipped("fewshot examples", reason))
            kit.say("fewshot: examples do not help enough; k=0 is kept")
        else:
            kit.say(f"fewshot: {chosen.name} is chosen among {len(found.candidates)} on dev")
        return Fitted(chosen, found.outcomes(dev, chosen.name), found.trials(task, chosen.name), tuple(skipped))

    def plan(self, task: Task, train: Sequence[Example], dev: Sequence[Example], kit: Kit) -> RungPlan:
        """Estimate the race and the second looks, by the prompt with the most examples on a few dev rows.

        The rung below may choose the longest rewrite of the prompt, so examples are counted on top of that. Raises
        NotOffered like `fit`.
        """
        rows = self._pool(train, dev, kit)
        drafts, _ = drafts_that_fit(Writer.of(task, train, dev, kit).all_drafts(), dev, self.model, kit)
        template = max((d.template for d in drafts), key=lambda t: t.length, default=as_it_stands(task))
        sizes = sorted({k for k in self.k if 0 < k <= len(rows)})
        tried = [_candidate(NONE, template, (), {"k": 0}, self.model)]
        tried += self._candidates(template, rows, sizes, labels_of(task, train) is not None)
        choose = chooser(self._that_fit(tried, dev, kit)[0][-1])  # with a shorter prompt all may fit
        chats = tuple(template.render(e.inputs, choose(e.inputs)) for e in dev[:ROWS_PLANNED_WITH])
        looks = MOST_SECOND_LOOKS + 1  # the prompt without examples is always asked, too
        return RungPlan(len(tried), planned_calls(len(tried), len(dev), looks), chats)

    def system(self, candidate: Candidate, task: Task, kit: Kit) -> System:
        """Return a system that shows the learned examples, or for each input the nearest of the learned pool."""
        return chat_system(candidate, kit, chooser(candidate))

    def _pool(self, train: Sequence[Example], dev: Sequence[Example], kit: Kit) -> tuple[Example, ...]:
        """Return the training rows that may be shown: answered, not near dev, each once, at most `pool`."""
        if not kit.card(self.model).reads_chat:
            raise NotOffered(only_the_row(kit.card(self.model)))
        if not train:
            raise NotOffered("fewshot shows training rows as examples, and there are none")
        rows = without_repeats(apart_from([e for e in train if e.target.strip()], dev))
        if not rows:
            raise NotOffered(f"all {len(train)} training rows equal or nearly equal a dev row: none can be shown")
        if len(rows) <= self.pool:
            return rows
        chosen = sorted(kit.rng("fewshot pool").sample(range(len(rows)), self.pool))
        kit.say(f"fewshot: chooses examples from {self.pool} of {len(rows)} training rows")
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
                if k >= len(rows) and any(c.settings["k"] == k for c in found.values()):
                    continue  # all rows are shown already: there is nothing to choose
                settings = {"k": k, "selection": selection}
                shown = order if selection == "nearest" else order[:k]
                candidate = _candidate(f"{selection} k={k}", template, shown, settings, self.model)
                key = selection if selection == "nearest" else ""
                found.setdefault(f"{k} {key} {candidate.trained_on}", candidate)
        return list(found.values())

    def _that_fit(
        self, tried: Sequence[Candidate], dev: Sequence[Example], kit: Kit
    ) -> tuple[list[Candidate], list[Skipped]]:
        fitting, skipped = [], []
        for candidate in tried:
            choose, template = chooser(candidate), learned_template(candidate)
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
    if below is None or "messages" not in below.learned:
        return as_it_stands(task)
    return learned_template(below)


def _candidate(
    name: str, template: Template, shown: Sequence[Example], settings: Mapping[str, Any], role: str
) -> Candidate:
    learned = {
        "messages": template.as_list(),
        "columns": list(template.columns),
        "demonstrations": [Demonstration.of(e).as_dict() for e in shown],
    }
    return Candidate("fewshot", name, dict(settings), learned, role, tuple(e.id for e in shown))


def chooser(candidate: Candidate) -> Chooser:
    """Return how a few-shot candidate chooses the examples for an input."""
    shown = learned_demonstrations(candidate)
    if candidate.settings.get("selection") != "nearest":
        return lambda _: shown
    index = _index(tuple("\n".join(d.inputs.values()) for d in shown))
    k: int = candidate.settings["k"]
    return lambda inputs: [shown[i] for i in reversed(index.nearest("\n".join(inputs.values()), k))]


@lru_cache(maxsize=2)
def _index(texts: tuple[str, ...]) -> Index:
    """Index the pool once for all candidates of a race and all its rounds: they share the rows."""
    return Index.of(texts)


async def _knee(found: Race, task: Task, kit: Kit) -> tuple[Race, Candidate]:
    """Return the cheapest candidate whose mean on the raced rows is less than `worth_it` below the winner's.

    Where the winner reaches the goal on these rows, a cheaper one must reach it too: tokens saved there could cost the
    verdict. Cheaper ones that the race dropped early get these rows where their gap on the rows they saw is within one standard
    error of that; at most two of them, cheapest first.
    """
    best = found.winner
    top = found.mean(best.name, task, found.raced)
    if top is None:
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
        if mean is not None and top - mean < task.worth_it and (mean >= task.goal or top < task.goal):
            return found, candidate
    return found, best


def _cost(found: Race) -> Callable[[Candidate], tuple[float, int]]:
    """Return a sort key: tokens a request as they were counted, else the number of examples; then the order tried."""
    tokens = {c.name: found.tokens(c.name) for c in found.candidates}
    places = {c.name: i for i, c in enumerate(found.candidates)}
    known = all(t is not None for t in tokens.values())

    def key(candidate: Candidate) -> tuple[float, int]:
        amount = tokens[candidate.name] if known else None
        return (float(candidate.settings["k"]) if amount is None else amount, places[candidate.name])

    return key


def _promising(found: Race, candidate: Candidate, task: Task) -> bool:
    seen = found.seen[candidate.name]
    own, best = racing_scores(seen, task), racing_scores(found.seen[found.winner.name][: len(seen)], task)
    gaps = [b - o for o, b in zip(own, best, strict=True)]
    error = stdev(gaps) / math.sqrt(len(gaps)) if len(gaps) > 1 else 1.0
    return sum(gaps) / len(gaps) - error < task.worth_it


plugin = FewShot
