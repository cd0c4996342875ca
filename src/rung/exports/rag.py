"""A prompt that answers from documents as a folder that runs alone: the index, and a program that looks up, asks and cites."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rung import plugins
from rung.documents.folder import FILE
from rung.engine.reopen import Reopened
from rung.errors import RungError
from rung.evaluate.kit import RunKit
from rung.evaluate.roles import askers
from rung.exports.bare import DOCUMENTS, MARKDOWN, NUMPY, SCIPY, Said, copied, required
from rung.exports.carried import Definition, carry
from rung.exports.embedder import HELPS, embedder_of_winner, put_model, taken_along
from rung.exports.endpoint import key_of, sent
from rung.exports.others import write_others
from rung.exports.prompt import (
    ASKING,
    NEAREST,
    UNCHECKED,
    answered_again,
    equal_or_refused,
    prompt_of,
    said_of,
    stored_rows,
    why_inside,
    write_prompt,
)
from rung.models.openai import OpenAI
from rung.rag.choice import layout_of
from rung.rag.opening import embedder_of, section_of
from rung.rag.query import query_of
from rung.rag.system import RagSystem, bring_to_life
from rung.retrievers.sqlite import SqliteDocumentStore
from rung.store.folder import write_atomic
from rung.types import Candidate, Completion, Example, RagLearned, Request, StoreChange, learned_as

CHATS = 20  # dev rows whose chats are written where the program cannot be
STORE = "documents.sqlite"
PROGRAMS = ("rag.py", "documents.py", "endpoint.py", "command_line.py")
LOOKING_UP: tuple[Definition, ...] = (
    ("rung.rag.system", "RagSystem"),
    ("rung.rag.layout", "Layout"),
    ("rung.types", "Choice"),
    ("rung.retrievers.sqlite", "SqliteDocumentStore"),
    ("rung.documents.index", "StoredDocumentIndex"),
    ("rung.documents.index", "embed_missing"),
    ("rung.embedding", "Embedder"),
    ("rung.embedding", "write_vectors"),
    ("rung.documents.folder", "sync"),
    ("rung.documents.folder", "add"),
    ("rung.documents.folder", "remove"),
    ("rung.documents.markup", "read_html"),
    ("rung.documents.pdf", "read_pdf"),
    ("rung.documents.word", "read_docx"),
)  # what rag.py and documents.py use of rung

README = """# A prompt that answers from documents, as rung measured it

It runs alone: Python 3.11 or later, and the packages of requirements.txt (`pip install -r requirements.txt`). Keys come from the
environment variables that prompt.json names.

    python -I rag.py --help
    python -I rag.py "a text"                            one text for each column, in their order; - reads standard input
    python -I rag.py --in rows.csv --out answers.csv     .csv, .tsv or .jsonl; the rows come back with the columns `answer`
                                                         and `answer_sources`: the documents and places that the answer used

A batch keeps 64 requests under way and waits where the server is busy. One that is stopped goes on where it was when the same
command is given again, unless the documents have changed since. A file that is there already is never overwritten.

    python -I documents.py update FOLDER      new, changed and removed files of a folder; the next answer sees them
    python -I documents.py add FILE ...       files in place of those of the same name
    python -I documents.py remove NAME ...    files, or single rows of a table; their text is overwritten in the index
    python -I documents.py list

HTML, PDF and DOCX files are read with the packages of requirements-documents.txt. Documents that change are answered from as
they are now: what was measured is the system over the documents as they were then.

From Python, in this folder: `import rag; rag.answered({"COLUMN": "a text"})` gives an answer with its `text` and `sources`.

- `prompt.json`: the prompt, how passages are looked for and shown, and how the model is asked.
- `documents.sqlite`: the index with the text of the documents: share it as you would share those.
- `rag.py`, `documents.py`, `endpoint.py`, `command_line.py`: the program. They are the same for every export and hold no data.
- `from_rung`: the functions of rung that the program uses, as they stand there.
- `embedder`: where documents are searched by meaning with a small model, that model, under the licence that it has.
- `others`: the same passages and prompt, asked by other tools: the OpenAI SDK (`with_openai.py`), LiteLLM (`litellm.yaml`),
  LangChain (`with_langchain.py`, a Runnable), promptfoo (`promptfooconfig.yaml`, with up to 50 dev examples and their measured
  answers in `promptfoo_rows.json`). Passages are always looked for by rag.py; each program says in its first lines what it needs beside
  requirements.txt.

Before this folder was written, these files answered stored dev examples at a stand-in for the model: they found the measured
passages, sent the measured requests, and made the measured answers and sources of the stored replies.
"""


@dataclass(frozen=True)
class FromDocuments:
    """What the rung `rag` chose. Passages stand in prompts as the model is shown them: without remote links and images."""

    name: str = "rag"
    about: str = "the prompt, the index of the documents, and Python that answers from them with sources"

    def why_not(self, candidate: Candidate) -> str | None:
        return None if isinstance(candidate.learned, RagLearned) else "it looks nothing up in documents"

    async def write(self, run: Reopened, label: str, candidate: Candidate, out: Path, dtype: str | None) -> str:
        """Write the folder. Raises RungError where the documents are not at hand any more, or an answer is another one."""
        if run.document_index is None:
            raise RungError(f"{label} answers from documents, and {run.folder.path} has none: restore documents.path")
        learned = learned_as(candidate, RagLearned)
        section, role = section_of(run.config), run.config.embedder
        by_meaning = role is not None and learned.choice.mode != "bm25"
        embedder = embedder_of_winner(run, role) if by_meaning and role is not None else None
        content = {
            **prompt_of(run, label, candidate),
            "choice": asdict(learned.choice),
            "phrase": learned.phrase,
            "links": learned.links,
            "said_of_passages": layout_of(learned).words(),
            "told": dict(learned.told),
            "documents_sha256": learned.documents_sha256 or run.document_index.sha256,
            "chunk_words": section.chunk_words,
            "hidden_text": section.hidden,
            **({"embedder": embedder} if embedder is not None else {}),
        }
        write_prompt(content, out)
        system = bring_to_life(candidate, run.kit(), labels=run.task.labels)
        changed = learned.documents_sha256 not in (None, run.document_index.sha256)
        since = "; the documents have changed since it was measured" if changed else ""
        links = "remote links and images kept, as configured" if learned.links else "without remote links and images"
        why = _why_not_alone(run, candidate, section.retriever[0], by_meaning and embedder is None)
        if why is not None:
            n = await _write_chats(system, run.split.dev[:CHATS], out)
            return f"prompt.json, and chats.jsonl with {n} dev examples and their passages, {links}; no rag.py, for {why}{since}"
        put_program(out, nearest=learned.nearest is not None, embedder=embedder)
        if taken_along(embedder)[0]:
            put_model(run.clients[str(role)].settings, out)
        place = plugins.make_at(run.config.root, "retrievers", "sqlite", {"place": section.retriever[1]}).place
        copy_index(Path(place), out / STORE)
        found = await _same_answers(run, label, candidate, system, out, changed=changed)
        without = _others(run, label, candidate, content, out)
        return f"prompt.json, the index, and rag.py, which answers from it, {links}{since}{found}{without}"


def _others(run: Reopened, label: str, candidate: Candidate, content: Mapping[str, Any], out: Path) -> str:
    """Write the folder `others`, and say what was left out."""
    client = run.clients[str(candidate.model)]
    assert isinstance(client.settings, OpenAI)
    chat = learned_as(candidate, RagLearned)
    body = sent(client.settings.body(Request(chat.messages, chat.params)), client.news.learnt)
    return write_others(content, body, [(e, said) for e, _, said in stored_rows(run, label)], out)


def _why_not_alone(run: Reopened, candidate: Candidate, retriever: str, embeds_here: bool) -> str | None:
    settings = run.clients[str(candidate.model)].settings
    if not isinstance(settings, OpenAI):
        return why_inside(settings.provider)
    if retriever != "sqlite":
        return f"its documents are kept by {retriever!r}: with `documents.store: sqlite:FILE` it is written"
    return f"its embedder runs inside rung: {HELPS}, it is written" if embeds_here else None


def put_program(out: Path, *, nearest: bool = False, embedder: Mapping[str, Any] | None = None) -> None:
    """Write the programs that answer from documents.sqlite and keep it.

    `nearest`: examples are chosen for each input. `embedder`: what makes vectors, as `embedder_of_winner` tells.
    """
    reader, needs = taken_along(embedder)
    for name in PROGRAMS:
        copied(name, out)
    carry([*ASKING, *LOOKING_UP, *([NEAREST] if nearest else []), *reader], out)
    required([NUMPY, MARKDOWN, *([SCIPY] if nearest else []), *needs], out)
    required(DOCUMENTS, out, "requirements-documents.txt")
    write_atomic(out / "README.md", README.encode())


def copy_index(source: Path, target: Path) -> None:
    """Copy an index of documents, as it is at one moment, without the places of this machine that files were added from."""
    write_atomic(target, b"")  # its owner's alone from the first byte on
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
    store = SqliteDocumentStore(target, 10.0)
    try:
        facts = {name: {k: v for k, v in fact.items() if k != "from"} for name, fact in store.facts(FILE).items()}
        store.write(StoreChange(facts=facts))
    finally:
        store.close()


async def _write_chats(system: RagSystem, rows: Sequence[Example], out: Path) -> int:
    """Write the chats of dev rows with their passages, by which the prompt can be ported."""
    lines = []
    for row in rows:
        request, shown = await system.request(row.inputs, await system.passages(row.inputs))
        chat = {
            "id": row.id,
            "messages": [m.as_dict() for m in request.messages],
            "passages": [{"document": s.document, "position": s.position} for s in shown],
        }
        lines.append(json.dumps(chat, ensure_ascii=False) + "\n")
    write_atomic(out / "chats.jsonl", "".join(lines).encode())
    return len(lines)


async def _made_now(run: Reopened, candidate: Candidate, row: Example, reply: Completion) -> Said:
    """Return what rung makes of a reply over the documents as they are now."""

    async def told(_: Request) -> Completion:
        return reply

    role, known = str(candidate.model), askers(run.clients, run.folder.path)
    roles = {**known, role: replace(known[role], ask=told)}
    kit = RunKit(run.task, roles, run.config.split.seed, run.progress, run.config.root, run.document_index)
    found = await bring_to_life(candidate, kit, labels=run.task.labels).answer(row.inputs)
    return Said(found.text, tuple((s.document, s.position) for s in found.sources))


async def _same_answers(
    run: Reopened, label: str, candidate: Candidate, system: RagSystem, out: Path, *, changed: bool
) -> str:
    """Let rag.py answer stored dev examples, alone, at a stand-in that knows the requests, the replies and the vectors.

    Expected is what was measured; where the documents have changed since, what rung makes of the stored reply now. Return what
    is to be said of it. Raises RungError where a request, an answer or a source is another one.
    """
    stored = stored_rows(run, label)
    if not stored:
        return UNCHECKED
    rows, learnt = [e for e, _, _ in stored], run.clients[str(candidate.model)].news.learnt
    settings = run.clients[str(candidate.model)].settings
    assert isinstance(settings, OpenAI)
    known: dict[str, Completion] = {}
    expected: list[Said] = []
    for row, reply, right in stored:
        request, _ = await system.request(row.inputs, await system.passages(row.inputs))
        known[key_of(sent(settings.body(request), learnt))] = reply
        expected.append(await _made_now(run, candidate, row, reply) if changed else right)
    again = await answered_again(out, "rag.py", rows, known, await _vectors(run, candidate, rows))
    equal_or_refused("rag.py", rows, again, expected)
    return said_of(rows)


async def _vectors(run: Reopened, candidate: Candidate, rows: Sequence[Example]) -> Mapping[str, Sequence[float]]:
    """Return the vectors of what is looked for in the rows and in the examples; empty where words alone are searched."""
    learned = learned_as(candidate, RagLearned)
    embedder = embedder_of(run.config, run.clients)
    if learned.choice.mode == "bm25" or embedder is None:
        return {}
    inputs = [*(e.inputs for e in rows), *(d.inputs for d in learned.demonstrations)]
    texts = list(dict.fromkeys(query_of(learned.choice.query, found) for found in inputs))
    found = await asyncio.gather(
        *(embedder.embed([text]) for text in texts)
    )  # each alone, as it was asked and is stored
    return {text: vectors[0].tolist() for text, vectors in zip(texts, found, strict=True)}


form = FromDocuments()
