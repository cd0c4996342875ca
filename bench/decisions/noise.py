"""8.11: labels that are wrong in a way that can be learnt, and people who compare pairs of answers before fine-tuning is relied on.
python -m bench.decisions.noise [--climbs 1000] prints one line a cell.

A prompt and a tuned model, goal .90. Of the labels a share is wrong; the tuned model gives the wrong label there in nine cases of ten, the prompt
never. *Named*: fine-tuning is the verdict by the labels, and after people compared 30 pairs, of which they err in one of twenty. Naming it is
false where the tuned model is truly no better, and right in the last worlds, where the labels are right and so is the gain. In the worlds *beside* the
prompt is what runs now, the tuned model costs half, and the goal is to be at most .03 worse.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from bench.decisions.kept import keep
from bench.decisions.memory import remembering
from rung.decide.current import anchored
from rung.decide.looks import in_question
from rung.decide.verdict import Climbed, decide
from rung.evaluate.measure import held_beside, summarise
from rung.judging.pairs import CHOICES, Pair, looks_of, pairs_to_ask
from rung.store.records import Draw, Label
from rung.types import (
    Answer,
    Candidate,
    Completion,
    MetricSpec,
    Outcome,
    PairLooks,
    PromptLearned,
    Result,
    Score,
    Task,
    Verdict,
)

SIZES = (200, 400, 1000)
LEARNT, MISTAKEN = 0.9, 0.05
TASK = Task("made", "Which team?", ("text",), "team", "classification", (MetricSpec("normalized_match"),), 0.9)
BESIDE = replace(TASK, tolerance=0.03, as_good_as="prompt")
PROMPT, TUNED = (
    Candidate(name, "as-is", PromptLearned(columns=("text",), messages=()), "main") for name in ("prompt", "finetune")
)


@dataclass(frozen=True)
class Noisy:
    """`wrong`: share of labels; `prompt` and `tuned`: how often each gives the true label where the label is true."""

    name: str
    wrong: float
    prompt: float
    tuned: float
    beside: bool = False  # whether the goal is to be as good as the prompt


WORLDS = (
    Noisy("4 % of the labels wrong, both truly .90", 0.04, 0.9, 0.9),
    Noisy("8 % of the labels wrong, both truly .92", 0.08, 0.92, 0.92),
    Noisy("8 % of the labels wrong, the tuned model truly better where they are right (.88, .96)", 0.08, 0.88, 0.96),
    Noisy("labels right, prompt .87, tuned .94", 0.0, 0.87, 0.94),
    Noisy("labels right, prompt .85, tuned .95", 0.0, 0.85, 0.95),
    Noisy("labels right, prompt .82, tuned .97", 0.0, 0.82, 0.97),
    Noisy("beside: 4 % of the labels wrong, both truly .94 where they are right", 0.04, 0.94, 0.94, True),
    Noisy("beside: 8 % of the labels wrong, both truly .94 where they are right", 0.08, 0.94, 0.94, True),
    Noisy("beside: labels right, both .94", 0.0, 0.94, 0.94, True),
)


def cells(climbs: int) -> Iterator[dict[str, object]]:
    """Yield the shares of climbs that name fine-tuning, by world and size."""
    for world in WORLDS:
        truly = (1 - world.wrong) * world.tuned - world.prompt
        for n in SIZES:
            with remembering():
                found = [climb(world, n, seed) for seed in range(climbs)]
            named = sum(before for before, _, _ in found)
            yield {
                "world": world.name, "test": n, "true gain": truly, "named by the labels": named / climbs,
                "of these with the sentence": sum(told for before, told, _ in found if before) / named if named else None,
                "named after 30 pairs": sum(after for _, _, after in found) / climbs, "climbs": climbs,
            }  # fmt: skip


def climb(world: Noisy, n: int, seed: int) -> tuple[bool, bool, bool]:
    """Return whether fine-tuning is named by the labels, whether its warning stands there, and whether it is named after the pairs."""
    rng = np.random.default_rng([seed, n, *world.name.encode()])
    wrong = rng.random(n) < world.wrong
    hard = rng.standard_normal(n) * 0.7
    results: dict[str, Result] = {}
    for candidate, rate, learns in ((PROMPT, world.prompt, 0.0), (TUNED, world.tuned, LEARNT)):
        hit = hard + rng.standard_normal(n) * 0.51**0.5 < ndtri(rate)
        learnt = wrong & (rng.random(n) < learns)
        said = np.where(learnt, "label", np.where(hit, "true", f"other {candidate.rung}"))
        usd = 0.0005 if learns and world.beside else 0.001
        results[candidate.rung] = summarise(candidate, _outcomes(said, wrong, usd), BESIDE if world.beside else TASK, 2)
    task = TASK
    if world.beside:
        task = anchored(BESIDE, results["prompt"].outcomes)
        results["finetune"] = held_beside(results["finetune"], results["prompt"], task, 1)
    asked = in_question(task, results, {"finetune"}, 7)
    if asked is None:
        return False, False, False
    before = _verdict(task, results, looks_of(task, asked, results, None, (), 7), n)
    pairs, _, _ = pairs_to_ask(results["prompt"], results["finetune"], 7)
    pairs = pairs[:30]
    said_of = [Label(p.id, p.example_id, _preference(p, rng), "") for p in pairs]
    looks = looks_of(task, asked, results, Draw(tuple(p.id for p in pairs), (len(pairs),)), said_of, 7)
    told = any("a way that can be learnt" in line for line in before.counterfactuals)
    return before.winner == "finetune", told, _verdict(task, results, looks, n).winner == "finetune"


def _verdict(task: Task, results: dict[str, Result], looks: PairLooks | None, n: int) -> Verdict:
    current = results["prompt"] if task.as_good_as is not None else None
    others = {label: result for label, result in results.items() if result is not current}
    return decide(
        Climbed(
            task, ("prompt", "finetune"), others, (), (), frozenset({"finetune"}), 7, n, looks=looks,
            trains=frozenset({"finetune"}), current=current,
        )
    )  # fmt: skip


def _outcomes(said: np.ndarray, wrong: np.ndarray, usd: float) -> tuple[Outcome, ...]:
    found = []
    for i, (text, off) in enumerate(zip(said.tolist(), wrong.tolist(), strict=True)):
        right = text == ("label" if off else "true")
        answer = Answer(text, (Completion(text, "m", 10, 1, 0.1, usd),))
        found.append(Outcome(f"r{i}", f"r{i}", answer, {"normalized_match": Score(float(right))}))
    return tuple(found)


def _preference(pair: Pair, rng: np.random.Generator) -> float:
    """What a person says of two answers: the true one is better; in one case of twenty anything."""
    if rng.random() < MISTAKEN:
        return float(rng.choice(list(CHOICES.values())))
    right = [text == "true" for text in (pair.first, pair.second)]
    return CHOICES["no difference"] if right[0] == right[1] else CHOICES["the first" if right[0] else "the second"]


if __name__ == "__main__":
    keep("noise", __doc__, 1000, cells)
