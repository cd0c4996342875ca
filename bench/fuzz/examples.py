"""Files of examples: every format that `rung init` and `load` read, and what init writes of them read back."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.fuzz.target import Target, must, packed, unpacked, writable
from rung.cli._draft import ModelDraft, render
from rung.cli.init import Wishes, propose
from rung.config import load_config
from rung.data.configured import part_rows, read_rows
from rung.data.files import raw_rows
from rung.data.load import load
from rung.errors import DataError

ROWS = tuple(
    {"id": f"r{i}", "text": f"How do I {w} my card?", "label": w}
    for i, w in enumerate("freeze unlock freeze pin".split())
)
CHATS = (
    {
        "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "yo"},
        ]
    },
    {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "yo"}]},
    {"contents": [{"role": "user", "parts": [{"text": "hi"}]}, {"role": "model", "parts": [{"text": "yo"}]}]},
    {
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
        ]
    },
    {"prompt": [{"role": "user", "content": "a"}], "chosen": [{"role": "assistant", "content": "b"}], "rejected": []},
)
TOOLS = (
    {"instruction": "Add.", "input": "1 2", "output": "3"},  # alpaca
    {
        "user_input": "q",
        "reference": "a",
        "response": "b",
        "retrieved_contexts": ["c"],
        "reference_contexts": ["d"],
    },  # Ragas
    {"input": "q", "actual_output": "a", "expected_output": "b", "context": ["c"]},  # DeepEval
    {"item": {"input": "q", "ideal": ["a"]}, "sample": {}},  # evals of OpenAI
    {"question": "q", "context": "c", "answers": {"text": ["a"], "answer_start": [0]}},  # SQuAD
    {"vars": {"q": "a"}, "__expected": "equals: b"},
)
_CHAT = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "hi"}]
_SAID = {"role": "assistant", "content": "yo"}
LOGS = (  # what other tools write, an object a line
    {"doc_id": 0, "doc": {"q": "a"}, "target": "1", "arguments": {"gen_args_0": {"arg_0": "p", "arg_1": " x"}, "gen_args_1": {"arg_0": "p", "arg_1": " y"}}, "resps": [[["-1.0", "False"]], [["-2.0", "False"]]], "filter": "none", "metrics": ["acc"], "acc": 1.0},
    {"object": "eval.run.output_item", "datasource_item": {"q": "a", "ideal": "b"}, "sample": {"model": "m", "input": _CHAT, "output": [_SAID]}, "results": [{"name": "n", "passed": True}]},
    {"custom_id": "1", "url": "/v1/chat/completions", "body": {"model": "m", "messages": _CHAT}},
    {"custom_id": "1", "response": {"body": {"choices": [{"message": _SAID}]}}},
    {"id": "1", "dataset_id": "d", "inputs": {"q": "a"}, "outputs": {"a": "b"}, "metadata": {"k": 1}},
    {"id": "1", "run_type": "llm", "inputs": {"messages": [_CHAT]}, "outputs": {"generations": [[{"text": "yo"}]]}, "feedback_stats": {"f": {"avg": 1}}, "start_time": "2026-01-01T00:00:00", "end_time": "2026-01-01T00:00:01"},
    {"id": "1", "datasetId": "d", "status": "ACTIVE", "input": {"q": "a"}, "expectedOutput": {"a": "b"}},
    {"id": "1", "timestamp": "t", "sessionId": "s", "input": _CHAT, "output": _SAID, "scores": [{"name": "n", "value": 1}], "latency": 1.5},
    {"prompt": _CHAT, "completion": [_SAID], "label": True},
    {"prompt": "a", "completions": ["b", "c"], "labels": [True, False]},
    {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "t", "spanId": "s", "startTimeUnixNano": "1", "endTimeUnixNano": "2", "attributes": [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}, {"key": "gen_ai.prompt.0.role", "value": {"stringValue": "user"}}, {"key": "gen_ai.prompt.0.content", "value": {"stringValue": "hi"}},
        {"key": "gen_ai.output.messages", "value": {"arrayValue": {"values": [{"kvlistValue": {"values": [{"key": "content", "value": {"stringValue": "yo"}}]}}]}}}]}]}]}]},
)  # fmt: skip
INSPECT = {"eval": {"model": "m/x"}, "plan": {}, "status": "success"}
SAMPLE = {"id": "1", "epoch": 1, "input": _CHAT, "choices": ["a", "b"], "target": ["A"], "messages": _CHAT, "output": {"choices": [{"message": _SAID}], "time": 1}, "scores": {"match": {"value": "C"}}}  # fmt: skip
RESULTS = {"results": {"results": [{"testIdx": 0, "promptIdx": 0, "vars": {"q": "a"}, "provider": {"id": "m"}, "success": True, "response": {"output": "yo"}, "testCase": {"assert": [{"type": "contains", "value": "y"}]}, "gradingResult": {"componentResults": [{"pass": True, "assertion": {"type": "contains"}}]}}]}, "config": {"prompts": ["{{q}}"], "providers": ["openai:x"]}}  # fmt: skip
OAIEVAL = (
    {"spec": {"eval_name": "e", "completion_fns": ["m"]}},
    {"sample_id": "1", "type": "sampling", "data": {"prompt": _CHAT, "sampled": ["yo"]}},
    {"sample_id": "1", "type": "match", "data": {"correct": True, "expected": "yo", "sampled": "yo"}},
)
SQUAD = {
    "version": "1",
    "data": [
        {
            "title": "t",
            "paragraphs": [{"context": "c", "qas": [{"id": "1", "question": "q", "answers": [{"text": "a"}]}]}],
        }
    ],
}
COLUMNS = {"text": {"0": "a", "1": "b"}, "label": {"0": "x", "1": "y"}}
SPLIT = {"columns": ["text", "label"], "index": [0], "data": [["a", "b"]]}
SERVER = {"features": [], "rows": [{"row_idx": 0, "row": {"text": "a", "label": "b"}}]}
PROMPTFOO = """prompts: ["{{q}}"]
defaultTest: {vars: {lang: en}, assert: [{type: latency, threshold: 5}]}
tests:
  - description: one
    vars: {question: 1.10, when: 2024-01-01, answer: NO}
    assert: [{type: equals, value: "{{answer}}"}]
  - vars: &a {question: [x, y], n: 0x10}
    assert: [{type: contains-any, value: [a, b]}, {type: llm-rubric, value: good}]
  - {vars: *a, assert: [{type: similar, value: "z"}]}
"""
CSV = 'id,text,label\n1,"a, ""b""",x\n2,c,y\n3,"d\ne",x\n'
JSON_WORDS = ('"messages"', '"role"', '"content"', '"assistant"', '"user"', '"from"', '"value"', '"parts"', '"tests"', '"vars"', '"assert"',
              '"answers"', '"text"', '"data"', '"rows"', '"row"', '"item"', '"ideal"', '"id"', '"label"', "NaN", "1e999", "null", "\\ud800", "\u0085", "\x7f", "[[[[")  # fmt: skip


TOOL_WORDS = ('"samples"', '"scores"', '"output"', '"choices"', '"arguments"', '"resps"', '"body"', '"inputs"', '"outputs"', '"attributes"', '"value"',
              '"stringValue"', '"kvlistValue"', '"results"', '"provider"', '"response"', "null", "{}", "[]", "true", "1e308", '"role"', '"content"')  # fmt: skip


def _read(path: Path, folder: Path) -> None:
    """Look at a file as `rung init` does, write the rung.yaml, read that, load the rows, and part them."""
    out = folder / "rung.yaml"
    try:
        proposal = propose(Wishes(path, out, model=ModelDraft("nano")))
    except DataError:
        rows = list(raw_rows(path))
        names = list(dict.fromkeys(name for row in rows for name in row.cells)) or ["text"]
        _sound(load(path, inputs=names[:1], target=names[-1]).examples)
        raise
    draft = replace(proposal.draft, model=ModelDraft("fake"))
    out.write_text(render(draft), encoding="utf-8")
    config = load_config(out)
    must(config.task.inputs == draft.inputs and config.task.target == draft.target, "init's columns are not read back")
    must(config.task.instruction == draft.instruction, "init's instruction is not read back")
    must((config.data.id, config.data.group_by) == (draft.id, draft.group), "init's ids and groups are not read back")
    loaded = read_rows(config)
    _sound(loaded.whole.examples, bool(config.task.target))
    part_rows(config, loaded)


def _sound(examples: tuple, expected: bool = True) -> None:  # type: ignore[type-arg]
    ids = [e.id for e in examples]
    must(len(set(ids)) == len(ids), "two rows have one id")
    for e in examples:
        writable(e.id, e.group, *e.inputs, *e.inputs.values(), *e.targets)
        must(bool(e.target.strip()) or not expected, "an example has no expected output")


def _file(suffix: str) -> Callable[[bytes, Path], None]:
    def run(data: bytes, folder: Path) -> None:
        path = folder / f"rows{suffix}"
        path.write_bytes(data)
        _read(path, folder)

    return run


def _gzipped(data: bytes, folder: Path) -> None:
    path = folder / "rows.csv.gz"
    path.write_bytes(data)
    _read(path, folder)


def _folder(data: bytes, folder: Path) -> None:
    """Members as files; names that no file can have are passed over."""
    place = folder / "texts"
    place.mkdir(exist_ok=True)
    for old in sorted(place.rglob("*"), reverse=True):
        old.rmdir() if old.is_dir() and not old.is_symlink() else old.unlink()
    for name, content in unpacked(data).items():
        parts = [p for p in name.split("/") if p not in ("", ".", "..") and "\0" not in p and len(p.encode()) < 200][:2]
        target = place.joinpath(*parts)
        if parts and not target.exists() and not target.parent.is_file():
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(content)
    _read(place, folder)


def zipped(data: bytes) -> bytes:
    """Return the members of an input as a zip archive."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in unpacked(data).items():
            archive.writestr(zipfile.ZipInfo(name or "x"), content)
    return made.getvalue()


def members(archive: bytes, but: tuple[str, ...] = ()) -> bytes:
    """Return a zip archive as one input; `but`: members that are left out, as nothing reads them."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return packed({name: opened.read(name) for name in opened.namelist() if not name.startswith(but)})


def _workbook(data: bytes, folder: Path) -> None:
    path = folder / "rows.xlsx"
    path.write_bytes(zipped(data))
    _read(path, folder)


def _log(data: bytes, folder: Path) -> None:
    path = folder / "log.eval"
    path.write_bytes(zipped(data))
    _read(path, folder)


def _log_seeds() -> tuple[bytes, ...]:
    samples = {f"samples/{n}_epoch_1.json": json.dumps({**SAMPLE, "id": f"s{n}"}).encode() for n in range(3)}
    return (
        packed({**samples, "header.json": json.dumps(INSPECT).encode()}),
        packed({**samples, "_journal/start.json": b"{}"}),
    )


def _xlsx_seeds() -> tuple[bytes, ...]:
    import datetime

    import openpyxl

    made = []
    for merged in (False, True):
        book = openpyxl.Workbook()
        sheet = book.active
        sheet.append(["id", "text", "label"])
        for row in ROWS:
            sheet.append(list(row.values()))
        sheet.append([5, 1.5, "=A1" if merged else "a"])
        sheet.append([True, datetime.datetime(2024, 1, 1), "x"])
        if merged:
            sheet.merge_cells("A2:B2")
        held = io.BytesIO()
        book.save(held)
        made.append(members(held.getvalue(), ("xl/theme", "docProps")))
    return tuple(made)


def _parquet_seeds() -> tuple[bytes, ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = []
    for compression in ("none", "snappy"):
        held = io.BytesIO()
        pq.write_table(pa.Table.from_pylist([dict(r) for r in ROWS]), held, compression=compression)
        made.append(held.getvalue())
    held = io.BytesIO()
    pq.write_table(
        pa.table({"q": ["a", "b"], "answers": [["x"], ["y", "z"]], "label": pa.array([0, 1], pa.int64())}), held
    )
    return (*made, held.getvalue())


def _jsonl(rows: tuple) -> bytes:  # type: ignore[type-arg]
    return "".join(json.dumps(r) + "\n" for r in rows).encode()


def targets() -> tuple[Target, ...]:
    """Return the targets of this file."""
    tools = (*(_jsonl((c, c)) for c in CHATS), *(_jsonl((t, t)) for t in TOOLS))
    forms = tuple(
        json.dumps(v).encode()
        for v in (list(ROWS), list(CHATS[:2]), SQUAD, COLUMNS, SPLIT, SERVER, {"tests": [TOOLS[-1]]})
    )
    texts = (
        {"a.input.txt": b"hi", "a.output.txt": b"yo", "b.input.txt": b"ho", "b.output.txt": b"ye"},
        {"input/a.txt": b"hi", "output/a.txt": b"yo"},
    )
    words = ('"', ",", ";", "\t", "sep=;", "\r\n", "\r", "\ufeff", "\u0085", "\x7f", "\ufffe", "\u2028")
    return (
        Target("rows-csv", _file(".csv"), (CSV.encode(), CSV.replace(",", ";").encode(), b"sep=;\na;b\n1;2\n"), words),
        Target("rows-tsv", _file(".tsv"), (CSV.replace(",", "\t").encode(), b"a\tb\n1\t2\n"), words),
        Target("rows-json", _file(".json"), (*forms, *tools), JSON_WORDS),
        Target("rows-jsonl", _file(".jsonl"), (_jsonl(ROWS), *tools), JSON_WORDS),
        Target("tools-jsonl", _file(".jsonl"), (*(_jsonl((log, log)) for log in LOGS), _jsonl(OAIEVAL)), TOOL_WORDS),
        Target("tools-json", _file(".json"), tuple(json.dumps(v).encode() for v in ({**INSPECT, "samples": [SAMPLE, SAMPLE]}, RESULTS, LOGS[-1], {"data": [LOGS[1]]})), TOOL_WORDS),
        Target("tools-eval", _log, _log_seeds(), (*TOOL_WORDS, "samples/", "header.json")),
        Target("rows-yaml", _file(".yaml"), (PROMPTFOO.encode(),), ("&a", "*a", "<<:", "!!python/object", "file://", "{{q}}", "tests:", "0x", "---")),
        Target("rows-xlsx", _workbook, _xlsx_seeds(), ("<c", "<row", "<v>", "<is><t>", 't="s"', 't="e"', "<mergeCell", "<f>", "_x000D_", "&#x1;")),
        Target("rows-parquet", _file(".parquet"), _parquet_seeds()),
        Target("rows-folder", _folder, tuple(packed(t) for t in texts), (".input.txt", ".output.txt", "input/", "output/", ".json", ".md")),
        Target("rows-gzip", _gzipped, (gzip.compress(CSV.encode(), mtime=0), gzip.compress(b"a,b\n1,2\n" * 200, mtime=0))),
    )  # fmt: skip
