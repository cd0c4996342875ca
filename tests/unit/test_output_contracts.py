"""The form of answers: worlds in which stripping, a schema, or neither is what an approach needs."""

import asyncio
import json
import random
import subprocess
import sys
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from rung.config import parse_config
from rung.decide.tuned import must_fall_short
from rung.diagnosis.failed_examples import Subject
from rung.diagnosis.run import diagnose
from rung.engine import verify as verification
from rung.engine.verify import verify
from rung.errors import IntegrityError, ModelError, NotOffered
from rung.exports.prompt import put_program
from rung.exports.write import exported
from rung.ladder import climb
from rung.metrics.json_fields import JsonFields
from rung.metrics.normalized_match import NormalizedMatch
from rung.prompts.postprocessing import best_steps, in_words, step_of
from rung.prompts.structured import fits, form_of, written
from rung.report.text import render_text
from rung.rungs.fewshot import FewShot
from rung.rungs.prompt import Prompt
from rung.store.run import RunFolder
from rung.testing.kit import kit_with_fake, small_rows, small_task
from rung.tuning.gate import against
from rung.types import (
    Answer,
    Completion,
    Diagnosis,
    Example,
    FitInput,
    FormLoss,
    MetricSpec,
    Outcome,
    Score,
    Task,
    by_id,
)
from tests.unit._results import result, share

FENCE = "```json\n{}\n```"
TRAIN, DEV = small_rows(60, "train"), small_rows(60, "dev")


def orders(n):
    draw = random.Random(3)
    for i in range(n):
        item, count = draw.choice(["lamp", "chair", "kettle"]), draw.randrange(1, 90)
        words = " ".join(draw.choice(["please", "soon", "blue", "garden", "monday", "forest"]) for _ in range(6))
        yield (f"{words} order {count} pieces of {item} {i}", {"item": item, "count": count})


def extraction(root, n=300, **model):
    """Return a climb over orders whose right answer is JSON; `model` holds settings of the fake."""
    rows = list(orders(n))
    root.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"text": text, "order": json.dumps(said)}) for text, said in rows]
    (root / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    answers = {text: json.dumps(said) for text, said in rows}
    fake = {"provider": "fake", "answers": answers, "slip_forms": [FENCE], **model}
    task = {
        "name": "orders",
        "kind": "extraction",
        "instruction": "Read the order.",
        "inputs": ["text"],
        "target": "order",
        "metrics": [{"json_fields": {"all_fields": True}}],
        "goal": 0.93,
    }
    raw = {
        "task": task,
        "data": {"path": "rows.jsonl"},
        "split": {"test": 0.4, "dev": 0.15},
        "models": {"main": fake},
        "ladder": ["prompt", "fewshot"],
        "diagnosis": {"calls": 20},
    }
    return parse_config(raw, root)


def fitted(rung=None, task=None, *, below=None, **model):
    the_task = task or small_task()
    kit = kit_with_fake(the_task, [*TRAIN, *DEV], **model)
    found = asyncio.run((rung or Prompt()).fit(FitInput(the_task, TRAIN, DEV, below), kit))
    return found, kit


def mean(found):
    return sum(o.value("normalized_match", 0.0) for o in found.dev) / len(found.dev)


# -- post-processing ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_fence_around_a_fifth_of_the_answers_is_taken_off_and_the_climb_ends_there(tmp_path):
    made = climb(extraction(tmp_path, format_slip=0.2), tmp_path / "run")
    assert (made.verdict.decision, made.verdict.winner) == ("meets", "prompt")
    run = RunFolder.open(tmp_path / "run")
    stored = run.rung("prompt").fitted.need()
    assert stored.candidate.chat.postprocessing == "strip_fence"
    assert stored.candidate.name.endswith("fence removed")
    [edit] = [e for e in stored.edits if e.after == stored.candidate.name]
    assert edit.before.endswith("as answered")
    assert edit.mean_before < 0.93 <= edit.mean_after
    assert (len(edit.worse), edit.diff) == (0, "+ after the model: strip_fence")
    [free] = [t for t in stored.trials if t.kept]
    assert free.calls == 0
    diagnosis = run.rung("prompt").diagnosis.need()
    assert diagnosis.next_rung is None
    assert "next to try" not in diagnosis.sentence
    fenced = [o for o in made.results["prompt"].outcomes if o.answer.calls[0].text.startswith("```")]
    assert fenced
    assert all(o.answer.text.startswith("{") for o in fenced)
    assert all(check.passed for check in verify(run))
    shown = StringIO()
    render_text(run, Console(file=shown, width=200), verbose=True)
    line = f"prompt: {edit.before} {edit.mean_before:.3f}; {edit.after} {edit.mean_after:.3f} (the same {edit.rows} dev examples"
    assert line in shown.getvalue()


@pytest.mark.slow
def test_what_is_exported_takes_the_fence_off_too(tmp_path):
    climb(extraction(tmp_path, format_slip=0.2), tmp_path / "run")
    exported(tmp_path / "run", "prompt", "prompt", tmp_path / "out", None)
    content = json.loads((tmp_path / "out" / "prompt.json").read_text(encoding="utf-8"))
    assert content["after_the_model"] == ["strip_fence"]
    assert content["after_the_model_in_words"] == "fence removed"


def test_the_code_of_the_steps_goes_with_the_export(tmp_path):
    steps = {"after_the_model": ["after_thought", "label_in_sentence"], "labels": ["billing", "login"]}
    (tmp_path / "prompt.json").write_text(json.dumps({"model": {}, **steps}))
    put_program(tmp_path)
    code = "import ask; print(ask.read({'content': '<think>login</think> It is Billing.'}))"
    said = subprocess.run([sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert said.stdout == "billing\n"


@pytest.mark.slow
def test_verify_sees_an_answer_that_the_steps_did_not_make(tmp_path, monkeypatch):
    climb(extraction(tmp_path, format_slip=0.2), tmp_path / "run")
    monkeypatch.setattr(verification, "step_of", lambda steps, labels: str.upper)
    [check] = [c for c in verify(RunFolder.open(tmp_path / "run")) if c.what == "prompt: scores of the stored answers"]
    assert not check.passed


def test_answers_in_their_right_form_are_left_as_they_are():
    found, _ = fitted(abilities={"base": 0.8})
    assert found.candidate.chat.postprocessing is None
    assert not [e for e in found.edits if "after the model" in e.diff]


def test_a_prompt_that_is_to_stay_as_it_stands_gets_no_steps():
    found, _ = fitted(Prompt(rewrites=False), format_slip=0.5)
    assert found.candidate.chat.postprocessing is None
    assert mean(found) < 1.0


def test_few_shot_starts_with_the_steps_of_the_rung_below():
    below, _ = fitted(format_slip=0.5, format_slip_when_told=0.5)
    assert below.candidate.chat.postprocessing == "label_in_sentence"
    above, _ = fitted(FewShot(k=(2,)), below=below.candidate, format_slip=0.5, format_slip_when_told=0.5)
    assert above.candidate.chat.postprocessing == "label_in_sentence"
    assert mean(above) == mean(below) == 1.0


def outcomes_of(texts, metric=None, task=None):
    found = []
    for example, text in zip(DEV, texts, strict=False):
        score = (metric or NormalizedMatch()).score(text, example, task or small_task())
        answer = Answer(text, (Completion(text, "m", 1, 1, 0.1, None),))
        found.append(
            Outcome(example.id, example.group, answer, {"normalized_match": score})
            if isinstance(score, Score)
            else Outcome(example.id, example.group, answer, None, score)
        )
    return found


@pytest.mark.parametrize(
    ("form", "steps"),
    [
        ("Label: {}", "after_lead"),
        ("I would say that {} should take this message.", "label_in_sentence"),
        ('{{"label": "{}"}}', "only_value"),
        ("<think>billing or login or delivery?</think>{}", "after_thought"),
        ("{}", None),
    ],
)
def test_the_fewest_steps_that_mend_the_most_are_found(form, steps):
    answers = outcomes_of([form.format(e.target) for e in DEV])
    found = best_steps(answers, by_id(DEV), NormalizedMatch(), small_task())
    assert (found.steps if found else None) == steps
    assert found is None or (found.as_answered < found.mean == 1.0)


def test_a_thought_that_holds_a_fence_takes_two_steps():
    rows = rows_of(*['{"a": 1}'] * 4)
    text = '<think>```{"a": 2}```?</think>\n```json\n{"a": 1}\n```'
    answers = [
        Outcome(e.id, e.group, Answer(text, (Completion(text, "m", 1, 1, 0.1, None),)), {"json_fields": Score(0.0)})
        for e in rows
    ]
    found = best_steps(answers, by_id(rows), JsonFields(), extraction_task())
    assert (found.steps, found.mean) == ("after_thought, strip_fence", 1.0)


def test_a_step_that_costs_more_than_it_brings_is_not_taken():
    texts = [e.target if i else f"Not billing, not login, not delivery\n{e.target}" for i, e in enumerate(DEV)]
    found = best_steps(outcomes_of(texts), by_id(DEV), NormalizedMatch(), small_task())
    assert found.mean == 1.0
    assert best_steps(outcomes_of(["nonsense"] * 60), by_id(DEV), NormalizedMatch(), small_task()) is None


def test_steps_in_words_and_unknown_ones():
    assert in_words("after_thought, strip_fence") == "thought removed, fence removed"
    assert step_of("after_thought, strip_fence")("<think>x</think>\n```\na\n```") == "a"
    with pytest.raises(IntegrityError, match="'fold_paper' is not known here"):
        step_of("fold_paper")


# -- structured output ----------------------------------------------------------------------------------------------------

NOISE = {"format_slip": 0.4, "format_slip_when_told": 0.4, "slip_forms": ["{} or login or billing or delivery"]}


def test_a_schema_helps_where_no_step_can():
    found, kit = fitted(response_format="held", **NOISE)
    assert found.candidate.name.endswith("structured output")
    assert found.candidate.chat.response_format["json_schema"]["strict"] is True
    assert found.candidate.chat.postprocessing == "only_value"
    assert mean(found) == 1.0
    [edit] = [e for e in found.edits if e.after == found.candidate.name]
    assert edit.mean_before < 0.8
    assert edit.rows == len(DEV)
    assert kit.requests[-1].params["response_format"] == found.candidate.chat.response_format
    above, _ = fitted(FewShot(k=(2,)), below=found.candidate, response_format="held", **NOISE)
    assert above.candidate.chat.response_format == found.candidate.chat.response_format
    assert mean(above) == 1.0


def test_a_schema_that_costs_quality_is_measured_and_not_chosen():
    found, _ = fitted(response_format="held", abilities={"base": 1.0, "structured": -0.7}, **NOISE)
    assert found.candidate.chat.response_format is None
    [held] = [t for t in found.trials if t.candidate.name.endswith("structured output")]
    [kept] = [t for t in found.trials if t.kept]
    assert held.mean < kept.mean


def test_a_server_that_ignores_the_schema_is_found_out():
    found, kit = fitted(response_format="ignored", **NOISE)
    assert found.candidate.chat.response_format is None
    assert [s.reason for s in found.skipped if s.what == "structured output"] == [
        "fake takes response_format and does not hold to it: 8 of 8 answers do not fit the schema"
    ]
    assert sum("response_format" in r.params for r in kit.requests) == 8


def test_a_server_that_refuses_every_form_is_asked_once_for_each_and_left_alone():
    found, kit = fitted(response_format="refused", **NOISE)
    assert found.candidate.chat.response_format is None
    assert [s.reason for s in found.skipped if s.what == "structured output"] == [
        "fake refuses response_format: fake has no response_format"
    ]
    asked = [r.params for r in kit.requests if r.params]
    kinds = [params["response_format"]["type"] for params in asked if "response_format" in params]
    assert kinds == ["json_schema", "json_schema", "json_object"]
    assert [list(params) for params in asked[3:]] == [["structured_outputs"], ["guided_choice"], ["grammar"]]


class OwnField:
    """A server without json_schema (it refuses or ignores one) that holds to a field of its own kind, as some do."""

    def __init__(self, field, schema, **settings):
        self._live = kit_with_fake(small_task(), [*TRAIN, *DEV], **settings).model
        self._held = kit_with_fake(
            small_task(), [*TRAIN, *DEV], **{**settings, "format_slip": 0.0, "format_slip_when_told": 0.0}
        ).model
        self._field, self._schema = field, schema

    def count_tokens(self, messages):
        return self._live.count_tokens(messages)

    async def complete(self, request):
        if "response_format" in request.params and self._schema == "refused":
            raise ModelError("response_format is not supported", provider="own", status=400)
        held = self._field is not None and self._field in request.params
        return await (self._held if held else self._live).complete(replace(request, params={}))


@pytest.mark.parametrize("schema", ["refused", "ignored"])
@pytest.mark.parametrize(
    ("field", "sent"),
    [
        ("structured_outputs", {"choice": ["billing", "delivery", "login"]}),
        ("guided_choice", ["billing", "delivery", "login"]),
        ("grammar", 'root ::= "billing" | "delivery" | "login"'),
    ],
)
def test_a_server_without_schemas_is_asked_for_one_of_the_labels_in_its_own_way(schema, field, sent):
    kit = kit_with_fake(small_task(), [*TRAIN, *DEV], **NOISE)
    kit.model = OwnField(field, schema, **NOISE)
    found = asyncio.run(Prompt().fit(FitInput(small_task(), TRAIN, DEV, None), kit))
    assert found.candidate.name.endswith(f"structured output by {field}")
    assert found.candidate.chat.params == {field: sent}
    assert mean(found) == 1.0
    [edit] = [e for e in found.edits if e.after == found.candidate.name]
    assert (edit.mean_before < 0.8, len(edit.worse)) == (True, 0)
    own = [r for r in kit.requests if set(r.params) & {"structured_outputs", "guided_choice", "grammar"} - {field}]
    assert len(own) <= 2, "what is not held to is found out by one probe each"


def test_a_server_that_holds_to_nothing_is_found_out_by_one_probe_of_each_kind():
    kit = kit_with_fake(small_task(), [*TRAIN, *DEV], **NOISE)
    kit.model = OwnField(None, "ignored", **NOISE)
    found = asyncio.run(Prompt().fit(FitInput(small_task(), TRAIN, DEV, None), kit))
    assert "structured output" not in found.candidate.name
    [left] = [s.reason for s in found.skipped if s.what == "structured output"]
    assert left == "fake takes response_format and does not hold to it: 8 of 8 answers do not fit the schema"
    asked = [next(iter(r.params)) for r in kit.requests if r.params]
    assert asked == ["response_format"] * 8 + ["structured_outputs", "guided_choice", "grammar"]


def test_the_labels_stand_in_a_grammar_as_they_are():
    form = form_of(replace(small_task(), labels=('a "b"', "c\\d", "größer")), ())
    [*_, last] = form.ways()
    assert last.response_format == {"type": "fields", "fields": {"grammar": r'root ::= "a \"b\"" | "c\\d" | "größer"'}}
    assert written("größer", last.response_format) == "größer"
    assert not list(form_of(extraction_task(), rows_of('{"a": 1}')).ways())[3:]


def test_no_schema_is_tried_where_the_form_is_right_and_the_goal_is_reached():
    _, kit = fitted(response_format="held", abilities={"base": 1.0})
    assert not any(r.params for r in kit.requests)


def extraction_task(**settings):
    return Task("o", "Read it.", ("text",), "order", "extraction", (MetricSpec("json_fields", settings),), 0.9)


def rows_of(*targets):
    return [Example(str(i), {"text": str(i)}, target, str(i)) for i, target in enumerate(targets)]


def test_the_schema_is_made_from_labels_from_the_metric_or_from_the_answers():
    label = form_of(small_task(), TRAIN).schema
    assert label["properties"]["label"]["enum"] == ["billing", "delivery", "login"]
    own = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert form_of(extraction_task(schema=own), rows_of('{"a": 1}')).schema == own
    seen = form_of(extraction_task(), rows_of('{"a": 1, "b": [{"c": "x"}]}', '{"a": 1.5, "b": [], "d": true}')).schema
    assert list(seen["properties"]) == ["a", "b", "d"] == seen["required"]
    assert seen["properties"]["a"] == {"type": "number"}
    assert seen["properties"]["b"]["items"]["properties"] == {"c": {"type": "string"}}
    assert seen["properties"]["d"] == {"type": ["boolean", "null"]}
    assert form_of(extraction_task(), rows_of("text", "more text")) is None


def test_fits_and_written():
    schema = form_of(small_task(), TRAIN).schema
    assert fits('{"label": "login"}', schema)
    assert not any(
        fits(text, schema) for text in ('{"label": "x"}', '{"label": "login", "why": 1}', "login", "[]", "{}")
    )
    assert fits('{"any": 1}', {})
    held = {"type": "json_schema", "json_schema": {"schema": schema}}
    assert written("login", held) == '{"label": "login"}'
    assert written("login", None) == "login"


# -- the gate -------------------------------------------------------------------------------------------------------------


def diagnosis(form):
    return Diagnosis("prompt", 60, 12, (), "finetune", "", form=form)


@pytest.mark.parametrize(
    ("form", "why"),
    [
        (FormLoss(12, 0.80, 0.965, "strip_fence", 0.965), "post-processing \\(strip_fence\\) lifts the dev score"),
        (FormLoss(12, 0.80, 0.82, "strip_fence", 0.82), "post-processing \\(strip_fence\\) lifts the dev score"),
        (FormLoss(12, 0.80, 0.965), "fix the form of 12 right answers"),
    ],
)
def test_the_gate_stays_shut_while_a_fix_of_form_is_untried_or_would_do(form, why):
    task, missed = small_task(), {"prompt": result(share(200, 400), small_task())}
    with pytest.raises(NotOffered, match=why):
        must_fall_short(task, "main", {}, missed, diagnosis(form))
    with pytest.raises(NotOffered, match=why):
        must_fall_short(task, "main", {}, missed, diagnosis(None), [diagnosis(form)])
    assert any("the cheaper way" in reason for reason in against(task, 10_000, diagnosis(form)))
    must_fall_short(task, "main", {"force": True}, missed, diagnosis(form))


def test_the_gate_opens_where_form_is_not_what_is_missing():
    task, missed = small_task(), {"prompt": result(share(200, 400), small_task())}
    must_fall_short(task, "main", {}, missed, diagnosis(FormLoss(2, 0.5, 0.55)))
    assert against(task, 10_000, diagnosis(FormLoss(2, 0.5, 0.55))) == ()


def test_json_in_a_fence_is_read_as_lost_to_form_alone():
    task = extraction_task()
    rows = rows_of(*['{"a": 1}'] * 4)
    kit = kit_with_fake(task, rows)
    kit.metric_plugin = JsonFields()
    found, _ = fitted(Prompt(rewrites=False))
    texts = [FENCE.replace("{}", '{"a": 1}'), '{"a": 1}', '{"a": 1}', '{"a": 1}']
    seen = []
    for example, text in zip(rows, texts, strict=True):
        score = JsonFields().score(text, example, task)
        answer = Answer(text, (Completion(text, "m", 1, 1, 0.1, None),))
        right = isinstance(score, Score)
        seen.append(
            Outcome(
                example.id, example.group, answer, {"json_fields": score} if right else None, None if right else score
            )
        )
    said = asyncio.run(diagnose(Subject("prompt", found.candidate, tuple(seen), rows, task), kit))
    assert said.form == FormLoss(1, 0.75, 1.0, "strip_fence", 1.0)
    assert said.next_rung is None
    assert said.sentence.endswith(
        "first: post-processing (fence removed) lifts the dev score from 0.750 to 1.000 at no cost."
    )
