"""A climb that ended is read back while nothing it stands on has changed, and made anew as soon as anything has."""

from __future__ import annotations

import json
import shutil
import sqlite3

import pytest

from rung import ladder
from rung.cli.climb import climb_and_report
from rung.engine import unchanged
from rung.engine.named_files import named_files_sha256
from rung.errors import IntegrityError
from rung.ladder import climb
from rung.store.run import RunFolder
from tests.unit._worlds import FORMAT_ONLY, world


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    root = tmp_path_factory.mktemp("climbed")
    return root, climb(world(root, 300, model=FORMAT_ONLY), root / "run")


@pytest.fixture
def climbed(once, tmp_path, monkeypatch):
    """Lay a copy of an ended climb into the test's own folder; return it, and the list of climbs that went the whole way."""
    root, first = once
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    whole: list[object] = []
    real = ladder.prepare
    monkeypatch.setattr(ladder, "prepare", lambda *given: whole.append(given) or real(*given))
    return tmp_path, first, whole


def again(folder, **settings):
    return climb(world(folder, 300, model=FORMAT_ONLY, **settings), folder / "run")


@pytest.mark.slow
def test_nothing_changed_and_everything_is_as_it_was(climbed):
    folder, first, whole = climbed
    found = again(folder)
    assert whole == []
    assert found.verdict == first.verdict
    assert {k: (r.quality, r.outcomes, r.estimates) for k, r in found.results.items()} == {
        k: (r.quality, r.outcomes, r.estimates) for k, r in first.results.items()
    }
    assert found.unanswered_rows == 0
    assert RunFolder.open(folder / "run").facts["status"] == "done"
    assert again(folder).verdict == first.verdict
    assert whole == []


FILES = (
    "findings.json", "verdict.json", "comparisons.json", "spend.json", "parts/train.jsonl", "rungs/prompt/fit.json",
    "rungs/prompt/dev.jsonl", "rungs/prompt/outcomes.jsonl", "rungs/prompt/result.json", "rungs/prompt/diagnosis.json",
    "rungs/prompt/profile.json",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_one_byte_in_a_file_and_the_climb_is_made_anew(climbed, name):
    folder, first, whole = climbed
    file = folder / "run" / name
    with file.open("ab") as out:
        out.write(b" \n" if name.endswith(".json") else b"\n")
    assert again(folder).verdict == first.verdict
    assert len(whole) == 1
    whole.clear()
    assert again(folder).verdict == first.verdict  # and what was made anew is read back the next time
    assert whole == []


@pytest.mark.slow
def test_a_changed_answer_or_setting_or_version_and_the_climb_is_made_anew(climbed, monkeypatch):
    folder, _, whole = climbed
    again(folder, volume={"requests_per_month": 1000})  # a limit or a volume may change in the same folder
    assert len(whole) == 1
    with sqlite3.connect(folder / "run" / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE answers SET text = CAST(text || ' ' AS BLOB) WHERE rowid = 1")
    again(folder, volume={"requests_per_month": 1000})
    assert len(whole) == 2
    monkeypatch.setattr(unchanged, "_code", lambda: iter(["another version"]))
    again(folder, volume={"requests_per_month": 1000})
    assert len(whole) == 3


def test_changed_rows_are_refused_as_ever(climbed):
    folder, _, _ = climbed
    rows = (folder / "rows.jsonl").read_text().splitlines()
    first = json.loads(rows[0])
    first[next(k for k, v in first.items() if isinstance(v, str) and k not in ("id", "group"))] += " anew"
    (folder / "rows.jsonl").write_text("\n".join([json.dumps(first), *rows[1:]]) + "\n")
    config = world(folder / "elsewhere", 300, model=FORMAT_ONLY)
    config = config.model_copy(update={"root": folder})
    with pytest.raises(IntegrityError, match="1 example changed"):
        climb(config, folder / "run")


def test_what_is_not_known_by_its_content_is_never_read_back(tmp_path, monkeypatch):
    config = world(tmp_path, 60, model=FORMAT_ONLY)
    assert unchanged._all_ours(config)
    for changed in (
        config.model_copy(update={"regression_tasks": ("other.yaml",)}),
        config.model_copy(update={"models": {"main": {**config.models["main"], "provider": "python"}}}),
        config.model_copy(update={"models": {"main": {**config.models["main"], "provider": "a-strangers"}}}),
    ):
        assert not unchanged._all_ours(changed)


SCORING = "def score(answer, target, inputs):\n    return {}\n"


@pytest.mark.slow
def test_an_edited_scoring_function_scores_anew_in_the_same_folder(tmp_path):
    def again(code):
        (tmp_path / "scoring.py").write_text(SCORING.format(code))
        config = world(
            tmp_path, 120, model=FORMAT_ONLY, task={"metrics": [{"python": {"function": "scoring.py:score"}}]}
        )
        return climb(config, tmp_path / "run")

    assert again("1.0").verdict.winner is not None
    calls = RunFolder.open(tmp_path / "run").spend.need()["calls"]
    second = again("0.0 if answer else 0.0")
    assert second.verdict.winner is None
    assert {r.quality.status for r in second.results.values()} == {"misses"}
    assert RunFolder.open(tmp_path / "run").spend.need()["calls"] >= calls  # nothing paid was given up
    assert again("1.0").verdict.winner is not None


def test_what_every_named_file_holds_counts(tmp_path):
    (tmp_path / "weights").mkdir()
    files = {
        name: tmp_path / name for name in ("scoring.py", "helper.py", "rubric.txt", "weights/model.bin", "feature.py")
    }
    for file in files.values():
        file.write_text("def score(answer, target, inputs):\n    return 1.0\ndef answer(text):\n    return text\n")
    metrics = [{"python": {"function": "scoring.py:score"}}, {"judge": {"rubric_file": "rubric.txt"}}]
    models = {
        "local": {"provider": "fake", "answers": {}, "note": "weights"},
        "feature": {"provider": "python", "function": "feature.py:answer"},
        "judge": {"provider": "fake", "answers": {}},
    }
    config = world(tmp_path, 20, task={"metrics": metrics}, models=models)
    seen = {named_files_sha256(config)}
    for file in files.values():
        file.write_text(file.read_text() + "# changed\n")
        seen.add(named_files_sha256(config))
        assert named_files_sha256(config) in seen
    assert len(seen) == 1 + len(files)
    (tmp_path / "unnamed.txt").write_text("x")
    assert named_files_sha256(config) in seen
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(tmp_path, elsewhere, ignore=shutil.ignore_patterns("elsewhere"))
    assert named_files_sha256(config.model_copy(update={"root": elsewhere})) in seen


@pytest.mark.slow
def test_the_page_is_written_again_only_where_it_may_be_another(tmp_path, monkeypatch):
    config, run = world(tmp_path, 300, model=FORMAT_ONLY), tmp_path / "run"
    assert climb_and_report(config, run, as_json=True) == climb_and_report(config, run, as_json=True)
    written = RunFolder.open(run).page.stat().st_mtime_ns
    climb_and_report(config, run, as_json=True)
    assert RunFolder.open(run).page.stat().st_mtime_ns == written
    before = RunFolder.open(run).page.read_bytes()
    RunFolder.open(run).page.unlink()
    climb_and_report(config, run, as_json=True)
    assert RunFolder.open(run).page.read_bytes() == before

    # a climb that ended another way and was killed before its page was written
    climb(world(tmp_path, 300, model=FORMAT_ONLY, volume={"requests_per_month": 1000}), run)
    assert RunFolder.open(run).page.read_bytes() == before
    climb_and_report(world(tmp_path, 300, model=FORMAT_ONLY, volume={"requests_per_month": 1000}), run, as_json=True)
    assert RunFolder.open(run).page.read_bytes() != before
