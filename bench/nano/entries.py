"""Results of `bench.nano.tuned`: their tables, and the small tuned model against the large prompted one."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """The result of one contestant; times are medians over single answers in CPU milliseconds of one thread.

    `fresh_ms` reads the whole prompt; `warm_ms` has the beginning that all prompts share in memory, as the provider does.
    """

    task: str
    model: str
    prompt: str
    n: int
    all_checks: float
    low: float
    high: float
    mean: float
    prompt_tokens: float
    fresh_ms: float
    warm_ms: float
    training_seconds: float | None = None


def line(e: Entry) -> str:
    """Write an entry as a line of a Markdown table."""
    seconds = "" if e.training_seconds is None else f"{e.training_seconds:.0f}"
    return (
        f"| {e.task} | {e.model} | {e.prompt} | {e.n} | {e.all_checks:.3f} | {e.low:.3f} to {e.high:.3f} | {e.mean:.3f} | {e.prompt_tokens:.0f} "
        f"| {e.fresh_ms:.0f} | {e.warm_ms:.0f} | {seconds} |"
    )


HEAD = (
    "| task (one company) | model | prompt | n | all checks | 95 % interval | mean of checks | prompt tokens | CPU-ms | CPU-ms, beginning known | CPU-s to tune |\n"
    "|---|---|---|--:|--:|---|--:|--:|--:|--:|--:|"
)
DUEL = (
    "| task | tuned small, short prompt | large at its best prompt | difference | time, equal prompts | time, each at its own |\n"
    "|---|--:|--:|--:|--:|--:|"
)


def duels(entries: Sequence[Entry], small: str, large: str) -> list[str]:
    """Compare, task by task, the best tuned small model with the large one at its best prompt; times are fresh ones, large over small."""
    out = list[str]()
    for task in dict.fromkeys(e.task for e in entries):
        own = [e for e in entries if e.task == task]
        prompted = [e for e in own if e.model == large]
        tuned = [e for e in own if e.model.startswith(f"{small} tuned")]
        if not prompted or not tuned:
            continue
        best, winner = max(prompted, key=lambda e: e.all_checks), max(tuned, key=lambda e: e.all_checks)
        equal = next(e for e in own if e.model == small and e.prompt == best.prompt)
        out.append(
            f"| {task} | {winner.all_checks:.3f} | {best.all_checks:.3f} ({best.prompt}) | {winner.all_checks - best.all_checks:+.3f} "
            f"| {best.fresh_ms / equal.fresh_ms:.1f} | {best.fresh_ms / winner.fresh_ms:.1f} |"
        )
    return out
