"""What a climb would ask, cost and show, before anything is asked: `rung plan`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rung.config import Config, Step
from rung.config.roles import answering_role, answering_roles, roles_of
from rung.data.configured import as_task, how_parted, part_rows, read_rows
from rung.data.parts import Parts
from rung.diagnosis.changes import APPROACHES, CHANGES, most_answers
from rung.engine.contract import planned
from rung.engine.number_format import compared_at_most
from rung.engine.obstacles import refuse
from rung.engine.power_lines import power_lines
from rung.engine.timed import Paces
from rung.errors import NotOffered, RungError
from rung.evaluate import profile
from rung.evaluate.kit import RunKit
from rung.evaluate.roles import Asker
from rung.models.larger import larger_roles
from rung.models.prices import most_tokens, price_of, rent_of
from rung.models.settings import ProviderSettings, configured
from rung.plugins import rung_type
from rung.progress import Silent
from rung.protocols import Judge
from rung.rag.opening import document_index_to_plan
from rung.store.run import RunFolder
from rung.tuning.regression import regression_tasks_of
from rung.tuning.workspace import Spaces
from rung.types import Completion, FitInput, Message, Request, Task, TuningNeed

LONGEST = 10**9  # tokens: an answer that only its model's limit ends
SECONDS_A_CALL = 1.0  # assumed for an endpoint; a plan cannot know it, and says so
SECONDS_A_LOCAL_CALL = 0.05  # assumed for a model on this machine, batched
CHARACTERS_A_TOKEN = 3.0
VERDICT_TOKENS = 60  # of a judge's reply: a sentence, a verdict and a code
UNSEEN_ANSWER_TOKENS = 256  # of an answer where no expected one shows how long it may get
SAMPLED = 50  # dev rows whose judge's prompts are measured
SKIPPED = "will be skipped: "
FORMATS = "dev examples answered in two number formats, once for a run, where the processor multiplies bfloat16"


@dataclass(frozen=True, slots=True)
class RungEstimate:
    """One rung's upper estimate. `usd` and `minutes` are None where unknown; `note` says why or what was assumed."""

    rung: str
    candidates: int
    dev_calls: int
    test_calls: int
    input_tokens: int
    output_tokens: int
    usd: float | None
    minutes: float | None
    note: str | None
    tuning: TuningNeed | None = None
    untold_usd: float | None = (
        0.0  # booked where the endpoint tells no tokens: the longest answer allowed for every call
    )


@dataclass(frozen=True)
class Plan:
    """The whole ladder, and what its test part can show."""

    task: Task
    sizes: Mapping[str, int]
    rungs: tuple[RungEstimate, ...]
    power: tuple[str, ...]
    shares: str  # how the examples are divided, and why
    beyond: tuple[str, ...] = ()  # steps that `objective: frontier` measures although the first may meet the goal

    @property
    def usd(self) -> float | None:
        known = [r.usd for r in self.rungs]
        return None if any(u is None for u in known) else sum(u for u in known if u is not None)

    @property
    def untold_usd(self) -> float | None:
        """Dollars that are booked at most where endpoints tell no tokens: every answer as long as it may be; None where unknown."""
        known = [r.untold_usd for r in self.rungs]
        return None if None in known else sum(u for u in known if u is not None)

    @property
    def beyond_usd(self) -> float | None:
        """What the steps `beyond` the first need at most, in US dollars; None where that is unknown."""
        known = [r.usd for r in self.rungs if r.rung in self.beyond]
        return None if None in known else sum(u for u in known if u is not None)


def plan(config: Config, steps: Sequence[Step] | None = None, paces: Paces | None = None) -> Plan:
    """Estimate calls, tokens, dollars and minutes of each rung, or of these `steps` of the ladder; `paces` alone may ask a model, for
    what a call takes.

    Raises ConfigError for a budget that cannot be kept (unknown price), DataError for rows that cannot be split.
    """
    refuse(config, "plan")
    loaded = read_rows(config)
    kind, parts = part_rows(config, loaded)
    task = as_task(config, kind, (*parts.train, *parts.dev))
    settings = configured(config)
    roles = {role: _silent(role, s) for role, s in settings.items()}
    answer = _answer_tokens([e.target for e in parts.train]) if task.target else UNSEEN_ANSWER_TOKENS
    with document_index_to_plan(config) as document_index:
        spaces = Spaces(None, regression_tasks_of(config), Silent(), config.general_abilities)
        kit = RunKit(task, roles, config.split.seed, Silent(), config.root, document_index, spaces)
        paces = paces or Paces()
        rungs = [_estimated(step, task, parts, kit, settings, answer, paces) for step in steps or config.ladder]
    changed = most_answers(config.robustness, len(parts.dev))
    rungs += [
        *_judges(task, kit, settings, parts, rungs, changed),
        *_examined(config, settings, rungs, answer, task, changed, paces),
    ]
    formats = compared_at_most(config, task, parts.dev) if steps is None else {}  # compared before anything is measured
    if formats and any(r.test_calls for r in rungs):
        line = ("number formats", len(formats), sum(formats.values()), FORMATS)
        rungs.append(_at_most(line, {r: settings[r] for r in formats}, rungs, answer, paces))
    sizes_of = {"train": len(parts.train), "dev": len(parts.dev), "test": len(parts.test)}
    lines = tuple(power_lines(task, parts, len(config.planned)))
    others = [s.label for s in config.ladder if not rung_type(s.rung).trains and s.label != task.as_good_as]
    beyond = tuple(others[1:]) if task.objective == "frontier" else ()
    return Plan(task, sizes_of, tuple(rungs), lines, how_parted(config, loaded), beyond)


def rest_of_plan(config: Config, measured: Collection[str]) -> float | None:
    """Return what the steps that are not measured yet need at most, in US dollars; None where that is unknown.

    What is answered already is counted again.
    """
    left = tuple(step for step in config.ladder if step.label not in measured)
    try:
        return plan(config, left).usd if left else 0.0
    except RungError:  # nothing of the run hangs on an estimate
        return None


def spent_in(folder: Path) -> Mapping[str, Any] | None:
    """Return what a run has spent so far, with the part of each role that is an upper bound; None where no run was begun.

    Raises IntegrityError where the folder is damaged.
    """
    return RunFolder.open(folder).spend.get() if RunFolder(folder).begun else None


def _estimated(
    step: Step,
    task: Task,
    parts: Parts,
    kit: RunKit,
    settings: Mapping[str, ProviderSettings],
    answer: int,
    paces: Paces,
) -> RungEstimate:
    """Estimate one rung. `answer`: tokens of a long one."""
    asked = next(iter(roles_of("rungs", step.rung, step.settings)), None)
    asks, role = asked is not None, settings.get(asked or "")
    answer = answer if answering_role(step) is not None else 0  # an embedder writes nothing
    try:
        wanted = planned(step, FitInput(task, tuple(parts.train), tuple(parts.dev)), kit)
    except NotOffered as error:
        return RungEstimate(step.label, 0, 0, 0, 0, 0, 0.0, 0.0, f"{SKIPPED}{error}")
    sizes = [most_tokens(chat) for chat in wanted.chats]
    per_call = round(sum(sizes) / len(sizes) / CHARACTERS_A_TOKEN) if sizes else 0
    calls = wanted.dev_calls + len(parts.test) if asks else 0
    each = wanted.calls_by_role or ({asked: wanted.dev_calls} if asked is not None else {})
    pace = {role: paces.of(role, wanted.chats) for role in each} if answering_role(step) is not None else {}
    last = {asked} if rung_type(step.rung).trains else set(each)  # a teacher and a base answer no test example
    test = {role: len(parts.test) for role in each if role in last}
    usd, minutes, note = _all_models(each, test, (per_call, answer), settings, pace) if asks else (0.0, 0.1, None)
    untold = _all_models(each, test, (per_call, LONGEST), settings, pace)[0] if asks else 0.0
    if wanted.tuning is not None:
        usd, minutes, note = _with_tuning(wanted.tuning, role, usd, minutes, note)
    return RungEstimate(
        step.label,
        wanted.candidates,
        wanted.dev_calls if asks else 0,
        len(parts.test) if asks else 0,
        calls * per_call,
        calls * min(answer, role.max_tokens) if role and asks else 0,
        usd,
        minutes,
        wanted.note or note,
        wanted.tuning,
        untold if answering_role(step) is not None else usd,
    )


def _all_models(
    dev_calls: Mapping[str, int],
    test_calls: Mapping[str, int],
    tokens: tuple[int, int],
    settings: Mapping[str, ProviderSettings],
    pace: Mapping[str, float | None],
) -> tuple[float | None, float | None, str]:
    """Return dollars and minutes of the calls to every model on dev, and of the test by whichever takes the most.

    `tokens`: in and out, of a request. `pace`: seconds of a call by role, where it was timed.
    """
    dev, test = (
        [_money_and_time(settings[role], calls, *tokens, pace.get(role)) for role, calls in part.items()]
        for part in (dev_calls, test_calls)
    )
    dollars, minutes = ([[line[i] for line in lines] for lines in (dev, test)] for i in (0, 1))
    return _total(*dollars), _total(*minutes), dev[0][2]


def _total(dev: Sequence[Any], test: Sequence[Any]) -> float | None:
    return None if None in dev or None in test else float(sum(dev) + max(test, default=0.0))


def _examined(
    config: Config,
    settings: Mapping[str, ProviderSettings],
    rungs: Sequence[RungEstimate],
    answer: int,
    task: Task,
    changed: int,
    paces: Paces,
) -> list[RungEstimate]:
    """Return lines for what is asked on dev beside the rungs: why rows failed, what one request takes, and changed examples.

    Counted as if every rung had enough failures for all experiments, at the price of the dearest model that they ask. `changed`:
    how many changed examples are answered.
    """
    alone = profile.requests_of(task, task.alpha / len(config.planned))
    asking = [r for r in rungs if r.test_calls]
    experiments = f"experiments on failed dev examples (diagnosis.calls: {config.diagnosis.calls} an approach), and {_alone(task, alone)}"
    robust = f"the winner and the runner-up answer dev examples changed in {len(CHANGES)} ways; decides nothing"
    wanted = (
        ("diagnosis", len(asking), len(asking) * (config.diagnosis.calls + alone), experiments),
        ("robustness", min(APPROACHES, len(asking)), min(APPROACHES, len(asking)) * changed // APPROACHES, robust),
    )
    larger = larger_roles(config) if config.diagnosis.calls else {}
    roles = {role for step in config.ladder for role in answering_roles(step)}
    models = {r: settings[r] for r in sorted({*roles, *larger.values()}) if r in settings}
    return [_at_most(one, models, asking, answer, paces) for one in wanted if one[2]]


def _at_most(
    line: tuple[str, int, int, str],
    models: Mapping[str, ProviderSettings],
    rungs: Sequence[RungEstimate],
    answer: int,
    paces: Paces,
) -> RungEstimate:
    """Estimate calls on dev at the price of the dearest of the `models` that they may ask.

    `line`: its name, approaches, calls, and a note.
    """
    label, approaches, calls, note = line
    per_call = max(round(r.input_tokens / (r.dev_calls + r.test_calls)) for r in rungs if r.test_calls)
    found = [_money_and_time(model, calls, per_call, answer, paces.slowest(r)) for r, model in models.items()]
    known = [usd for usd, _, _ in found if usd is not None]
    return RungEstimate(
        label,
        approaches,
        calls,
        0,
        calls * per_call,
        calls * min(answer, max((m.max_tokens for m in models.values()), default=answer)),
        max(known) if known and len(known) == len(found) else None,
        max((minutes for _, minutes, _ in found if minutes is not None), default=None),
        note,
    )


def _alone(task: Task, alone: int) -> str:
    """Say how many requests measure the latency of a rung, and why so many."""
    limit = task.limits.p95_latency_s
    at_once = f"{alone} requests for the latency of an approach at concurrency {task.limits.concurrency}"
    if limit is None:
        return at_once
    why = (
        "as limits.latency_requests says"
        if alone == task.limits.latency_requests
        else f"as many as the bound of the limit of {limit:g} s takes"
    )
    return f"{at_once}, {why}"


def _judges(
    task: Task,
    kit: RunKit,
    settings: Mapping[str, ProviderSettings],
    parts: Parts,
    rungs: Sequence[RungEstimate],
    changed: int,
) -> list[RungEstimate]:
    """Return a line for each metric that asks a model: its calls on all answers of all rungs, those to changed examples among them.
    Equal answers cost once."""
    found = []
    for spec in task.metrics:
        metric = kit.metrics[spec.name]
        roles = roles_of("metrics", spec.plugin, spec.settings)
        if not isinstance(metric, Judge) or not roles:
            continue
        asked = [metric.asks(e.target, e, task) for e in parts.dev[:SAMPLED]]
        each = max((len(requests) for requests in asked), default=0)
        sizes = [most_tokens(request.messages) for requests in asked for request in requests]
        per_call = round(sum(sizes) / len(sizes) / CHARACTERS_A_TOKEN) if sizes else 0
        offered = [r for r in rungs if not (r.note or "").startswith(SKIPPED)]
        dev = each * (sum(max(r.dev_calls, len(parts.dev)) for r in offered) + changed)
        test = each * len(parts.test) * len(offered)
        role, calls = settings[roles[0]], dev + test
        usd, minutes, note = _money_and_time(role, calls, per_call, VERDICT_TOKENS)
        tokens = (calls * per_call, calls * min(VERDICT_TOKENS, role.max_tokens))
        label = f"metric {spec.name}"
        found.append(RungEstimate(label, 0, dev, test, *tokens, usd, minutes, f"judges every answer; {note}"))
    return found


def _silent(role: str, settings: ProviderSettings) -> Asker:
    """A role that can be looked at and not asked."""

    async def ask(request: Request) -> Completion:
        raise AssertionError("a plan asks no model")

    def count(messages: Sequence[Message]) -> int:
        return round(most_tokens(messages) / CHARACTERS_A_TOKEN)

    return Asker(settings.card(role), ask, count, settings.concurrency, False, settings)


def _money_and_time(
    settings: ProviderSettings, calls: int, input_tokens: int, output_tokens: int, pace: float | None = None
) -> tuple[float | None, float | None, str]:
    """Return dollars, minutes, and on what they rest. `pace`: seconds of a call with others under way; None: not timed."""
    local = settings.price_url is None
    seconds = calls * (pace or (SECONDS_A_LOCAL_CALL if local else SECONDS_A_CALL / settings.concurrency))
    price = price_of(settings)
    assumed = (
        f"a call took {pace:.2g} s, with as many at once as in a run"
        if pace is not None
        else f"assumes {SECONDS_A_LOCAL_CALL:g} s a call on this machine"
        if local
        else f"assumes {SECONDS_A_CALL:g} s a call, {settings.concurrency} at once"
    )
    output = min(output_tokens, settings.max_tokens)
    if price.basis == "hour":
        return seconds / 3600 * (rent_of(settings) or 0.0), seconds / 60, f"{assumed}; {price.source}"
    usd = price.by_tokens(calls * input_tokens, calls * output)
    return usd, seconds / 60, f"{assumed}; {price.source}"


def _with_tuning(
    need: TuningNeed, role: ProviderSettings | None, usd: float | None, minutes: float | None, note: str | None
) -> tuple[float | None, float | None, str]:
    """Add what tuning takes to what asking takes; unknown stays unknown."""
    time = "an unknown time" if need.seconds is None else f"about {max(need.seconds / 60, 0.1):,.1f} minutes"
    memory = "unknown memory" if need.memory_bytes is None else f"{need.memory_bytes / 1e9:.1f} GB of memory"
    disk = "" if need.disk_bytes is None else f", {max(1, round(need.disk_bytes / 1e6)):,} MB on disk"
    told = f"tunes on {need.tokens:,} tokens in {time}, {memory}{disk} ({need.note})"
    if need.seconds is None or usd is None or minutes is None:
        return None, None, f"{told}; {note}"
    machine = rent_of(role) or 0.0
    return usd + machine * need.seconds / 3600, minutes + need.seconds / 60, f"{told}; {note}"


def _answer_tokens(targets: Sequence[str]) -> int:
    """Return the tokens of a long answer: the 90th percentile of the targets' characters, over three."""
    lengths = sorted(len(t) for t in targets)
    return 4 + round(lengths[int(0.9 * (len(lengths) - 1))] / CHARACTERS_A_TOKEN) if lengths else 64
