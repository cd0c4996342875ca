"""Models and reasoning efforts as candidates: the cheap one where it is enough, the dear one where it is needed."""

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from pydantic import ValidationError

from rung.config import parse_config
from rung.config.roles import answering_roles, asked_roles
from rung.diagnosis.experiments import ExperimentBudget, experiment_budget
from rung.diagnosis.failed_examples import Subject
from rung.diagnosis.run import diagnose
from rung.engine.plan import plan
from rung.engine.verify import verify
from rung.errors import ConfigError, UnusableAnswers
from rung.exports.write import exported
from rung.ladder import climb_in_loop
from rung.models.openai import OpenAI
from rung.prompts.model_choice import FIRST
from rung.report.data import as_data
from rung.report.load import load_report
from rung.report.markdown import render_markdown
from rung.report.page import render_page
from rung.store.run import RunFolder
from rung.testing.endpoint import Endpoint, Reply, answer_body
from rung.testing.kit import kit_with_fake, small_rows, small_task
from rung.types import Answer, Candidate, FewShotLearned, Message, Outcome, Request, Score

CHEAP, DEAR = {"input": 0.1, "output": 0.4}, {"input": 3.0, "output": 15.0}
BOTH = {"models": ["main", "small"], "rewrites": False}


def right(text):
    return "nord" if "nord" in text.rsplit("number", 1)[-1] else "sued"


def number(text):
    return int(text.rsplit("number", 1)[-1].split()[0])


class Models:
    """Two models behind one endpoint: each has an accuracy by effort, and may refuse efforts in its own words."""

    def __init__(self, small=1.0, main=1.0, *, thinking=None, refusal=None):
        self.skill = {"small": small, "main": main}
        self.thinking, self.refusal = thinking or {}, refusal or {}
        self.asked = []

    def __call__(self, data, _):
        model, effort = data["model"], data.get("reasoning_effort")
        self.asked.append((model, effort))
        if effort is not None and model in self.refusal and effort in self.refusal[model][0]:
            said = {"error": {"message": self.refusal[model][1], "type": "invalid_request_error"}}
            return Reply(400, json.dumps(said).encode())
        text = data["messages"][-1]["content"]
        skill = self.thinking.get(effort, self.skill[model])
        good = (number(text) * 37) % 100 < 100 * skill
        answer = right(text) if good else "east"
        return Reply(body=answer_body(answer, model, 100, 400 if effort == "high" else 5))


def raw(root, url, ladder, rows=160, **more):
    lines = [json.dumps({"text": f"please route item number {i} to {'nord' if (i * 7) % 3 else 'sued'}",
                         "team": "nord" if (i * 7) % 3 else "sued"}) for i in range(rows)]  # fmt: skip
    (root / "rows.jsonl").write_text("\n".join(lines))
    return {
        "task": {"name": "r", "instruction": "Route it.", "inputs": ["text"], "target": "team", "goal": 0.8,
                 "tolerance": 0.05},
        "data": {"path": "rows.jsonl"}, "split": {"test": 0.4, "dev": 0.15},
        "models": {"main": {"provider": "openai", "name": "main", "base_url": url, "price": DEAR},
                   "small": {"provider": "openai", "name": "small", "base_url": url, "price": CHEAP}},
        "ladder": ladder,
        "diagnosis": {"calls": 0},
        "stop_early": False,
        **more,
    }  # fmt: skip


def climbing(root, models, ladder, times=1, **more):
    async def work():
        async with AsyncExitStack() as stack:
            endpoint = await stack.enter_async_context(Endpoint(script=models).serving())
            config = parse_config(raw(root, endpoint.url, ladder, **more), root)
            return [(await climb_in_loop(config, root / "run"), endpoint.counts.requests) for _ in range(times)][-2:]

    return asyncio.run(work())


@pytest.mark.slow
def test_at_equal_quality_the_cheap_model_wins_and_the_dear_one_is_hardly_asked(tmp_path):
    models = Models()
    (first, asked), (again, after) = climbing(tmp_path, models, [{"prompt": BOTH}], times=2)
    run = RunFolder.open(tmp_path / "run")
    fitted = run.rung("prompt").fitted.need()
    assert (fitted.candidate.model, fitted.candidate.name) == ("small", "as-is on small")
    assert (first.verdict.decision, first.verdict.winner) == ("meets", "prompt")
    assert first.verdict.headline == "No fine-tuning needed: a better prompt on `small` meets the goal."
    assert models.asked.count(("main", None)) == FIRST
    small, main = sorted(fitted.models, key=lambda m: m.role, reverse=True)
    assert (small.kept, small.mean, small.cost_per_1k_usd) == (True, 1.0, pytest.approx(0.012))
    assert (main.kept, main.mean, main.rows, main.cost_per_1k_usd) == (False, None, FIRST, pytest.approx(0.375))
    assert main.note.startswith("not tried: small is likely to reach the goal for less")
    assert after == asked  # the same command again pays nothing
    assert again.verdict == first.verdict
    assert [c.what for c in verify(run) if not c.passed] == []
    page, text = render_page(load_report(run)), render_markdown(run)
    assert "not tried: small is likely" in page
    assert "models tried on dev: small 1.000 on" in text
    [told] = [r for r in as_data(run)["rungs"] if r["label"] == "prompt"]
    assert [(m["role"], m["kept"]) for m in told["models"]] == [("small", True), ("main", False)]


def test_the_dear_model_where_it_is_needed(tmp_path):
    [(ended, _)] = climbing(tmp_path, Models(small=0.5), [{"prompt": BOTH}])
    fitted = RunFolder.open(tmp_path / "run").rung("prompt").fitted.need()
    assert fitted.candidate.model == "main"
    assert (ended.verdict.decision, ended.results["prompt"].candidate.model) == ("meets", "main")
    means = {m.role: m.mean for m in fitted.models}
    assert means["main"] == 1.0
    assert means["small"] < 0.7
    assert {t.candidate.name for t in fitted.trials} == {"as-is on small", "as-is on main"}
    assert [t.candidate.model for t in fitted.trials if t.kept] == ["main"]
    assert ended.results["prompt"].cost_per_1k_usd == pytest.approx(0.375)


@pytest.mark.slow
def test_where_neither_reaches_the_goal_the_dearer_one_must_be_better_by_what_counts(tmp_path):
    [(same, _)] = climbing(tmp_path, Models(small=0.5, main=0.5), [{"prompt": BOTH}])
    assert same.results["prompt"].candidate.model == "small"
    other = tmp_path / "other"
    other.mkdir()
    [(better, _)] = climbing(other, Models(small=0.3, main=0.6), [{"prompt": BOTH}])
    assert better.results["prompt"].candidate.model == "main"


@pytest.mark.slow
def test_a_model_over_the_limit_on_cost_is_not_enough(tmp_path):
    limits = {"cost_per_1k_usd": 0.1}
    [(ended, _)] = climbing(tmp_path, Models(small=0.5), [{"prompt": BOTH}], limits=limits)
    assert ended.results["prompt"].candidate.model == "small"


@pytest.mark.slow
def test_reasoning_effort_is_a_candidate_and_is_paid_for(tmp_path):
    models = Models(thinking={"none": 0.5, "high": 1.0})
    ladder = [{"prompt": {"effort": ["high", "none"], "rewrites": False}}]
    [(ended, _)] = climbing(tmp_path, models, ladder)
    run = RunFolder.open(tmp_path / "run")
    chosen = run.rung("prompt").fitted.need()
    assert [(m.effort, m.kept) for m in chosen.models] == [("none", False), ("high", True)]  # cheapest first
    assert chosen.candidate.chat.effort == "high"
    assert {effort for _, effort in models.asked} == {"none", "high"}
    assert ended.verdict.decision == "meets"
    assert ended.results["prompt"].cost_per_1k_usd == pytest.approx(1000 * (100 * 3 + 400 * 15) / 1e6)
    assert [c.what for c in verify(run) if not c.passed] == []


@pytest.mark.slow
def test_an_exported_prompt_keeps_the_effort(tmp_path):
    async def work():
        async with Endpoint(script=Models()).serving() as endpoint:
            config = parse_config(
                raw(tmp_path, endpoint.url, [{"prompt": {"effort": "low", "rewrites": False}}]), tmp_path
            )
            await climb_in_loop(config, tmp_path / "run")

    asyncio.run(work())
    exported(tmp_path / "run", "prompt", "prompt", tmp_path / "out", None)
    told = json.loads((tmp_path / "out" / "prompt.json").read_text())
    assert told["model"]["extra_body"] == {"reasoning_effort": "low"}


def test_a_server_with_a_thinking_switch_of_its_own_gets_that(tmp_path):
    switch = {"none": {"chat_template_kwargs": {"enable_thinking": False}}}
    settings = OpenAI(name="m", base_url="http://127.0.0.1:1/v1", efforts=switch)
    sent = settings.body(Request((Message("user", "a"),), {"reasoning_effort": "none"}))
    assert (sent.get("reasoning_effort"), sent["chat_template_kwargs"]) == (None, {"enable_thinking": False})
    assert settings.body(Request((Message("user", "a"),), {"reasoning_effort": "high"}))["reasoning_effort"] == "high"
    assert settings.effort_fields("none") == switch["none"]
    assert settings.identity() != OpenAI(name="m", base_url="http://127.0.0.1:1/v1").identity()
    with pytest.raises(ValidationError, match="leaves the length"):
        OpenAI(name="m", efforts={"high": {"n": 3}})


REFUSED = "Unsupported parameter: 'reasoning_effort' is not supported with this model."
VALUE = "Unsupported value: 'reasoning_effort' does not support 'none' with this model. Supported values are: 'low', 'high'."


@pytest.mark.slow
def test_an_endpoint_without_effort_is_told_in_one_sentence_and_none_is_the_model_as_it_is(tmp_path):
    refusal = {"small": (("none", "high"), REFUSED)}
    ladder = [{"prompt": {"models": ["small"], "effort": ["none", "high"], "rewrites": False}}]
    [(ended, _)] = climbing(tmp_path, Models(refusal=refusal), ladder)
    fitted = RunFolder.open(tmp_path / "run").rung("prompt").fitted.need()
    assert (fitted.candidate.model, fitted.candidate.chat.effort) == ("small", None)
    [left] = [s for s in fitted.skipped if s.what == "small, effort high"]
    assert left.reason.startswith("'small' takes no reasoning effort: ")
    assert len(left.reason.splitlines()) == 1
    assert ended.verdict.decision == "meets"


@pytest.mark.slow
def test_an_effort_that_a_thinking_model_does_not_take_is_left_out(tmp_path):
    refusal = {"main": (("none",), VALUE)}
    ladder = [{"prompt": {"effort": ["none", "low"], "rewrites": False}}]
    climbing(tmp_path, Models(refusal=refusal), ladder)
    fitted = RunFolder.open(tmp_path / "run").rung("prompt").fitted.need()
    assert fitted.candidate.chat.effort == "low"
    assert fitted.skipped[0].reason.startswith("'main' does not take the reasoning effort 'none': ")


def test_an_approach_whose_only_effort_is_refused_is_skipped_with_that_sentence(tmp_path):
    refusal = {"main": (("high",), REFUSED)}
    [(ended, _)] = climbing(tmp_path, Models(refusal=refusal), [{"prompt": {"effort": "high", "rewrites": False}}])
    assert ended.results == {}
    [left] = RunFolder.open(tmp_path / "run").skipped.need()
    assert (left.what, left.reason[:38]) == ("prompt", "'main' takes no reasoning effort: http")


def test_a_model_whose_answers_are_all_cut_off_is_left_out_and_the_others_are_tried(tmp_path):
    models = Models()

    def answering(data, number):
        cut = answer_body("well, I think", "small", 100, 256, finish_reason="length")
        return Reply(body=cut) if data["model"] in silent else models(data, number)

    silent = {"small"}
    [(ended, _)] = climbing(tmp_path, answering, [{"prompt": BOTH}])
    fitted = RunFolder.open(tmp_path / "run").rung("prompt").fitted.need()
    assert (ended.verdict.decision, fitted.candidate.model) == ("meets", "main")
    [left] = [s for s in fitted.skipped if s.what == "small"]
    assert "each of the first 12 answers of models.small was cut off" in left.reason
    silent.add("main")
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(UnusableAnswers, match=r"each of the first 12 answers of models\.(small|main) was cut off"):
        climbing(other, answering, [{"prompt": BOTH}])


def test_a_provider_without_effort_is_told_before_anything_is_asked(tmp_path):
    made = raw(tmp_path, "http://127.0.0.1:1/v1", [{"prompt": {"effort": ["high"]}}])
    made["models"]["main"] = {"provider": "fake"}
    [estimate, *_] = plan(parse_config(made, tmp_path)).rungs
    assert estimate.note == ("will be skipped: models.main (fake) knows no reasoning effort; leave `effort` out for it")


@pytest.mark.slow
def test_examples_are_tried_with_every_model_too(tmp_path):
    ladder = [{"fewshot": {"models": ["small", "main"], "k": [1, 3]}}]
    [(ended, _)] = climbing(tmp_path, Models(small=0.5), ladder)
    fitted = RunFolder.open(tmp_path / "run").rung("fewshot").fitted.need()
    assert (fitted.candidate.model, ended.verdict.decision) == ("main", "meets")
    assert len({t.candidate.name for t in fitted.trials}) == len(fitted.trials)
    assert [c.what for c in verify(RunFolder.open(tmp_path / "run")) if not c.passed] == []


@pytest.mark.slow
def test_passages_are_tried_with_every_model_too(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "north.md").write_text("# North\n\nThe north team takes what is to go to nord.\n")
    ladder = [{"rag": {"models": ["small", "main"], "k": [1], "canaries": 0}}]
    climbing(tmp_path, Models(small=0.5), ladder, rows=120, documents={"path": "docs"})
    fitted = RunFolder.open(tmp_path / "run").rung("rag").fitted.need()
    assert fitted.candidate.model == "main"
    assert [c.what for c in verify(RunFolder.open(tmp_path / "run")) if not c.passed] == []


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"models": ["small", "gone"]}, "models.gone: is missing, and the approach prompt asks it"),
        ({"models": ["small"], "model": "main"}, "give model or models, not both"),
        ({"models": ["small", "small"]}, "models names one of them twice"),
        ({"effort": ["much"]}, "ladder.0.effort.0"),
    ],
)
def test_what_cannot_be_tried_is_refused_by_the_file(tmp_path, step, said):
    with pytest.raises(ConfigError, match=said):
        parse_config(raw(tmp_path, "http://127.0.0.1:1/v1", [{"prompt": step}]), tmp_path)


def test_two_named_steps_are_two_claims_and_a_race_is_one(tmp_path):
    ladder = [{"prompt": {"name": "small", "model": "small"}}, {"prompt": {"model": "main"}}]
    apart = parse_config(raw(tmp_path, "http://127.0.0.1:1/v1", ladder), tmp_path)
    raced = parse_config(raw(tmp_path, "http://127.0.0.1:1/v1", [{"prompt": BOTH}]), tmp_path)
    assert (apart.planned, raced.planned) == (("prompt@small", "prompt"), ("prompt",))
    assert answering_roles(raced.ladder[0]) == ("main", "small")
    assert set(asked_roles(raced)) == {"main", "small"}


def test_what_a_request_costs_belongs_to_the_experiment_where_it_chooses_a_model(tmp_path):
    def sha(step, price, **more):
        made = raw(tmp_path, "http://127.0.0.1:1/v1", [{"prompt": step}], **more)
        made["models"]["small"]["price"] = price
        return parse_config(made, tmp_path).sha256

    assert sha({"model": "small"}, CHEAP) == sha({"model": "small"}, DEAR)
    assert sha(BOTH, CHEAP) != sha(BOTH, DEAR)
    assert sha(BOTH, CHEAP) != sha(BOTH, CHEAP, volume={"requests_per_month": 9})
    assert sha(BOTH, CHEAP) == sha(BOTH, CHEAP, limits={"budget_usd": 3})


def test_a_plan_counts_the_calls_of_every_model_at_its_price(tmp_path):
    def estimate(step):
        return plan(parse_config(raw(tmp_path, "http://127.0.0.1:1/v1", [{"prompt": step}]), tmp_path)).rungs[0]

    small, main, both = (
        estimate({**s, "rewrites": False})
        for s in ({"model": "small"}, {"model": "main"}, {"models": ["small", "main"]})
    )
    assert both.dev_calls == small.dev_calls + main.dev_calls + 2 * FIRST
    assert both.usd > main.usd > small.usd
    assert both.usd < main.usd + small.usd + 2 * FIRST * 0.01
    assert both.note.startswith("at most: 2 models and efforts are tried, cheapest first")


def test_a_configured_model_that_nothing_asks_is_named_before_tuning(tmp_path):
    made = raw(tmp_path, "http://127.0.0.1:1/v1", [{"prompt": {"model": "small"}}])
    budget = experiment_budget(parse_config(made, tmp_path))
    assert (budget.untried, budget.other_than("small")) == ({"small": ("main",)}, "main")
    tried = experiment_budget(parse_config({**made, "ladder": [{"prompt": BOTH}]}, tmp_path))
    assert tried.other_than("small") is None
    dear = experiment_budget(parse_config({**made, "ladder": ["prompt"]}, tmp_path))
    assert dear.other_than("main") is None  # a smaller model fixes nothing
    task, dev = small_task(), small_rows(8, "dev")
    kit = kit_with_fake(task, [])
    kit.card_of_main = replace(kit.card_of_main, role="small")
    failed = tuple(
        Outcome(
            e.id, e.group, Answer("refund" if e.target != "refund" else "delivery"), {"normalized_match": Score(0.0)}
        )
        for e in dev
    )
    candidate = Candidate("fewshot", "k=1", FewShotLearned(messages=(), columns=(), k=1), "small")
    subject = Subject("fewshot", candidate, failed, dev, task)
    said = asyncio.run(
        diagnose(subject, kit, ExperimentBudget(untried={"small": ("main",)}, ladder=("fewshot", "finetune")))
    )
    assert said.next_rung == "finetune"
    assert said.sentence.endswith("next to try: another model (models: [small, main]); then fine-tuning.")
