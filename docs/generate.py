"""Write the parts of the documentation that come from the code; `--check` fails when any of them is stale.

python -m docs.generate            rewrite
python -m docs.generate --check    exit 1 and name what is stale
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

if __name__ == "__main__":  # before what reads it while it is imported
    os.environ.update(COLUMNS="100", TERM="dumb", NO_COLOR="1")

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer import Typer
from typer.testing import CliRunner

from bench.decisions import page as decisions
from bench.real import combined, four
from bench.replay import page as replayed
from docs import examples
from rung import plugins
from rung.cli import app
from rung.config import Config

ROOT = Path(__file__).parent.parent
OURS = "rung-nano"  # the distribution beside the core
NOTICE = "<!-- written by docs/generate.py: change the code, not this file -->\n"


def command_line() -> str:
    """Return every verb's --help."""
    runner = CliRunner()
    blocks = ["# Command line\n", NOTICE]
    for words in [[], *_verbs(app, [])]:
        shown = runner.invoke(app, [*words, "--help"], prog_name="rung", color=False).output
        text = "\n".join(line.rstrip() for line in shown.splitlines()).strip()
        blocks.append(f"## {' '.join(['rung', *words])}\n\n```text\n{text}\n```\n")
    return "\n".join(blocks)


def _verbs(group: Typer, above: list[str]) -> Iterator[list[str]]:
    """Yield the words of every verb, those of groups of verbs after their own."""
    for command in group.registered_commands:
        if command.callback:
            yield [*above, command.name or command.callback.__name__]
    for inner in group.registered_groups:
        words = [*above, inner.typer_instance.info.name]
        yield words
        yield from _verbs(inner.typer_instance, words)


def yaml_reference() -> str:
    """Return every key of rung.yaml with its type, default and meaning."""
    blocks = ["# rung.yaml\n", NOTICE, "Unknown keys are errors; every problem is reported at once.\n"]
    blocks.append(_table("the top of the file", Config))
    for name, field in Config.model_fields.items():
        for section in (field.annotation, *get_args(field.annotation)):
            if isinstance(section, type) and issubclass(section, BaseModel) and name != "ladder":
                blocks.append(_table(name, section))
    return "\n".join(blocks)


def plugin_reference() -> str:
    """Return every plugin of ours with its settings."""
    blocks = [
        "# Plugins\n",
        NOTICE,
        "A plugin is one class, by the name in rung.yaml. One of your own: [write-a-plugin.md](write-a-plugin.md).\n",
    ]
    for kind in plugins.KINDS:
        blocks.append(f"## {kind}\n")
        for found in plugins.available(kind).values():
            if found.origin not in ("built-in", OURS):
                continue
            model = found.load()
            words = " ".join((model.__doc__ or "").split("\n\n")[0].split())
            whose = f" (package {OURS})" if found.origin == OURS else ""
            traits = f"{_traits(model)}\n\n" if kind == "rungs" else ""
            blocks.append(f"### {found.name}{whose}\n\n{words}\n\n{traits}{_rows(model)}")
    return "\n".join(blocks)


def _traits(rung: type[Any]) -> str:
    """Return what an approach says of itself, as the ladder, the diagnosis and the report read it."""
    asks = f"asks the models in {', '.join(f'`{key}`' for key in rung.asks)}" if rung.asks else "asks no model"
    fixes = (
        f"attacks these causes of failure: {', '.join(sorted(rung.fixes))}"
        if rung.fixes
        else "attacks no named cause of failure"
    )
    return f"Written {rung.title}; {asks}; {fixes}; usual cost by hand: {', '.join(rung.usual_cost)}."


def _table(title: str, model: type[BaseModel]) -> str:
    words = " ".join((model.__doc__ or "").split())
    return f"## {title}\n\n{words}\n\n{_rows(model)}"


def _rows(model: type[BaseModel]) -> str:
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        lines.append(f"| `{name}` | {_type(field)} | {_default(field)} | {field.description or ''} |")
    return "\n".join(lines) + "\n" if len(lines) > 2 else "No settings.\n"


def _type(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    tagged = [get_args(form)[0] for form in get_args(annotation) if get_origin(form) is Annotated]
    if tagged:
        return " or ".join("mapping" if issubclass(form, BaseModel) else form.__name__ for form in tagged)
    choices = [repr(a) for a in get_args(annotation) if isinstance(a, str)]
    if choices:
        return ", ".join(choices).replace("'", "")
    text = annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)
    text = re.sub(r"\b(typing|collections\.abc|pathlib|rung\.\w+(\.\w+)*)\.", "", text)
    return text.replace("|", "or").replace("NoneType", "null").replace("None", "null")


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required" if field.default_factory is None else "empty"
    if isinstance(field.default, BaseModel):
        return "its defaults"
    if isinstance(field.default, tuple):
        return ", ".join(getattr(v, "rung", str(v)) for v in field.default) or "empty"
    return (
        {None: "null", True: "true", False: "false"}.get(field.default, f"`{field.default}`")
        if isinstance(field.default, bool | None)
        else f"`{field.default}`"
    )


def tree(whole: bool) -> str:
    """Return the package's files with the first line of each docstring; in short: top files, and a line a folder."""
    package = ROOT / "src" / "rung"
    lines = []
    for path in sorted(package.rglob("*.py"), key=lambda p: (len(p.relative_to(package).parts) > 1, p)):
        inner = path.relative_to(package)
        folder = path.name == "__init__.py"
        first = re.match(r'"""(.*?)(?:"""|\n)', path.read_text(encoding="utf-8"))
        if (
            first
            and inner != Path("__init__.py")
            and (whole or (folder and len(inner.parts) == 2) or len(inner.parts) == 1)
        ):
            name = inner.parent.as_posix() + "/" if folder else inner.as_posix()
            lines.append(f"{name:<28} {first[1].rstrip('.')}")
    return "```text\n" + "\n".join(lines) + "\n```"


def _filled(page: Path, parts: Mapping[str, str]) -> str:
    """Return a page with what stands between `<!-- name -->` and `<!-- /name -->` written anew."""
    between = re.compile(rf"(<!-- ({'|'.join(parts)}) -->\n).*?(\n<!-- /\2 -->)", re.S)
    return between.sub(lambda m: m[1] + parts[m[2]] + m[3], page.read_text(encoding="utf-8"))


def for_models(written: dict[Path, str]) -> str:
    """Return llms.txt: every page of the site with its first sentence, those for maintainers last, as optional.

    `written`: the pages as they are generated. Raises SystemExit where a page of docs/ is not in the site's navigation.
    """
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    blocks = [f"# {settings['site_name']}\n\n> {settings['site_description']}\n"]
    for section in settings["nav"]:
        ((title, pages),) = section.items()
        blocks.append(f"## {title if section is not settings['nav'][-1] else 'Optional'}\n")
        for page in pages:
            ((name, file),) = page.items()
            place = settings["extra"]["added"].get(file, f"docs/{file}")
            text = written.get(ROOT / place) or (ROOT / place).read_text(encoding="utf-8")
            blocks.append(f"- [{name}]({place}): {_first_sentence(text)}")
        blocks.append("")
    for page in sorted((ROOT / "docs").rglob("*.md")):
        if f"]({page.relative_to(ROOT).as_posix()})" not in "\n".join(blocks):
            raise SystemExit(f"{page.relative_to(ROOT)} is in no list of pages: put it into `nav` of mkdocs.yml")
    return "\n".join(blocks)


def _first_sentence(page: str) -> str:
    """Return the first sentence of a page's first paragraph, without links and marks; a generated page has its title."""
    text = re.sub(r"<!--.*?-->|^```.*?^```", "", page, flags=re.S | re.M)
    paragraphs = (" ".join(part.split()) for part in text.split("\n\n") if re.match(r"[A-Z`*\[]", part.lstrip()))
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", next(paragraphs, page.lstrip("# ").split("\n")[0])).replace(
        "**", ""
    )
    return re.split(r"(?<=[.?])\s+(?=[A-Z`\d])", words)[0]


def documents() -> dict[Path, str]:
    """Return path -> content of everything generated."""
    readme, real = ROOT / "README.md", ROOT / "docs" / "real.md"
    climbed = "\n".join(four.table(four.found()))
    beside = {"combined": "\n".join(combined.combined(combined.found()))}
    written = {
        ROOT / "docs" / "command-line.md": command_line(),
        ROOT / "docs" / "rung-yaml.md": yaml_reference(),
        ROOT / "docs" / "plugins.md": plugin_reference(),
        ROOT / "docs" / "decisions.md": f"{NOTICE}\n{decisions.page()}",
        ROOT / "docs" / "decisions-cells.md": f"{NOTICE}\n{decisions.cells_page()}",
        ROOT / "docs" / "tree.md": f"# Every file of the package\n\n{NOTICE}\n{tree(True)}\n",
        **examples.pages(),
        readme: _filled(readme, {"tree": tree(False)}),
        real: _filled(
            real, {"four": climbed, "numbers": "\n".join(four.numbers(four.found())), **beside, **replayed.parts()}
        ),
    }
    return {**written, ROOT / "llms.txt": for_models(written)}


def main() -> int:
    stale = []
    for path, content in documents().items():
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            stale.append(path.relative_to(ROOT).as_posix())
            if "--check" not in sys.argv:
                path.write_text(content, encoding="utf-8")
    if "--check" in sys.argv and stale:
        print(f"stale: {', '.join(stale)}; run `make docs`")
        return 1
    print(f"{len(stale)} rewritten" if stale else "all up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
