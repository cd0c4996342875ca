"""Samples of lm-evaluation-harness (samples_TASK_TIME.jsonl, written where samples are logged): documents, targets, responses, metrics.

Schema: https://github.com/EleutherAI/lm-evaluation-harness, `Evaluator` (doc, target, arguments, resps, filtered_resps, filter,
metrics). Written by lm-eval in tests/fixtures/importers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rung.data.cells import RawRow
from rung.data.importers.base import Found, Importer, Sheet, Source, mapping, sequence, verdict_of

_METRICS = {"exact_match": "exact_match", "acc": "exact_match", "acc_norm": "exact_match", "f1": "token_f1"}
_PROMPT = "prompt"
_MODEL = "model"


def recognise(source: Source) -> str | None:
    if source.alone or not source.all_have("doc", "doc_id", "arguments", "resps"):
        return None
    return "each row holds a doc, its arguments and resps"


def read(source: Source, found: Found) -> Iterator[RawRow]:
    """Yield the documents, one row each whatever the number of filters."""
    sheet = Sheet(source, found)
    for record in source.records():
        _take(record.cells, record.line, sheet, found)
    sheet.close()
    found.inputs, found.target, found.id = [_PROMPT], "target", "doc_id"
    names = [v for stored in found.stored.values() for v in stored.verdicts]
    found.metric = next((_METRICS[n] for n in names if n in _METRICS), None)
    yield from sheet.rows()


def _take(sample: Mapping[str, Any], line: int, sheet: Sheet, found: Found) -> None:
    requests = _requests(sample.get("arguments"))
    prompt = next((r[0] for r in requests if r), None)
    if prompt is None or "doc_id" not in sample:
        found.leave("samples without the prompt that was sent")
        return
    key = str(sample["doc_id"])
    options = [r[1] for r in requests if len(r) > 1 and r[1] is not None]
    target: object = sample.get("target")
    chosen = None
    if len(options) == len(requests) > 1:  # multiple choice: how likely each continuation is
        target = _option(target, options)
        chosen = _likeliest(sample.get("resps"), options)
    cells: dict[str, Any] = {"doc_id": key, _PROMPT: prompt, "target": target}
    if chosen is not None or len(options) > 1:
        cells["options"] = "\n".join(options)
    cells.update({f"doc.{k}": v for k, v in mapping(sample.get("doc")).items()})
    sheet.add(key, line, cells)
    answer = chosen if chosen is not None else _first_text(sample.get("filtered_resps"), sample.get("resps"))
    if answer is None:
        found.leave("samples whose responses are likelihoods of one text (perplexity): no answer")
        return
    kind = sample.get("filter")
    name = _MODEL if kind in (None, "none") else f"{_MODEL} ({kind})"
    sheet.answer(key, name, answer, dict(_verdicts(sample, found)))


def _requests(arguments: object) -> list[list[str]]:
    """Return the texts of each request: [prompt], or [prompt, continuation]."""
    if isinstance(arguments, dict):  # {"gen_args_0": {"arg_0": ..., "arg_1": ...}}
        return [[v for v in mapping(held).values() if isinstance(v, str)] for held in arguments.values()]
    return [[v for v in sequence(held) if isinstance(v, str)] for held in sequence(arguments)]


def _option(target: object, options: list[str]) -> object:
    """Return the continuation that a target means by its number, or by itself."""
    number = int(target) if isinstance(target, str) and target.isdecimal() and len(target) < 4 else target
    if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < len(options):
        return options[number].strip()
    return target


def _likeliest(resps: object, options: list[str]) -> str | None:
    """Return the continuation with the greatest likelihood; None where the responses are no likelihoods."""
    likelihoods = []
    for held in sequence(resps):
        first = held[0] if isinstance(held, list) and held else held
        value = first[0] if isinstance(first, list) and first else first
        try:
            likelihoods.append(float(value))
        except (TypeError, ValueError):
            return None
    if len(likelihoods) != len(options):
        return None
    return options[max(range(len(options)), key=likelihoods.__getitem__)].strip()


def _first_text(*responses: object) -> str | None:
    for held in responses:
        value = held
        while isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, str):
            return value
    return None


def _verdicts(sample: Mapping[str, Any], found: Found) -> Iterator[tuple[str, float | None]]:
    named = [m for m in sequence(sample.get("metrics")) if isinstance(m, str)]
    for name in named:
        verdict = verdict_of(sample.get(name))
        if verdict is None:
            found.leave(f"values of {name} that are no number from 0 to 1")
        else:
            yield name, verdict


IMPORTER = Importer("samples of lm-evaluation-harness", recognise, read)
