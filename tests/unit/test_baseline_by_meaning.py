"""The baseline over vectors: chosen where words do not tell, priced and timed, planned, exported to a folder that answers alone."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from rung.config import parse_config
from rung.engine.plan import plan
from rung.engine.verify import verify
from rung.errors import RungError
from rung.exports.write import exported
from rung.ladder import climb
from rung.rungs.baseline import Baseline
from rung.rungs.vectors import label_text
from rung.store.run import RunFolder
from rung.types import BaselineLearned, Candidate, Example, FitInput
from tests.unit._kit import KitForTests, task
from tests.unit.test_export_rag import WORDS, place_of, reading, static_model

TEAMS = ("home goods", "vehicles", "parks", "people")


def team_of(text):
    """The team of a text, by the pair of words that it speaks of; None for none."""
    place = place_of(text)
    return None if place is None else place % len(TEAMS)


def vector(text):
    return [float(n == team_of(text)) for n in range(len(TEAMS))] + [0.01]


def raw(embedder, ladder, **more):
    return {
        "task": {
            "name": "teams", "kind": "classification", "instruction": "Which team?", "inputs": ["text"], "target": "team",
            "goal": 0.8, "tolerance": 0.05, "metrics": ["normalized_match"],
        },
        "data": {"path": "rows.jsonl", "id": "id"}, "split": {"test": 0.5, "dev": 0.25, "seed": 3},
        "models": {"main": {"provider": "fake", "answers": {}}, **({"embedder": embedder} if embedder else {})},
        "ladder": ladder, **more,
    }  # fmt: skip


def rows(root, n=96):
    """Each word stands in few examples, so that most words of the test set were never seen, but their meaning was."""
    words = [word for pair in WORDS for word in pair]
    lines = [
        {"id": f"r{i}", "text": f"Case {i}: about the {word} again", "team": TEAMS[team_of(word)]}
        for i, word in enumerate(words[i % len(words)] for i in range(n))
    ]
    root.mkdir(parents=True, exist_ok=True)
    (root / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def by_team(tmp_path_factory):
    """A static model in which all words of a team have one vector."""
    return {"provider": "static", "folder": str(static_model(tmp_path_factory.mktemp("static"), vector))}


def measured(root, raw_config):
    return climb(parse_config(raw_config, root), root / "run").results["baseline"]


SCORE = "normalized_match"


def test_meaning_is_used_where_a_model_makes_vectors_and_words_alone_else(tmp_path, by_team):
    found = {}
    for name, embedder, ladder in (
        ("words", None, ["baseline"]),
        ("meaning", by_team, ["baseline"]),
        ("refused", by_team, [{"baseline": {"embedder": None}}]),
    ):
        rows(tmp_path / name)
        found[name] = measured(tmp_path / name, raw(embedder, ladder))
    assert found["words"].estimates[SCORE].mean < 0.8
    assert found["refused"].candidate.id == found["words"].candidate.id
    meant = found["meaning"]
    assert meant.estimates[SCORE].mean == 1.0
    assert (meant.candidate.learned.embedder, meant.candidate.model) == ("embedder", None)
    assert meant.cost_per_1k_usd == 0.0
    assert all(o.answer.calls and o.answer.seconds is not None for o in meant.outcomes)
    assert all(check.passed for check in verify(RunFolder.open(tmp_path / "meaning/run")))


def test_vectors_from_an_address_are_paid_for_each_text_once_and_planned(tmp_path):
    rows(tmp_path)
    with reading(vector) as (address, seen):
        embedder = {
            "provider": "openai",
            "name": "e",
            "base_url": address,
            "input_usd_per_mtok": 50.0,
            "output_usd_per_mtok": 0.0,
        }
        config = parse_config(raw(embedder, ["baseline"]), tmp_path)
        line = next(r for r in plan(config).rungs if r.rung == "baseline")
        result = climb(config, tmp_path / "run").results["baseline"]
    assert result.cost_per_1k_usd > 0.0
    single = [body["input"][0] for _, _, body in seen if len(body["input"]) == 1]
    alone = (
        RunFolder.open(tmp_path / "run").rung("baseline").profile.need()
    )  # a few are asked again for the latency alone
    assert len(single) - len(set(single)) == len(alone.seconds) < 10  # else candidates share the vector of a text
    texts = 24 + 24  # train and dev
    assert line.dev_calls == texts
    assert line.test_calls == 48
    assert line.output_tokens == 0
    assert line.usd > 0.0


@pytest.mark.parametrize("kind", ["static", "onnx", "address"])
@pytest.mark.parametrize("method", ["nearest embedding", "embeddings", "words and embeddings", "label names"])
def test_what_is_exported_answers_alone_as_measured(tmp_path, by_team, monkeypatch, kind, method):
    rows(tmp_path)
    monkeypatch.setattr(Baseline, "_candidates", only(method))
    with reading(vector) as (address, _):
        here = {"static": by_team, "address": {"provider": "openai", "name": "e", "base_url": address}}
        embedder = as_onnx(by_team, tmp_path) if kind == "onnx" else here[kind]
        result = measured(tmp_path, raw(embedder, ["baseline"]))
        assert result.candidate.name == method
        _, out, said = exported(tmp_path / "run", "baseline", None, tmp_path / "out", None)
        assert (
            f"{method}; predict.py, alone under `python -I`, gave the measured answer to 24 of 24 dev examples" in said
        )
        word = WORDS[2][0]
        command = [sys.executable, "-I", str(out / "predict.py"), f"something of the {word}"]
        done = subprocess.run(command, env={}, capture_output=True, text=True, check=False)
    if method != "label names":  # the names of these teams mean nothing to the table
        assert done.stdout == TEAMS[team_of(word)] + "\n", done.stderr
    assert (out / "embedder/model.safetensors").exists() == (kind == "static")
    assert (out / "embedder/model.onnx").exists() == (kind == "onnx")
    assert (out / "endpoint.py").exists() == (kind == "address")


def as_onnx(static, root):
    """Return the same table of words in ONNX form."""
    pytest.importorskip("onnxruntime")
    from safetensors.numpy import load_file

    from tests.onnx_file import lookup

    folder, made = Path(static["folder"]), root / "onnx"
    made.mkdir()
    (made / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    (made / "model.onnx").write_bytes(lookup(load_file(folder / "model.safetensors")["embeddings"]))
    return {"provider": "onnx", "folder": str(made)}


def only(method):
    """Return `Baseline._candidates` with one method left."""
    whole = Baseline._candidates

    def candidates(self, *given):
        found, skipped = whole(self, *given)
        return tuple(c for c in found if c.name == method), skipped

    return candidates


def test_a_baseline_whose_embedder_runs_inside_rung_is_not_written_and_says_what_helps(tmp_path, by_team, monkeypatch):
    rows(tmp_path)
    measured(tmp_path, raw(by_team, ["baseline"]))
    monkeypatch.setattr("rung.exports.baseline.embedder_of_winner", lambda *_: None)
    with pytest.raises(RungError, match="runs inside rung: with `provider: onnx`, `static`"):
        exported(tmp_path / "run", "baseline", None, tmp_path / "out", None)
    assert not (tmp_path / "out").exists()


class KitWithVectors(KitForTests):
    async def ask(self, role, request):
        from rung.embedding import unit, write_vectors
        from rung.types import Completion

        self.requests.append(request)
        np = pytest.importorskip("numpy")
        made = unit(np.array([vector(m.content) for m in request.messages], dtype=np.float32))
        return Completion(write_vectors(made), "e", 5, 0, 0.01, 0.001)


def test_labels_are_told_by_their_names_alone_where_no_training_example_is():
    the_task = task(labels=("sofa_team", "forest-Team"))
    kit = KitWithVectors(the_task)
    dev = tuple(
        Example(f"d{i}", {"text": t}, a, f"d{i}")
        for i, (t, a) in enumerate([("a couch", "sofa_team"), ("woods", "forest-Team")] * 4)
    )
    fitted = asyncio.run(Baseline(embedder="e").fit(FitInput(the_task, (), dev), kit))
    assert [t.candidate.name for t in fitted.trials] == ["label names"]
    assert fitted.candidate.learned == BaselineLearned(
        method="label names", rows=(("sofa team", "sofa_team"), ("forest Team", "forest-Team")), embedder="e"
    )
    assert {t.mean for t in fitted.trials} == {1.0}
    one = fitted.dev[0].answer
    assert (one.cost_usd, len(one.calls)) == (0.001, 1)
    assert one.seconds >= 0.01


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("card_arrival", "card arrival"),
        ("lostOrStolen", "lost Or Stolen"),
        ("IT/Hardware", "IT Hardware"),
        ("__", "__"),
        ("a", "a"),
    ],
)
def test_a_label_is_read_as_words(label, text):
    assert label_text(label) == text


def test_candidates_without_an_embedder_are_what_they_were():
    given = tuple(Example(f"r{i}", {"text": f"w{i % 3} x"}, f"l{i % 3}", f"r{i}") for i in range(30))
    found, skipped = Baseline()._candidates(task(), given)
    assert ([c.name for c in found], skipped) == (["majority", "nearest", "linear"], ())
    assert all(isinstance(c, Candidate) and c.model is None for c in found)
