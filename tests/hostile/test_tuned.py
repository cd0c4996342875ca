"""Tuned weights of a hostile project, exported in every form: nothing that a name, a row or an answer says becomes code, a path or a template.

Nothing is trained: the weights are one small file, answered by a stand-in, and the exports' own check by transformers is one that passes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import yaml

from rung import plugins
from rung.cli import export as verb
from rung.config import load_config
from rung.config.prompt import read_prompt
from rung.exports import adapter, alone, merged, tuned
from rung.exports.bare import Said
from rung.ladder import climb
from rung.models.fake import FakeConnection, FakeModel
from rung.prompts.templates import chat_of
from rung.rungs.finetune import FineTune
from rung.store.records import Parity
from rung.store.run import RunFolder
from rung.tuning.trl import script
from rung.tuning.vendors import readme
from rung.types import Candidate, Fitted, Message, TunedLearned
from tests.hostile import _checks as held
from tests.hostile._climbs import MARK, together, write_project
from tests.hostile.strings import RAN, SHORT, taking_turns

pytestmark = pytest.mark.slow
TEXTS = tuple(text for text in taking_turns() if text in SHORT)[:120]
NAME = together(most=1_500)
LABELS = ("untaught@adapter", "untaught@full")
TUNED: dict[str, bytes] = {"adapter_config.json": b'{"r": 1}', "adapter_model.safetensors": b"weights"}
PACKAGES = {"torch", "transformers", "tokenizers", "safetensors", "jinja2", "peft"}


class Talking(FakeModel):
    """A model that can be tuned, and says a hostile text to every row."""

    @property
    def weights(self) -> str:
        return f"org/{NAME}"

    def with_weights(self, folder: Path) -> Talking:
        return self

    def connect(self) -> FakeConnection:
        connection = super().connect()
        complete = connection.complete

        async def saying(request: Any) -> Any:
            number = int((MARK.findall(request.messages[-1].content) or ["0"])[-1])
            return replace(await complete(request), text=TEXTS[(number * 7) % len(TEXTS)])

        connection.complete = saying  # type: ignore[method-assign]
        return connection


class Untaught(FineTune):
    """Fine-tuning whose weights are there already, in the form that its model's name asks for."""

    form: str = "adapter"

    async def fit(self, given: Any, kit: Any) -> Fitted:
        weights = kit.tuning_space("main").keep(_Weights(), "made", self.form)
        columns = given.task.inputs
        chat = [Message("system", given.task.instruction), Message("user", "\n".join(f"{{{{{c}}}}}" for c in columns))]
        learned = TunedLearned(
            messages=tuple(chat), columns=tuple(columns), postprocessing="strip_quotes", weights=weights, base="main",
            tuner=NAME, under="short", rows=len(given.train),
        )  # fmt: skip
        candidate = Candidate("untaught", NAME, learned, "main")
        return Fitted(candidate, await kit.run(candidate, given.dev))


class _Weights:
    step = 1

    def write(self, folder: Path) -> None:
        for name, content in TUNED.items():
            (folder / name).write_bytes(content)


async def _same(run: Any, label: str, candidate: Any, form: str, settings: Any) -> Parity:
    return Parity(form, 1, 0, 0.0, 0.05, 0.0, 0.0, True)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A run whose tuned approach is exported as adapter, as whole weights and as rows; what the verb said of each."""
    root = tmp_path_factory.mktemp("tuned") / "project"
    points = {"rung.models": [EntryPoint("talking", f"{__name__}:Talking", "rung.models")],
              "rung.rungs": [EntryPoint("untaught", f"{__name__}:Untaught", "rung.rungs")]}  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugins, "entry_points", lambda group: points.get(group, []))
        plugins.available.cache_clear()
        file = write_project(root, TEXTS, "http://127.0.0.1:9", NAME)
        raw = yaml.safe_load(file.read_text())
        steps = [{"untaught": {"form": form, "name": form, "force": True}} for form in ("adapter", "full")]
        raw |= {"models": {"main": {"provider": "talking", "name": f"m {NAME}"}}, "ladder": steps}
        raw.pop("documents")
        file.write_text(yaml.safe_dump(raw, allow_unicode=True))
        climb(load_config(file), root / "run")
        run = RunFolder.open(root / "run")
        for module in (adapter, merged):
            patch.setattr(module, "rescore", _same)
            patch.setattr(module, "on_disk", lambda base: base)
            patch.setattr(module, "transformers_settings", lambda *_: None)

        async def answered(program, rows, columns, variables=None, patience_s=0.0):
            before = {o.example_id: o.answer.text for o in run.rung(program_label).dev.need()}
            return [Said(before[e.id]) for e in rows]

        patch.setattr(tuned, "answered_alone", answered)
        patch.setattr("rung.cli.export.permit_run", lambda folder: None)
        printed = {}
        for label, form in zip(run.measured, ("adapter", "merged"), strict=True):
            program_label = label
            for name in (form, "rows"):
                with pytest.MonkeyPatch.context() as heard:
                    heard.setattr("rung.cli.export.echo", lambda text: printed.__setitem__(name, text))  # noqa: B023
                    assert (
                        verb.export(run.path, label, name, root / "out" / name if name == form else None, None, False)
                        == 0
                    )
        yield root, run, printed
    plugins.available.cache_clear()


def folders(root: Path, run: RunFolder) -> list[Path]:
    return [root / "out/adapter", root / "out/merged", *sorted((run.path / "exports").iterdir())]


def test_every_form_was_written_where_it_was_asked_for_and_nothing_ran(exported):
    root, run, printed = exported
    assert set(printed) == {"adapter", "merged", "rows"}
    assert run.measured == LABELS
    assert [p.name for p in (run.path / "exports").iterdir()] != []
    assert len(folders(root, run)) == 4
    assert not list(root.rglob("RAN"))
    assert {p.name for p in root.iterdir()} == {
        "rows.jsonl", "documents", "rung.yaml", "run", "out", ".rung", "rung-tests.jsonl",
    }  # fmt: skip


def test_what_lies_in_the_folders_is_constant_but_for_the_data_files(exported, tmp_path):
    root, run, _ = exported
    tuned.carry(tuned.GENERATING, tmp_path)
    constant = {p.read_bytes() for p in [*tmp_path.rglob("*.py"), *Path(alone.__file__).parent.glob("*.py")]}
    plain = {tuned.README, readme("tuned", {})}
    for place in folders(root, run):
        for file in (p for p in place.rglob("*") if p.is_file()):
            content = file.read_bytes()
            if file.suffix == ".py":
                assert content in {*constant, script().encode()}, file
            elif file.name == "requirements.txt":
                assert {line.split(">")[0] for line in content.decode().split()} <= PACKAGES
            elif file.name == "README.md":
                kinds = {tuple(held.markdown_foreign(text)) for text in plain}
                assert held.obeyed(content.decode()) == set()
                assert {k.split()[0] for k in held.markdown_foreign(content.decode())} <= {
                    k.split()[0] for kind in kinds for k in kind
                }
            elif file.name in TUNED:
                assert content == TUNED[file.name]
            else:
                assert file.suffix in (".json", ".jsonl", ".yaml"), file


def test_the_prompt_is_data_and_read_back_equal(exported):
    root, run, _ = exported
    for place, label in zip((root / "out/adapter", root / "out/merged"), run.measured, strict=True):
        said = json.loads((place / "prompt.json").read_text("utf-8"))
        chat = chat_of(run.rung(label).result.need().candidate)
        assert said["messages"] == [m.as_dict() for m in chat.messages]
        assert said["columns"] == [f"{NAME} first", f"{NAME} second"]
        assert said["model"]["name"] == f"m {NAME}".strip()
        assert said["model"]["base"] is None
        assert (said["after_the_model"], said["model"]["form"]) == (["strip_quotes"], place.name)
    for place in (run.path / "exports").iterdir():
        found = read_prompt(place / "prompt.yaml")
        assert [m.as_dict() for m in found] == said["messages"]
        assert json.loads((place / "recipe.json").read_text("utf-8"))["base"] == f"m {NAME}".strip()


def test_the_program_asks_what_was_measured(exported):
    """`chat` needs no weights: what it makes of hostile columns and rows is what the model was asked."""
    root, run, _ = exported
    rows = [dict(e.inputs) for e in run.parts.dev.need()]
    program = (
        "import json, sys\nsys.path.insert(0, '.')\nimport generate\n"
        "print(json.dumps([[m.content for m in generate.chat(row)] for row in json.load(sys.stdin)]))"
    )
    for place, label in zip((root / "out/adapter", root / "out/merged"), run.measured, strict=True):
        done = subprocess.run(
            [sys.executable, "-I", "-c", program], cwd=place, input=json.dumps(rows), capture_output=True, text=True, check=False
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        system = run.rung(label).result.need().candidate.chat.messages[0].content
        want = [[system, "\n".join(row.values())] for row in rows]
        assert json.loads(done.stdout) == want
    assert not list(root.rglob("RAN"))
    assert RAN in "".join(TEXTS)


def test_the_rows_are_the_rows_and_no_test_row_is_among_them(exported):
    _, run, _ = exported
    for place in (run.path / "exports").iterdir():
        for part, examples in (("train", run.parts.train.need()), ("dev", run.parts.dev.need())):
            answered = [e for e in examples if e.target.strip()]
            for form, last in (("chat", lambda x: x["messages"][-1]["content"]),
                               ("trl", lambda x: x["completion"][0]["content"]),
                               ("vertex", lambda x: x["contents"][-1]["parts"][0]["text"])):  # fmt: skip
                lines = (place / f"{form}-{part}.jsonl").read_text("utf-8").split("\n")[:-1]
                assert [last(json.loads(line)) for line in lines] == [e.target for e in answered]
    assert len(answered) > 10


def test_what_the_verb_said_steers_no_terminal(exported):
    for said in exported[2].values():
        assert held.obeyed(said, ours=False) - {"0xa"} == set()


def test_a_candidate_keeps_what_it_learned(exported):
    run = exported[1]
    found = run.rung(run.measured[0]).result.need().candidate
    assert found.tuned is not None
    assert replace(found, name="x").tuned == found.tuned
