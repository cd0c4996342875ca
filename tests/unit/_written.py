"""The same examples in every shape that `rung init` reads, written after each tool's published schema (addresses: the importers)."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

MODEL, SYSTEM = "small-1", "Say which team it is."


@dataclass(frozen=True)
class Row:
    """One example: what is asked, what is expected, and what a model once said."""

    id: str
    asked: str
    expected: str
    said: str

    @property
    def good(self) -> bool:
        return self.said == self.expected


Rows = Sequence[Row]


def _lines(folder: Path, values: list, name: str = "d.jsonl") -> Path:
    (folder / name).write_text("".join(json.dumps(v, ensure_ascii=False) + "\n" for v in values), encoding="utf-8")
    return folder / name


def _whole(folder: Path, value: object, name: str = "d.json") -> Path:
    (folder / name).write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return folder / name


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def _assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def _chat(row: Row) -> list[dict[str, str]]:
    return [{"role": "system", "content": SYSTEM}, _user(row.asked)]


def _test(row: Row) -> dict[str, object]:
    return {"vars": {"question": row.asked}, "assert": [{"type": "equals", "value": row.expected}]}


def _promptfoo_results(rows: Rows, folder: Path) -> Path:
    results = [
        {
            "testIdx": n, "promptIdx": 0, "vars": {"question": r.asked}, "provider": {"id": MODEL}, "testCase": _test(r), "success": r.good,
            "response": {"output": r.said}, "latencyMs": 5, "cost": 0.1, "failureReason": 0,
            "gradingResult": {"pass": r.good, "componentResults": [{"pass": r.good, "assertion": _test(r)["assert"][0]}]},
        }
        for n, r in enumerate(rows)
    ]  # fmt: skip
    config = {"prompts": ["Which team? {{question}}"], "providers": [MODEL], "tests": [_test(r) for r in rows]}
    return _whole(folder, {"evalId": "e", "results": {"version": 3, "results": results}, "config": config})


def _promptfoo_csv(rows: Rows, folder: Path) -> Path:
    held = io.StringIO()
    table = csv.writer(held)
    table.writerows([["question", "__expected"], *([r.asked, f"equals: {r.expected}"] for r in rows)])
    (folder / "d.csv").write_text(held.getvalue(), encoding="utf-8", newline="")
    return folder / "d.csv"


def _inspect(rows: Rows) -> dict[str, object]:
    samples = [
        {
            "id": r.id, "epoch": 1, "input": r.asked, "target": r.expected, "messages": [*_chat(r), _assistant(r.said)],
            "output": {"model": MODEL, "choices": [{"message": _assistant(r.said), "stop_reason": "stop"}], "time": 0.5},
            "scores": {"exact": {"value": "C" if r.good else "I"}},
        }
        for r in rows
    ]  # fmt: skip
    return {"version": 2, "status": "success", "eval": {"task": "t", "model": MODEL}, "plan": {}, "samples": samples}


def _inspect_archive(rows: Rows, folder: Path) -> Path:
    log = _inspect(rows)
    samples = log.pop("samples")
    with zipfile.ZipFile(folder / "d.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        for n, sample in enumerate(samples):
            archive.writestr(f"samples/{n}_epoch_1.json", json.dumps(sample))
        archive.writestr("header.json", json.dumps(log))
    return folder / "d.eval"


def _lm_eval(r: Row, n: int) -> dict[str, object]:
    asked = {"gen_args_0": {"arg_0": r.asked, "arg_1": {"until": ["\n"]}}}
    return {
        "doc_id": n, "doc": {"q": r.asked}, "target": r.expected, "arguments": asked, "resps": [[r.said]], "filtered_resps": [r.said],
        "filter": "none", "metrics": ["exact_match"], "exact_match": float(r.good),
    }  # fmt: skip


def _output_item(r: Row, n: int) -> dict[str, object]:
    sample = {"model": MODEL, "input": _chat(r), "output": [_assistant(r.said)]}
    return {
        "object": "eval.run.output_item", "id": f"o{n}", "datasource_item_id": n, "datasource_item": {"question": r.asked, "ideal": r.expected},
        "sample": sample, "results": [{"name": "check", "type": "string_check", "passed": r.good, "score": float(r.good)}],
    }  # fmt: skip


def _oaieval(rows: Rows) -> list[dict[str, object]]:
    events: list[dict[str, object]] = [{"spec": {"eval_name": "t", "completion_fns": [MODEL]}}]
    for r in rows:
        events.append(
            {"run_id": "x", "sample_id": r.id, "type": "sampling", "data": {"prompt": _chat(r), "sampled": [r.said]}}
        )
        match = {"correct": r.good, "expected": r.expected, "picked": r.said, "sampled": r.said}
        events.append({"run_id": "x", "sample_id": r.id, "type": "match", "data": match})
    return events


def _squad(rows: Rows) -> dict[str, object]:
    asked = [{"id": r.id, "question": r.asked, "answers": [{"text": r.expected, "answer_start": 0}]} for r in rows]
    return {
        "version": "1.1",
        "data": [{"title": "t", "paragraphs": [{"context": "One page holds it all.", "qas": asked}]}],
    }


def _langsmith_run(r: Row) -> dict[str, object]:
    return {
        "id": r.id, "run_type": "llm", "inputs": {"messages": [_chat(r)]}, "outputs": {"output": r.said}, "reference_outputs": {"team": r.expected},
        "extra": {"metadata": {"ls_model_name": MODEL}}, "feedback_stats": {"exact": {"n": 1, "avg": float(r.good)}},
    }  # fmt: skip


def _span(r: Row) -> dict[str, object]:
    def text(key: str, value: str) -> dict[str, object]:
        return {"key": key, "value": {"stringValue": value}}

    asked = json.dumps([{"role": m["role"], "parts": [{"type": "text", "content": m["content"]}]} for m in _chat(r)])
    said = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": r.said}]}])
    attributes = [text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", MODEL)]
    attributes += [text("gen_ai.input.messages", asked), text("gen_ai.output.messages", said)]
    return {"traceId": r.id, "spanId": r.id, "startTimeUnixNano": "1", "endTimeUnixNano": "2", "attributes": attributes}


def _trace(r: Row) -> dict[str, object]:
    return {
        "id": r.id,
        "timestamp": "2026-01-01T00:00:00Z",
        "name": MODEL,
        "sessionId": None,
        "input": _chat(r),
        "output": r.said,
        "scores": [],
    }


Write = Callable[[Rows, Path], Path]
WITH_TARGETS: dict[str, Write] = {
    "alpaca": lambda rows, f: _whole(f, [{"instruction": r.asked, "input": "", "output": r.expected} for r in rows]),
    "sharegpt": lambda rows, f: _whole(f, [{"conversations": [{"from": "human", "value": r.asked}, {"from": "gpt", "value": r.expected}]} for r in rows]),
    "trl prompt-completion": lambda rows, f: _lines(f, [{"prompt": r.asked, "completion": r.expected} for r in rows]),
    "trl conversational": lambda rows, f: _lines(f, [{"prompt": [_user(r.asked)], "completion": [_assistant(r.expected)]} for r in rows]),
    "trl messages": lambda rows, f: _lines(f, [{"messages": [*_chat(r), _assistant(r.expected)]} for r in rows]),
    "trl preference": lambda rows, f: _lines(f, [{"prompt": r.asked, "chosen": r.expected, "rejected": r.said} for r in rows]),
    "trl implicit preference": lambda rows, f: _lines(f, [{"chosen": [_user(r.asked), _assistant(r.expected)], "rejected": [_user(r.asked), _assistant(r.said)]} for r in rows]),
    "openai evals data": lambda rows, f: _lines(f, [{"input": _chat(r), "ideal": [r.expected]} for r in rows]),
    "openai evals item": lambda rows, f: _lines(f, [{"item": {"question": r.asked, "ideal": r.expected}} for r in rows]),
    "ragas": lambda rows, f: _lines(f, [{"user_input": r.asked, "retrieved_contexts": ["c"], "response": r.said, "reference": r.expected} for r in rows]),
    "deepeval": lambda rows, f: _whole(f, [{"input": r.asked, "actual_output": r.said, "expected_output": r.expected} for r in rows]),
    "squad": lambda rows, f: _whole(f, _squad(rows)),
    "squad rows": lambda rows, f: _lines(f, [{"id": r.id, "context": "One page.", "question": r.asked, "answers": {"text": [r.expected], "answer_start": [0]}} for r in rows]),
    "promptfoo yaml": lambda rows, f: _whole(f, {"tests": [_test(r) for r in rows]}, "d.yaml"),
    "promptfoo json": lambda rows, f: _whole(f, {"tests": [_test(r) for r in rows]}),
    "promptfoo csv": _promptfoo_csv,
    "langsmith examples": lambda rows, f: _lines(f, [{"id": r.id, "dataset_id": "d", "inputs": {"question": r.asked}, "outputs": {"team": r.expected}} for r in rows]),
    "langfuse items": lambda rows, f: _lines(f, [{"id": r.id, "datasetId": "d", "status": "ACTIVE", "input": {"question": r.asked}, "expectedOutput": r.expected} for r in rows]),
}  # fmt: skip
WITH_BOTH: dict[str, Write] = {
    "promptfoo results": _promptfoo_results,
    "inspect json": lambda rows, f: _whole(f, _inspect(rows)),
    "inspect eval": _inspect_archive,
    "lm-eval": lambda rows, f: _lines(f, [_lm_eval(r, n) for n, r in enumerate(rows)]),
    "openai evals output items": lambda rows, f: _lines(f, [_output_item(r, n) for n, r in enumerate(rows)]),
    "openai evals log": lambda rows, f: _lines(f, _oaieval(rows)),
    "langsmith runs": lambda rows, f: _lines(f, [_langsmith_run(r) for r in rows]),
}
WITH_ANSWERS: dict[str, Write] = {
    "otlp": lambda rows, f: _whole(f, {"resourceSpans": [{"scopeSpans": [{"spans": [_span(r) for r in rows]}]}]}),
    "otlp lines": lambda rows, f: _lines(
        f, [{"resourceSpans": [{"scopeSpans": [{"spans": [_span(r)]}]}]} for r in rows]
    ),
    "langfuse traces": lambda rows, f: _lines(f, [_trace(r) for r in rows]),
    "trl unpaired": lambda rows, f: _lines(
        f, [{"prompt": r.asked, "completion": r.said, "label": r.good} for r in rows]
    ),
}


def batch(rows: Rows, folder: Path) -> tuple[Path, Path]:
    """Write the two files of a batch of OpenAI."""
    url = "/v1/chat/completions"
    asked = [
        {"custom_id": r.id, "method": "POST", "url": url, "body": {"model": MODEL, "messages": _chat(r)}} for r in rows
    ]
    said = [
        {"custom_id": r.id, "response": {"status_code": 200, "body": {"choices": [{"message": _assistant(r.said)}]}}}
        for r in rows
    ]
    return _lines(folder, asked, "in.jsonl"), _lines(folder, said, "out.jsonl")
