"""Keeps the documents that rag.py answers from. The next answer sees each change.

    python -I documents.py update FOLDER     bring them in step with a folder: new, changed and removed files
    python -I documents.py add FILE ...      read files in place of those of the same name
    python -I documents.py remove NAME ...   take files out, or single rows of a table; the text is overwritten in the file
    python -I documents.py list              the files that are there, with their documents

Read are Markdown, text, CSV, TSV, JSON and JSONL files; HTML, PDF and DOCX with the packages of requirements-documents.txt.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))


def changed(words: argparse.Namespace) -> int:
    """Do what the command line asks for and return the exit status. Raises RungError."""
    from endpoint import prompt
    from from_rung.documents import folder

    from rag import store

    size, keep = prompt()["chunk_words"], prompt()["hidden_text"] == "keep"
    if words.verb == "list":
        for name, fact in store().facts(folder.FILE).items():
            print(f"{name.removeprefix(folder.FILE)}: {len(fact['documents'])} documents")
        return 0
    findings: Sequence[Any] = ()
    if words.verb == "update":
        place = Path(words.folder)
        if not place.is_dir():
            return told(f"{place} is no folder; nothing was changed")
        found = folder.sync(store(), place, size, keep=keep)
        findings = found.findings
        print(
            f"{len(found.added)} added, {len(found.changed)} changed, {len(found.removed)} gone, {found.unchanged} unchanged"
        )
    elif words.verb == "add":
        taken, findings = added([Path(name) for name in words.files], size, keep)
        print(f"{taken} files read")
    else:
        known = {*store().documents(), *(name.removeprefix(folder.FILE) for name in store().facts(folder.FILE))}
        strange = [name for name in words.names if name not in known]
        if strange:
            return told(f"no document or file is called {strange[0]!r}: see documents.py list; nothing was removed")
        print(f"{len(folder.remove(store(), words.names))} removed")
    embedded()
    for finding in findings:
        told(f"{finding.message} {as_here(finding.next_step)}")
    return 0


def added(files: Iterable[Path], size: int, keep: bool) -> tuple[int, list[Any]]:
    """Read files onto the store; return how many gave documents, and what was found."""
    from from_rung.documents import folder
    from from_rung.documents.trouble import Unreadable

    from rag import store

    taken, findings = 0, []
    for path in files:
        try:
            parsed = folder.add(store(), path.name, folder.content_of(path), size, keep, added=True)
        except Unreadable as trouble:
            findings.append(trouble.finding(path.name))
            continue
        findings += parsed.findings
        taken += bool(parsed.documents)
    return taken, findings


def embedded() -> None:
    """Give vectors to the passages that have none, where documents are searched by meaning."""
    from from_rung.documents.index import embed_missing

    from rag import embedder, store

    if embedder() is not None:
        for size in store().sizes():
            asyncio.run(embed_missing(store(), size, embedder(), told))


def told(sentence: str) -> int:
    """Say it on standard error, and return the status of bad input."""
    print(sentence, file=sys.stderr)
    return 2


def as_here(sentence: str) -> str:
    """Return advice in the commands of this folder."""
    here = sentence.replace("rung docs ", "documents.py ")
    return here.replace("pip install 'rung[docs]'", "pip install -r requirements-documents.txt")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("update").add_argument("folder", metavar="FOLDER")
    verbs.add_parser("add").add_argument("files", metavar="FILE", nargs="+")
    verbs.add_parser("remove").add_argument("names", metavar="NAME", nargs="+")
    verbs.add_parser("list")
    words = parser.parse_args()
    from from_rung.errors import RungError

    try:
        return changed(words)
    except RungError as error:
        return told(as_here(str(error)))
    except OSError as error:
        return told(f"no answer from the embedder, or a file cannot be used: {error}")


if __name__ == "__main__":
    sys.dont_write_bytecode = True  # this folder stays as it is
    raise SystemExit(main())
