"""What a newcomer is told is true: make targets, rooms, exit codes, forms and workflow exist as the pages say."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from rung import errors
from rung.engine.start import ClimbResult
from rung.types import Verdict
from rung.types.results import EXIT_CODES

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
HISTORY = {"CHANGELOG.md", "log.md", "log-nano.md"}  # they tell what once was
FIELDS = {"markdown", "input", "textarea", "dropdown", "checkboxes"}


def test_the_workflow_runs_the_one_check_with_least_rights():
    workflow = yaml.safe_load((GITHUB / "workflows" / "ci.yml").read_text())
    steps = workflow["jobs"]["check"]["steps"]
    assert [s["run"] for s in steps if "run" in s] == ["bash .ci/run"]
    assert (ROOT / ".ci" / "run").is_file()
    assert workflow["permissions"] == {"contents": "read"}
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", s["uses"]) for s in steps if "uses" in s)


@pytest.mark.parametrize("form", sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda f: f.stem)
def test_an_issue_form_can_be_filled_in(form):
    fields = yaml.safe_load(form.read_text())["body"]
    asked = [f for f in fields if f["type"] != "markdown"]
    assert {f["type"] for f in fields} <= FIELDS
    assert len({f["id"] for f in asked}) == len(asked)
    assert any(f.get("validations", {}).get("required") for f in asked)
    assert all(f["attributes"]["label"] for f in asked)


def test_hooks_fetch_nothing():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert {hook["language"] for hook in hooks} <= {"system", "pygrep"}
    assert {"ruff", "ruff-format", "mypy", "lint-imports"} <= {hook["id"] for hook in hooks}


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^\$ |`)make ([a-z][\w-]*)", CONTRIBUTING, re.MULTILINE))
    assert {"install", "test", "test-quick", "check", "docs"} <= named
    assert named <= targets, f"CONTRIBUTING.md names make targets that do not exist: {sorted(named - targets)}"


def test_every_room_stands_in_the_table():
    table = CONTRIBUTING.split("| room of `src/rung/` | holds |")[1].split("\n\n")[0]
    listed = set(re.findall(r"`(\w+)/`", table))
    rooms = {p.parent.name for p in (ROOT / "src" / "rung").glob("*/__init__.py")}
    assert rooms <= listed, f"rooms without a line in CONTRIBUTING.md: {sorted(rooms - listed)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_of_a_page_lead_somewhere(page):
    links = [m for m in re.findall(r"\]\(([^)\s#]+)", page.read_text()) if "://" not in m]
    found = {link: (page.parent / link).resolve() for link in links}
    missing = [link for link, file in found.items() if not file.exists()]
    assert missing == [], f"{page.name} links to files that are not there: {missing}"


def test_exit_codes_are_those_of_the_page():
    table = (ROOT / "docs" / "compatibility.md").read_text().split("## Exit codes")[1].split("## ")[0]
    told = {int(code) for code in re.findall(r"^\| (\d) \|", table, re.MULTILINE)}
    raised = {e.exit_code for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.RungError)}
    assert told == raised | set(EXIT_CODES.values()) | {5}


@pytest.mark.parametrize(
    ("decision", "provisional", "corrected", "unanswered", "code"),
    [
        ("meets", None, False, 0, 0),
        ("misses", None, False, 0, 1),
        ("stopped", None, False, 0, 3),
        ("inconclusive", None, False, 0, 6),
        ("meets", "90 human labels are missing", False, 0, 1),
        ("meets", "40 human labels are missing", True, 0, 6),
        ("inconclusive", "90 human labels are missing", False, 0, 6),
        ("stopped", "90 human labels are missing", False, 0, 3),
        ("meets", None, False, 2, 4),
        ("meets", "40 human labels are missing", True, 2, 4),
        ("inconclusive", None, False, 2, 4),
    ],
)
def test_a_verdict_has_one_exit_code_for_the_command_line_and_python(
    decision, provisional, corrected, unanswered, code
):
    verdict = Verdict(decision, None, None, "", (), (), None, None, provisional=provisional, corrected=corrected)
    assert verdict.exit_code(unanswered) == code
    assert ClimbResult(Path("runs/a"), verdict, {}, unanswered).exit_code == code


def test_unreleased_changes_stand_under_known_headings():
    newest = (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1]
    title, *rest = newest.split("\n### ")
    headings = [part.splitlines()[0] for part in rest]
    assert title.startswith("Unreleased")
    assert headings == [h for h in ("Added", "Changed", "Removed", "Fixed") if h in headings]
    assert all(line.startswith(("- ", "  ")) for part in rest for line in part.splitlines()[1:] if line)


def _defined(file: Path) -> set[str]:
    """Return the names at the top of a module."""
    found: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.Assign(targets=targets):
                found |= {t.id for t in targets if isinstance(t, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                found |= {n.asname or n.name for n in names}
    return found


def _exists(reference: str) -> bool:
    """Whether `rung.x.y` names a package, a module, or something at the top of one."""
    place, parts = ROOT / "src", reference.split(".")
    while parts and (place / parts[0]).is_dir():
        place /= parts.pop(0)
    if not parts:
        return True
    if (place / f"{parts[0]}.py").is_file():
        module = place / f"{parts[0]}.py"
        return len(parts) == 1 or parts[1] in _defined(module) or f'"{parts[1]}"' in module.read_text()
    # what the face resolves on first use, and keys of [project.entry-points], are names in quotes
    return parts[0] in _defined(place / "__init__.py") or f'"{parts[0]}"' in (place / "__init__.py").read_text()


def test_references_to_the_code_lead_somewhere():
    files = [*(p for p in PAGES if p.name not in HISTORY), *sorted((ROOT / "src").rglob("*.py"))]
    quoted = re.compile(r"`(rung(?:\.[A-Za-z_]\w*)+)")
    broken = [
        f"{file.relative_to(ROOT)}: {reference}"
        for file in files
        for reference in quoted.findall(file.read_text())
        if not reference.startswith("rung.yaml") and not _exists(reference)
    ]
    assert broken == []


def test_the_reference_check_sees_a_broken_one():
    assert _exists("rung.stats.threeway.judge")
    assert _exists("rung.climb")
    assert not _exists("rung.stats.threeway.judgement")
    assert not _exists("rung.statistics")
