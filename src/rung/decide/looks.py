"""What people see in pairs of answers, before fine-tuning is relied on: weights that learnt wrong labels win on those labels.

People compare a random draw of the test answers on which the best cheaper approach and the tuned one differ, without knowing whose is whose.
The gain is confirmed where they prefer the tuned one's by an exact one-sided sign test and, over all test examples, by `min_gain` or more.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping

from rung.decide.tuned import best_below, gate_was_open, worth_tuning
from rung.decide.wording import tally
from rung.stats.paired import Difference, non_inferior_of, sign_test
from rung.types import PairLooks, Reason, Result, Task
from rung.usual_names import shown_name

PAIRS = 30  # what is asked for; at a share of .77 for the better one they confirm nine times in ten
NAMED = 8  # examples that are named
LEARNT_NOISE = (
    "Labels that are wrong in a way that can be learnt look like a gain of fine-tuning, and no test on these labels can tell. Before you rely on it, "
    "have a person compare {pairs} test answers of {tuned!r} with those of {below!r}, without knowing whose is whose{how}."
)
UNSETTLED = (
    "People who compared {drawn} pairs of answers neither confirm nor contradict that {tuned!r} is as good as {below!r}. Labels that are wrong in a way that can "
    "be learnt may still flatter it; more pairs would tell (`rung label --rows`)."
)
PARAPHRASES = "Test examples that say what training examples say in other words flatter {tuned!r}, and no check here sees them: look for such pairs."


def in_question(
    task: Task, results: Mapping[str, Result], trained: Collection[str], seed: int
) -> tuple[str, str] | None:
    """Return the best cheaper approach and the tuned one that wins over it by the expected outputs; None where none does.

    Where the goal is to be as good as what runs now, that is what the tuned one is compared with.
    """
    if not task.target:
        return None
    others = {label: result for label, result in results.items() if label != task.as_good_as}
    for label, result in others.items():
        if not result.good_enough:
            continue
        if label not in trained:
            return None
        if gate_was_open(task, label, others) and worth_tuning(task, label, others, seed):
            below = task.as_good_as or best_below(task, label, others)
            return None if below is None else (below, label)
    return None


def confirmed(task: Task, looks: PairLooks) -> bool:
    """Whether people prefer the tuned approach's answers, significantly and by enough; beside what runs now, whether they show it at most the margin
    worse over all examples (Tango's score test of the pairs; where the two differ on fewer examples than that, nothing has to be shown)."""
    if task.as_good_as is not None:
        said, apart = looks.drawn - looks.waiting, looks.differing / looks.n
        seen = Difference(looks.for_upper / said, looks.for_lower / said, said, math.inf, 0.0) if said else None
        enough = apart < task.tolerance or (
            seen is not None and non_inferior_of(seen, task.tolerance / apart, task.alpha / looks.draws).shown
        )
        return looks.complete and enough
    p = sign_test(looks.for_upper, looks.for_lower)
    return looks.complete and p < task.alpha / looks.draws and looks.gain >= task.min_gain


def refuted(task: Task, looks: PairLooks | None) -> bool:
    """Whether people have compared all pairs that were asked for, and do not confirm the gain.

    Beside what runs now: whether they significantly prefer that, or the tuned one is more than the margin worse by their count. No preference is
    no contradiction there, and thirty pairs seldom show one so small as the margin.
    """
    if looks is None or not looks.complete or confirmed(task, looks):
        return False
    if task.as_good_as is None:
        return True
    return sign_test(looks.for_lower, looks.for_upper) < task.alpha / looks.draws or looks.gain < -task.tolerance


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
        if winner == looks.upper and not confirmed(task, looks):
            yield UNSETTLED.format(drawn=looks.drawn, tuned=shown_name(looks.upper), below=shown_name(looks.lower))
        return
    tuned = winner is not None and winner in trained
    best = (task.as_good_as or best_below(task, str(winner), results)) if tuned else None
    if best is None or not task.target:
        return
    how = " (`rung label` asks for them)" if looks is not None and looks.drawn else ""
    pairs = PAIRS if looks is None else looks.waiting
    yield LEARNT_NOISE.format(tuned=shown_name(str(winner)), below=shown_name(best), pairs=pairs or "some", how=how)


def looks_reasons(task: Task, looks: PairLooks | None) -> Iterator[Reason]:
    """Say what people preferred, once they compared all pairs that were asked for."""
    if looks is None or not looks.complete:
        return
    word = (
        "confirm"
        if confirmed(task, looks)
        else "do not confirm"
        if refuted(task, looks)
        else "neither confirm nor contradict"
    )
    claim = "the gain of" if task.as_good_as is None else "as good as what runs now:"
    wanted = (
        f"exact one-sided sign test below {task.alpha / looks.draws:g}, and a gain of at least {task.min_gain:g}"
        if task.as_good_as is None
        else f"at most {task.tolerance:g} worse over all examples by a one-sided score test at {task.alpha / looks.draws:g}"
    )
    p = sign_test(looks.for_upper, looks.for_lower)
    preferred = f"{looks.for_upper} of {looks.drawn} pairs for {shown_name(looks.upper)}, {looks.for_lower} for {shown_name(looks.lower)}"
    yield Reason(
        f"people {word} {claim} {shown_name(looks.upper)}: {preferred} (p = {p:.2g}; a gain of {looks.gain:+.3f} over all examples)",
        f"compared blind, on examples with different answers: {wanted}",
        (f"{looks.lower}/result#estimates", f"{looks.upper}/result#estimates"),
    )


def not_confirmed(task: Task, looks: PairLooks) -> str:
    """Return the headline where the labels say that fine-tuning is justified, and people do not."""
    by, find = ("meets the goal", "prefer it over") if task.as_good_as is None else ("is as good", "show it as good as")
    return (
        f"Inconclusive: by the expected outputs fine-tuning {by}, but people who compared {looks.drawn} pairs of answers do not {find} "
        f"{shown_name(looks.lower)} ({tally(looks.for_upper, looks.for_lower)}); check the expected outputs."
    )
