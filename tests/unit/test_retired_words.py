"""Words that users never meet again: help, messages, reports and docs keep to the terms of the field.

`RETIRED` names each word with what is said instead. Old numbers and failures (docs/log.md, CHANGELOG.md) keep the words of their time.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import rung

PACKAGE = Path(rung.__file__).parent
ROOT = Path(__file__).parents[2]
NANO = ROOT / "packages" / "rung-nano" / "src" / "rung_nano"
ROOTS = ("README.md", "SECURITY.md", "action.yml", "llms.txt", "packages/rung-nano/README.md")
RETIRED = {
    r"\bsittings?\b": "session",
    r"\bforet(?:old|ells?)\b": "predicted, predicted fix rate",
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\bin truth,? (?:fixed|mended)": "actual fix rate",
    r"\bleaning to\b|\b(?:evidence|climb|verdict) leans to\b": "tentative pick, favours",
    r"people's labels|\blabels? (?:by|of) people|\blabelled by people": "human labels",
    r"\bsecond door\b": "cheaper alternative at equal quality",
    r"\bform broken\b": "format error",
    r"\btuning is earned\b": "fine-tuning is justified",
    r"\bembedded model\b": "bundled model",
    r"\btest part\b": "test set",
    r"\bstays? shut\b": "stays sealed",
    r"\bwhat must be kept\b|\bkept abilities to\b": "regression tasks",
    r"\bsmallest visible gain\b": "minimum detectable effect",
    r"\bthese rows cannot\b": "sample too small",
    r"\bprompts that evolve\b": "prompt optimization",
    r"\bread off the data\b": "inferred from the data",
    r"\b(?:not |is |are )shown to (?:beat|be better|be worse|be good enough|fall short)\b": "significant, meets the goal",
    r"\bat the rung\b": "the headline",
    r"\bUndecided\b": "inconclusive",
    r"nothing measured is better for less": "Pareto-optimal",
    r"\d\.\d+ ± \d": "95 % CI",
}
ROW = r"(?<![\w`/.{<-])(?<!in a )[Rr]ows?\b(?! of a table)(?![\w/(=`>-]|\.\w)"
RUNG = (
    r"(?<![\w`/.{<-])(?<!## )rungs\b(?! plugin)(?![\w/(=`>-]|\.\w)"
    r"|\b(?:[Tt]he|[Aa]n?|[Ee]ach|[Ee]very|[Nn]o|[Aa]ny|[Nn]ext|[Bb]est|lowest|cheaper|measured|planned) rung\b(?![\w/`-]|\.\w)"
)
CLIMB = r"\b(?:[Tt]he|[Aa]n?|[Ee]ach|[Ee]very|[Tt]his|[Aa]nother|[Ll]ater|[Ee]arlier) climbs?\b(?![\w`/(=-]|\.\w)"
COINED = {re.compile(ROW): "example", re.compile(RUNG): "approach", re.compile(CLIMB): "run"}
PATTERNS = {re.compile(pattern): instead for pattern, instead in RETIRED.items()}
APART = {
    "log.md",
    "tree.md",
    "decisions.md",
    "decisions-cells.md",
}  # old numbers and failures, and what is written from code

TABLES = tuple(
    "api.py cli/_draft_notes.py cli/docs.py cli/export.py data/_ data/cells.py data/files.py data/given.py data/importers/ data/version.py documents/rows.py "
    "exports/ models/_fake_world.py retrievers/ testing/hostile.py tuning/trl.py data.md exports.md retrieval.md".split()
)  # rows of files and tables; a name of random numbers; texts and programs that are not ours to reword
MARKUP = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)|<[^>]*>|\{[{%#].*?[}%#]\}", re.DOTALL)


def docstrings(tree: ast.Module, shown: bool) -> set[int]:
    """Return the string nodes that nobody reads: docstrings; those of commands are their help."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, kinds) and isinstance(node.body[0], ast.Expr)}  # fmt: skip
    top = {id(n.body[0].value) for n in tree.body if isinstance(n, ast.FunctionDef) and isinstance(n.body[0], ast.Expr) and n.name[0] != "_"}  # fmt: skip
    return found - top if shown else found


def said() -> Iterator[tuple[str, str]]:
    """Yield every text that a user may read, with its place."""
    for package in (PACKAGE, NANO):
        for file in sorted(set(package.rglob("*.py")) - set((NANO / "training").rglob("*.py"))):
            tree = ast.parse(file.read_text("utf-8"))
            unread = docstrings(tree, file.parent.name == "cli")
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in unread:
                    yield f"{file.relative_to(package)}:{node.lineno}", node.value
    for file in sorted((PACKAGE / "report").glob("*.html")):
        yield file.name, file.read_text("utf-8")
    for page in [*(ROOT / name for name in ROOTS), *sorted((ROOT / "docs").rglob("*.md"))]:
        if page.name not in APART:
            yield page.name, page.read_text("utf-8")


@pytest.fixture(scope="module")
def texts():
    return list(said())


def test_there_is_something_to_read(texts):
    assert len(texts) > 3000


@pytest.mark.parametrize(("pattern", "instead"), PATTERNS.items(), ids=RETIRED)
def test_no_retired_word_is_said(texts, pattern, instead):
    found = [(place, m[0]) for place, text in texts for m in pattern.finditer(text)]
    assert found == [], f"say: {instead}"


def prose(place: str, text: str) -> str:
    """Return what is read as sentences: no code, no link, no tag, no key of one word."""
    words = MARKUP.sub("`", text) if place.endswith((".md", ".html")) else text
    return words if " " in words.strip() else ""


@pytest.mark.parametrize(("pattern", "instead"), COINED.items(), ids=COINED.values())
def test_an_example_is_no_row_an_approach_no_rung_and_a_run_no_climb(texts, pattern, instead):
    """A row of a file stays one (TABLES), and rung is the name of the product; "one step a rung, one run a climb" is said once."""
    found = [
        (place, m[0])
        for place, text in texts
        if not place.startswith(TABLES)
        for m in pattern.finditer(prose(place, text))
    ]
    assert found == [], f"say: {instead}"


@pytest.mark.parametrize("pattern", PATTERNS, ids=RETIRED)
def test_each_pattern_finds_its_word(pattern):
    """A pattern that finds nothing anywhere keeps nothing out."""
    words = (
        "sitting foretold mended; in truth mended; leaning to; people's labels; second door; form broken; tuning is earned; embedded "
        "model; test part; stays shut; what must be kept; smallest visible gain; these rows cannot; prompts that evolve; read off the "
        "data; is shown to beat; at the rung; Undecided; nothing measured is better for less; 0.9 ± 0.1"
    )
    assert pattern.search(words)
