"""Answers from the documents beside it, as rung measured it: `answer({column: text, ...})`.

    python -I rag.py "a text"                            one text for each column, in order; the sources stand below the answer
    python -I rag.py --in rows.csv --out answers.csv     64 requests at once; the same command goes on after a stop
    python -I documents.py --help                        read documents anew, add some, or take some out

Keys come from the environment variables that prompt.json names; each is sent to the address beside it and along no redirect.
"""

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError

HERE = Path(__file__).parent
STORE = HERE / "documents.sqlite"
TOO_MANY = {400, 413, 422}  # status codes by which an endpoint refuses so many texts at once: it is sent fewer
LOCAL = threading.local()
sys.path.insert(0, str(HERE))


@cache
def store() -> Any:
    """Return the place where the documents are kept."""
    from from_rung.retrievers.sqlite import SqliteDocumentStore

    return SqliteDocumentStore(STORE, 10.0)


@cache
def embedder() -> Any:
    """Return what turns texts into vectors; None where documents are searched by their words alone."""
    from endpoint import post, prompt
    from from_rung.embedding import Embedder, write_vectors
    from from_rung.errors import ModelError

    model = prompt().get("embedder")
    if model is None:
        return None
    if "files" in model:  # it lies beside this file
        return Embedder(model["name"], model["identity"], looked_up(model), model["texts_a_request"])

    async def ask(request: Any) -> Any:
        sent = {"model": model["name"], "input": [m.content for m in request.messages], "encoding_format": "float"}
        try:
            data = (await asyncio.to_thread(post, model, "/embeddings", sent))["data"]
        except HTTPError as error:
            if error.code not in TOO_MANY:
                raise
            raise ModelError(
                f"{model['base_url']} answered {error}", provider=model["name"], status=error.code
            ) from error
        import numpy as np

        ordered = sorted(enumerate(data), key=lambda found: found[1].get("index", found[0]))
        vectors = np.array([found["embedding"] for _, found in ordered], dtype=np.float32)
        return SimpleNamespace(text=write_vectors(vectors))

    return Embedder(model["name"], model["identity"], ask, model["texts_a_request"])


def looked_up(model: dict[str, Any]) -> Callable[[Any], Coroutine[Any, Any, Any]]:
    """Return what gives texts the vectors of the model in the folder `embedder`."""
    from from_rung.embedding import write_vectors

    module = import_module(f"from_rung.models.{model['provider']}")
    reader = module.Reader(*(HERE / "embedder" / name for name in model["files"]), **model["reads"])

    async def ask(request: Any) -> Any:
        vectors, _ = reader.vectors([m.content for m in request.messages])
        return SimpleNamespace(text=write_vectors(vectors))

    return ask


@cache
def index() -> Any:
    """Return the documents as they are searched."""
    from endpoint import prompt
    from from_rung.documents.index import StoredDocumentIndex

    making = threading.Lock()

    class Index(StoredDocumentIndex):  # type: ignore[misc]
        """Each answer has an event loop of its own, so that one lock for all of them is one of threads."""

        async def _ready(self, size: int, *, dense: bool) -> None:
            with making:
                await super()._ready(size, dense=dense)

    return Index(store(), prompt()["chunk_words"], embedder())


@cache
def system() -> Any:
    """Return what looks passages up for a row, asks once, and tells which passages the answer used."""
    from endpoint import asked, chooser, processed, prompt, template
    from from_rung.rag.layout import Layout
    from from_rung.rag.system import RagSystem
    from from_rung.types.learned import Choice

    held = prompt()
    choice = Choice(**held["choice"])
    phrase = held["phrase"] if choice.may_abstain else None
    layout = Layout(choice.fence, choice.place, choice.guard, choice.cite, phrase, held["links"])
    told = held["told"], held["documents_sha256"]
    return RagSystem(
        choice, template(), layout, "model", chooser(), kit(asked), index(), None, *told, {}, processed()
    )  # fmt: skip


def kit(by: Callable[[Any], str]) -> Any:
    """Return what the system asks through: chats go to `by`."""
    from endpoint import Room

    class Kit(Room):  # type: ignore[misc]
        async def ask(self, role: str, request: Any) -> Any:
            text = by([message.as_dict() for message in request.messages])  # this loop has nothing else to do
            return SimpleNamespace(text=text, latency_s=None)

    return Kit()


class Here(ThreadPoolExecutor):
    """Does what it is given at once, in this thread, whose event loop has nothing else to do."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        """Return a future that is done. Raises what the function raises."""
        done: Future[Any] = Future()
        done.set_result(function(*args, **named))
        return done


def loop() -> asyncio.AbstractEventLoop:
    """Return this thread's event loop: answers are under way in threads, one each."""
    if not hasattr(LOCAL, "loop"):
        LOCAL.loop = asyncio.new_event_loop()
        LOCAL.loop.set_default_executor(Here())
    found: asyncio.AbstractEventLoop = LOCAL.loop
    return found


def finished(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Return what a coroutine returns; in a thread of its own where an event loop runs in this one, as in a notebook."""
    from from_rung.errors import RungError

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        try:
            return loop().run_until_complete(work())
        except RungError as error:
            raise ValueError(str(error)) from error
    with ThreadPoolExecutor(1) as other:
        return other.submit(finished, work).result()


def row(inputs: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of a row that prompt.json names."""
    from endpoint import prompt

    return {column: inputs[column] for column in prompt()["columns"]}


def turns(inputs: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the chat for one row, with its passages."""

    async def made() -> Any:
        return await system().request(row(inputs), await system().passages(row(inputs)))

    request, _ = finished(made)
    return [message.as_dict() for message in request.messages]


def answered(inputs: Mapping[str, str], by: Callable[[list[dict[str, str]]], str] | None = None) -> Any:
    """Ask, and return the answer for one row: its `text`, and its `sources` with document, position and text.

    `by` answers the chat in place of the endpoint.
    """
    asking = replace(system(), kit=kit(by)) if by else system()
    return finished(lambda: asking.answer(row(inputs)))


def answer(inputs: Mapping[str, str], by: Callable[[list[dict[str, str]]], str] | None = None) -> Any:
    """Ask, and return the answer with its sources, as the command line shows them."""
    from command_line import Answered

    found = answered(inputs, by)
    return Answered(found.text, {"sources": [{"document": s.document, "position": s.position} for s in found.sources]})


def ready() -> None:
    """Look whether every key is set and a document is there, and prepare what all rows share."""
    from endpoint import headers, prompt
    from from_rung.errors import RungError

    headers(prompt()["model"], *([prompt()["embedder"]] if "embedder" in prompt() else []))
    try:
        if not store().documents():
            raise SystemExit(f"{STORE.name} holds no document: python -I documents.py update FOLDER reads some")
        system()
    except RungError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    sys.dont_write_bytecode = True  # this folder stays as it is
    from command_line import main
    from endpoint import prompt

    about, columns = __doc__ or "", prompt()["columns"]
    raise SystemExit(main(answer, columns, about, in_flight=64, ready=ready, state=lambda: index().sha256))
