"""Only `store` knows what lies where in a run folder, and the documentation knows the same."""

import re
from pathlib import Path

import rung
from rung.store import cache, run, sealed, tuned

SOURCE = Path(rung.__file__).parent
ROOT = SOURCE.parents[1]
STORE = sorted((SOURCE / "store").glob("*.py"))
OTHERS = sorted(p for p in SOURCE.rglob("*.py") if p.parent.name != "store")


def names() -> set[str]:
    """Return every file name and folder of the run folder, as the store's source has it."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in STORE)
    files = set(re.findall(r'"([a-z]+\.(?:jsonl|json|sqlite|html))"', text))
    folders = set(re.findall(r'self\.path / "([a-z]+)"', text)) | {tuned.PLACE, run.EXPORTS}
    return files | {f"{name}/" for name in folders}


def test_the_names_are_found():
    assert {
        run.HEAD,
        run.EVENTS,
        run.PAGE,
        cache.FILE,
        sealed.FILE,
        "verdict.json",
        "outcomes.jsonl",
        "notes.json",
    } <= names()
    assert {"rungs/", "parts/", "labels/", "tuned/", "exports/"} <= names()
    assert len(names()) > 25


OWN = {  # a file of the same name in another folder
    "data/version.py": {"train.jsonl", "test.jsonl"},  # a new version of the data
    "cli/report.py": {"report.html"},  # help: what the user finds
    "cli/export.py": {"exports/"},  # help: what the user finds
}


def test_no_other_module_names_a_file_of_the_run_folder():
    told = {name: re.compile(rf"(?<![\w-]){re.escape(name)}") for name in names()}
    found = []
    for path in OTHERS:
        place, text = path.relative_to(SOURCE).as_posix(), path.read_text(encoding="utf-8")
        found += [(place, n) for n in told.keys() - OWN.get(place, set()) if n in text and told[n].search(text)]
    assert found == []


def test_the_documentation_names_every_file_and_no_other():
    page = (ROOT / "docs" / "run-folder.md").read_text(encoding="utf-8").partition("| path |")[2]
    told = set(re.findall(r"([a-z]+\.(?:jsonl|json|sqlite|html))", page)) | set(re.findall(r"`([a-z]+/)", page))
    assert told == names()
