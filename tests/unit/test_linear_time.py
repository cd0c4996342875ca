"""Every regular expression in the source takes time in step with the length of its text, whatever the text is.

The source is walked, so that a new expression cannot be forgotten. What attacks an expression is made from the expression itself:
samples of its parts, repeated, with and without an end that spoils the match.
"""

from __future__ import annotations

import ast
import gc
import importlib
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]

import pytest

import rung
from rung.data.audit._slots import fields_of
from rung.delimited import separator_of
from rung.documents import plain, remote, scan
from rung.documents.chunk import chunk
from rung.documents.parse import parse
from rung.metrics.numeric import Numeric
from rung.retrievers._words import indexed
from rung.types import Document, Example, MetricSpec, Source, Task
from tests.pace import pace
from tests.tiers import NIGHTLY

SOURCE = Path(rung.__file__).parent
CALLS = {"compile", "search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn"}
ANCHORED = {"match", "fullmatch"}
LONG = 100_000 if NIGHTLY else 30_000  # characters
MOST_S = LONG / 100_000  # CPU seconds for a long text
MOST_GROWTH = 2.5  # times the time for twice the text
TOO_SHORT_S = 0.02  # a time below it says nothing about growth
MANY = 20  # a repeat that may go on for so long is worth an attack

# Expressions that are made while the program runs, or whose text cannot be long: why they are harmless.
pytestmark = pytest.mark.slow  # 2026-11-28: minutes of CPU time, since it measures growth

HARMLESS: dict[tuple[str, str], str] = {
    **dict.fromkeys(
        (("config/prompt.py", name) for name in ("_dollar", "_filled", "_in_braces", "column", "forms")),
        "the user's own prompt, and names of columns as they stand",
    ),
    ("models/thought.py", "_MARKS"): "marks as they stand",
    (
        "data/terms.py",
        "splitter",
    ): "four constants of ours: runs of letters or word characters, each begun at a boundary",
    ("metrics/_numbers.py", "_LATEX"): "attacked below, through the metric numeric",
    ("metrics/_numbers.py", "_token"): "attacked below, through the metric numeric",
    ("metrics/_numbers.py", "_ungrouped"): "attacked below, through the metric numeric",
    ("documents/scan.py", "text"): "a run of characters from a set, taken as a whole",
    ("metrics/_fence.py", "_WHOLE_FENCE"): "a judge's reply, which its request keeps to some hundred tokens",
    ("metrics/_fence.py", "_THOUGHT"): "a judge's reply, as above",
    ("metrics/_numbers.py", "token"): "attacked below, through the metric numeric",
    ("metrics/_numbers.py", "written"): "attacked below, through the metric numeric",
    ("metrics/_numbers.py", "_patterns"): "one of a set of characters",
    ("metrics/contains.py", "_holds"): "a text as it stands",
    ("metrics/lines.py", "_one_demand"): "the user's own expression, checked only",
    ("metrics/lines.py", "holds"): "the user's own expression: its time is the user's",
    ("metrics/assertions.py", "_regex"): "the user's own expression: its time is the user's",
    ("metrics/regex.py", "_compiles"): "the user's own expression, checked only",
    ("metrics/regex.py", "_compile"): "the user's own expression: its time is the user's",
    ("models/fake.py", "__init__"): "the script of a fake model",
    ("models/fake.py", "found"): "the script of a fake model",
    ("prompts/frames.py", "within"): "a text as it stands",
    ("prompts/templates.py", "_placeholders"): "names of columns as they stand",
    ("tuning/abilities.py", "_holds"): "rung's own list of questions",
}


@dataclass(frozen=True)
class Expression:
    """One regular expression of the source: where it stands, and how it is used."""

    file: str
    line: int
    name: str
    pattern: re.Pattern[str]
    anchored: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.name}"

    def run(self, text: str) -> None:
        if self.anchored:
            self.pattern.match(text)
            self.pattern.fullmatch(text)
        else:
            for _ in self.pattern.finditer(text):
                pass


def _module(path: Path) -> str:
    return ".".join(["rung", *path.relative_to(SOURCE).with_suffix("").parts]).removesuffix(".__init__")


def _uses(trees: dict[Path, ast.Module]) -> dict[tuple[Path | None, str], set[str]]:
    """Return, by file and name of a compiled expression, the methods that are called on it; a public name's, in any file."""
    found: dict[tuple[Path | None, str], set[str]] = {}
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in CALLS:
                name = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
                found.setdefault((path if name.startswith("_") else None, name), set()).add(node.attr)
    return found


def _named(tree: ast.Module) -> dict[int, str]:
    """Return the name that each call is assigned to, or the function it stands in, by the id of its node."""
    found: dict[int, str] = {}

    def walk(node: ast.AST, name: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = name
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = child.name
            elif isinstance(child, ast.Assign) and isinstance(child.targets[0], ast.Name):
                inner = child.targets[0].id
            found[id(child)] = inner
            walk(child, inner)

    walk(tree, "module")
    return found


@cache
def expressions() -> tuple[list[Expression], set[tuple[str, str]]]:
    """Return all expressions of the source that can be evaluated, and the places of those that cannot."""
    trees = {p: ast.parse(p.read_bytes()) for p in sorted(SOURCE.rglob("*.py")) if "examples" not in p.parts}
    uses = _uses(trees)
    found: list[Expression] = []
    made: set[tuple[str, str]] = set()
    for path, tree in trees.items():
        names = _named(tree)
        file = path.relative_to(SOURCE).as_posix()
        for node in ast.walk(tree):
            if not (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
                and node.func.attr in CALLS
            ):
                continue
            name = names[id(node)]
            try:
                pattern = _evaluated(node, path)
            except (NameError, KeyError, AttributeError, TypeError):
                made.add((file, name))
                continue
            known = uses.get((path if name.startswith("_") else None, name), set())
            how = known if node.func.attr == "compile" else {node.func.attr}
            found.append(Expression(file, node.lineno, name, pattern, bool(how) and how <= ANCHORED))
        found += _gathered(path, file)
    return found, made - {(e.file, e.name) for e in found}


def _gathered(path: Path, file: str) -> Iterator[Expression]:
    """Yield expressions that a module keeps in a list, made from texts in a loop."""
    if "re.compile" not in path.read_text(encoding="utf-8"):
        return
    for name, value in vars(importlib.import_module(_module(path))).items():
        for held in value if isinstance(value, tuple | list) else ():
            if isinstance(held, re.Pattern):
                yield Expression(file, 0, name, held, False)


def _evaluated(node: ast.Call, path: Path) -> re.Pattern[str]:
    """Return the expression of a call, its parts looked up in the module. Raises NameError for what is made later."""
    place = 3 if node.func.attr in ("sub", "subn") else 2  # type: ignore[attr-defined]
    place = 1 if node.func.attr == "compile" else place  # type: ignore[attr-defined]
    flags = [k.value for k in node.keywords if k.arg == "flags"] + node.args[place : place + 1]
    parts = [ast.Expression(part) for part in (node.args[0], *flags)]
    plain = all(isinstance(n, ast.Constant) for n in ast.walk(node.args[0]) if isinstance(n, ast.expr))
    scope = {"re": re} if plain else vars(importlib.import_module(_module(path)))
    values = [eval(compile(part, str(path), "eval"), dict(scope)) for part in parts]
    pattern = values[0].decode("latin-1") if isinstance(values[0], bytes) else values[0]
    if isinstance(pattern, re.Pattern):
        return pattern
    return re.compile(pattern, *(v for v in values[1:] if isinstance(v, int)))


ODD = "\x00\n aZ0-_.<>[](){}\"':;,/\\!#*|=&é漢"


class Samples:
    """Texts that parts of an expression match."""

    def __init__(self, pattern: re.Pattern[str], seed: int) -> None:
        self._random = random.Random(seed)
        self._groups: dict[int, str] = {}
        self.tree = parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)

    def of(self, items: object) -> str:
        return "".join(self._one(code, value) for code, value in items)  # type: ignore[attr-defined]

    def _one(self, code: object, value: object) -> str:
        match code:
            case codes.LITERAL:
                return chr(value)  # type: ignore[arg-type]
            case codes.NOT_LITERAL:
                return self._random.choice([c for c in ODD if ord(c) != value])
            case codes.ANY:
                return self._random.choice(ODD.replace("\n", ""))
            case codes.IN:
                return self._member(value)  # type: ignore[arg-type]
            case codes.BRANCH:
                return self.of(self._random.choice(value[1]))  # type: ignore[index]
            case codes.SUBPATTERN:
                text = self.of(value[-1])  # type: ignore[index]
                if value[0] is not None:  # type: ignore[index]
                    self._groups[value[0]] = text  # type: ignore[index]
                return text
            case codes.MAX_REPEAT | codes.MIN_REPEAT | codes.POSSESSIVE_REPEAT:
                least, most, body = value  # type: ignore[misc]
                return "".join(self.of(body) for _ in range(max(least, min(1, most), self._random.randint(0, 1))))
            case codes.ATOMIC_GROUP:
                return self.of(value)
            case codes.GROUPREF:
                return self._groups.get(value, "")  # type: ignore[arg-type]
        return ""  # a place, or a look around

    def _member(self, members: list[tuple[object, object]]) -> str:
        if members[0][0] is codes.NEGATE:
            fine = [c for c in ODD if not any(_in(c, m) for m in members[1:])]
            return self._random.choice(fine) if fine else "\u0416"
        code, value = self._random.choice(members)
        if code is codes.LITERAL:
            return chr(value)  # type: ignore[arg-type]
        if code is codes.RANGE:
            return chr(self._random.randint(*value))  # type: ignore[misc]
        fine = [c for c in ODD if _in(c, (code, value))]
        return self._random.choice(fine)

    def repeats(self) -> Iterator[tuple[str, str]]:
        """Yield, for each repeat that may be long, what can stand before it, and one turn of it."""
        yield from self._repeats(self.tree, "")

    def _repeats(self, items: object, before: str) -> Iterator[tuple[str, str]]:
        for code, value in items:  # type: ignore[attr-defined]
            match code:
                case codes.MAX_REPEAT | codes.MIN_REPEAT | codes.POSSESSIVE_REPEAT:
                    if value[1] >= MANY:
                        yield before, self.of(value[2])
                    yield from self._repeats(value[2], before)
                case codes.SUBPATTERN:
                    yield from self._repeats(value[-1], before)
                case codes.BRANCH:
                    for branch in value[1]:
                        yield from self._repeats(branch, before)
                case codes.ASSERT | codes.ASSERT_NOT:
                    yield from self._repeats(value[1], before)
                case codes.ATOMIC_GROUP:
                    yield from self._repeats(value, before)
            before += self._one(code, value)


def _in(char: str, member: tuple[object, object]) -> bool:
    code, value = member
    if code is codes.LITERAL:
        return ord(char) == value
    if code is codes.RANGE:
        return value[0] <= ord(char) <= value[1]  # type: ignore[index]
    kinds: dict[object, Callable[[str], bool]] = {
        codes.CATEGORY_SPACE: str.isspace,
        codes.CATEGORY_DIGIT: str.isdigit,
        codes.CATEGORY_WORD: lambda c: c.isalnum() or c == "_",
        codes.CATEGORY_NOT_SPACE: lambda c: not c.isspace(),
        codes.CATEGORY_NOT_DIGIT: lambda c: not c.isdigit(),
        codes.CATEGORY_NOT_WORD: lambda c: not (c.isalnum() or c == "_"),
    }
    return kinds[value](char)


def attacks(pattern: re.Pattern[str]) -> list[tuple[str, str, str]]:
    """Return start, what is repeated, and end of texts that are hard on an expression."""
    found: dict[tuple[str, str, str], None] = {}
    for seed in range(4):
        samples = Samples(pattern, seed)
        whole = samples.of(samples.tree)
        for cut in {whole[:n] for n in (*range(1, min(len(whole), 12)), len(whole) // 2, len(whole) - 1, len(whole))}:
            if cut:
                found["", cut, ""] = None
        for before, turn in samples.repeats():
            if turn:
                for end in ("", "\x00", "\n!"):
                    found[before, turn, end] = None
                found["", before + turn, ""] = None
            if before:
                found["", before, "\x00"] = None
    for char in " \n\t0a":
        found["", char, "\x00"] = None
    return list(found)


def built(attack: tuple[str, str, str], size: int) -> str:
    start, turn, end = attack
    return start + turn * max(1, size // len(turn)) + end


def took(run: Callable[[str], object], text: str, times: int = 1) -> float:
    """Return the least CPU seconds that a run takes, those of the garbage collector apart."""
    best = float("inf")
    gc.disable()
    try:
        for _ in range(times):
            start = time.process_time()
            run(text)
            best = min(best, time.process_time() - start)
    finally:
        gc.enable()
    return best


def trouble(run: Callable[[str], object], attack: tuple[str, str, str]) -> str | None:
    """Return what is wrong with the time that a run takes for ever longer texts of this form."""
    quarter = built(attack, LONG // 4)
    for size in (*range(8, 44, 3), 100, 400, 1_500, 6_000, LONG // 4):
        text = built(attack, size)
        spent, most = took(run, text), max(0.05, MOST_S * size / LONG)
        if spent > most and (spent := took(run, text, 3)) > most * pace():
            return f"{spent:.2f} s for {len(text):,} characters"
    if spent * MOST_GROWTH**2 * 2 < TOO_SHORT_S:
        return None
    whole = built(attack, LONG)
    after = took(run, whole)
    for times in (2, 4, 8):  # another process may have been in the way
        if after < TOO_SHORT_S or (after <= MOST_S * pace() and after <= MOST_GROWTH**2 * spent):
            return None
        spent, after = max(spent, took(run, quarter, times)), min(after, took(run, whole, times))
    return f"{after:.2f} s for {len(whole):,} characters, {after / spent:.1f} times that of a quarter"


# Only named while tests are collected: finding the expressions imports every module that holds one.
FILES = [
    p.relative_to(SOURCE).as_posix() for p in sorted(SOURCE.rglob("*.py")) if "import re\n" in p.read_text("utf-8")
]


def test_expressions_that_are_made_while_the_program_runs_are_known():
    found, made = expressions()
    assert made - set(HARMLESS) == set(), "say in HARMLESS why they cannot run for long, or make them constant"
    assert len(found) > 100
    assert {e.file for e in found} <= set(FILES)


@pytest.mark.parametrize("file", FILES)
def test_every_expression_takes_time_in_step_with_its_text(file):
    for expression in expressions()[0]:
        if expression.file != file or (file, expression.name) in HARMLESS:
            continue
        for attack in attacks(expression.pattern):
            wrong = trouble(expression.run, attack)
            assert wrong is None, f"{expression} ({file}, line {expression.line}): {wrong}, attacked by {attack!r}"


EXAMPLE = Example("1", {"q": "x"}, "1", "1")
TASK = Task("t", "i", ("q",), "a", "knowledge", (MetricSpec("numeric"),), 0.9)
READERS = {
    "numeric": lambda text: Numeric().score(text, EXAMPLE, TASK),
    "seen_text": scan.seen_text,
    "speaks_to_a_model": scan.speaks_to_a_model,
    "seen_markdown": plain.seen_markdown,
    "remote_images": remote.remote_images,
    "without_remote": remote.without_remote,
    "indexed": indexed,
    "separator_of": lambda text: separator_of(text.split("\n")[:50], ","),
    "fields_of": lambda text: fields_of([text]),
    "chunk": lambda text: chunk(Document("a", "a", (Source("a", "start", text),), "a"), 180),
    **{
        ending: lambda text, name=f"a{ending}": parse(name, text.encode())
        for ending in (".txt", ".csv", ".json", ".jsonl")
    },
}
PIECES = (
    *(
        "<!--",
        "<!-- -->",
        "-->",
        "[//]: # (",
        "[//]: # (x)\n",
        "![",
        "![a](",
        "![a](//b",
        "[a](",
        "[",
        "]",
        "(",
        ")",
        "<img ",
        "<img src=",
    ),
    *(
        "url(",
        "<a hidden>",
        "<a style='",
        "<a style='display:none'>x",
        '<p style="opacity: 0">',
        "</a>",
        "`",
        "```\n",
        "---\n",
        "title: ",
    ),
    *(
        "\u200b",
        "\U000e0041",
        "\u202e",
        "\ufe0f",
        "infor-\n",
        "게임을",
        "。",
        ". ",
        "\n",
        " ",
        "\t",
        '"',
        ",",
        ";",
        "|",
        '{"a":',
        "[{",
        "a",
    ),
    *(
        "ignore previous ",
        "assistants must ",
        "http://",
        "www.",
        "data:",
        "a[b], ",
        "a: ",
        "<",
        "\x00",
        "1,",
        "1.000 ",
        "-1",
        "$",
        "1e9",
        "%",
    ),
)


@pytest.mark.parametrize("name", READERS)
def test_every_reader_of_text_takes_time_in_step_with_its_text(name):
    for piece in PIECES:
        for attack in (("", piece, ""), ("#a\n", piece + "x", "!")):
            wrong = trouble(READERS[name], attack)
            assert wrong is None, f"{name}: {wrong}, attacked by {attack!r}"
