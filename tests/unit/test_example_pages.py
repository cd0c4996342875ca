"""`examples/` holds the page of each shipped example; `python -m docs.generate --check` writes each anew and compares."""

from docs import examples
from docs.generate import ROOT
from rung_nano import EXAMPLES
from tests.unit._run_folder import build

NAMES = sorted(p.name for p in EXAMPLES.iterdir() if (p / "rung.yaml").is_file())


def test_each_shipped_example_has_its_page_and_the_readme_leads_to_it():
    readme = (ROOT / "README.md").read_text("utf-8")
    for name in NAMES:
        page = (examples.EXAMPLES / f"{name}.html").read_text("utf-8")
        assert f'<span class="task">{name}</span>' in page
        assert f"(examples/{name}.html)" in readme
        assert examples.kept(name).stat().st_size < 600_000


def test_what_is_kept_of_a_run_gives_its_page(tmp_path, monkeypatch):
    monkeypatch.setattr(examples, "EXAMPLES", tmp_path)
    folder = build(tmp_path / "climbed" / "run", sizes=(20, 10, 40))
    (folder.path / "tuned").mkdir()
    (folder.path / "tuned" / "weights").write_bytes(b"0" * 9)
    first = examples.keep("mine", folder.path).read_bytes()
    assert examples.keep("mine", folder.path).read_bytes() == first
    assert b"tuned/weights" not in first
    [(place, text)] = examples.pages().items()
    assert place == tmp_path / "mine.html"
    assert "<h1>" in text
    assert "examples (95 % CI" in text
