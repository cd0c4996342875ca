"""Inspect's evaluation logs (.json and .eval): samples are examples, the model's outputs stored answers, scores verdicts.

Schema: https://inspect.aisi.org.uk/eval-logs.html (EvalLog, EvalSample). Written by inspect-ai in tests/fixtures/importers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rung.data.cells import RawRow
from rung.data.importers.archive import member, opened
from rung.data.importers.base import (
    Found,
    Importer,
    Sheet,
    Source,
    asked,
    mapping,
    objects,
    plain,
    sequence,
    verdict_of,
)
from rung.errors import DataError

_METRICS = {"includes": "contains", "match": "normalized_match", "exact": "normalized_match", "f1": "token_f1"}
_HEADERS = ("header.json", "_journal/start.json")  # of a log that ended, and of one that did not
_SAMPLES = "samples/"


def recognise(source: Source) -> str | None:
    if any(name in source.archive for name in _HEADERS):
        return "it is an archive of samples with a header"
    first = source.first
    if source.alone and isinstance(first.get("eval"), dict) and ("plan" in first or "status" in first):
        return "it holds `eval`, `plan` and `samples`"
    return None


def read(source: Source, found: Found) -> Iterator[RawRow]:
    """Yield the samples. Raises DataError for a log without any, and for one that is damaged."""
    if source.archive:
        yield from _archived(source, found)
    else:
        whole = source.first
        yield from _rows(whole, iter(enumerate(objects(whole.get("samples")), 1)), source, found)


def _archived(source: Source, found: Found) -> Iterator[RawRow]:
    with opened(source.path) as archive:
        header = next(name for name in _HEADERS if name in source.archive)
        if header != _HEADERS[0]:
            found.said.append("the log has no header, so that its run did not end: what it has was read")
        names = [n for n in source.archive if n.startswith(_SAMPLES) and n.endswith(".json")]
        samples = ((place, member(archive, name, source.path)) for place, name in enumerate(names, 1))
        yield from _rows(member(archive, header, source.path), samples, source, found)


def _rows(
    log: Mapping[str, Any], samples: Iterator[tuple[int, Mapping[str, Any]]], source: Source, found: Found
) -> Iterator[RawRow]:
    about = mapping(log.get("eval"))
    model = str(about.get("model") or "model")
    sheet = Sheet(source, found)
    for place, sample in samples:
        _take(sample, place, model, sheet, source, found)
    if not len(sheet):
        status = log.get("status")
        raise DataError(
            f"holds no samples (its status is {status!r}): a header alone, or a run that ended before any; name the full log",
            file=source.file,
        )
    sheet.close()
    found.inputs, found.id = ["input"], "id"
    rows = list(sheet.rows())
    if any(row.cells.get("target") not in (None, "", []) for row in rows):
        found.target = "target"
    if any(row.cells.get("choices") for row in rows):
        found.inputs.append("choices")
    scorers = [s for stored in found.stored.values() for s in stored.verdicts]
    found.metric = next((_METRICS[s] for s in scorers if s in _METRICS), None) if found.target else None
    found.model = model if "/" in model else None
    yield from rows


def _take(sample: Mapping[str, Any], place: int, model: str, sheet: Sheet, source: Source, found: Found) -> None:
    if "input" not in sample:
        found.leave("samples without an input")
        return
    talk = asked(sample["input"], place, source.file, found)
    if talk is None:
        return
    key = str(sample.get("id", place))
    system = talk.system or next(
        (
            plain(m.get("content")) or ""
            for m in objects(sample.get("messages"))
            if m.get("role") == "system" and isinstance(m.get("content"), str)
        ),
        "",
    )
    choices = [plain(c) for c in sequence(sample.get("choices"))]
    cells = {"id": key, "system": system, "input": talk.text, "target": sample.get("target")}
    if choices:
        cells["choices"] = "\n".join(f"{chr(65 + n)}) {choice}" for n, choice in enumerate(choices))
    cells.update({f"metadata.{k}": v for k, v in mapping(sample.get("metadata")).items()})
    sheet.add(key, place, cells)
    if sample.get("error") is not None:
        found.leave("samples whose run failed: they have no stored answer")
        return
    output = mapping(sample.get("output"))
    answer = _answer(output, found)
    if answer is not None:
        sheet.answer(key, model, answer, dict(_verdicts(sample, found)), output.get("time"))


def _answer(output: Mapping[str, Any], found: Found) -> str | None:
    """Return the text of the first choice; parts that are no text are counted."""
    choices = objects(output.get("choices"))
    if not choices:
        found.leave("samples without an output")
        return None
    found.leave("choices beside the first one", len(choices) - 1)
    content = mapping(choices[0].get("message")).get("content")
    if isinstance(content, str):
        return content
    parts = objects(content)
    texts = [str(p["text"]) for p in parts if p.get("type") == "text" and isinstance(p.get("text"), str)]
    found.leave("parts of outputs that are no text", len(parts) - len(texts))
    return "".join(texts)


def _verdicts(sample: Mapping[str, Any], found: Found) -> Iterator[tuple[str, float | None]]:
    for scorer, score in mapping(sample.get("scores")).items():
        value = mapping(score).get("value")
        several = value.items() if isinstance(value, dict) else [(None, value)]
        for name, one in several:
            verdict = verdict_of(one)
            if verdict is None:
                found.leave(f"scores of {scorer} that are no number from 0 to 1")
            else:
                yield scorer if name is None else f"{scorer}.{name}", verdict


IMPORTER = Importer("an Inspect log", recognise, read)
