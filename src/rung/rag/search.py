"""Coordinate descent on dev: one thing after another is raced, few candidates at a time, the best so far among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rung.prompts.race import Race, asked, context_fit, mean_score, race, racing_order, tokens_per_request
from rung.protocols import DocumentIndex, Kit
from rung.rag.choice import Ground
from rung.rag.gold import DEEP, Gold, RankingFigures, figures, gold_of, ndcg_of
from rung.rag.query import query_of
from rung.rag.turned import Turn, turn_of
from rung.stats.paired import sign_flip
from rung.types import Candidate, Choice, Example, Hit, Message, Outcome, Skipped, Task

ROWS_SEARCHED = 200  # dev rows by which searches are compared before any model is asked
FUSED = (0.2, 0.5, 0.8)  # weights of meaning against words
FEWEST_GOLD = 20  # rows with a known passage from which that comparison counts


@dataclass
class Descent:
    """What is known so far of every candidate tried; outcomes are in racing order."""

    ground: Ground
    document_index: DocumentIndex
    dev: Sequence[Example]
    task: Task
    kit: Kit
    choices: dict[str, Choice] = field(default_factory=dict)
    candidates: dict[str, Candidate] = field(default_factory=dict)
    seen: dict[str, tuple[Outcome, ...]] = field(default_factory=dict)
    skipped: dict[str, Skipped] = field(default_factory=dict)

    async def best(self, choices: Sequence[Choice], *, cheapest: bool = False) -> Choice:
        """Race choices, given in order of preference, and return the best.

        `cheapest`: the one with the fewest tokens whose mean is less than `min_gain` below the best one's (and reaches the
        goal where that does).
        """
        wanted = [c for c in choices if c.name not in self.skipped]
        if len(wanted) < 2:
            return wanted[0] if wanted else choices[0]
        found = await race([self._candidate(c) for c in wanted], self.dev, self.task, self.kit)
        self._note(found)
        winner = self.choices[found.winner.name]
        if not cheapest:
            return winner
        return await self._knee(winner, wanted, found.raced)

    async def ask(self, choice: Choice, *, all_rows: bool = False) -> tuple[Outcome, ...]:
        """Return the outcomes of a choice on the raced rows or on all dev rows, in racing order."""
        candidate = self._candidate(choice)
        held = Race(
            racing_order(self.dev, self.kit), (candidate,), {choice.name: self.seen.get(choice.name, ())}, candidate
        )
        self._note(await asked(held, choice.name, self.kit, all_rows=all_rows))
        return self.seen[choice.name]

    def mean(self, choice: Choice, rows: int | None = None) -> float | None:
        return mean_score(self.seen.get(choice.name, ())[:rows], self.task)

    def whole(self, kept: Choice) -> Race:
        """Return everything that was asked as one race, won by `kept`."""
        names = [n for n in self.candidates if self.seen.get(n)]
        order = racing_order(self.dev, self.kit)
        return Race(order, tuple(self.candidates[n] for n in names), dict(self.seen), self.candidates[kept.name])

    def drop_too_long(self, choices: Sequence[tuple[Choice, Sequence[tuple[Message, ...]]]]) -> None:
        """Leave out choices whose chats do not fit the model's context."""
        for choice, chats in choices:
            fit = context_fit(chats, self.ground.role, self.kit)
            if fit is not None and not fit.holds:
                model = self.kit.card(self.ground.role).name
                self.skipped[choice.name] = fit.skipped(f"rag {choice.name}", model)

    def _candidate(self, choice: Choice) -> Candidate:
        if choice.name not in self.candidates:
            self.choices[choice.name] = choice
            self.candidates[choice.name] = self.ground.candidate(choice)
        return self.candidates[choice.name]

    def _note(self, found: Race) -> None:
        for name, outcomes in found.seen.items():
            if len(outcomes) > len(self.seen.get(name, ())):
                self.seen[name] = outcomes

    async def _knee(self, winner: Choice, choices: Sequence[Choice], raced: int) -> Choice:
        top, goal = self.mean(winner, raced), self.task.goal
        if top is None:
            return winner
        for choice in sorted(choices, key=lambda c: (self._tokens(c), choices.index(c))):
            if choice == winner:
                break
            if len(self.seen.get(choice.name, ())) < raced:
                if not self._promising(choice, winner):
                    continue
                await self.ask(choice)
            mean = self.mean(choice, raced)
            if mean is not None and top - mean < self.task.min_gain and (mean >= goal or top < goal):
                return choice
        return winner

    def _promising(self, choice: Choice, winner: Choice) -> bool:
        """Whether a choice that the race dropped was less than `min_gain` behind on the rows it saw."""
        rows = len(self.seen.get(choice.name, ()))
        own, best = self.mean(choice, rows), self.mean(winner, rows)
        return own is not None and best is not None and best - own < self.task.min_gain

    def _tokens(self, choice: Choice) -> float:
        """Return the tokens of a request as counted; where that is unknown, the number of passages stands for them."""
        counted = tokens_per_request(self.seen.get(choice.name, ()))
        return float(10_000 if choice.whole else choice.k) if counted is None else counted


@dataclass
class Searches:
    """Searches compared by how high they rank the passage that holds the expected answer: no model is asked."""

    document_index: DocumentIndex
    dev: Sequence[Example]
    task: Task
    kit: Kit
    golds: dict[int | None, dict[str, Gold]] = field(default_factory=dict)
    measured: dict[tuple[object, ...], RankingFigures | None] = field(default_factory=dict)
    turns: dict[tuple[str, int | None], str] = field(default_factory=dict)

    async def gold(self, chunk_words: int | None = None) -> dict[str, Gold]:
        """Return the passages that hold the expected answers of the first dev rows in racing order, by row id."""
        if chunk_words not in self.golds:
            found: dict[str, Gold] = {}
            for example in racing_order(self.dev, self.kit)[:ROWS_SEARCHED]:
                gold = await gold_of(self.document_index, example, self.task, chunk_words)
                if gold is not None:
                    found[example.id] = gold
            self.golds[chunk_words] = found
        return self.golds[chunk_words]

    async def figures(self, choice: Choice) -> RankingFigures | None:
        """Return how a choice's search ranks them; None where fewer than 20 rows have a known passage."""
        key = (choice.mode, choice.dense_weight, choice.query, choice.chunk_words, choice.turn)
        if key not in self.measured:
            golds = await self.gold(choice.chunk_words)
            rows = [e for e in racing_order(self.dev, self.kit) if e.id in golds]
            rankings = [(golds[e.id], await self._hits(choice, e)) for e in rows]
            self.measured[key] = figures(rankings) if len(rows) >= FEWEST_GOLD else None
        return self.measured[key]

    async def _hits(self, choice: Choice, example: Example) -> tuple[Hit, ...]:
        return await self.document_index.search(
            query_of(choice.query, example.inputs),
            DEEP,
            mode=choice.mode,
            dense_weight=choice.dense_weight,
            chunk_words=choice.chunk_words,
            turn=choice.turn,
        )

    async def turned(self, choice: Choice, train: Sequence[Example]) -> list[Mapping[str, Any]]:
        """Return searches with queries turned by what training questions teach, as changes of a choice; none where nothing is learnt."""
        if "dense" not in self.document_index.modes:
            return []
        key = (choice.query, choice.chunk_words)
        if key not in self.turns:
            found = await turn_of(self.document_index, choice, train, self.task)
            self.turns[key] = found.turn
            if found.turn:
                await self._tell_gain(replace(choice, mode="dense"), found)
        turn = self.turns[key]
        fused = [{"mode": "hybrid", "dense_weight": w, "turn": turn} for w in FUSED]
        return [{"mode": "dense", "turn": turn}, *fused] if turn else []

    async def _tell_gain(self, dense: Choice, found: Turn) -> None:
        """Say what turned queries gain on dev questions, paired; and apart where no training question has the same passage."""
        golds = await self.gold(dense.chunk_words)
        rows = [e for e in racing_order(self.dev, self.kit) if e.id in golds]
        if len(rows) < FEWEST_GOLD:
            return
        ways = (dense, replace(dense, turn=found.turn))
        before, after = [np.array([ndcg_of(golds[e.id], await self._hits(way, e)) for e in rows]) for way in ways]
        new = np.array([golds[e.id].passage.text not in found.passages for e in rows])
        apart = (
            f"; {after[new].mean():.2f} instead of {before[new].mean():.2f} on the {new.sum()} whose passage no training question has"
            if new.any()
            else ""
        )
        self.kit.say(
            f"rag: queries turned by what {found.questions:,} training questions teach: nDCG@10 of search by meaning {after.mean():.2f} "
            f"instead of {before.mean():.2f} on {len(rows)} dev questions (p {sign_flip(after - before, seed=7):.2g}){apart}"
        )

    async def ranked(self, choices: Sequence[Choice]) -> list[Choice]:
        """Return the choices, best search first by recall at k and then nDCG@10; on a tie, or unknown, as given."""
        marks: list[tuple[float, float]] = []
        for choice in choices:
            found = await self.figures(choice)
            at = min((k for k in found.recall if k >= choice.k), default=DEEP) if found else 0
            marks.append((found.recall[at], found.ndcg_10) if found else (0.0, 0.0))
        order = sorted(range(len(choices)), key=lambda i: (-marks[i][0], -marks[i][1], i))
        return [choices[i] for i in order]
