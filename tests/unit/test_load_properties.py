"""Whatever text a row holds, every format gives it back; whatever the groups are, the split keeps its promises."""

from __future__ import annotations

import csv
import io
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rung.data.load import load
from rung.data.near import find_duplicates
from rung.data.split import split
from rung.errors import SplitError
from rung.types import Dataset, Example

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
FILLED = TEXT.filter(lambda t: t.strip())
QUIET = settings(
    max_examples=settings.default.max_examples * 3 // 5, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@QUIET
@given(st.lists(st.tuples(TEXT, FILLED), min_size=1, max_size=6))
def test_texts_survive_every_format(tmp_path, rows):
    wanted = [(q.replace("\r\n", "\n"), a.replace("\r\n", "\n")) for q, a in rows]
    for name, delimiter in (("d.csv", ","), ("d.tsv", "\t")):
        out = io.StringIO()
        writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerows([["q", "a"], *rows])
        (tmp_path / name).write_bytes(out.getvalue().encode())
        got = load(tmp_path / name, inputs=["q"], target="a").examples
        assert [(e.inputs["q"], e.target) for e in got] == wanted
    objects = [{"q": q, "a": a} for q, a in rows]
    (tmp_path / "d.jsonl").write_bytes("\n".join(json.dumps(o, ensure_ascii=False) for o in objects).encode())
    (tmp_path / "d.json").write_bytes(json.dumps(objects, indent=1).encode())
    for name in ("d.jsonl", "d.json"):
        got = load(tmp_path / name, inputs=["q"], target="a").examples
        assert [(e.inputs["q"], e.target) for e in got] == rows
        assert len({e.id for e in got}) == len(rows)


@QUIET
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12), st.integers(0, 3)), min_size=14, max_size=80),
    st.integers(0, 5),
)
def test_a_split_parts_everything_once_and_ties_nothing_across(rows, seed):
    data = Dataset(
        tuple(
            Example(f"r{i}", {"q": f"text number {text}"}, f"l{label}", f"g{group}" if group < 9 else f"r{i}")
            for i, (text, group, label) in enumerate(rows)
        ),
        "x",
    )
    try:
        parts = split(data, seed=seed)
    except SplitError:
        return  # the ties may leave nothing to split: it says so
    where = {e.id: name for name in ("train", "dev", "test") for e in getattr(parts, name)}
    assert set(where) == {e.id for e in data.examples}
    assert sum(parts.sizes.values()) == len(data)
    assert min(parts.sizes[name] for name in ("train", "dev", "test")) >= 2
    for cluster in find_duplicates(data.examples).clusters:
        assert len({where[i] for i in cluster}) == 1
    for group in {e.group for e in data.examples}:
        assert len({where[e.id] for e in data.examples if e.group == group}) == 1
