"""A run folder as a climb leaves it, made from chosen abilities and prices: no model is asked, every number is computed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from rung.data.near import Duplicates
from rung.data.parts import Parts, freeze
from rung.decide.compare import adjust, compare
from rung.decide.verdict import Climbed, decide
from rung.diagnosis.calibration import check
from rung.evaluate.measure import summarise
from rung.stats.estimate import interval_mean
from rung.store.records import PredictionCheck
from rung.store.run import SCHEMA, RunFolder
from rung.types import (
    Answer,
    BaselineLearned,
    Candidate,
    Cause,
    Comparison,
    Completion,
    Diagnosis,
    Estimate,
    Example,
    Failure,
    FewShotLearned,
    Finding,
    Fitted,
    Limits,
    Message,
    MetricSpec,
    Outcome,
    Prediction,
    Profile,
    PromptLearned,
    Result,
    Score,
    Service,
    Skipped,
    Task,
    Trial,
    Verdict,
)

TEAMS = ("billing", "delivery", "returns", "accounts", "technical")
LINES = {
    "billing": "I was charged {n} twice for order {o} and the second amount has not come back to my card",
    "delivery": "The parcel for order {o} was promised for {n} days ago and the tracking page has not moved since",
    "returns": "How do I send {n} items from order {o} back, and who pays for the label",
    "accounts": "I cannot sign in with my old address after {n} attempts, order {o} is stuck in that account",
    "technical": "The app shows error {n} on the last page of the checkout for order {o} and then closes itself",
}


@dataclass(frozen=True)
class Made:
    """How one rung of the made-up run does: share right, dollars a call (None: unknown), seconds, failures."""

    label: str
    ability: float
    usd: float | None = 0.0002
    seconds: float = 0.6
    timeouts: float = 0.0
    stopped_at: int | None = None


LADDER = (
    Made("baseline", 0.52, 0.0, 0.002),
    Made("prompt", 0.73, 0.00021, 0.7, timeouts=0.01),
    Made("fewshot", 0.88, 0.00058, 0.9),
)


def make_task(goal: float = 0.9, **changes: object) -> Task:
    task = Task(
        name="ticket-routing",
        instruction="Route the ticket to one team.",
        inputs=("subject", "body"),
        target="team",
        kind="classification",
        metrics=(MetricSpec("normalized_match"),),
        goal=goal,
        labels=TEAMS,
        limits=Limits(budget_usd=20.0, cost_per_1k_usd=1.0),
    )
    return replace(task, **changes)  # type: ignore[arg-type]


def make_examples(count: int, part: str, rng: random.Random) -> tuple[Example, ...]:
    rows = []
    for i in range(count):
        team = TEAMS[rng.randrange(len(TEAMS))]
        text = LINES[team].format(n=rng.randrange(2, 40), o=f"{part[0].upper()}{10_000 + i}")
        rows.append(Example(f"{part}-{i:04d}", {"subject": text[:32], "body": text + "."}, team, f"{part}-{i:04d}"))
    return tuple(rows)


def make_outcome(example: Example, made: Made, rng: random.Random, hard: float) -> Outcome:
    """`hard` in [0, 1] is shared by all rungs, so that neighbouring rungs mostly fail on the same rows."""
    if rng.random() < made.timeouts:
        return Outcome(example.id, example.group, None, None, Failure("timeout", "no answer in 60 s after 5 attempts"))
    right = (0.75 * hard + 0.25 * rng.random()) < made.ability
    others = [t for t in TEAMS if t != example.target]
    text = example.target if right else others[rng.randrange(4)]
    loose = not right and rng.random() < 0.3
    text = f"The team is {text}, because the customer says so." if loose else text
    note = None if made.usd is not None else "no price is known for the model 'house-7b'; give prices in rung.yaml"
    seconds = made.seconds * (0.7 + 0.8 * rng.random())
    calls = () if made.label == "baseline" else (Completion(text, "toy-1", 210, 4, seconds, made.usd, price_note=note),)
    answer = Answer(text, calls, latency_s=seconds)
    return Outcome(example.id, example.group, answer, {"normalized_match": Score(float(right), adheres=not loose)})


def make_candidate(made: Made) -> Candidate:
    if made.label == "baseline":
        return Candidate("baseline", "tf-idf", BaselineLearned(method="linear", rows=(("text", "billing"),) * 30), None)
    messages = (
        Message("system", "Route the ticket to one team: billing, delivery, returns, accounts or technical."),
        Message("user", "{{subject}}\n\n{{body}}\n\nAnswer with the team's name alone, in lower case."),
    )
    chat = {"messages": messages, "columns": ("subject", "body")}
    learned = FewShotLearned(**chat, k=0) if made.label.startswith("fewshot") else PromptLearned(**chat)
    return Candidate(made.label, "label-list", learned, "main")


def make_fitted(made: Made, dev: tuple[Outcome, ...], task: Task) -> Fitted:
    candidate = make_candidate(made)
    scores = [v for o in dev if (v := o.value("normalized_match", task.failure_score)) is not None]
    mean = sum(scores) / len(scores)
    other = replace(candidate, name="as-is")
    trials = (Trial(other, 24, mean - 0.1, False, 24, 180.0), Trial(candidate, len(dev), mean, True, len(dev), 212.0))
    skipped = (Skipped("prompt long-rules", "its longest prompt has 4,210 tokens; toy-1 reads 4,096"),)
    return Fitted(candidate, dev, trials, skipped if made.label == "prompt" else ())


def make_diagnosis(label: str, dev: Sequence[Outcome]) -> Diagnosis:
    failed = [o for o in dev if o.scores is None or o.scores["normalized_match"].value < 1]
    loose = [o for o in failed if o.adheres("normalized_match") is False]
    rest = [o for o in failed if o not in loose]
    half = (len(rest) + 1) // 2
    parts = (
        ("format", loose, "a lenient reading of the same answer is right", "state the exact output form in the prompt"),
        ("label confusion", rest[:half], "returns and delivery are taken for each other", "show examples of both"),
        ("unexplained", rest[half:], "no experiment explains these examples", "read them; a larger model may tell"),
    )
    causes = tuple(
        Cause(
            name,
            len(rows),
            _share(len(rows), len(failed)),
            evidence,
            tuple(o.example_id for o in rows[:5]),
            suggests,
        )
        for name, rows, evidence, suggests in parts
        if rows
    )
    sentence = f"{len(failed)} of {len(dev)} dev examples failed."
    experiments, untried = (), ()
    if label != "baseline" and len(failed) > 2:
        experiments = tuple(_experiment(failed, *words) for words in EXPERIMENTS)
        untried = (Skipped("capacity", "no configured model is known to be larger than models.main"),)
    return Diagnosis(
        label, len(dev), len(failed), causes, "fewshot", sentence, experiments, untried, 24 * len(experiments)
    )


EXPERIMENTS = (
    ("missing convention", 2, "fewshot", "the 3 training examples most like them are shown", "show near examples"),
    ("unstable", 7, None, "they are asked again 2 times word for word", "set the temperature to 0"),
)


def _experiment(failed: Sequence[Outcome], name: str, every: int, rung: str | None, words: str, suggests: str) -> Cause:
    """An experiment that mends every so-manieth of the first rows."""
    tried = [o.example_id for o in failed[:24]]
    fixed = tuple(i for n, i in enumerate(tried) if n % every == 0)
    share = _share(len(fixed), len(tried))
    told = Prediction(rung, fixed, tuple(i for i in tried if i not in fixed) if rung else (), share)
    evidence = f"{len(fixed)} of {len(tried)} failed examples pass once {words}."
    return Cause(name, len(fixed), share, evidence, fixed[:5], suggests, "experiment", told)


def make_profile(made: Made) -> Profile:
    tokens = None
    if made.label != "baseline":
        shown = 420.0 if made.label.startswith("fewshot") else 0.0
        passages = 900.0 if made.label == "rag" else 0.0
        tokens = {"instruction": 160.0, "examples": shown, "passages": passages, "input": 52.0}
    return Profile(make_candidate(made).id, 5, made.seconds * 0.8, tokens, 4.0 if tokens else None)


def _share(count: int, total: int) -> Estimate:
    found = interval_mean([1.0] * count + [0.0] * (total - count), None)
    return Estimate(found.mean, found.low, found.high, found.n, found.method)


FINDINGS = (
    Finding("power", "warn", "With 200 test examples an approach truly at 0.93 meets 0.90 with probability 0.47.",
            "add about 180 test examples, or set a tolerance of 0.03"),
    Finding("duplicates", "note", "12 rows repeat another row exactly.", "nothing: they were kept on one side",
            ("train-0003", "train-0007")),
    Finding("labels", "stop", "2 examples with equal input have different teams.", "decide which team is right",
            ("train-0001", "train-0002")),
)  # fmt: skip


def build(
    path: Path,
    ladder: Sequence[Made] = LADDER,
    *,
    planned: Sequence[str] | None = None,
    goal: float = 0.9,
    sizes: tuple[int, int, int] = (400, 80, 200),
    skipped: Sequence[Skipped] = (),
    dev: tuple[Example, ...] | None = None,
) -> RunFolder:
    """Write a finished run: parts of the given sizes (train, dev, test), every rung of `ladder`, the verdict."""
    rng = random.Random(7)
    task, folder = replace(make_task(goal), service=Service(300_000)), RunFolder.create(path)
    names = tuple(planned or [m.label for m in ladder])
    train, dev_rows, test = (make_examples(n, p, rng) for n, p in zip(sizes, ("train", "dev", "test"), strict=True))
    dev_rows = dev if dev is not None else dev_rows
    freeze(Parts(train, dev_rows, test, 7, Duplicates((), (), ())), path)
    _head(folder, task, names)
    folder.save("findings.json", FINDINGS, tuple[Finding, ...])
    hard = {e.id: rng.random() for e in (*dev_rows, *test)}
    results: dict[str, Result] = {}
    earlier: list[Diagnosis] = []
    for made in ladder:
        on_dev = tuple(make_outcome(e, made, rng, hard[e.id]) for e in dev_rows)
        on_test = tuple(make_outcome(e, made, rng, hard[e.id]) for e in test[: made.stopped_at or len(test)])
        manifest = folder.read("parts/manifest.json")
        result = summarise(make_candidate(made), on_test, task, len(names), test_sha256=manifest["test"]["sha256"],
                           stopped_at=made.stopped_at)  # fmt: skip
        results[made.label] = result
        folder.save_rows(f"rungs/{made.label}/dev.jsonl", on_dev, Outcome)
        folder.save(f"rungs/{made.label}/fit.json", replace(make_fitted(made, on_dev, task), dev=()), Fitted)
        diagnosis = make_diagnosis(made.label, on_dev)
        folder.save(f"rungs/{made.label}/diagnosis.json", diagnosis, Diagnosis)
        folder.save(f"rungs/{made.label}/profile.json", make_profile(made), Profile)
        folder.save(
            f"rungs/{made.label}/predicted.json", check(earlier, made.label, on_dev, task), tuple[PredictionCheck, ...]
        )
        earlier.append(diagnosis)
        folder.save_rows(f"rungs/{made.label}/outcomes.jsonl", on_test, Outcome)
        folder.save(f"rungs/{made.label}/result.json", replace(result, outcomes=()), Result)
        folder.event("test_opened", why=f"measure {made.label}", rows=len(test))
    _conclude(folder, task, names, results, tuple(skipped), len(test))
    return folder


def _head(folder: RunFolder, task: Task, names: Sequence[str]) -> None:
    head = {
        "schema": SCHEMA,
        "rung_version": "0.1.0",
        "created": "2026-03-02T09:15:00+00:00",
        "status": "done",
        "config": {"volume": {"requests_per_month": 300_000}},
        "config_sha256": "c" * 64,
        "planned": list(names),
        "task": TypeAdapter(Task).dump_python(task, mode="json"),
        "exploratory": False,
        "environment": {"python": "3.11.9", "system": "Linux", "machine": "x86_64"},
    }
    folder.write("run.json", head)
    folder.event("climb_started", version="0.1.0")


def _conclude(
    folder: RunFolder,
    task: Task,
    names: tuple[str, ...],
    results: dict[str, Result],
    skipped: tuple[Skipped, ...],
    test_rows: int,
) -> None:
    labels = list(results)
    pairs = [compare((a, results[a]), (b, results[b]), task, 7) for a, b in itertools.pairwise(labels)]
    comparisons = adjust([p for p in pairs if p is not None], len(names))
    climbed = Climbed(task, names, results, comparisons, skipped, frozenset(), 7, test_rows)
    folder.save("comparisons.json", comparisons, tuple[Comparison, ...])
    folder.save("skipped.json", skipped, tuple[Skipped, ...])
    folder.save("verdict.json", decide(climbed), Verdict)
    role = {"usd": 0.1873, "note": "prices of 2026-02-01", "calls": 731, "cached": 44, "input_tokens": 153_510,
            "output_tokens": 2_924, "lost_usd": 0.0, "retries": 6}  # fmt: skip
    folder.write("spend.json", {"usd": 0.1873, "note": None, "calls": 731, "cached": 44, "by_role": {"main": role}})
    folder.event("climb_done")
