"""rung.yaml: every problem at once, in words that say what to do."""

from pathlib import Path

import pytest

from rung import plugins
from rung.config import Step, load_config, overridden, parse_config, read_prompt
from rung.errors import ConfigError, UnknownPlugin

GOOD = {
    "task": {
        "name": "routing",
        "kind": "classification",
        "instruction": "Route the ticket.",
        "inputs": ["subject", "body"],
        "target": "team",
        "metrics": ["normalized_match"],
        "goal": 0.9,
    },
    "data": {"path": "tickets.jsonl"},
    "models": {"main": {"provider": "fake", "name": "toy"}},
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tickets.jsonl").write_text("{}\n")
    return tmp_path


def changed(**parts: object) -> dict[str, object]:
    return {**GOOD, **{k: {**GOOD.get(k, {}), **v} if isinstance(v, dict) else v for k, v in parts.items()}}


def problems(raw: dict[str, object], root: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(raw, root)
    return str(caught.value)


def test_good_file_has_the_documented_defaults(root):
    config = parse_config(GOOD, root)
    assert config.planned == ("baseline", "prompt", "fewshot")
    assert (config.split.test, config.split.dev, config.split.seed) == (None, None, 7)
    task = config.as_task(kind="classification", labels=("a", "b"))
    assert (task.tolerance, task.min_gain, task.alpha, task.failure_score) == (0.02, 0.02, 0.05, 0.0)


def test_every_problem_is_reported_at_once(root):
    raw = changed(
        task={"goal": 1.7, "metric": ["normalized_match"]},
        split={"test": 0.9, "dev": 0.2},
        ladder=["baseline", "fewshots"],
    )
    raw["data"] = {"path": "tickets.jsonl", "train": "x.jsonl"}
    text = problems(raw, root)
    assert "rung.yaml has 5 problems" in text
    assert "task.goal: must be less than or equal to 1 (found 1.7)" in text
    assert "task.metric: no such key; did you mean 'metrics'?" in text
    assert "leave no training examples" in text
    assert "give either `path`, or both `train` and `test`" in text
    assert "no approach is called 'fewshots'; did you mean 'fewshot'" in text


def test_missing_model_is_named_with_the_rung_that_asks_it(root):
    raw = {**GOOD, "models": {}}
    text = problems(raw, root)
    assert "models.main: is missing, and the approach prompt asks it" in text
    assert "models.main: is missing, and the approach fewshot asks it" in text


def test_unknown_provider_and_setting(root):
    assert "no provider is called 'opneai'; did you mean 'openai'" in problems(
        {**GOOD, "models": {"main": {"provider": "opneai"}}}, root
    )
    text = problems({**GOOD, "models": {"main": {"provider": "openai", "name": "x", "temprature": 1}}}, root)
    assert "models.main.temprature: openai has no such setting; allowed:" in text
    assert "temperature" in text


def test_target_among_inputs_would_leak_the_answer(root):
    assert "the model would see the answer" in problems(changed(task={"inputs": ["team"]}), root)


def test_missing_data_file(root):
    assert "data.path: there is no such file" in problems(changed(data={"path": "none.jsonl"}), root)


def test_same_rung_twice_needs_another_model(root):
    text = problems(changed(ladder=["prompt", "prompt"]), root)
    assert "ladder.1: is in the ladder twice (found prompt)" in text
    models = {"main": {"provider": "fake", "name": "a"}, "small": {"provider": "fake", "name": "b"}}
    config = parse_config({**GOOD, "models": models, "ladder": ["prompt", {"prompt": {"model": "small"}}]}, root)
    assert config.planned == ("prompt", "prompt@small")


def test_overrides(root):
    file = root / "rung.yaml"
    file.write_text(
        "task: {name: t, instruction: do, inputs: a, target: b, goal: 0.8}\n"
        "data: {path: tickets.jsonl}\nmodels: {main: {provider: fake, name: x}}\n"
    )
    config = load_config(file, {"seed": 3, "goal": 0.7, "budget_usd": 2.5, "only": ["baseline", "prompt"]})
    assert (config.split.seed, config.task.goal, config.limits.budget_usd) == (3, 0.7, 2.5)
    assert config.planned == ("baseline", "prompt")
    with pytest.raises(
        ConfigError, match="only: is not in the ladder \\(found rag\\); allowed: baseline, prompt, fewshot"
    ):
        load_config(file, {"only": ["rag"]})


def test_yaml_trouble_is_one_paragraph(root):
    file = root / "rung.yaml"
    with pytest.raises(ConfigError, match="there is no such file; `rung init DATA` writes one"):
        load_config(file)
    file.write_text("task: [")
    with pytest.raises(ConfigError, match="is no valid YAML"):
        load_config(file)
    file.write_text("- a\n")
    with pytest.raises(ConfigError, match="must be a mapping"):
        load_config(file)


def test_prompt_files(tmp_path):
    text = tmp_path / "p.txt"
    text.write_text("You route tickets.\n")
    assert [(m.role, m.content) for m in read_prompt(text)] == [("system", "You route tickets.")]
    text.write_text("Route: {{ subject }}")
    assert read_prompt(text)[0].role == "user"
    chat = tmp_path / "p.yaml"
    chat.write_text("- {role: system, content: Be brief.}\n- {role: user, content: '{{subject}}'}\n")
    assert [m.role for m in read_prompt(chat)] == ["system", "user"]
    chat.write_text("- {role: robot, content: x}\n")
    with pytest.raises(ConfigError, match="is no chat .*allowed: a list of"):
        read_prompt(chat)
    text.write_text("  \n")
    with pytest.raises(ConfigError, match="the prompt file is empty"):
        read_prompt(text)


def test_limits_and_volume_do_not_change_the_experiment(root):
    same = parse_config(changed(limits={"budget_usd": 3}, volume={"requests_per_month": 5}), root)
    assert same.sha256 == parse_config(GOOD, root).sha256
    assert parse_config(changed(task={"goal": 0.8}), root).sha256 != same.sha256


def test_how_fast_and_at_what_price_a_model_is_asked_may_change_and_who_answers_may_not(root):
    role, entry = next(iter(GOOD["models"].items()))
    slower = {**entry, "concurrency": 2, "timeout_s": 5, "input_usd_per_mtok": 1, "output_usd_per_mtok": 1}
    same = parse_config(GOOD, root).sha256
    assert parse_config(changed(models={role: slower}), root).sha256 == same
    assert parse_config(changed(models={role: {**entry, "name": "another"}}), root).sha256 != same


def test_a_schema_that_no_answer_can_be_held_to_is_a_problem_of_the_file(root):
    schema = {"properties": {"day": {"type": "string", "format": "day"}}}
    text = problems(changed(task={"metrics": [{"json_fields": {"schema": schema}}]}), root)
    assert "schema.properties.day.format: 'day' cannot be checked; known: date, email, ipv4" in text


def test_files_in_settings_start_at_the_folder_of_the_file(root, tmp_path, monkeypatch):
    (root / "own.py").write_text("def right(answer, target, inputs):\n    return answer == target\n")
    metrics = [{"python": {"function": "own.py:right"}}]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    config = parse_config(changed(task={"metrics": metrics}), root)
    assert config.task.metrics[0].settings == {"function": "own.py:right"}  # kept as written: no path of this machine
    with pytest.raises(ConfigError, match=r"own.py'; write path.py:function, relative to the folder of rung.yaml"):
        parse_config(changed(task={"metrics": metrics}), elsewhere)


def test_messages_speak_yaml_and_not_python(root, tmp_path):
    with pytest.raises(ConfigError) as told:
        parse_config(changed(task={"inputs": {"a": 1}, "goal": "high", "name": "../up"}, split={"seed": "x"}), root)
    said = str(told.value)
    assert "task.inputs: must be a list" in said
    assert "task.goal: must be a number (found 'high')" in said
    assert "task.name: names the run folder too" in said
    assert "split.seed: must be a whole number (found 'x')" in said
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"task: \xe4")
    with pytest.raises(ConfigError, match=r"is not UTF-8 at byte 7 \(0xe4\); save the file as UTF-8"):
        load_config(latin)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)
    half = tmp_path / "p.json"
    half.write_text('[{"role": "user", "content": "\\ud83d {{text}}"}]')
    with pytest.raises(ConfigError, match="holds half of a surrogate pair"):
        read_prompt(half)


@pytest.mark.parametrize("spelled", ["few-shot", "few_shot", "FewShot", "Few Shot", "fewshot"])
def test_the_ladder_takes_the_spellings_that_people_type(spelled):
    assert Step(rung=spelled).label == "fewshot"


def test_other_steps_of_the_ladder_in_usual_spellings():
    typed = ["RAG", "fine-tune", "fine-tuning", "fine_tuning", "from scratch", "a-stranger's"]
    assert [Step(rung=t).rung for t in typed] == ["rag", "finetune", "finetune", "finetune", "scratch", "a-stranger's"]


@pytest.mark.parametrize(
    ("kind", "name", "helps"),
    [
        ("metrics", "accuracy", "use `normalized_match`"),
        ("models", "cohere", "use `provider: openai` with the base_url"),
    ],
)
def test_a_well_known_name_gets_the_sentence_that_helps(kind, name, helps):
    with pytest.raises(UnknownPlugin, match=helps):
        plugins.find(kind, name)


@pytest.mark.slow
def test_a_file_whose_anchors_multiply_is_refused_and_not_read_for_ever(tmp_path):
    levels = [
        "a: &a0 [x, x, x, x, x, x, x, x, x]",
        *(f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)),
    ]
    for text, words in (
        ("\n".join(levels), "its anchors unfold to more than 1,000,000 values"),
        ("task: &t {name: *t}", "its anchors unfold to more than"),
        ("task: " + "[" * 2_000, "it is nested too deeply"),
        ("? [a, b]\n: c", "unhashable"),
    ):
        (tmp_path / "rung.yaml").write_text(text)
        with pytest.raises(ConfigError, match=words):
            load_config(tmp_path / "rung.yaml")
        (tmp_path / "prompt.yaml").write_text(text)
        with pytest.raises(ConfigError, match=words):
            read_prompt(tmp_path / "prompt.yaml")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("limits: 5", "limits: must be a mapping (found 5)"),
        ("split: abc", "split: must be a mapping (found 'abc')"),
        ("ladder: prompt", "the ladder is a list of approaches"),
        ("ladder: [{a: 1, b: 2}]", "write a name or a name with settings"),
    ],
)
def test_a_section_that_is_none_is_a_problem_of_the_file_whatever_is_changed_beside_it(root, line, says):
    file = root / "rung.yaml"
    file.write_text(f"task: {{name: t, instruction: do, inputs: a, target: b, goal: 0.8}}\n{line}\n")
    with pytest.raises(ConfigError) as raised:
        load_config(file, {"seed": 3, "budget_usd": 2.5, "only": ["prompt"]})
    assert says in str(raised.value)


def test_unknown_plugins_are_problems_of_the_file_all_at_once(root):
    file = root / "rung.yaml"
    file.write_text(
        "task: {name: t, instruction: do, inputs: a, target: b, goal: 0.8, metrics: [em]}\n"
        "data: {path: tickets.jsonl}\nmodels: {main: {provider: hf}}\nladder: [lora]\n"
    )
    with pytest.raises(ConfigError) as raised:
        load_config(file)
    assert [problem.path for problem in raised.value.problems] == ["models.main", "ladder.0", "task.metrics.0"]


def test_only_takes_the_spellings_that_people_type():
    raw = {"ladder": ["fewshot", {"fewshot": {"model": "small"}}]}
    assert [entry["rung"] for entry in overridden(raw, {"only": ["few-shot", "Few_Shot@small"]})["ladder"]] == [
        "fewshot"
    ] * 2


@pytest.mark.parametrize(
    ("section", "old", "new"),
    [("task", "worth_it", "min_gain"), ("task", "seek", "objective"), ("task", "also_right", "accepted_answers"),
     ("task", "on_failure", "failure_score"), (None, "keep", "regression_tasks")],
)  # fmt: skip
def test_a_key_of_before_is_answered_with_its_name_of_today(tmp_path, section, old, new):
    raw = {
        "task": {"name": "t", "instruction": "Which?", "inputs": ["a"], "target": "b", "goal": 0.9},
        "data": {"path": "r.jsonl"},
    }
    (raw[section] if section else raw)[old] = 1
    with pytest.raises(ConfigError) as told:
        parse_config(raw, tmp_path)
    path = f"{section}.{old}" if section else old
    assert f"{path}: is called {new!r} now" in str(told.value)
