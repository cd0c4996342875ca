"""Answers that no test set should be spent on: the first dozen cut off, empty or refused; or all equal, whatever was asked.

The first three are no evidence about an approach, but about a setting: the run stops and names the key to change. Equal
answers may be a weak model's own (it says one label to everything): then the approach is left out, and the run goes on to the
next one, which may do better with the same model. It stops where no approach is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rung.errors import EqualAnswers, UnusableAnswers
from rung.models.settings import ProviderSettings
from rung.types import Candidate, Example, FitInput, Fitted, Outcome, Result, Task

DOZEN = 12
PLAUSIBLE = 0.4  # mean score from which one answer to everything may be that of a majority class
MOST = 0.5  # share of the answers from which one answer is told of ...
TIMES_EXPECTED = 2.0  # ... where it is given so many times as often as it is expected
LONGEST_TAIL = 1200  # characters of an answer's end in which repetition is looked for
SHORTEST_TAIL = 60  # ... and that it takes
_SHOWN = 60  # characters of an answer that is quoted
_THINKING = "extra_body (reasoning_effort: low or none; chat_template_kwargs: {enable_thinking: false}; whatever this endpoint calls it)"


class FirstAnswers:
    """Looks at the first dozen answers of each model role on dev, once."""

    def __init__(self) -> None:
        self._seen: dict[str, list[Outcome]] = {}

    def wanted(self, candidate: Candidate) -> int:
        """Return how many more answers of the candidate's model are to be looked at: 0 once a dozen were."""
        if candidate.model is None or candidate.tuned is not None:
            return 0
        return DOZEN - len(self._seen.get(candidate.model, ()))

    def look(self, candidate: Candidate, outcomes: Sequence[Outcome], settings: ProviderSettings | None) -> None:
        """Take in answers. Raises UnusableAnswers when a dozen are there and none of them can be scored for what it says."""
        role = str(candidate.model)
        seen = self._seen.setdefault(role, [])
        seen += [o for o in outcomes if not o.unanswered]
        if len(seen) < DOZEN or not (faults := [_fault(o) for o in seen]) or "" in faults:
            return
        (worst, _), *_rest = Counter(faults).most_common()
        raise UnusableAnswers(
            f"each of the first {len(seen)} answers of models.{role} was {' or '.join(sorted(set(faults)))}: "
            f"{_cure(worst, seen, role, settings)}; the test set was not opened for it, and what was paid is kept: change that and run "
            "the same command again"
        )


def _fault(outcome: Outcome) -> str:
    """Return what makes an answer useless, in a word; nothing where it can be scored for what it says."""
    if outcome.failure is not None and outcome.failure.cause in ("truncated", "refusal"):
        too_long = outcome.failure.cause == "truncated" and outcome.answer is None
        return "too long to be asked" if too_long else "cut off" if outcome.failure.cause == "truncated" else "refused"
    return "empty" if outcome.answer is not None and not outcome.answer.text.strip() else ""


def _cure(fault: str, seen: Sequence[Outcome], role: str, settings: ProviderSettings | None) -> str:
    """Return the key to change."""
    calls = [call for o in seen if o.answer is not None for call in o.answer.calls]
    thinks = any(call.thought for call in calls) or (
        fault == "cut off" and not any(call.text.strip() for call in calls)
    )
    longest = f" ({settings.max_tokens})" if settings is not None else ""
    if fault == "too long to be asked":
        return f"shorten the prompt (task.prompt), or raise models.{role}.context where the model takes more"
    if fault == "refused":
        why = next((o.failure.message for o in seen if o.failure is not None), "")
        return f"look at task.prompt and task.instruction, or name another model in models.{role} ({why})"
    if thinks:
        return (
            f"the model thinks before it answers; leave room for that in models.{role}.max_tokens{longest}, 4096 to begin with, or "
            f"let it think less by models.{role}.{_THINKING}"
        )
    if fault == "cut off" and all(repeats_itself(call.text) for call in calls):
        return (
            "they repeat themselves, so that no limit would be long enough: look at task.prompt, have the answers held to a form, "
            f"or name another model in models.{role}"
        )
    if fault == "cut off":
        return f"raise models.{role}.max_tokens{longest}, or have task.prompt ask for a shorter answer"
    return (
        f"look at task.prompt; where the model thinks, let it do so less by models.{role}.{_THINKING}, or set keep_thoughts: true; "
        "where it is a service, look at the path in `answer`"
    )


def repeats_itself(text: str) -> bool:
    """Whether a text ends in the same words at least thrice, 60 characters or more of them."""
    said = " ".join(text.split())[-LONGEST_TAIL:][::-1]
    for period in range(1, len(said) // 3 + 1):
        again = next((i for i in range(len(said) - period) if said[i] != said[i + period]), len(said) - period)
        if again >= max(2 * period, SHORTEST_TAIL - period):
            return True
    return False


def must_differ(fitted: Fitted, given: FitInput) -> None:
    """Raise EqualAnswers where a prompted model gives one answer to everything although the expected ones differ.

    Passed over is what may be right: fewer than a dozen answers; an answer that declines ("I do not know": documents may help);
    one that is right for two in five of the examples or more, as that of a majority class is.
    """
    candidate, task = fitted.candidate, given.task
    texts = [o.answer.text for o in fitted.dev if o.answer is not None and o.answer.text.strip()]
    if candidate.model is None or candidate.tuned is not None or len(texts) < DOZEN:
        return
    if len({_plain(text) for text in texts}) > 1 or len({_plain(e.target) for e in given.dev}) < 2:
        return
    values = [o.value(task.metrics[0].name, task.failure_score) for o in fitted.dev if not o.unanswered]
    known = [v for v in values if v is not None]
    if any(o.abstained for o in fitted.dev) or (known and sum(known) / len(known) >= PLAUSIBLE):
        return
    said = " ".join(texts[0].split())
    shown = said if len(said) <= _SHOWN else said[: _SHOWN - 1] + "…"
    raise EqualAnswers(
        f"each of its {len(texts)} answers on dev is {shown!r}, although the expected ones differ: the input does not reach the model, "
        f"or the prompt does not ask for it; look at task.prompt and task.instruction, and at models.{candidate.model}; the test set "
        "was not opened for it"
    )


def mostly_one(candidate: Candidate, outcomes: Sequence[Outcome], dev: Sequence[Example], task: Task) -> str | None:
    """Return a warning where one answer makes up most of those on dev and is expected far less often.

    None elsewhere, where most of these are right in other words ("billing." for billing), and where they decline.
    """
    texts = [_plain(o.answer.text) for o in outcomes if o.answer is not None and o.answer.text.strip()]
    if candidate.model is None or len(texts) < DOZEN:
        return None
    [(said, count)] = Counter(texts).most_common(1)
    expected = sum(said in map(_plain, e.targets) for e in dev) / len(dev)
    if count / len(texts) <= MOST or count / len(texts) < TIMES_EXPECTED * expected:
        return None
    same = [o for o in outcomes if o.answer is not None and _plain(o.answer.text) == said]
    right = sum((o.value(task.metrics[0].name, task.failure_score) or 0.0) >= task.goal for o in same)
    if 2 * right > count or any(o.abstained for o in same):
        return None
    shown = said if len(said) <= _SHOWN else said[: _SHOWN - 1] + "…"
    return (
        f"{count} of its {len(texts)} answers on dev are {shown!r}, which is expected in {expected:.0%} of the examples: "
        "look at its failures before its score"
    )


def must_be_one_left(equal: Sequence[str], results: Mapping[str, Result]) -> None:
    """Raise UnusableAnswers where equal answers left no approach that asks a model."""
    if equal and not any(result.candidate.model is not None for result in results.values()):
        raise UnusableAnswers(f"{'; '.join(equal)}. What was paid is kept: change that and run the same command again")


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
