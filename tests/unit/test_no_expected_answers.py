"""A task whose examples have no expected answers: judged by a rubric and by people, from init to the verdict."""

from __future__ import annotations

import json

import pytest

from rung.cli._draft import render
from rung.cli.init import Wishes, propose
from rung.config import load_config, parse_config
from rung.engine.check import check
from rung.engine.plan import plan
from rung.engine.verify import verify
from rung.errors import ConfigError, DataError
from rung.judging.labelling import session
from rung.ladder import climb
from rung.progress import Silent
from rung.store.run import RunFolder
from tests.unit._judged import rows

SKIPPED = "the examples have no expected answers to learn from or to show"


def experiment(root, n=300, ladder=("baseline", "prompt", "fewshot"), **task):
    made = rows(n)
    (root / "rows.jsonl").write_text(
        "".join(json.dumps({"id": r["id"], "question": r["question"]}) + "\n" for r in made)
    )
    return parse_config(
        {
            "task": {"name": "letters", "instruction": "Answer in six words.", "inputs": ["question"], "goal": 0.8, "min_gain": 0.05, "tolerance": 0.05,
                     "metrics": [{"judge": {"rubric": "Is kind and short."}}], **task},
            "data": {"path": "rows.jsonl", "id": "id"},
            "models": {
                "main": {"provider": "fake", "answers": {r["question"]: r["answer"] for r in made}, "abilities": {"base": 0.95}},
                "judge": {"provider": "python", "function": "rung.testing.judges:kind"},
            },
            "ladder": list(ladder),
            "split": {"test": 0.5, "dev": 0.2},
        },
        root,
    )  # fmt: skip


def labelled(folder, config, count=None):
    """Label the drawn answers as right; `count`: only so many."""
    asked = session(folder, config, None)
    for item in asked.waiting[:count]:
        asked = asked.said(item, 1.0)
    return asked


@pytest.mark.slow
def test_the_whole_way_works_and_what_needs_expected_answers_is_skipped_with_its_reason(tmp_path):
    config = experiment(tmp_path)
    assert not [f for f in check(config, Silent()).findings if f.severity == "stop"]
    skipped = {r.rung: r.note for r in plan(config).rungs if (r.note or "").startswith("will be skipped")}
    assert set(skipped) == {"baseline", "fewshot"}
    assert all(SKIPPED in note for note in skipped.values())
    run = climb(config, tmp_path / "run")
    assert set(run.results) == {"prompt"}
    assert run.verdict.provisional is not None
    folder = RunFolder.open(tmp_path / "run")
    assert {s.what: SKIPPED in s.reason for s in folder.skipped.need()} == {"baseline": True, "fewshot": True}
    labelled(folder, config)
    decided = climb(config, tmp_path / "run")
    assert (decided.verdict.decision, decided.verdict.winner, decided.verdict.provisional) == ("meets", "prompt", None)
    assert [c.differs for c in verify(folder) if c.differs] == []


def test_the_judge_is_shown_no_empty_expected_answer(tmp_path):
    config = experiment(tmp_path, 60, ladder=["prompt"])
    kind_metric = plan(config)
    assert [r.rung for r in kind_metric.rungs if r.rung.startswith("metric")] == ["metric judge"]
    from rung import plugins
    from rung.data.configured import as_task, part_rows, read_rows

    kind, parts = part_rows(config, read_rows(config))
    assert kind == "generation"
    task = as_task(config, kind, parts.train)
    asked = plugins.make("metrics", "judge", rubric="Is kind.").asks("hello", parts.dev[0], task)
    assert not any("EXPECTED" in m.content for request in asked for m in request.messages)


@pytest.mark.sample(1)
@pytest.mark.parametrize("ladder", [[{"finetune": {"model": "main", "force": True}}], ["scratch"]])
def test_nothing_is_trained_without_answers(tmp_path, ladder):
    run = climb(experiment(tmp_path, 80, ladder=["prompt", *ladder]), tmp_path / "run")
    assert set(run.results) == {"prompt"}


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"metrics": []}, "the default metric has nothing to compare with"),
        ({"metrics": ["exact_match"]}, "the metric exact_match compares with expected answers"),
        (
            {"metrics": [{"judge": {"rubric": "x", "mode": "compare"}}]},
            "the judge's mode `compare` compares with expected answers",
        ),
        ({"kind": "classification"}, "kind classification is a matter of expected answers"),
        ({"accepted_answers": ["other"]}, "there is no first one"),
    ],
)
def test_what_cannot_be_without_expected_answers_is_refused_with_the_way_out(tmp_path, task, said):
    with pytest.raises(ConfigError, match=said) as raised:
        experiment(tmp_path, 20, **task)
    assert "name the column with the expected output as task.target, or" in str(raised.value)


@pytest.mark.slow
def test_from_50_labels_on_a_provisional_verdict_is_corrected_by_them_and_100_decide(tmp_path):
    config = experiment(tmp_path, ladder=["prompt"])
    climb(config, tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")

    def after(count):
        labelled(folder, config, count)
        return climb(config, tmp_path / "run")

    few = after(49)
    assert few.results["prompt"].labels == {}
    assert "rests on the judge alone, with 49 of 100 human labels; 51 more are needed" in few.verdict.provisional
    some = after(1)
    assert "rests on the judge, corrected by 50 of 100 human labels; 50 more are needed" in some.verdict.provisional
    assert len(some.results["prompt"].labels) == 50
    assert "50 labels" in some.results["prompt"].estimates["judge"].method
    assert (few.verdict.decision, few.exit_code) == ("inconclusive", 6)
    assert (some.verdict.decision, some.exit_code) == ("meets", 6)
    assert [c.differs for c in verify(folder) if c.differs] == []
    all_of_them = after(None)
    assert (all_of_them.verdict.provisional, all_of_them.exit_code) == (None, 0)


@pytest.mark.slow
def test_few_labels_never_show_that_an_approach_falls_short(tmp_path):
    config = experiment(tmp_path, ladder=["prompt"])
    climb(config, tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    asked = session(folder, config, None)
    for item in asked.waiting[:60]:
        asked = asked.said(item, 0.0)
    result = climb(config, tmp_path / "run").results["prompt"]
    assert result.quality.status == "inconclusive"
    assert result.quality.upper < 0.8


@pytest.mark.parametrize(("header", "inputs"), [("id,letter", ()), ("id,letter,date", ("letter", "date"))])
def test_init_writes_a_judged_task_where_no_column_is_left_for_expected_answers(tmp_path, header, inputs):
    lines = [
        ",".join([str(i), f"a letter about {r['question']}", "2024-05-01"][: header.count(",") + 1])
        for i, r in enumerate(rows(40))
    ]
    (tmp_path / "letters.csv").write_text("\n".join([header, *lines]) + "\n")
    wishes = Wishes(file=tmp_path / "letters.csv", out=tmp_path / "rung.yaml", inputs=inputs)
    proposal = propose(wishes)
    (tmp_path / "rung.yaml").write_text(render(proposal.draft))
    config = load_config(tmp_path / "rung.yaml")
    assert (config.task.target, config.task.inputs, config.planned) == ("", inputs or ("letter",), ("prompt",))
    assert [m.plugin for m in config.task.metrics] == ["judge"]
    assert set(config.models) == {"main", "judge"}


def test_init_still_asks_for_the_column_where_there_may_be_one(tmp_path):
    lines = [f"{i},a letter {r['question']},{r['answer']}" for i, r in enumerate(rows(40))]
    (tmp_path / "letters.csv").write_text("\n".join(["id,letter,remark", *lines]) + "\n")
    with pytest.raises(DataError, match="cannot tell which column holds the expected output; name it with --target"):
        propose(Wishes(file=tmp_path / "letters.csv", out=tmp_path / "rung.yaml"))
