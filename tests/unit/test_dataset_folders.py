"""Folders that the library `datasets` writes, by the library itself where it is installed."""

from __future__ import annotations

import json

import pytest

from rung.cli.init import Wishes, propose
from rung.config.files import sheet_of
from rung.data.files import raw_rows
from rung.data.load import load
from tests.unit.test_importers import configured, refused

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
NAMES = {"text": {"dtype": "string", "_type": "Value"}, "label": {"names": ["bad", "good"], "_type": "ClassLabel"}}


def table(n=40, start=0):
    held = pyarrow.table(
        {
            "text": [f"text {i} is nice" for i in range(start, start + n)],
            "label": [i % 2 for i in range(start, start + n)],
        }
    )
    return held.replace_schema_metadata({b"huggingface": json.dumps({"info": {"features": NAMES}}).encode()})


def saved(folder, shards=1, n=40):
    """Write what `save_to_disk` writes, in as far as it is read."""
    folder.mkdir(parents=True)
    (folder / "state.json").write_text("{}")
    for shard in range(shards):
        with pyarrow.OSFile(str(folder / f"data-{shard:05}-of-{shards:05}.arrow"), "wb") as file:
            part = table(n, shard * n)
            with pyarrow.ipc.new_stream(file, part.schema) as stream:
                stream.write_table(part)
    return folder


def test_a_saved_data_set_with_shards_and_label_names(tmp_path):
    rows = list(raw_rows(saved(tmp_path / "one", shards=2)))
    assert [(r.line, r.cells["text"], r.cells["label"]) for r in rows] == [
        (i + 1, f"text {i} is nice", ("bad", "good")[i % 2]) for i in range(80)
    ]


def test_splits_become_the_users_own_train_and_test_files(tmp_path):
    for name, n in (("train", 40), ("test", 20), ("validation", 10)):
        saved(tmp_path / "many" / name, n=n)
    (tmp_path / "many" / "dataset_dict.json").write_text('{"splits": ["train", "test", "validation"]}')
    refused(tmp_path / "many", "holds the splits test, train, validation; name one, as many#test")
    refused(tmp_path / "many#dev", "has no split 'dev'; it has test, train, validation")
    config, proposal = configured(tmp_path, tmp_path / "many")
    assert (str(config.data.train), str(config.data.test), config.task.name) == ("many#train", "many#test", "many")
    assert "not read: the splits validation; name one as many#validation where you want it" in proposal.notes
    assert len(load(tmp_path / "many#validation", inputs=("text",), target="label")) == 10
    assert len(load(tmp_path / "many" / "train", inputs=("text",), target="label")) == 40


def test_a_repository_of_parquet_files(tmp_path):
    place = tmp_path / "hub" / "data"
    place.mkdir(parents=True)
    for name, start in (("train-00000-of-00002", 0), ("train-00001-of-00002", 40), ("test-00000-of-00001", 80)):
        parquet.write_table(table(40, start), place / f"{name}.parquet")
    assert [r.cells["text"] for r in raw_rows(tmp_path / "hub#train")] == [f"text {i} is nice" for i in range(80)]
    assert {r.cells["label"] for r in raw_rows(tmp_path / "hub#test")} == {"bad", "good"}
    (place / "test-00000-of-00001.parquet").unlink()
    assert propose(Wishes(tmp_path / "hub", tmp_path / "rung.yaml")).draft.data == "hub"  # one split needs no name


def test_damaged_and_odd_folders(tmp_path):
    one = saved(tmp_path / "one")
    shard = one / "data-00000-of-00001.arrow"
    shard.write_bytes(shard.read_bytes()[:300])
    refused(one, "is no readable Arrow file")
    shard.write_bytes(b"")
    refused(one, "is no readable Arrow file")
    shard.unlink()
    shard.symlink_to(__file__)
    refused(one, "is a link that leads out of the folder")
    shard.unlink()
    refused(one, "is a saved data set without its .arrow files")


def test_a_mark_in_a_name_is_a_split_only_where_the_folder_is_there(tmp_path):
    assert sheet_of(tmp_path / "x#train") == (tmp_path / "x#train", None)
    (tmp_path / "x").mkdir()
    assert sheet_of(tmp_path / "x#train") == (tmp_path / "x", "train")
    (tmp_path / "x#train").mkdir()
    assert sheet_of(tmp_path / "x#train") == (tmp_path / "x#train", None)


@pytest.mark.extra
def test_what_the_library_itself_writes(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"])}
    )
    columns = {"text": [f"text {i}" for i in range(30)], "label": [i % 2 for i in range(30)]}
    made = datasets.Dataset.from_dict(columns, features=features)
    datasets.DatasetDict({"train": made, "test": made.select(range(6))}).save_to_disk(tmp_path / "many")
    made.save_to_disk(tmp_path / "one", num_shards=3)
    made.to_parquet(tmp_path / "hub" / "train-00000-of-00001.parquet")
    wanted = [{"text": f"text {i}", "label": ("bad", "good")[i % 2]} for i in range(30)]
    for name in ("many#train", "one", "hub"):
        assert [r.cells for r in raw_rows(tmp_path / name)] == wanted
    assert [r.cells for r in raw_rows(tmp_path / "many#test")] == wanted[:6]
