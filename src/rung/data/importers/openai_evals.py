"""OpenAI Evals: output items of a run as the service exports them, and the event logs that the open-source `oaieval` writes.

Schemas: https://platform.openai.com/docs/api-reference/evals/run-output-item-object (eval.run.output_item) and
https://github.com/openai/evals, evals/record.py (spec, sampling, match, metrics, final_report). Data files of either
(`{"item": ...}`, `input` with `ideal`) are plain rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rung.data.cells import RawRow
from rung.data.importers.base import Found, Importer, Sheet, Source, asked, mapping, objects, plain, verdict_of
from rung.errors import DataError

_ITEM = "eval.run.output_item"
_METRICS = {"match": "exact_match", "string_check": "exact_match", "includes": "contains"}


def _items(source: Source) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if source.alone:  # a page of the list, as the service sends it
        yield from enumerate(objects(source.first.get("data")), 1)
    else:
        yield from ((row.line, row.cells) for row in source.records())


def recognise_items(source: Source) -> str | None:
    first = objects(source.first.get("data"))[:1] if source.alone else [row.cells for row in source.head]
    if not first or not all(item.get("object") == _ITEM for item in first):
        return None
    return "each row is an eval.run.output_item"


def read_items(source: Source, found: Found) -> Iterator[RawRow]:
    """Yield one row a data source item; its columns are the user's own."""
    sheet = Sheet(source, found)
    scorers: list[str] = []
    own = False
    for line, item in _items(source):
        sample = mapping(item.get("sample"))
        held = mapping(item.get("datasource_item"))
        cells = dict(mapping(held.get("item")) or held)
        own = own or bool(cells)
        if not cells:
            talk = asked(sample.get("input"), line, source.file, found)
            if talk is None or not (talk.text or talk.system):
                found.leave("items without what was asked")
                continue
            cells = {"system": talk.system, "input": talk.text}
        key = str(item.get("datasource_item_id", item.get("id", line)))
        sheet.add(key, line, cells)
        said = [m for m in objects(sample.get("output")) if m.get("role") in (None, "assistant")]
        if not said:
            found.leave("items without an answer: their request failed")
            continue
        verdicts = {}
        for result in objects(item.get("results")):
            name = str(result.get("name") or result.get("type") or "grader").rsplit("-", 1)[0]
            score = result.get("passed") if isinstance(result.get("passed"), bool) else result.get("score")
            verdicts[name] = verdict_of(score)
            scorers.append(str(result.get("type") or name))
        sheet.answer(key, str(sample.get("model") or "model"), plain(said[-1].get("content")), verdicts)
    sheet.close()
    found.own_columns = own
    found.inputs = [] if own else ["input"]
    found.metric = next((_METRICS[s] for s in scorers if s in _METRICS), None)
    yield from sheet.rows()


def recognise_log(source: Source) -> str | None:
    if source.alone or not isinstance(source.first.get("spec"), dict) or "eval_name" not in source.first["spec"]:
        return None
    return "its first line is the spec of a run"


def read_log(source: Source, found: Found) -> Iterator[RawRow]:
    """Yield one row a sample. Raises DataError for a log without samplings or matches."""
    sheet = Sheet(source, found)
    model = "model"
    held: dict[str, dict[str, Any]] = {}
    for row in source.records():
        event = row.cells
        if isinstance(event.get("spec"), dict):
            model = next((str(c) for c in event["spec"].get("completion_fns") or () if c), model)
            continue
        if "final_report" in event:
            continue
        sample, data = event.get("sample_id"), mapping(event.get("data"))
        if event.get("type") == "sampling" and sample is not None:
            _sampled(held.setdefault(str(sample), {"line": row.line}), data, row.line, source, found)
        elif event.get("type") == "match" and sample is not None:
            one = held.setdefault(str(sample), {"line": row.line})
            one.update(target=data.get("expected"), correct=verdict_of(data.get("correct")))
            one.setdefault("answer", plain(data.get("sampled")))
        else:
            found.leave(f"events of the type {str(event.get('type'))[:40]}")
    for key, one in held.items():
        if "input" not in one:
            found.leave("samples without what was asked")
            continue
        sheet.add(
            key, one["line"], {"id": key, "system": one["system"], "input": one["input"], "target": one.get("target")}
        )
        sheet.answer(key, model, one.get("answer"), {"match": one.get("correct")})
    if not len(sheet):
        raise DataError(
            "is the log of a run without a sample that says what was asked; name the log of a full run",
            file=source.file,
        )
    sheet.close()
    found.inputs, found.id = ["input"], "id"
    found.target = "target" if any(one.get("target") is not None for one in held.values()) else None
    found.metric = "exact_match" if found.target else None
    yield from sheet.rows()


def _sampled(one: dict[str, Any], data: Mapping[str, Any], line: int, source: Source, found: Found) -> None:
    talk = asked(data.get("prompt"), line, source.file, found)
    if talk is None or "input" in one:
        found.leave("further samplings of one sample", 1 if "input" in one else 0)
        return
    sampled = data.get("sampled")
    said = sampled[0] if isinstance(sampled, list) and sampled else sampled
    one.update(system=talk.system, input=talk.text, answer=plain(said))


ITEMS = Importer("output items of OpenAI Evals", recognise_items, read_items)
LOG = Importer("the log of an OpenAI Evals run", recognise_log, read_log)
