"""`split: {confirm: 0.2}` and `rung climb --confirm`: what a run chose is measured once on examples that no run has used."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from rung.cli import app
from rung.cli.data import check_frozen
from rung.config import parse_config
from rung.data.configured import part_rows, read_rows
from rung.engine.check import check
from rung.engine.confirm import confirming
from rung.engine.verify import verify
from rung.errors import ConfigError, IntegrityError, RungError
from rung.ladder import climb
from rung.progress import Silent
from rung.report.load import load_report
from rung.report.summary import summary
from rung.store.run import RunFolder
from tests.unit._worlds import rows

N = 400


def config_of(root, base=0.99, ladder=("baseline", {"prompt": {"rewrites": False}}), **split):
    made = rows(N)
    (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    fake = {"provider": "fake", "answers": {r["text"]: r["team"] for r in made}, "abilities": {"base": base}}
    raw = {
        "task": {
            "name": "routing", "kind": "classification", "instruction": "Which team?", "inputs": ["text"], "target": "team",
            "metrics": ["normalized_match"], "goal": 0.9,
        },
        "data": {"path": "rows.jsonl", "id": "id"},
        "split": {"confirm": 0.25, **split},
        "models": {"main": fake},
        "ladder": list(ladder),
        "diagnosis": {"calls": 0},
    }  # fmt: skip
    return parse_config(raw, root)


def parts_of(folder):
    manifest = RunFolder.open(folder).parts.manifest.need()
    return {name: set(manifest[name]["ids"]) for name in ("train", "dev", "test")}, set(manifest["settings"]["aside"])


def test_what_a_run_chose_is_confirmed_once_on_rows_that_no_run_has_used(tmp_path):
    config = config_of(tmp_path)
    first = climb(config, tmp_path / "run")
    assert first.verdict.winner == "prompt"
    parts, aside = parts_of(tmp_path / "run")
    assert len(aside) == 100
    assert sum(map(len, parts.values())) == 300
    assert not aside & set.union(*parts.values())
    assert aside & {e["id"] for e in map(json.loads, (tmp_path / "rows.jsonl").read_text().splitlines())} == aside
    held = "".join(p.read_text("utf-8", "replace") for p in (tmp_path / "run" / "parts").iterdir())
    texts = {r["id"]: r["text"] for r in rows(N)}
    assert not any(texts[i] in held for i in aside)  # they are nowhere in the run folder

    climb(config_of(tmp_path, ladder=["prompt"]), tmp_path / "other")
    asked, where = confirming(tmp_path / "other")
    assert where.name == "other-confirm"
    confirmed = climb(asked, where)
    seen, back = parts_of(where)
    assert seen["test"] == parts_of(tmp_path / "other")[1]
    assert (seen["train"], seen["dev"]) == tuple(parts_of(tmp_path / "other")[0][name] for name in ("train", "dev"))
    assert back == parts_of(tmp_path / "other")[0]["test"]
    assert (confirmed.verdict.winner, confirmed.verdict.exploratory) == ("prompt", False)
    assert list(confirmed.results) == ["prompt"]
    assert [c.differs for c in verify(RunFolder.open(where)) if c.differs] == []
    twice = climb(confirming(tmp_path / "run")[0], tmp_path / "run-confirm")
    assert (
        parts_of(tmp_path / "run-confirm")[0]["test"] == seen["test"]
    )  # kept before all else: another ladder's are the same
    assert twice.verdict.exploratory  # and they are fresh only once


def test_the_report_of_an_exploratory_run_names_the_command_and_the_command_line_runs_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = config_of(tmp_path, ladder=({"prompt": {"rewrites": False}},))
    climb(config, tmp_path / "run")
    climb(config_of(tmp_path, base=0.985, ladder=({"prompt": {"rewrites": False}},)), tmp_path / "later")
    later = load_report(RunFolder.open(tmp_path / "later"))
    assert any("--confirm" in c.line for c in summary(later).commands)
    assert not any("--confirm" in c.line for c in summary(load_report(RunFolder.open(tmp_path / "run"))).commands)
    ran = CliRunner().invoke(app, ["climb", "later", "--confirm", "--json"])
    assert json.loads(ran.output)["verdict"]["exploratory"] is False
    with pytest.raises(ConfigError, match="--confirm: stands alone"):
        CliRunner().invoke(app, ["climb", "later", "--confirm", "--dev"], catch_exceptions=False)
    with pytest.raises(ConfigError, match="runs/none is not there: name its run folder"):
        CliRunner().invoke(app, ["climb", "runs/none", "--confirm"], catch_exceptions=False)


def test_what_cannot_be_confirmed_is_said_before_anything_is_asked(tmp_path):
    climb(config_of(tmp_path, confirm=0.0), tmp_path / "none")
    with pytest.raises(RungError, match=r"keeps no examples to confirm on: set `split: \{confirm: 0.2\}`"):
        confirming(tmp_path / "none")
    climb(config_of(tmp_path, base=0.3), tmp_path / "bad")
    with pytest.raises(RungError, match="neither a winner nor a tentative pick"):
        confirming(tmp_path / "bad")
    config = config_of(tmp_path, seed=8)
    climb(config, tmp_path / "run")
    with pytest.raises(
        RungError, match=r"split.confirm keeps 100 examples sealed, which would be lost in a new version"
    ):
        check_frozen(tmp_path / "run", part_rows(config, read_rows(config))[1])
    text = (tmp_path / "rows.jsonl").read_text()
    (tmp_path / "rows.jsonl").write_text("".join(text.splitlines(keepends=True)[:-1]))
    with pytest.raises(IntegrityError, match="1 example vanished"):
        confirming(tmp_path / "run")
    with pytest.raises(ConfigError, match="divides the one file of data.path"):
        parse_config(
            {
                **config_of(tmp_path).model_dump(mode="json", exclude={"root"}),
                "data": {"train": "rows.jsonl", "test": "rows.jsonl"},
            },
            tmp_path,
        )


def test_near_duplicates_that_are_kept_to_confirm_are_no_matter_of_the_audit(tmp_path):
    made = [{**r, "text": f"{text} ok"} for r in rows(N) for text in (r["text"],)]
    config = config_of(tmp_path)
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.writelines(json.dumps({**r, "id": f"{r['id']}-twin"}) + "\n" for r in made)
    whole = read_rows(config).whole
    _, parts = part_rows(config, read_rows(config))
    aside = {e.id for e in parts.aside}
    assert any(p.first in aside for p in parts.duplicates.near)
    found = check(config, Silent())
    assert found.rows == len(whole) == 2 * N
    assert not {i for f in found.findings for i in f.example_ids} & aside
