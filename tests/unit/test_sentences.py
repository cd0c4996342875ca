"""What users read is said in short sentences and in the words of the field: help, page and messages.

A sentence has 25 words at most. In messages, clauses parted by a colon or a semicolon count by themselves; lists of exit codes,
HTML tags, stop words and queries are none.
"""

import ast
import re
from pathlib import Path

import click
import pytest
import typer

import rung
from rung.cli import app

PACKAGE = Path(rung.__file__).parent
MOST = 25
ENDS = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\d])|\n\n")
CLAUSES = re.compile(r"(?<=[.!?:;])\s+|\n")
NO_SENTENCE = re.compile(
    r"^Exit codes|\b(?:SELECT|CREATE TABLE)\b|^\s*(?:[\w-]+\s+){24,}[\w-]+$|\\b|<"
)  # the third: a list of words
COINED = re.compile(r"(?<![\w`/-])rungs?\b(?![\w./-]| \w+`)|\bverbs?\b|\bsittings?\b")
HELD = re.compile(r"\b(?:test|dev|training) rows?\b|\brow by row\b", re.I)


def helps(command: click.Command, above: str = "rung"):
    """Yield (place, text) of all help below a command."""
    yield above, command.help or ""
    for parameter in command.params:
        yield f"{above} {parameter.name}", getattr(parameter, "help", None) or ""
    for name, inner in getattr(command, "commands", {}).items():
        yield from helps(inner, f"{above} {name}")


HELP = [(place, text) for place, text in helps(typer.main.get_command(app)) if text]


def sentences(text: str, ends: re.Pattern[str] = ENDS) -> list[str]:
    flat = "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
    return [s for s in ends.split(flat) if s and not NO_SENTENCE.search(s)]


def too_long(text: str, ends: re.Pattern[str] = ENDS) -> list[str]:
    return [s for s in sentences(text, ends) if len(s.split()) > MOST]


def messages():
    """Yield every text of the code that is no docstring; what is put in counts as one word."""
    for file in sorted(set(PACKAGE.rglob("*.py")) - {PACKAGE / "tuning" / "trl.py"}):  # a program as text
        tree = ast.parse(file.read_text("utf-8"))
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        apart = {
            id(n.body[0].value) for n in ast.walk(tree) if isinstance(n, kinds) and isinstance(n.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                apart |= {id(value) for value in node.values}
                said = "".join(v.value if isinstance(v, ast.Constant) else "X" for v in node.values)
                yield f"{file.relative_to(PACKAGE)}:{node.lineno}", said
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart:
                yield f"{file.relative_to(PACKAGE)}:{node.lineno}", node.value


def test_there_is_help_to_read():
    assert len(HELP) > 120
    assert any(place.startswith("rung docs search") for place, _ in HELP)


def test_help_is_said_in_short_sentences():
    assert [(place, s) for place, text in HELP for s in too_long(text)] == []


def test_help_says_approach_and_example():
    assert [(place, m[0]) for place, text in HELP for m in COINED.finditer(text)] == []
    assert [(place, m[0]) for place, text in HELP for m in HELD.finditer(text)] == []


def test_the_page_is_said_in_short_sentences_and_in_the_words_of_the_field():
    found = [(place, text) for place, text in messages() if place.startswith("report/") and " " in text]
    assert len(found) > 100
    assert [(place, s) for place, text in found for s in too_long(text)] == []
    assert [(place, m[0]) for place, text in found for m in HELD.finditer(text)] == []
    assert [(place, m[0]) for place, text in found for m in re.finditer(r"\brungs\b|\b[Tt]he rung\b", text)] == []


def test_messages_are_said_in_short_clauses():
    found = list(messages())
    assert len(found) > 5000
    assert [(place, s) for place, text in found for s in too_long(text, CLAUSES)] == []


@pytest.mark.parametrize("text", ["one " * 26, "It is said. " + "word, " * 26])
def test_a_long_sentence_is_seen(text):
    assert too_long(text.replace("one one", "one, one")) != []
