"""`rung docs`: add, update, remove, list, search and measure the documents of rung.yaml; the next answer sees each change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rung.cli._permission import permit
from rung.cli._screen import Screen, echo, line, print_json

if TYPE_CHECKING:
    from rung.rag.admin import DocumentAdmin
    from rung.types import Finding

app = typer.Typer(
    name="docs",
    help="The documents that answers are looked up in: add, update, remove, list, search, measure.",
    short_help="Add, update, remove, list, search documents.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
CONFIG = typer.Option(
    Path("rung.yaml"), "--config", help="The experiment; its section documents names folder and index."
)
AS_JSON = typer.Option(False, "--json", help="Print JSON.")
SHOWN = 300  # characters of a passage on the screen


@app.command(short_help="Read files into the index, at once.")
def add(
    files: list[Path] = typer.Argument(..., help="Files or folders; they need not lie in the documents' folder."),
    config: Path = CONFIG,
    as_json: bool = AS_JSON,
) -> int:
    """Read files into the index; the next search sees them. A file that is there already is read anew.

    Exit codes: 0 all were taken, 1 some could not be read, 2 bad input.
    """

    from rung.documents.trouble import left_out

    async def work(admin: DocumentAdmin) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
        return await admin.add(files)

    taken, findings = _at_desk(config, as_json, work)
    code = 1 if left_out(findings) else 0
    _tell({"added": list(taken)}, findings, as_json, code)
    return code


@app.command(short_help="Follow the folder: new, changed, gone.")
def update(
    config: Path = CONFIG,
    embed_again: bool = typer.Option(False, "--embed-again", help="Make all vectors anew: after another embedder."),
    as_json: bool = AS_JSON,
) -> int:
    """Bring the index in step with the folder: only files whose content changed are read.

    A run does this by itself when it starts. Exit codes: 0 done, 2 bad input, 4 another process is writing.
    """

    async def work(admin: DocumentAdmin) -> Any:
        return await admin.update(embed_again=embed_again)

    synced = _at_desk(config, as_json, work)
    done = {"added": list(synced.added), "changed": list(synced.changed), "removed": list(synced.removed)}
    _tell({**done, "unchanged": synced.unchanged}, synced.findings, as_json, 0)
    return 0


@app.command(short_help="Take documents out, for good.")
def remove(
    names: list[str] = typer.Argument(
        ..., help="Files as `rung docs list` names them, or FILE#ID for a row of a table."
    ),
    config: Path = CONFIG,
    as_json: bool = AS_JSON,
) -> int:
    """Take documents out of the index; no trace of their words or vectors stays in it.

    A file that still lies in the folder stays out until it is added again. Exit codes: 0 done, 2 no such document.
    """

    async def work(admin: DocumentAdmin) -> tuple[str, ...]:
        return admin.remove(names)

    gone = _at_desk(config, as_json, work, embeds=False)
    _tell({"removed": list(gone)}, (), as_json, 0)
    return 0


@app.command("list", short_help="List what is in the index.")
def list_(config: Path = CONFIG, as_json: bool = AS_JSON) -> int:
    """List the files in the index, with the number of documents in each (examples, for a table)."""

    async def work(admin: DocumentAdmin) -> Any:
        return admin.listed(), admin.document_store.sizes(), admin.document_store.facts("embedder").get("embedder")

    listed, sizes, embedder = _at_desk(config, as_json, work, embeds=False)
    if as_json:
        from dataclasses import asdict

        print_json(
            {
                "files": [asdict(f) for f in listed],
                "passages": {str(s): n for s, n in sizes.items()},
                "embedder": embedder,
            }
        )
        return 0
    for item in listed:
        marks = [f"{item.documents:,} documents"] * (item.documents != 1) + ["added by hand"] * item.added
        marks += [f"{item.findings} findings"] * bool(item.findings)
        echo(line(item.file) + (f"  ({', '.join(marks)})" if marks else ""))
    passages = ", ".join(f"{n:,} passages of {size} words" for size, n in sizes.items()) or "no passages"
    vectors = f"vectors by {embedder['name']} ({embedder['dimensions']} numbers)" if embedder else "no vectors"
    echo(f"{len(listed):,} files; {passages}; {vectors}")
    return 0


@app.command(short_help="Search as RAG does.")
def search(
    query: str = typer.Argument(..., help="What is looked for."),
    k: int = typer.Option(5, "-k", min=1, max=100, help="Passages shown."),
    mode: str = typer.Option(None, "--mode", help="bm25, dense or hybrid; by default the richest there is."),
    words: int = typer.Option(None, "--words", min=10, help="Words of a passage; by default documents.chunk_words."),
    dense_weight: float = typer.Option(0.5, "--dense-weight", min=0.0, max=1.0, help="Weight of vectors in hybrid."),
    config: Path = CONFIG,
    as_json: bool = AS_JSON,
) -> int:
    """Search the index and show passages with where they stand. Exit codes: 0 something was found, 1 nothing."""

    async def work(admin: DocumentAdmin) -> Any:
        return await admin.search(query, k, mode=mode, words=words, dense_weight=dense_weight)

    hits = _at_desk(config, as_json, work, embeds=mode != "bm25")
    if as_json:
        from dataclasses import asdict

        print_json([{**asdict(hit.source), "score": hit.score, "chunk": hit.chunk} for hit in hits])
        return 0 if hits else 1
    for number, hit in enumerate(hits, 1):
        text = " ".join(hit.source.text.split())
        shown = text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
        echo(f"{number}. {line(hit.source.document)}, {line(hit.source.position)}  [{hit.score:.4g}]")
        echo(f"   {line(shown)}")
    if not hits:
        echo("nothing was found")
    return 0 if hits else 1


@app.command(short_help="Measure the search by your judgements.")
def measure(
    words: int = typer.Option(None, "--words", min=10, help="Words of a passage; by default documents.chunk_words."),
    config: Path = CONFIG,
    as_json: bool = AS_JSON,
) -> int:
    """Measure nDCG@10, recall and reciprocal rank of every way to search, by the judgements in documents.relevant.

    Without them, the document that holds an example's expected answer counts as relevant, where one does. An index that is empty is filled from the folder first. On training and dev examples alone: the test set stays sealed. The best way comes first; weight 0 is BM25 alone.
    """

    async def work(admin: DocumentAdmin) -> Any:
        return await admin.measure(words)

    found = _at_desk(config, as_json, work)
    if as_json:
        from dataclasses import asdict

        print_json([{**asdict(m), "ndcg_by_query": None} for m in found])
        return 0
    for m in found:
        name = f"{m.mode} {m.dense_weight:g}" if m.mode == "hybrid" else m.mode
        echo(f"{name:<12} " + "  ".join(f"{what} {estimate}" for what, estimate in m.figures.items()))
    return 0


def _at_desk(config: Path, as_json: bool, work: Any, *, embeds: bool = True) -> Any:
    import asyncio

    from rung.config import load_config
    from rung.rag.admin import open_admin

    loaded = load_config(config)
    permit(loaded)

    async def run() -> Any:
        async with open_admin(loaded, Screen(quiet=as_json), embeds=embeds) as admin:
            return await work(admin)

    return asyncio.run(run())


def _tell(done: dict[str, Any], findings: Sequence[Finding], as_json: bool, code: int) -> None:
    if as_json:
        from dataclasses import asdict

        print_json({**done, "findings": [asdict(f) for f in findings], "exit_code": code})
        return
    for what, names in done.items():
        if isinstance(names, list):
            for name in names:
                echo(f"{what}: {line(name)}")
    for finding in findings:
        echo(f"{finding.severity}: {finding.message} {finding.next_step}")
    if not findings and not any(isinstance(names, list) and names for names in done.values()):
        echo("nothing changed")
