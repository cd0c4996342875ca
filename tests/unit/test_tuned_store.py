"""Tuned weights and examples given in memory, kept in a run folder: by content, whole, checked before they are used."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from rung.errors import IntegrityError, Interrupted
from rung.models.budget import Budget
from rung.models.client import Client
from rung.models.fake import FakeModel
from rung.models.tuned import OPEN_AT_ONCE, Served
from rung.store.cache import AnswerCache
from rung.store.given import keep_given, root_of
from rung.store.run import HEAD, SCHEMA, RunFolder
from rung.store.tuned import TunedRecord
from rung.types import Message, Request, Weights


@pytest.fixture
def tuned(tmp_path):
    return TunedRecord(tmp_path / "run")


def test_weights_are_written_whole_and_read_back_by_their_hash(tuned):
    path = tuned.step("a", 3)
    assert path == "tuned/a/step-3"
    found = tuned.write(path, lambda place: (place / "w.bin").write_bytes(b"one") and None)
    place = tuned.run / "tuned" / "a" / "step-3"
    assert [p.name for p in place.parent.iterdir()] == ["step-3"]
    assert (place / "w.bin").read_bytes() == b"one"
    assert tuned.hash_of(path) == found
    assert tuned.checked(Weights(path, found, "adapter")) == place.resolve()
    again = tuned.write(path, lambda place: (place / "v.bin").write_bytes(b"one") and None)
    assert again != found  # the name of a file counts
    assert [p.name for p in place.iterdir()] == ["v.bin"]


def test_half_written_weights_do_not_stay(tuned):
    def full(place: Path) -> None:
        (place / "w.bin").write_bytes(b"half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        tuned.write("tuned/a/step-1", full)
    assert list((tuned.run / "tuned" / "a").iterdir()) == []
    assert tuned.hash_of("tuned/a/step-1") is None


def test_other_weights_than_those_kept_are_refused(tuned):
    path = tuned.step("a", 1)
    found = tuned.write(path, lambda place: (place / "w.bin").write_bytes(b"one") and None)
    (tuned.run / path / "w.bin").write_bytes(b"two")
    with pytest.raises(
        IntegrityError, match=f"have the hash {tuned.hash_of(path)[:12]}, not {found[:12]}: restore them"
    ):
        tuned.checked(Weights(path, found, "full"))
    tuned.drop("a")
    with pytest.raises(IntegrityError, match="are not there: restore them"):
        tuned.checked(Weights(path, found, "full"))
    with pytest.raises(IntegrityError, match=r"tuned weights '\.\./x' do not lie in tuned/ of the run folder"):
        tuned.hash_of("../x")


def test_what_is_noted_of_a_tuning_run_is_read_back(tuned):
    assert tuned.notes("a") is None
    tuned.note("a", {"steps": 12, "loss": [2.5, 1.25]})
    assert tuned.notes("a") == {"steps": 12, "loss": [2.5, 1.25]}
    assert json.loads((tuned.run / "tuned" / "a" / "notes.json").read_text()) == tuned.notes("a")


def test_a_finished_run_is_taken_over_from_the_project_and_no_other(tuned, tmp_path):
    project = TunedRecord.of_project(tmp_path)
    assert project.run == tmp_path / ".rung" / "dev"
    path = project.step("a", 3)
    found = project.write(path, lambda place: (place / "w.bin").write_bytes(b"one") and None)
    tuned.adopt("a", project)
    assert tuned.hash_of(path) is None, "a run without notes is none"
    project.note("a", {"why": "the last look"})
    project.state("a").mkdir(parents=True)
    tuned.adopt("a", project)
    assert tuned.hash_of(path) is None, "it has not ended"
    project.drop("a/state")
    tuned.adopt("a", project)
    assert (tuned.hash_of(path), tuned.notes("a")) == (found, {"why": "the last look"})
    project.note("a", {"why": "another"})
    tuned.adopt("a", project)
    assert tuned.notes("a") == {"why": "the last look"}, "what is there stays"
    project.note("b", {"why": "x"})
    (project.run / "tuned" / "b" / "step-1").symlink_to(tmp_path)
    tuned.adopt("b", project)
    assert tuned.notes("b") is None, "a link is not followed"


def test_a_tuner_works_where_no_parent_is_a_run_folder(tuned):
    """What it goes on from is found again, is one for each run and name, and goes when it is told to."""
    state = tuned.state("a")
    assert state == TunedRecord(tuned.run).state("a") != tuned.state("b")
    assert state != TunedRecord(tuned.run.with_name("other")).state("a")
    state.mkdir(parents=True)
    (state / "moments").write_bytes(b"1")
    handed = []
    path = tuned.step("a", 1)

    def fill(place):
        handed.append(place)
        (place / "w.bin").write_bytes(b"one")

    sha = tuned.write(path, fill)
    with tuned.copied(Weights(path, sha, "full")) as lent:
        handed.append(lent)
        assert (lent / "w.bin").read_bytes() == b"one"
    for place in (state, *handed):
        assert tuned.run.resolve() not in place.resolve().parents
        assert place == state or not place.exists()
    tuned.drop("a/state")
    assert not state.parent.exists()
    assert tuned.hash_of(path) == sha


def test_tuning_that_nobody_goes_on_with_is_removed_after_a_month(tuned):
    old, new = tuned.state("old"), tuned.state("new")
    for place in (old, new):
        place.mkdir(parents=True)
    for place in (old, old.parent):
        os.utime(place, (0, 0))
    tuned.state("third")
    assert not old.parent.exists()
    assert new.exists()


def test_given_rows_lie_beside_the_run_named_by_their_content(tmp_path):
    folder = tmp_path / "run"
    one, two = keep_given(folder, '{"text": "é"}\n'), keep_given(folder, '{"text": "b"}\n')
    assert one.parent == two.parent == folder / "given"
    assert one.read_bytes() == '{"text": "é"}\n'.encode()
    assert one != two
    assert keep_given(folder, '{"text": "é"}\n') == one
    assert len(list(one.parent.iterdir())) == 2


def test_relative_paths_of_a_run_start_where_it_was_first_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = RunFolder.create(tmp_path / "run")
    assert root_of(run.path) == Path.cwd()
    run.write(HEAD, {"schema": SCHEMA, "config": {}, "root": "../elsewhere"})
    assert root_of(run.path) == (tmp_path / "elsewhere").resolve()


def test_without_a_home_that_can_be_written_models_are_tuned_in_a_folder_of_this_process(tuned, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert tuned.state("a") == tuned.state("a")
    assert not tuned.state("a").is_relative_to(tmp_path)
    path = tuned.step("a", 1)
    sha = tuned.write(path, lambda place: (place / "w.bin").write_bytes(b"one") and None)
    assert tuned.hash_of(path) == sha


HANDED: list[Path] = []


class Tuned(FakeModel):
    """A model of a stranger whose weights can be tuned."""

    @property
    def weights(self) -> str:
        return "toy"

    def with_weights(self, folder: Path) -> Tuned:
        HANDED.append(folder)
        return self.model_copy(update={"name": (folder / "w.bin").read_text()})


def served(tuned: TunedRecord, names: str) -> tuple[list[str], list[list[bool]]]:
    """Ask weights one after the other; return the names of the models asked, and after each which folders lent are there."""
    HANDED.clear()
    asked = []
    for name in names:
        path = tuned.step(name, 1)
        sha = tuned.write(path, lambda place, name=name: (place / "w.bin").write_text(name) and None)
        asked.append(Weights(path, sha, "full"))

    async def go() -> tuple[list[str], list[list[bool]]]:
        with AnswerCache.open_in(tuned.run.parent) as cache:
            base = Tuned(name="base")
            client = Client(base, base.connect(), cache, Budget())
            models, there = Served(client, tuned), []
            for weights in asked:
                await models.ask(weights, Request((Message("user", weights.path),)))
                there.append([place.exists() for place in HANDED])
            opened = [models.opened(w).settings.name for w in asked[-OPEN_AT_ONCE:]]
            await client.close()
            return opened, there

    return asyncio.run(go())


def test_a_provider_is_lent_weights_for_as_long_as_its_model_is_open(tuned):
    opened, there = served(tuned, "abc")
    assert opened == ["b", "c"]
    assert there == [[True], [True, True], [False, True, True]]  # two at once: the first is given back for the third
    assert len(HANDED) == 3
    for place in HANDED:
        assert tuned.run.resolve() not in place.resolve().parents
        assert not place.exists()
    assert (tuned.run / "tuned" / "a" / "step-1" / "w.bin").read_text() == "a"


def test_weights_that_cannot_be_lent_are_a_sentence(tuned, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(
        Interrupted, match=r"weights tuned/a/step-1 could not be copied .* \(No space left on device\); free"
    ):
        served(tuned, "a")
    assert HANDED == []
