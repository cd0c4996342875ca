"""What people see in pairs of answers, before fine-tuning is relied on: weights that learnt wrong labels win on those labels.

People compare a random draw of the test answers on which the best cheaper approach and the tuned one differ, without knowing whose is whose.
The gain is confirmed where they prefer the tuned one's by an exact one-sided sign test and, over all test examples, by `min_gain` or more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from rung.decide.tuned import best_below, gate_was_open, worth_tuning
from rung.decide.wording import tally
from rung.stats.paired import sign_test
from rung.types import PairLooks, Reason, Result, Task
from rung.usual_names import shown_name

PAIRS = 30  # what is asked for; at a share of .77 for the better one they confirm nine times in ten
NAMED = 8  # examples that are named
LEARNT_NOISE = (
    "Labels that are wrong in a way that can be learnt look like a gain of fine-tuning, and no test on these labels can tell. Before you rely on it, "
    "have a person compare {pairs} test answers of {tuned!r} with those of {below!r}, without knowing whose is whose{how}."
)
PARAPHRASES = "Test examples that say what training examples say in other words flatter {tuned!r}, and no check here sees them: look for such pairs."


def in_question(
    task: Task, results: Mapping[str, Result], trained: Collection[str], seed: int
) -> tuple[str, str] | None:
    """Return the best cheaper approach and the tuned one that wins over it by the expected outputs; None where none does.

    Where the goal is to be as good as what runs now, nothing is asked: the claim is no gain.
    """
    if not task.target or task.as_good_as is not None:
        return None
    for label, result in results.items():
        if not result.good_enough:
            continue
        if label not in trained:
            return None
        if gate_was_open(task, label, results) and worth_tuning(task, label, results, seed):
            below = best_below(task, label, results)
            return None if below is None else (below, label)
    return None


def confirmed(task: Task, looks: PairLooks) -> bool:
    """Whether people prefer the tuned approach's answers, significantly and by enough."""
    p = sign_test(looks.for_upper, looks.for_lower)
    return looks.complete and p < task.alpha / looks.draws and looks.gain >= task.min_gain


def refuted(task: Task, looks: PairLooks | None) -> bool:
    """Whether people have compared all pairs that were asked for, and do not confirm the gain."""
    return looks is not None and looks.complete and not confirmed(task, looks)


def looks_first(
    winner: str | None, trained: Collection[str], task: Task, results: Mapping[str, Result], looks: PairLooks | None
) -> Iterator[str]:
    """Say what no test on these examples can show, where weights that learnt from them win; and where people contradict the labels."""
    if winner is not None and winner in trained:
        yield PARAPHRASES.format(tuned=shown_name(winner))
    if looks is not None and looks.complete:
        if looks.against_labels:
            named = ", ".join(looks.against_labels[:NAMED]) + (" ..." if len(looks.against_labels) > NAMED else "")
            yield (
                f"In {len(looks.against_labels)} of {looks.drawn} pairs people chose the answer that the expected output calls the worse one ({named}): "
                "where these outputs are wrong, correct them and run on."
            )
        return
    best = None if winner is None or winner not in trained else best_below(task, winner, results)
    if best is None or not task.target:
        return
    how = " (`rung label` asks for them)" if looks is not None and looks.drawn else ""
    pairs = PAIRS if looks is None else looks.waiting
    yield LEARNT_NOISE.format(tuned=shown_name(str(winner)), below=shown_name(best), pairs=pairs or "some", how=how)


def looks_reasons(task: Task, looks: PairLooks | None) -> Iterator[Reason]:
    """Say what people preferred, once they compared all pairs that were asked for."""
    if looks is None or not looks.complete:
        return
    word = "confirm" if confirmed(task, looks) else "do not confirm"
    p = sign_test(looks.for_upper, looks.for_lower)
    preferred = f"{looks.for_upper} of {looks.drawn} pairs for {shown_name(looks.upper)}, {looks.for_lower} for {shown_name(looks.lower)}"
    yield Reason(
        f"people {word} the gain of {shown_name(looks.upper)}: {preferred} (p = {p:.2g}; a gain of {looks.gain:+.3f} over all examples)",
        f"compared blind, on examples with different answers: exact one-sided sign test below {task.alpha / looks.draws:g}, and a gain of at least {task.min_gain:g}",
        (f"{looks.lower}/result#estimates", f"{looks.upper}/result#estimates"),
    )


def not_confirmed(looks: PairLooks) -> str:
    """Return the headline where the labels say that fine-tuning is justified, and people do not."""
    return (
        f"Inconclusive: by the expected outputs fine-tuning meets the goal, but people who compared {looks.drawn} pairs of answers do not prefer it over "
        f"{shown_name(looks.lower)} ({tally(looks.for_upper, looks.for_lower)}); check the expected outputs."
    )
