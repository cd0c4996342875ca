"""docs/python.md does what it says: each block runs alone, in a fresh namespace and an empty folder."""

import re
from pathlib import Path

import pytest

import rung

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[2] / "docs" / "python.md"
BLOCKS = dict(
    re.findall(r"\n## ([^\n]+)\n(?:(?!\n## )(?!```python).)*```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
)
SAID = {
    "Climb": ["No fine-tuning needed: ", "meets fewshot", "prompt misses 0.", "fewshot meets 0."],
    "Examples": ["note 36 training examples"],
    "Models": [],
    "A run": [", n=200)", "answers to dev examples", "report.md", "winner", "True"],
    "In a server": [],
    "With a rung.yaml": ["No fine-tuning needed, and no LLM: "],
    "Errors": ["the given rows: there is no column 'txt'; did you mean 'text'? Columns: 'text', 'team'"],
}  # fmt: skip


def test_no_block_is_left_out():
    assert set(BLOCKS) == set(SAID)
    assert PAGE.read_text(encoding="utf-8").count("```python") == len(BLOCKS)


@pytest.mark.parametrize("section", SAID)
def test_a_block_of_the_page_runs_when_pasted_alone(section, tmp_path, monkeypatch, capsys):
    if "fastapi" in BLOCKS[section]:
        pytest.importorskip("fastapi")
    monkeypatch.chdir(tmp_path)
    exec(compile(BLOCKS[section], PAGE.name, "exec"), {"__name__": section})
    said = capsys.readouterr().out
    for words in SAID[section]:
        assert words in said


def test_every_name_of_the_public_face_resolves():
    assert all(getattr(rung, name) is not None for name in rung.__all__)
