"""The published table of one task on real models: what was measured, what is not asked, and what is not known yet."""

import re

from bench.real import combined, four
from docs.generate import ROOT
from rung.types import rate


def climbed(headline="done", **scored):
    approaches = {
        step: {"mean": mean, "low": mean - 0.05, "high": mean + 0.05, "status": status}
        for step, (mean, status) in scored.items()
    }
    return {"headline": headline, "approaches": approaches}


def answers(found):
    return [line.strip("| ").split(" | ")[-1] for line in list(four.table(found))[2:]]


def test_the_first_approach_that_meets_the_goal_is_the_answer():
    found = {"qwen05": climbed(prompt=(0.5, "misses"), fewshot=(0.9, "meets"))}
    assert answers(found) == ["**examples in the prompt**"]
    empty = list(four.table(found))[2].count(" |  |")
    assert empty == 2  # words alone are asked of no model, and this one cannot be tuned


def test_nothing_is_said_of_a_climb_that_was_broken_off():
    cut = climbed(None, prompt=(0.2, "misses"))
    assert answers({"smollm2": cut, "qwen05": cut}) == ["not yet measured"] * 2
    cells = [line.count("not yet |") for line in list(four.table({"smollm2": cut, "qwen05": cut}))[2:]]
    assert cells == [2, 1]  # few-shot and LoRA; the other model's ladder ends with few-shot


def test_a_ladder_that_misses_and_one_that_cannot_tell_are_told_apart():
    missed = climbed(prompt=(0.2, "misses"), fewshot=(0.6, "misses"))
    unclear = climbed(prompt=(0.2, "misses"), fewshot=(0.82, "inconclusive"))
    assert answers({"qwen15": missed, "qwen05": unclear}) == ["another model", "undecided"]


def test_the_readme_tells_what_the_record_holds():
    told = re.findall(
        r"(0\.\d+) \((?:95 % CI )?(0\.\d+) to (0\.\d+)", (ROOT / "README.md").read_text("utf-8").split("\n![")[0]
    )
    found = four.found()
    places = [
        ("linear", "baseline"),
        ("qwen15", "prompt"),
        ("smollm2", "prompt"),
        ("smollm2", "fewshot"),
        ("smollm2", "finetune"),
    ]
    held = [found[name]["approaches"][step] for name, step in places]
    assert told == [(rate(a["mean"]), rate(a["low"]), rate(a["high"])) for a in held]


def test_what_tuning_is_combined_with_stands_beside_tuning_alone():
    about = {"n": 80, "low": 0.2, "high": 0.4, "tokens": None, "lesson": None}
    alone = {**about, "candidate": "lora, short prompt", "mean": 0.3, "dev": [["short", 90, 0.25], ["short", 45, None]]}
    taught = {**about, "candidate": "lora, taught", "mean": 0.35, "dev": [], "tokens": 51.4}
    climbed = {"tickets": {
        "approaches": {"finetune@expected": alone, "finetune@taught": taught},
        "skipped": [["finetune@mixed", "the teacher is right on 2 of 9; name a better one"]],
        "gains": [["finetune@taught", "finetune@expected", 0.05, -0.02, 0.12, 0.2, 80]],
    }}  # fmt: skip
    lines = list(combined.combined(climbed))
    assert (
        lines[2]
        == "| tickets | finetune@expected | lora, short prompt | 80 | 0.30 (0.20 to 0.40) |  | short 90: 0.25 |"
    )
    assert lines[3].endswith("| 51 |  |")
    assert lines[4] == "| tickets | finetune@mixed | not tuned: the teacher is right on 2 of 9 |  |  |  |  |"
    assert lines[-1] == "| tickets | finetune@taught | finetune@expected | 80 | +0.05 (-0.02 to +0.12) | 0.2 |"


def test_the_ladders_of_that_bench_are_what_rung_reads(tmp_path):
    for task in combined.LADDERS:
        (tmp_path / "config.json").write_text("{}")
        small, large = tmp_path, "http://127.0.0.1:1/v1" if task == "tickets" else ""
        assert len(combined.parse_config(combined.settings(task, small, large), combined.EXAMPLES / task).planned) >= 3
