"""A climb whose configuration names documents: indexed before, handed to rungs, kept in step between sittings."""

from __future__ import annotations

import json

import pytest

from rung.config import asked_roles
from rung.errors import ConfigError
from rung.ladder import climb
from rung.rag.opening import open_document_store
from rung.store.run import RunFolder
from tests.unit._worlds import FORMAT_ONLY, world


def written(tmp_path):
    (tmp_path / "docs").mkdir(parents=True)
    (tmp_path / "docs" / "teams.md").write_text("# Teams\n\nBilling handles invoices.\n")
    (tmp_path / "docs" / "broken.md").write_bytes(b"\x00\x01\x02\x03" * 50)


@pytest.mark.slow
def test_documents_are_indexed_and_what_is_wrong_with_them_is_a_finding(tmp_path):
    written(tmp_path)
    config = world(tmp_path, 120, model=FORMAT_ONLY, documents={"path": "docs"})
    run = climb(config, tmp_path / "run")
    assert run.exit_code in (0, 1)
    findings = json.loads((tmp_path / "run" / "findings.json").read_text())
    assert [f["message"] for f in findings if f["check"] == "documents"] == [
        "broken.md is binary, whatever its name says: it was left out."
    ]
    assert (tmp_path / ".rung" / "documents.sqlite").is_file()
    (tmp_path / "docs" / "broken.md").write_text("Delivery handles parcels.")
    climb(config, tmp_path / "run")
    findings = json.loads((tmp_path / "run" / "findings.json").read_text())
    assert not [f for f in findings if f["check"] == "documents"]
    with open_document_store(config) as document_store:
        assert list(document_store.documents()) == ["broken.md", "teams.md"]
    assert RunFolder.open(tmp_path / "run").read("run.json")["config"]["documents"]["chunk_words"] == 180


def test_problems_of_the_section_are_told_before_anything_runs(tmp_path):
    with pytest.raises(ConfigError) as caught:
        world(tmp_path, 30, documents={"path": "nowhere", "store": "postgres:x"})
    text = str(caught.value)
    assert "documents.path: there is no such folder" in text
    assert "documents.store: no retriever is called 'postgres'" in text
    with pytest.raises(ConfigError, match="documents.store: is written as RETRIEVER:PLACE"):
        world(tmp_path, 30, documents={"path": ".", "store": "sqlite"})
    with pytest.raises(ConfigError, match="models.vectors: is missing, and the section documents asks it"):
        world(tmp_path, 30, documents={"path": ".", "embedder": "vectors"})


def test_a_role_called_embedder_is_used_without_being_named(tmp_path):
    config = world(tmp_path, 30, documents={"path": "."})
    assert config.embedder is None
    models = {**config.models, "embedder": {"provider": "fake", "answers": {"a": "b"}}}
    named = config.model_copy(update={"models": models})
    assert named.embedder == "embedder"
    assert asked_roles(named)["embedder"] == ("the section documents",)
    assert config.sha256 == world(tmp_path, 30, documents={"path": ".", "store": "sqlite:elsewhere"}).sha256
