"""Answers of models and of judges: every metric, every way out of a wrapping, verdicts, cited numbers, sheets of labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.fuzz.examples import JSON_WORDS, ROWS
from bench.fuzz.target import Target, must, writable
from rung.cli._label_sheet import KEY, SAID, read_sheet
from rung.config import parse_config, read_prompt
from rung.config.prompt import for_columns
from rung.data.audit import audit
from rung.data.configured import as_task, part_rows, read_rows
from rung.foreign import safe_yaml
from rung.judging.labelling import Question
from rung.metrics._fence import code_of, fenced, read_verdict
from rung.metrics._numbers import numbers_in
from rung.metrics.judge import ModelJudge
from rung.metrics.unwrap import STEPS, label_in_sentence, unwrapped
from rung.models.thought import without_thought
from rung.plugins import find
from rung.prompts.abstention import abstains, abstention
from rung.prompts.class_labels import denoted
from rung.prompts.forms import observed_rules
from rung.prompts.structured import fits
from rung.rag.layout import FENCES, cited
from rung.rag.layout import fenced as fenced_passages
from rung.retrievers._words import indexed
from rung.testing.hostile import attacks
from rung.types import Example, Failure, MetricSpec, Score, Task

LABELS = ("freeze", "unlock card", "pin")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "day": {"format": "date"}},
    "required": ["n"],
}
METRICS: tuple[tuple[str, dict[str, Any]], ...] = (
    *((name, {}) for name in ("exact_match", "normalized_match", "contains", "numeric", "token_f1", "rouge_l", "chrf", "json_fields", "lines")),
    ("numeric", {"decimal": ","}),
    ("normalized_match", {"articles": True}),
    ("json_fields", {"schema": SCHEMA, "normalise": {"day": "date", "n": "number", "x": "digits", "y[].z": "text"}}),
    ("lines", {"unit": "section", "checks": [{"line": 1, "one_of": "labels"}, {"line": "each", "target": "contains"}]}),
)  # fmt: skip
CODE = code_of("a")
VERDICT = json.dumps({"reason": "short", "verdict": "pass", "code": CODE})


_WORDS = "apple river stone cloud green paper seven tower lemon horse glass piano quiet winter maple cactus".split()


def _task(metric: str, settings: dict[str, Any]) -> Task:
    return Task("t", "i", ("q",), "a", "classification", (MetricSpec(metric, settings),), 0.9, labels=LABELS)


def _pair(data: bytes) -> tuple[str, str]:
    """Return an answer and the expected one, which stands behind a line of four hashes."""
    said, _, wanted = data.decode("utf-8", "replace").partition("\n####\n")
    return said, wanted if wanted.strip() else "42"


def _scored(metrics: tuple[tuple[str, dict[str, Any]], ...]) -> Callable[[bytes, Path], None]:
    made = [(name, find("metrics", name).model_validate(settings), _task(name, settings)) for name, settings in metrics]

    def run(data: bytes, folder: Path) -> None:
        said, wanted = _pair(data)
        example = Example("1", {"q": "x"}, wanted, "1")
        for name, metric, task in made:
            score = metric.score(said, example, task)
            must(isinstance(score, Score | Failure), f"{name} returns {score!r}")
            if isinstance(score, Score):
                must(0.0 <= score.value <= 1.0, f"{name} scores {score.value}")
                must(all(0.0 <= v <= 1.0 for v in score.parts.values()), f"{name} has parts {score.parts}")
                writable(score.note or "", *score.parts)
                must(len(score.note or "") < 2_000, f"{name} has a note of {len(score.note or ''):,} characters")
            else:
                writable(score.message)
                must(len(score.message) < 2_000, f"{name} has a message of {len(score.message):,} characters")
            lenient = metric.lenient(said, example, task)
            must(lenient is None or 0.0 <= lenient <= 1.0, f"{name} is lenient by {lenient}")
        json.dumps(wanted)

    return run


def _unwrap(data: bytes, folder: Path) -> None:
    said, wanted = _pair(data)
    for name, step in STEPS.items():
        once = step(said)
        must(step(once) == once, f"{name} done twice is not what it is once")
        writable(once)
    label_in_sentence(said, LABELS)
    denoted(said, LABELS)
    list(unwrapped(said))
    for mark in (".", ","):
        for number in numbers_in(said, mark):  # type: ignore[arg-type]
            must(len(number.written) <= 40, "a number is shown at length")
    for cut in (False, True):
        rest, length = without_thought(said, cut)
        must(len(rest) + length <= len(said) + 1, "a thought is longer than what was said")
        writable(rest)
    abstains(said)
    abstention(said, (wanted,))
    fits(said, SCHEMA)
    _, numbers = cited(said, 5)
    must(all(1 <= n <= 5 for n in numbers), f"cites {numbers}")
    observed_rules(
        tuple(Example(str(i), {"q": said[:i]}, text, str(i)) for i, text in enumerate((said, wanted, said[::-1])))
    )
    for fence in FENCES:
        fenced_passages((said, wanted), fence)
    indexed(said)


def _judged(data: bytes, folder: Path) -> None:
    said, wanted = _pair(data)
    found = read_verdict(said, CODE, ("fail", "pass"))
    if not isinstance(found, str):
        must(CODE in said.casefold() and found.choice in ("fail", "pass"), "a verdict without the code")
        writable(found.reason)
    else:
        must(len(found) < 1_000, f"a message of {len(found):,} characters")
    code = code_of(said)
    lines = fenced(wanted, said, code).split("\n")
    must(
        all(line.startswith("| ") for line in lines[1:-1] if "more characters" not in line),
        "a line stands outside the fence",
    )
    judge = ModelJudge(rubric=wanted)
    asked = judge.asks(said, Example("1", {said[:40] or "q": said}, wanted, "1"), _task("judge", {"rubric": "r"}))
    for request in asked:
        writable(*(m.content for m in request.messages))


def _sql(data: bytes, folder: Path) -> None:
    _SQL(data, folder)


_SQL = _scored((("sql", {}), ("sql", {"dialect": "postgres"})))


def _labels(data: bytes, folder: Path) -> None:
    path = folder / "labels.csv"
    path.write_bytes(data)
    question = Question("good?", {"fail": 0.0, "pass": 1.0}, False)
    items = tuple(SimpleNamespace(answer_id=f"a{i}") for i in range(3))
    found = read_sheet(path, SimpleNamespace(items=items, question=question))  # type: ignore[arg-type]
    must(all(v in (None, 0.0, 1.0) for v in found.values()), f"labels are {found}")


def _configured(data: bytes, folder: Path) -> None:
    """Read a rung.yaml. Its words stay what they are: no file is read that lies outside, no code is run by reading."""
    import yaml

    from rung.errors import ConfigError, Problem

    try:
        raw = safe_yaml(data.decode("utf-8", "replace"))[0]
    except yaml.YAMLError:
        return
    if not isinstance(raw, dict):
        return
    try:
        (folder / "rows.csv").write_text("id,text,label\n1,a,b\n", encoding="utf-8")
        parse_config(raw, folder)
    except ConfigError as error:
        short = ConfigError([Problem(p.path[:80], p.message[:80]) for p in error.problems[:3]])
        writable(str(error))
        must(all(len(str(p)) < 2_000 for p in error.problems), "a problem is told at length")
        raise short from None  # many problems make a long message, as they should


def _prompt(data: bytes, folder: Path) -> None:
    for suffix in (".txt", ".yaml", ".json"):
        path = folder / f"prompt{suffix}"
        path.write_bytes(data)
        from rung.errors import ConfigError

        try:
            messages = for_columns(read_prompt(path), ("question", "lang"))
        except ConfigError as error:
            must(len(str(error)) < 2_000, f"a message of {len(str(error)):,} characters")
            continue
        writable(*(m.content for m in messages))


def _audited(data: bytes, folder: Path) -> None:
    """Load rows as they stand in a JSON Lines file with known columns, and look through them."""
    (folder / "rows.jsonl").write_bytes(data)
    raw = {"version": 1, "task": {"name": "t", "instruction": "i", "inputs": ["text"], "target": "label", "metrics": ["exact_match"], "goal": 0.9},
           "data": {"path": "rows.jsonl"}, "models": {"main": {"provider": "fake"}}}  # fmt: skip
    config = parse_config(raw, folder)
    kind, parts = part_rows(config, read_rows(config))
    task = as_task(config, kind, (*parts.train, *parts.dev))
    for finding in audit(parts, task):
        writable(finding.message, finding.next_step)
        must(len(finding.message) < 3_000, f"a finding of {len(finding.message):,} characters")


def targets() -> tuple[Target, ...]:
    """Return the targets of this file."""
    numbers = (
        "$1,200.50",
        "1.200,50 €",
        r"\frac{-1}{2}",
        "1e400",
        "10^400",
        "-3½",
        "2√3",
        "9" * 5_000,
        "1/" + "9" * 99,
        "٤٢",
        "12:30",
        "1e-999",
    )
    objects = (
        '{"n": 1, "day": "2024-01-01"}',
        '{"n": 1e400}',
        "{'n': True,}",
        '{"y": [{"z": "a"}]} // c',
        "[" * 200,
        '{"n": "\\ud800"}',
        '{"n": ' + "9" * 5_000 + "}",
    )
    wrapped = ("<think>x</think>```json\n{\"a\": 1,}\n```", r"so \boxed{\frac{1}{2}}", "The answer is: **pin**.", "[1, 2] a [" + "9" * 5_000 + "]",
               "<|channel|>analysis<|message|>x<|channel|>final<|message|>y<|return|>", "I do not know.", "'\"«a»\"'", '{"a": "\\d"}', "{'a': '\\d'}")  # fmt: skip
    pairs = tuple(f"{a}\n####\n{b}".encode() for a, b in ((n, n[:50]) for n in (*numbers, *objects, *wrapped)))
    marks = (
        '"',
        "{",
        "}",
        "[",
        "```",
        "<think>",
        "</think>",
        r"\boxed{",
        r"\frac",
        "%",
        "$",
        "\n####\n",
        *JSON_WORDS[-6:],
    )
    verdicts = (
        VERDICT,
        f"```json\n{VERDICT}\n```",
        f"[{VERDICT}]",
        f"{VERDICT}{VERDICT}",
        VERDICT.replace('"pass"', "1e400"),
        "{" * 300 + VERDICT,
    )
    queries = (
        "SELECT a FROM t WHERE b = 1 AND c > 2",
        "WITH x AS (SELECT 1) SELECT * FROM x JOIN y USING (a) ORDER BY 1",
        "INSERT INTO t VALUES (1)",
        "((((SELECT 1))))",
    )
    sheet = f"{KEY},row,answer,{SAID}\na0,1,x,pass\na1,2,y,no\na2,3,z,skip\n"
    text = ("version: 1\ntask: {name: t, instruction: i, inputs: [text], target: label, metrics: [{lines: {checks: [{line: 1, equals: a}]}}], goal: 0.9}\n"
            "data: {path: rows.csv, id: id}\nmodels: {main: {provider: fake}}\nladder: [prompt, {fewshot: {}}]\nsplit: {test: 0.4, dev: 0.15, seed: 7}\n")  # fmt: skip
    prompts = (
        "Answer {{question}} in {{lang}}.",
        '[{"role": "user", "content": "{question}"}]',
        "- {role: system, content: '%(question)s $lang'}",
        "{% if a %}{{ question|upper }}{% endif %}",
    )
    rows = "".join(
        json.dumps({**r, "id": f"{n}-{r['id']}", "text": f"{r['text']} {_WORDS[4 * n + i]} {_WORDS[i - 4 * n]}"}) + "\n"
        for n in range(4)
        for i, r in enumerate(ROWS)
    )
    records = "".join(
        json.dumps({"id": str(n), "text": f"sender n{n} tel 5551230{n}", "label": json.dumps({"n": n, "who": f"n{n}"})})
        + "\n"
        for n in range(12)
    )
    return (
        Target("metrics", _scored(METRICS), pairs, marks),
        Target("metric-sql", _sql, tuple(f"{q}\n####\n{q}".encode() for q in queries), ("SELECT", "FROM", "WHERE", "(", ")", ";", "--", "/*", "'", "JOIN", "AS")),
        Target("unwrap", _unwrap, pairs, marks),
        Target("judge", _judged, (*(v.encode() for v in verdicts), *(f"{t}\n####\nANSWER".encode("utf-8", "replace") for _, t in attacks() if len(t) < 5_000)), ('"verdict"', '"code"', CODE, '"pass"', "\u2028", "<|im_start|>")),
        Target("label-sheet", _labels, (sheet.encode(), sheet.replace(",", ";").encode()), ('"', ",", ";", "\r\n", "'", "a0", SAID)),
        Target("rung-yaml", _configured, (text.encode(),), ("provider: openai", "base_url: ", "metrics: ", "ladder: ", "documents: ", "&a", "*a", "limits: ", "null", "1e400", "[[")),
        Target("prompt-file", _prompt, tuple(p.encode() for p in prompts), ("{{", "}}", "{%", "${", "%(", "<%=", "question", "role: user", "\\", "\\ud800")),
        Target("audit", _audited, (rows.encode(), records.encode()), ('"text"', '"label"', "\\u0000", "\u202e", "4111111111111111", "{}", "[]")),
    )  # fmt: skip
