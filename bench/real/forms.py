"""What each fix of form brings on real models: free form, post-processing and structured output on the same rows, paired.

    python -m bench.real.forms [--weights FOLDER] [--shared FOLDER] [--rows 100] [--threads 2] [--out FILE] [ARM ...]

Arms: `smollm2`, `qwen05` through a real llama-server; `smollm2-local`, `qwen05-local` by provider `local`; `thinking`, a stub
that thinks aloud before every answer, over real HTTP. One prompt a set, as a developer writes it; the functions are those that
the prompt step uses. Structured output is asked for all rows, also where the step would have dropped it early. Prints one
Markdown table, and writes every arm's figures to FILE as it is done: the same command goes on where it was broken off.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema

from bench.real.__main__ import rows, running
from bench.real.server import cpu_s, llama
from rung import plugins
from rung.models.fake import FakeModel
from rung.prompts.postprocessing import in_words, unwrapped
from rung.prompts.race import Race, asked, racing_order, racing_scores
from rung.prompts.rewrites import Draft, prompt_candidate
from rung.prompts.structured import form_of, held_by, held_to_form
from rung.prompts.templates import instructed
from rung.stats.paired import compare_paired
from rung.testing.kit import BareKit
from rung.types import Example, MetricSpec, ModelCard, Outcome, Task
from rung_nano.fetched import MODELS, Cache

SEED = 7
TRAIN = 1000  # rows from which labels and schema are made
ARMS = ("smollm2", "qwen05", "smollm2-local", "qwen05-local", "thinking")
SETS: Mapping[str, Mapping[str, Any]] = {
    "it-tickets": {
        "kind": "classification",
        "metric": "normalized_match",
        "longest": 24,
        "instruction": "Which team handles this help-desk ticket? Teams: {labels}. Answer with the name of the team only.",
    },
    "restaurant8k": {
        "kind": "extraction",
        "metric": "json_fields",
        "longest": 96,
        "instruction": "Which slots does the user's turn fill? Slots: date, time, people, first_name, last_name. "
        "Copy their words. Answer as a JSON object with the slots that are filled, and with nothing else.",
    },
}


def task_of(name: str, source: Path, count: int) -> tuple[Task, list[Example], list[Example]]:
    """Return the task with its training rows and the first `count` test rows."""
    plan = SETS[name]
    train, dev = (
        [
            Example(r["id"], {"text": r["input"]}, r["expected"], r["id"])
            for _, r in zip(range(n), rows(source, part), strict=False)
        ]
        for part, n in (("train", TRAIN), ("test", count))
    )
    labels = tuple(sorted({e.target for e in train})) if plan["kind"] == "classification" else None
    said = plan["instruction"].format(labels=", ".join(labels or ()))
    task = Task(name, said, ("text",), "label", plan["kind"], (MetricSpec(plan["metric"]),), 0.9, labels=labels)
    return task, train, dev


async def measured(
    settings: Any, task: Task, train: list[Example], dev: list[Example], pid: int | None
) -> dict[str, Any]:
    """Return the figures of free form, post-processing and structured output on the same rows."""
    model = settings.connect()
    card = ModelCard("main", settings.provider, settings.name, settings.context, settings.max_tokens)
    kit = BareKit(task, model, card, plugins.make("metrics", task.metrics[0].plugin))
    candidate = prompt_candidate(Draft("as written", instructed(task.instruction, task.inputs)), "main")
    try:
        before = cpu_s(pid)
        order = racing_order(dev, kit)
        free = Race(order, (candidate,), {candidate.name: await kit.run(candidate, order)}, candidate)
        after_free = cpu_s(pid)
        found, _ = await unwrapped(free, task, kit)
        start = cpu_s(pid)
        form = form_of(task, train)
        tried, _, loose = await held_to_form(free, form, task, kit)
        held = next((c for c in tried.candidates if c.name != candidate.name), None)
        untried = (
            held is None and not loose
        )  # the step tries no form where hardly a row fails by it: here it is measured
        if form is not None and held is None and untried:
            held = held_by(candidate, next(form.ways()))
            tried = replace(tried, candidates=(candidate, held), seen={**tried.seen, held.name: ()})
        if held is not None:
            tried = await asked(tried, held.name, kit)
        after_held = cpu_s(pid)
    finally:
        await model.close()
    made: dict[str, Any] = {
        "free": _figures(free.seen[candidate.name], after_free - before, task),
        "left_out": [s.reason for s in loose],
        "by_itself": not untried,
    }
    if found.winner.name != candidate.name:
        steps = found.winner.chat.postprocessing if found.winner.chat is not None else None
        made["post"] = {**_figures(found.seen[found.winner.name], 0.0, task), "steps": in_words(steps or ""),
                        **_against(free.seen[candidate.name], found.seen[found.winner.name], task)}  # fmt: skip
    if held is not None and form is not None:
        outcomes = tried.seen[held.name]
        made["held"] = {**_figures(outcomes, after_held - start, task), "valid": sum(_valid(o, form.schema) for o in outcomes),
                        **_against(free.seen[candidate.name], outcomes, task)}  # fmt: skip
    return made


def _figures(outcomes: Sequence[Outcome], cpu: float, task: Task) -> dict[str, Any]:
    scores = racing_scores(outcomes, task)
    tokens = [c.output_tokens or 0 for o in outcomes if o.answer is not None for c in o.answer.calls]
    return {
        "n": len(scores),
        "score": sum(scores) / len(scores),
        "tokens": sum(tokens) / max(len(tokens), 1),
        "cpu_s": cpu,
    }


def _against(first: Sequence[Outcome], second: Sequence[Outcome], task: Task) -> dict[str, Any]:
    test = compare_paired(racing_scores(first[: len(second)], task), racing_scores(second, task), seed=SEED)
    return {
        "gain": test.gain,
        "low": test.low,
        "high": test.high,
        "p": test.p_value,
        "better": test.wins,
        "worse": test.losses,
    }


def _valid(outcome: Outcome, schema: Any) -> bool:
    """Whether the model's own words, before any step, are JSON that the schema allows."""
    if outcome.answer is None or not outcome.answer.calls:
        return False
    try:
        jsonschema.validate(json.loads(outcome.answer.calls[-1].text), schema)
    except (ValueError, jsonschema.ValidationError):
        return False
    return True


def one(arm: str, name: str, weights: Path, shared: Path, count: int, threads: int) -> dict[str, Any]:
    """Measure one arm on one set."""
    task, train, dev = task_of(name, shared / "data" / name, count)
    longest = 96 if arm == "thinking" else SETS[name]["longest"]
    if arm == "thinking":
        known = {e.inputs["text"]: e.target for e in (*train, *dev)}
        thought = "<think>\nThe text says one thing, so this is what fits it.\n</think>\n\n{}"
        fake = FakeModel(
            answers=known, abilities={"base": 0.8}, format_slip=1.0, slip_forms=(thought,), labels=task.labels
        )
        place: Any = running(fake)
    elif arm.endswith("-local"):
        place = nullcontext(None)
    else:
        place = llama(Cache(weights).gguf(arm), Cache(weights).server(), threads)
    with place as at:
        if at is None:
            base = arm.removesuffix("-local")
            settings = plugins.make("models", "local", name=MODELS[base].title, folder=str(Cache(weights).model(base).resolve()), dtype="bfloat16",
                                    max_tokens=longest, batch=8, threads=1)  # fmt: skip
            return asyncio.run(measured(settings, task, train, dev, None))
        url, pid = (at, None) if isinstance(at, str) else at
        settings = plugins.make("models", "openai", name=MODELS[arm].title if arm in MODELS else "stub", base_url=url, max_tokens=longest, concurrency=2,
                                context=4096, timeout_s=600, keep_thoughts=arm == "thinking")  # fmt: skip
        return asyncio.run(measured(settings, task, train, dev, pid))


def table(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the Markdown table."""
    yield "| model | set | n | free | with steps | gain (better : worse) | structured | gain (better : worse) | valid | tokens an answer | CPU-s an answer |"
    yield "|---|---|--:|--:|--:|---|--:|---|--:|--:|--:|"
    for key, made in found.items():
        arm, _, name = key.partition("/")
        free, post, held = made["free"], made.get("post"), made.get("held")
        cells = [arm, name, str(free["n"]), f"{free['score']:.2f}"]
        for fix in (post, held):
            cells += ["-", "none"] if fix is None else [
                f"{fix['score']:.2f}" + (f" ({fix['steps']})" if "steps" in fix else ""),
                f"{fix['gain']:+.2f}, {fix['low']:+.2f} to {fix['high']:+.2f} ({fix['better']} : {fix['worse']}), {_p(fix['p'])}",
            ]  # fmt: skip
        cells.append(f"{held['valid']} of {held['n']}" if held else "; ".join(made["left_out"]) or "-")
        both = [free, *([held] if held else [])]
        cells.append(" -> ".join(f"{f['tokens']:.1f}" for f in both))
        cells.append(" -> ".join(f"{f['cpu_s'] / f['n']:.2f}" for f in both))
        yield "| " + " | ".join(cells) + " |"


def _p(value: float) -> str:
    return "p < .001" if value < 0.001 else f"p {value:.3f}"


def main() -> None:
    """Measure the arms that are not measured yet and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=Path("runs/weights"))
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("RUNG_SHARED", "../shared")))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "forms.json")
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2, help="threads of the server")
    parser.add_argument("arms", nargs="*", default=list(ARMS))
    args = parser.parse_args()
    found = json.loads(args.out.read_text()) if args.out.exists() else {}
    for name in SETS:
        for arm in args.arms:
            if f"{arm}/{name}" not in found:
                found[f"{arm}/{name}"] = one(arm, name, args.weights, args.shared, args.rows, args.threads)
                args.out.write_text(json.dumps(found, indent=1) + "\n")
                print(json.dumps({f"{arm}/{name}": found[f"{arm}/{name}"]}), flush=True)
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
