"""What the fuzzer found (`make fuzz`), by the door it came in through; and its own seeds, which must run as they are."""

import json

import pytest

from bench.fuzz import answers, documents, examples, replies, served
from bench.fuzz.target import SIZE, fault_of, packed
from rung.config import parse_config
from rung.documents.folder import contents
from rung.errors import ConfigError, DataError
from rung.foreign import file_name, is_whole, whole, whole_data
from rung.metrics.json_fields import JsonFields
from rung.metrics.unwrap import first_json, json_object, json_strings
from rung.rag.layout import cited
from rung.store.folder import Folder, from_json, to_json
from rung.types import Example, MetricSpec, Score, Task

TARGETS = {t.name: t for module in (examples, documents, replies, answers, served) for t in module.targets()}
HALF = "\\ud800"  # of a surrogate pair, as an escape of JSON
FOUND = [  # target, input
    ("rows-json", b'{"item": {"in\\ud800put": "q", "ideal": ["a"]}, "sample": {}}'),
    ("rows-json", b'{"Vass": {"q": "a"}, "h_ex\\ud800": "equals: b"}'),
    ("rows-jsonl", b'{"item": {}, "sample": {}}\n{"item": {"input": "q", "ideal": ["a"]}, "sample": 1}'),
    ("rows-csv", "in\x85put,label\na few words,x\nmore of them,y\n".encode()),
    ("rows-csv", b"in\x7fput,label\na few words,x\nmore of them,y\n"),
    ("rows-csv", "in\ufffeput,label\na few words,x\nmore of them,y\n".encode()),
    ("unwrap", b'{"n": "\\ud800"}'),
    ("unwrap", b"so it is [" + b"9" * 5_000 + b"]"),
    ("unwrap", b"{'a': '\\d'}"),
    ("metrics", b"{'a': '\\d'}\n####\n{'a': '\\d'}"),
    ("metrics", b"x\n####\n" + b"y\x01" * 1_500),
]  # fmt: skip


@pytest.mark.sample(7)
@pytest.mark.parametrize("name", tuple(TARGETS))
def test_what_the_fuzzer_starts_from_is_sound(name, tmp_path):
    assert TARGETS[name].seeds
    for seed in TARGETS[name].seeds:
        assert len(seed) <= SIZE  # the fuzzer cuts what is longer
        assert fault_of(TARGETS[name], seed, tmp_path) is None, seed[:200]


@pytest.mark.parametrize(("name", "data"), FOUND, ids=[f"{n}-{i}" for i, (n, _) in enumerate(FOUND)])
def test_what_it_found_is_mended(name, data, tmp_path):
    assert fault_of(TARGETS[name], data, tmp_path) is None


def test_the_rule_of_the_fuzzer_sees_what_it_is_for(tmp_path):
    def run(data, folder):
        if data == b"warn":
            import warnings

            warnings.warn("odd", UserWarning, stacklevel=1)
        if data == b"long":
            raise DataError("x" * 3_000)
        if data == b"half":
            raise DataError("x\ud800")
        if data == b"fine":
            raise DataError("there is no such column")
        return {}[data]

    from bench.fuzz.target import Target

    target = Target("t", run, ())
    kinds = {
        data: getattr(fault_of(target, data, tmp_path), "kind", None)
        for data in (b"warn", b"long", b"half", b"fine", b"x")
    }
    assert kinds[b"fine"] is None
    assert [kinds[d].split(" in ")[0].split(" of ")[0] for d in (b"long", b"half", b"x")] == [
        "message",
        "message",
        "KeyError",
    ]
    assert kinds[b"warn"].startswith("KeyError")  # the worse of two


def test_members_of_an_input_are_found_again():
    from bench.fuzz.target import unpacked

    assert unpacked(packed({"a/b.txt": b"x\ny", "c": b""})) == {"a/b.txt": b"x\ny", "c": b""}


TASK = Task("t", "i", ("q",), "a", "extraction", (MetricSpec("json_fields"),), 0.9)


def test_halves_of_surrogate_pairs_in_a_models_json_are_no_trouble_to_the_run_folder():
    said = f'{{"n": "{HALF}x", "m{HALF}": 1}}'
    assert json_object(said) == {"n": "\ufffdx", "m\ufffd": 1}
    assert first_json(said) == '{"n": "\ufffdx", "m\ufffd": 1}'
    assert json_strings(said) == ["\ufffdx", "1"]
    assert json_object("{'n': '\\ud800x'}") == {"n": "\ufffdx"}  # as Python writes it
    score = JsonFields().score(said, Example("1", {"q": "x"}, f'{{"m{HALF}": 1, "n": "{HALF}x"}}', "1"), TASK)
    assert (score.value, score.parts) == (1.0, {"m\ufffd": 1.0, "n": 1.0})


def test_whatever_a_metric_says_can_be_stored(tmp_path):
    assert from_json(to_json(Score(0.5, note="why \udfff"), Score), Score) == Score(0.5, note="why \ufffd")
    [(part, value)] = from_json(to_json(Score(0.5, parts={"p\ud800": 1.0}), Score), Score).parts.items()
    assert (part.rstrip("\ufffd"), value) == ("p", 1.0)  # pydantic writes three of them for a key
    assert to_json(Score(0.1 + 0.2), Score) == to_json(Score(0.30000000000000004), Score)
    folder = Folder(tmp_path)
    folder.write("x.json", {"k\ud800": ["\udfff"]})
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == {"k\ufffd": ["\ufffd"]}


def test_pairs_stay_pairs():
    assert whole("a\ud83d\ude00b\ud83d") == "a😀b\ufffd"
    assert whole_data({"\ud800": ("x", ["\udc00"], 1, None)}) == {"\ufffd": ["x", ["\ufffd"], 1, None]}
    assert (is_whole("é😀"), is_whole("x"), is_whole("\ud800")) == (True, True, False)


def test_a_configuration_that_no_file_can_hold_is_refused_where_it_is(tmp_path):
    raw = {"task": {"instruction": "x\ud800", "inputs": ["a", "b\udfff"]}, "models": {"main\ud800": {}}}
    with pytest.raises(ConfigError) as told:
        parse_config(raw, tmp_path)
    assert [p.path for p in told.value.problems] == ["task.instruction", "task.inputs.1", "models.main⟦U+D800⟧"]
    assert all(p.message == "holds half of a surrogate pair, which no file can keep" for p in told.value.problems)


ODD = b"a\xff"


@pytest.fixture
def odd(tmp_path):
    import os

    try:
        (tmp_path / os.fsdecode(ODD + b".md")).write_text("# Title\n\ntext\n")
    except OSError:
        pytest.skip("this file system keeps no such name")
    return tmp_path


def test_a_name_that_is_no_utf8_is_written_out(odd):
    import os

    assert [(name, content) for name, content in contents(odd)] == [("a\\xff.md", b"# Title\n\ntext\n")]
    assert file_name("é.md") == "é.md"
    rows = odd / os.fsdecode(ODD + b".csv")
    rows.write_text("text,label\na,b\n")
    from rung.data.files import raw_rows

    with pytest.raises(
        DataError, match=r"a\\xff\.csv: has a name that is not UTF-8, which no configuration can hold; rename it"
    ):
        list(raw_rows(rows))
    folder = odd / "texts"
    folder.mkdir()
    for part in (b".input.txt", b".output.txt"):
        (folder / os.fsdecode(ODD + part)).write_text("x")
    assert [row.cells for row in raw_rows(folder)] == [{"id": "a\\xff", "input": "x", "output": "x"}]


@pytest.mark.parametrize(
    ("text", "found"),
    [("yes [1, 2]", ("yes", (1, 2))), ("yes [0]", ("yes [0]", ())), ("yes [1, 00000000003]", ("yes [1, 00000000003]", ())),
     ("yes [" + "1" * 5_000 + "]", ("yes [" + "1" * 5_000 + "]", ()))],
)  # fmt: skip
def test_numbers_in_brackets_are_passages_only_where_there_can_be_so_many(text, found):
    assert cited(text, 3) == found
