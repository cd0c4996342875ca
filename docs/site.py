"""Hooks of the documentation site (`make site`): pages of the repository's root, links between all, nothing from elsewhere.

What lies outside the site (code, settings) is named there, not linked. Of each page the Markdown lies beside it, as llms.txt says.
"""

from __future__ import annotations

import posixpath
import re
import shutil
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"(!?)\[([^\[\]]+)\]\(([^()\s#]+)(#[^()\s]*)?\)")
FETCHED = re.compile(
    r"<(?:script|img|iframe|source|link)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^\"'\s>]*|@import[^;]*|url\(\s*[\"']?(?:https?:)?//"
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name headings as code hosts do, so that a link holds in both places."""
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the root."""
    for page, place in config.extra["added"].items():
        files.append(File.generated(config, page, content=(ROOT / place).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the text with links to pages of the site; what is not on the site is named alone."""
    added, here = config.extra["added"], page.file.src_uri
    pages = {place: name for name, place in added.items()}
    source = added.get(here, f"docs/{here}")

    def led(found: re.Match[str]) -> str:
        picture, words, to, anchor = found[1], found[2], found[3], found[4] or ""
        if ":" in to:
            return found[0]
        place = posixpath.normpath(posixpath.join(posixpath.dirname(source), to))
        if not (ROOT / place).exists():
            raise PluginError(f"{source} leads to {place}, which is not there")
        target = pages.get(place, place.removeprefix("docs/"))
        if files.get_file_from_path(target) is None:
            return words
        return f"{picture}[{words}]({posixpath.relpath(target, posixpath.dirname(here) or '.')}{anchor})"

    return LINK.sub(led, markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Refuse a page that would fetch something from elsewhere."""
    if found := FETCHED.search(output):
        raise PluginError(f"{page.file.src_uri} loads from elsewhere: {found[0]}")
    return output


def on_post_build(config: MkDocsConfig, **_: Any) -> None:
    """Put llms.txt and the Markdown of each page beside the pages; look at the style sheets, too."""
    site = Path(config.site_dir)
    for sheet in site.rglob("*.css"):
        if found := FETCHED.search(sheet.read_text(encoding="utf-8")):
            raise PluginError(f"{sheet.relative_to(site)} loads from elsewhere: {found[0][:80]}")
    for file in sorted((ROOT / "docs").rglob("*.md")):
        shutil.copyfile(file, site / file.relative_to(ROOT / "docs"))
    words = (ROOT / "llms.txt").read_text(encoding="utf-8")
    for page, place in config.extra["added"].items():
        shutil.copyfile(ROOT / place, site / page)
        words = words.replace(f"]({place})", f"]({page})")
    (site / "llms.txt").write_text(words.replace("](docs/", "]("), encoding="utf-8")
