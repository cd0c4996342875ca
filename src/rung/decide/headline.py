"""The answer in one sentence, and the line of evidence under it. Every form of the report says these, and nothing else says them.

The question is "Do you need to fine-tune?", and the first words answer it. A sentence is whole as it stands here, with places
for names and figures; none has more than 25 words (`tests/unit/test_headline.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rung.decide.limits import cost_open, latency_open
from rung.decide.wording import mark, money, percent, percent_range
from rung.types import (
    BaselineLearned,
    Comparison,
    EarlierUse,
    Estimate,
    FewShotLearned,
    Result,
    Stopped,
    Task,
    TunedLearned,
    rate,
)
from rung.usual_names import shown_name

BASELINES: Mapping[str, str] = {
    "linear": "a linear classifier",
    "embeddings": "a linear classifier over embeddings",
    "words and embeddings": "a linear classifier over words and embeddings",
    "nearest embedding": "the answer of the training example that is nearest in meaning",
    "label names": "the label whose name is nearest in meaning",
    "nearest": "the nearest training example's answer",
    "majority": "the most frequent answer",
}
ONCE: Mapping[str, str] = {  # by the post-processing step (rung.prompts.postprocessing)
    "after_thought": "No fine-tuning needed: {who} {reached} once the thinking before its answer is removed.",
    "strip_fence": "No fine-tuning needed: {who} {reached} once its answer is taken out of the code fence.",
    "strip_quotes": "No fine-tuning needed: {who} {reached} once the quotation marks around its answer are removed.",
    "first_json": "No fine-tuning needed: {who} {reached} once the JSON is taken out of its answer.",
    "boxed": "No fine-tuning needed: {who} {reached} once its answer is taken out of the box.",
    "only_value": "No fine-tuning needed: {who} {reached} once the value is taken out of the JSON.",
    "after_lead": "No fine-tuning needed: {who} {reached} once the words before its answer are removed.",
    "label_in_sentence": "No fine-tuning needed: {who} {reached} once the label is taken out of its sentence.",
    "last_line": "No fine-tuning needed: {who} {reached} once only the last line of its answer is kept.",
    "first_line": "No fine-tuning needed: {who} {reached} once only the first line of its answer is kept.",
}
SEVERAL = "No fine-tuning needed: {who} {reached} once its answer is cleaned by {n} post-processing steps."
SHARES = ("half", "a third", "a quarter", "a fifth", "a sixth", "a seventh", "an eighth", "a ninth", "a tenth")


def approach(label: str, result: Result) -> str:
    """Return an approach as the subject of a sentence: "a better prompt", "a linear classifier"."""
    candidate, learned = result.candidate, result.candidate.learned
    if isinstance(learned, BaselineLearned):
        return BASELINES[learned.method]
    if isinstance(learned, TunedLearned):
        return "fine-tuning"
    if candidate.stored:
        return f"what `{candidate.model}` answered"
    who = "a better prompt" if isinstance(learned, FewShotLearned) and not learned.k else learned.brings
    who = who or shown_name(label)
    if candidate.feature is not None:
        role = "" if candidate.model == "main" else f" `{candidate.model}`"
        return f"{'' if candidate.feature.as_it_stands else f'{who} for '}{candidate.feature.name}{role}"
    return who if candidate.model in (None, "main") else f"{who} on `{candidate.model}`"


def first_upper(text: str) -> str:
    """Return a text that begins a sentence."""
    return text[:1].upper() + text[1:]


def meets(label: str, result: Result) -> str:
    """Say that nothing has to be tuned, since an approach meets the goal, and the floors where there are any."""
    who, chat, so = approach(label, result), result.candidate.chat, reached(result)
    if result.candidate.model is None:
        return f"No fine-tuning needed, and no LLM: {who} {so}."
    steps = [s.strip() for s in (chat.postprocessing or "").split(",")] if chat is not None else []
    if steps[1:]:
        return SEVERAL.format(who=who, reached=so, n=len(steps))
    return ONCE.get(steps[0] if steps else "", "No fine-tuning needed: {who} {reached}.").format(who=who, reached=so)


def reached(result: Result) -> str:
    """Say what an approach reaches that is good enough."""
    return "meets the goal and every floor" if result.floors else "meets the goal"


AWAITED = "So far nothing cheaper meets the goal; waiting for the model tuned elsewhere."
JUSTIFIED = "Fine-tuning is justified: it meets the goal, and nothing cheaper does."
JUSTIFIED_WITH_FLOORS = "Fine-tuning is justified: it meets the goal and every floor, and nothing cheaper does."


def pays(before: Result, after: Result, requests: str | None, always: bool) -> str:
    """Say what fine-tuning saves at equal quality. `requests`: from how many a month; `always`: at any number of them."""
    share = share_of_cost(before, after)
    if share is not None and requests is not None:
        return f"Fine-tuning pays: equal quality at {share} of the cost from {requests} requests a month."
    if share is not None:
        return f"Fine-tuning pays: equal quality at {share} of the cost{' at any volume' if always else ''}."
    return "Fine-tuning pays: equal quality with faster answers."


def share_of_cost(before: Result, after: Result) -> str | None:
    """Return what part of the cost of one approach another takes, in words; None where it takes no less, or that is unknown."""
    old, new = before.cost_per_1k_usd, after.cost_per_1k_usd
    if old is None or new is None or new >= old:
        return None
    parts = round(old / new) if new else 0
    if not 2 <= parts <= len(SHARES) + 1 or abs(old / new - parts) > 0.1 * parts:
        return f"{100 * new / old:.2g} %"
    return SHARES[parts - 2]


def unproven(gain: Comparison | None) -> str:
    """Say that a tuned model meets the goal, and that nothing shows that tuning is what it took."""
    if gain is None:
        return "Inconclusive: fine-tuning meets the goal, but no cheaper approach was measured."
    return f"Inconclusive: fine-tuning meets the goal, but its gain over {shown_name(gain.lower)} is not significant."


def unpriced(task: Task, label: str, result: Result) -> str:
    """Say that the quality is reached and which limit is open."""
    tuned = isinstance(result.candidate.learned, TunedLearned)
    start = "Fine-tuning meets the quality goal" if tuned else "No fine-tuning needed for quality"
    if cost_open(task, result) and result.priced is not None:
        return f"{start}; the cost limit of {money(task.limits.cost_per_1k_usd)} is not settled yet."
    if cost_open(task, result) or not latency_open(task, result):
        return f"{start}; give a price for `{result.candidate.model}` to judge the cost limit."
    return f"{start}; the latency limit of {task.limits.p95_latency_s:g} s is not settled yet."


def undecided(result: Result, n: int, pick: str | None) -> str:
    """Say that the test examples cannot tell, how many more could, and which approach is the tentative pick."""
    wanted, advice = result.quality.examples_needed, result.quality.advice
    if wanted is not None:
        said = f"Inconclusive: about {max(wanted - n, 1):,} more test examples would decide."
    elif advice is not None and not advice.startswith("widen"):  # nobody should move the goal after a look
        said = f"Inconclusive: {advice}."
    else:
        said = "Inconclusive: so near the goal that not even ten times as many test examples would decide."
    return f"{said} Tentative pick: {shown_name(pick)}." if pick else said


def stopped(why: Stopped, measured: Sequence[str], left: Sequence[str]) -> str:
    """Say where the budget ended the run, and what the rest would take."""
    after = f"after {shown_name(measured[-1])}" if measured else "before any approach was measured"
    start = f"Stopped at the budget of {money(why.limit_usd)} {after}"
    if not left:
        return f"{start}."
    names = " and ".join(filter(None, [", ".join(map(shown_name, left[:-1])), shown_name(left[-1])]))
    need = "needs" if len(left) == 1 else "need"
    return f"{start}; {names} {need} {'an unknown amount' if why.rest_usd is None else f'at most {money(why.rest_usd)}'} more."


def over_limit(task: Task, label: str, result: Result) -> str:
    """Say that an approach meets the goal and breaks a limit."""
    who, cost, limit = approach(label, result), result.cost_per_1k_usd, task.limits.cost_per_1k_usd
    if cost is not None and limit is not None and cost > limit:
        return f"Not yet: {who} meets the goal but costs {money(cost)} per 1,000 requests (limit {money(limit)})."
    served, most = result.served, task.limits.p95_latency_s
    if served is not None and served.p95_s is not None and most is not None:
        return f"Not yet: {who} meets the goal but takes {served.p95_s:.2g} s at p95 (limit {most:g} s)."
    return f"Not yet: {who} meets the goal but breaks a limit on cost or latency."


def missed(
    task: Task,
    measured: Mapping[str, Result],
    counted: Mapping[str, Result],
    trained: Sequence[str],
    best: str | None,
    facts: tuple[int, int] | None,
    form: int | None,
    tuning_planned: bool,
) -> str:
    """Say that nothing meets the goal, and what that means for fine-tuning.

    `counted`: the approaches that may win; `best`: the one of them with the highest score. `facts`: how many failures lack a
    fact, of how many; `form`: how many right answers fail by their form.
    """
    if not measured:
        return "Not yet: no approach could be measured."
    tuned = [k for k in trained if k in measured]
    if tuned and best is not None and all(k in counted for k in tuned):
        top = _top(task, tuned, counted)
        reached = f"it reaches {_reached(counted[top].estimates[task.metrics[0].name])} (goal {mark(task.goal)})."
        if top == best and len(counted) > 1:
            return f"Not yet: even fine-tuning misses the goal: {reached}"
        return f"Not yet, and fine-tuning does not help: {reached}"
    if tuned:
        if any(measured[k].candidate.forgets for k in tuned):
            return "Not yet: the fine-tuned model loses abilities that it must keep, so it cannot win."
        return "Not yet: the fine-tuning was forced, so it cannot win, and nothing cheaper meets the goal."
    if form:
        return f"Not yet, and do not fine-tune now: {form} right {'answer fails' if form == 1 else 'answers fail'} by format alone."
    if facts is not None and facts[0]:
        return f"Not yet, and do not fine-tune now: {facts[0]} of {facts[1]} failures lack a fact that your documents hold."
    if best is None:
        return "Not yet: nothing measured meets the goal."
    near = _reached(measured[best].estimates[task.metrics[0].name])
    said = f"Not yet: {approach(best, measured[best])} comes closest with {near} (goal {mark(task.goal)})"
    return f"{said}." if tuning_planned else f"{said}; fine-tuning was not tried."


def _reached(estimate: Estimate) -> str:
    """Write a score; of an approach that stopped early its upper bound, since a mean at the stop is none."""
    return f"at most {rate(estimate.high)}" if estimate.mean is None else rate(estimate.mean)


def _top(task: Task, labels: Sequence[str], results: Mapping[str, Result]) -> str:
    return max(labels, key=lambda k: results[k].estimates[task.metrics[0].name].point)


def guarded(core: str, labels_needed: int | None, provisional: bool, seen: bool, earlier: EarlierUse | None) -> str:
    """Say an outcome that is no first, sealed test, or that rests on a judge. `core`: the outcome as a clause.

    `seen`: people had seen test examples, or another candidate of the run was measured on them.
    """
    used = earlier is not None and earlier.other_candidates
    if provisional and (seen or used):
        return f"Provisional and exploratory: {core}; human labels and fresh test examples would confirm it."
    if provisional:
        more = f"{labels_needed:,} more human labels" if labels_needed else "human labels"
        return f"Provisional: {core}; {more} would confirm the judge."
    if used and earlier is not None:
        runs = "an earlier run" if earlier.runs <= 1 else f"{_number(earlier.runs)} earlier runs"
        return f"Exploratory: {core}; these test examples decided {runs}."
    return f"Exploratory: {core}; people had seen these test examples, or another candidate had been measured on them."


def _number(count: int) -> str:
    words = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return words[count - 2] if 2 <= count <= 10 else f"{count:,}"


def evidence_line(task: Task, estimate: Estimate) -> str:
    """Say on what the headline rests: score, size, interval and goal, in one line."""
    span = percent_range(estimate.low, estimate.high)
    counted = "held-out example" if estimate.n == 1 else "held-out examples"
    goal, graded = (
        (f"; goal {100 * task.goal:.4g} %", f"; goal {mark(task.goal)}") if task.as_good_as is None else ("", "")
    )
    if estimate.mean is None:
        return f"{span} on {estimate.n:,} {counted}, where it stopped early ({goal[2:]})."
    if estimate.method == "wilson":  # scores of 0 and 1
        return f"{percent(estimate.mean)} correct on {estimate.n:,} {counted} (95 % CI {span}{goal})."
    low, high = rate(estimate.low), rate(estimate.high)
    if task.metrics[0].average is not None:
        name = first_upper(task.metrics[0].title)
        return f"{name} {rate(estimate.mean)} on {estimate.n:,} {counted} (95 % CI {low} to {high}{graded})."
    return f"A mean score of {rate(estimate.mean)} on {estimate.n:,} {counted} (95 % CI {low} to {high}{graded})."


def near_line(label: str, result: Result, line: str, pick: bool) -> str:
    """Say the line of evidence of an approach that does not meet the goal for certain."""
    role = "Tentative pick" if pick else "Closest"
    return f"{role}, {shown_name(label)}: {line[:1].lower() + line[1:]}"
