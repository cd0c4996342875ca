"""What starting costs, held by which packages are loaded: that does not depend on the machine. Times: `bench/imports`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import rung

HELP = "sys.argv = ['rung', '--help']\nfrom rung.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass"
SHAPES = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}
SLOW = {"asyncio", "sqlite3", "ssl", "multiprocessing", "unittest", "email"}  # of the standard library


def loaded(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after running the code."""
    words = f"import sys; before = set(sys.modules)\n{code}\nprint(*sorted(set(sys.modules) - before), file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    return set(ended.stderr.split())


def foreign(modules: set[str]) -> set[str]:
    """Return the packages among them that are neither rung nor of the standard library."""
    names = {name.split(".")[0] for name in modules}
    return {n for n in names if n not in sys.stdlib_module_names and n[0] != "_"} - {"rung", "cython_runtime"}


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import rung", set()),
        (HELP, {"typer", "click", "shellingham", "annotated_doc", "typing_extensions"}),
        ("import rung.config", {*SHAPES, "yaml"}),
        ("import rung.ladder", {*SHAPES, "yaml", "numpy", "filelock"}),
    ],
    ids=["import rung", "rung --help", "import rung.config", "import rung.ladder"],
)
def test_starting_loads_no_package_that_it_does_not_need(code, allowed):
    assert foreign(loaded(code)) <= allowed


def test_importing_rung_reads_its_errors_at_most():
    assert {m for m in loaded("import rung") if m.startswith("rung.")} <= {"rung.errors"}


def test_help_reads_no_part_of_a_climb():
    modules = loaded(HELP)
    ours = {m for m in modules if m.startswith("rung.") and not m.startswith("rung.cli")}
    assert ours == {
        "rung.delimited",
        "rung.errors",
        "rung.invisible",
        "rung.report",
        "rung.report.forms",
        "rung.signals",
    }  # small modules of the lowest layer, and the forms of a report, which are choices of an option
    assert not {m.split(".")[0] for m in modules} & SLOW


@pytest.mark.slow
def test_what_is_left_out_at_the_start_is_found_when_it_is_needed():
    code = (
        "import sys, rung.ladder\n"
        "from rung.documents.plain import read_markdown\n"
        "from rung.stats.distribution import normal_quantile\n"
        "print(round(normal_quantile(0.975), 2), read_markdown('a.md', b'# T\\n\\nword')[0][0].title)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "1.96 T\n"


def test_no_module_is_loaded_by_name_from_outside_its_folder_where_it_is_private():
    root = Path(rung.__file__).parent
    named = re.compile(r'"(rung(?:\.\w+)*?)\._\w+"')
    for file in root.rglob("*.py"):
        owner = ".".join(("rung", *file.relative_to(root).parent.parts))
        outside = [found for found in named.findall(file.read_text("utf-8")) if not f"{owner}.".startswith(f"{found}.")]
        assert not outside, f"{file.name} loads what is private to {outside}"
