"""`rung serve`: the winner of a run behind an OpenAI-compatible address, as it was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import typer

from rung.cli._permission import permit_run
from rung.cli._screen import Screen, echo, print_json

if TYPE_CHECKING:
    from rung.serve.server import Limits, Server
    from rung.serve.winner import Winner

    Make: TypeAlias = Callable[[Winner], Server]


def serve(
    folder: Path = typer.Argument(..., help="The run folder, or a folder of generations: its champion."),
    host: str = typer.Option("127.0.0.1", "--host", help="Address to listen on; one that others reach needs a token."),
    port: int = typer.Option(8000, "--port", min=0, max=65535, help="Port; 0: any that is free."),
    approach: str = typer.Option(None, "--approach", help="Which one; by default the winner, else the tentative pick."),
    name: str = typer.Option(None, "--name", help="The model's name; by default the task's."),
    token_env: str = typer.Option(
        None, "--token-env", help="Environment variable that holds the token; by default that of rung.yaml."
    ),
    shadow: str = typer.Option(
        None, "--shadow", help="A second approach that answers, too: logged and counted, never shown."
    ),
    fallback: str = typer.Option(
        None, "--fallback", help="The approach that answers where the served one is not sure enough."
    ),
    agree: str = typer.Option(
        None,
        "--agree",
        help="With --fallback: keep an answer where this approach says the same, whatever its confidence.",
    ),
    wrong: float = typer.Option(
        0.05, "--wrong", min=0.001, max=0.5, help="With --fallback: wrong answers among those not passed on, at most."
    ),
    challenger: str = typer.Option(
        None,
        "--challenger",
        help="An approach on trial: answers a share of the inputs; `rung feedback` says when to stop.",
    ),
    share: float = typer.Option(
        None, "--share", min=0.01, max=0.99, help="With --challenger: its share of the inputs, by default 0.1."
    ),
    log: Path = typer.Option(None, "--log", help="Write requests and answers to this file, private texts masked."),
    otel: bool = typer.Option(False, "--otel", help="A span of OpenTelemetry for each request, without its texts."),
    no_check: bool = typer.Option(
        False, "--no-check", help="Open the port unchecked, such as after documents changed; /health says so."
    ),
    deadline: float = typer.Option(60.0, "--deadline", min=0.1, help="Seconds for one request."),
    at_once: int = typer.Option(4096, "--at-once", min=1, help="Requests under way; more are refused with 429."),
    grace: float = typer.Option(30.0, "--grace", min=0.0, help="Seconds for open requests when it is stopped."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Answer requests by the code and settings that were measured: /v1/chat/completions, /v1/predict, /v1/models.

    Before the port opens, 20 stored dev examples are answered again; exit code 1 when the answers are not the measured ones.
    Ctrl-C or SIGTERM: what is under way is answered, new requests are refused. New champions take over between two requests.
    """
    import asyncio

    from rung.serve.server import Limits
    from rung.store.generations import champion_of

    champion = champion_of(folder)
    run, label, number = (folder, None, None) if champion is None else champion
    permit_run(run)
    limits = Limits(deadline_s=deadline, at_once=at_once, grace_s=grace)
    others = _Others(shadow, (fallback, agree, wrong), challenger, share, no_check)
    followed = folder if champion is not None and not (approach or others.any) else None
    made: Make = lambda winner: _server(winner, limits, name, token_env, log, otel=otel)  # noqa: E731
    asyncio.run(_work((run, approach or label, number), followed, others, made, (host, port, as_json)))
    return 0


@dataclass(frozen=True)
class _Others:
    """The approaches beside the served one. `fallback`: with the one that must agree, and the promise. `unchecked`: whether they need not
    answer stored dev examples again."""

    shadow: str | None
    fallback: tuple[str | None, str | None, float]
    challenger: str | None
    share: float | None
    unchecked: bool

    @property
    def any(self) -> bool:
        return bool(self.shadow or self.fallback[0] or self.challenger)


async def _work(
    what: tuple[Path, str | None, int | None],
    generations: Path | None,
    others: _Others,
    made: Make,
    where: tuple[str, int, bool],
) -> None:
    """Serve an approach of a run, or of a generation, until a signal. `generations`: the folder whose champion is followed; None: none is."""
    from contextlib import AsyncExitStack

    from rung.models.ends import ends_of
    from rung.serve.champion import followed
    from rung.serve.winner import checked, opened

    path, label, number = what
    async with opened(path, label, Screen(quiet=where[2]), number) as winner, AsyncExitStack() as stack:
        server = made(winner)
        for end in ends_of(winner.run.config.models):
            if end.role == winner.candidate.model and end.soon():
                _say(end.today)
        await _joined(server, others)
        await _on_trial(server, others)
        if not others.unchecked:
            server.check = await checked(server.winner)
        if generations is not None:
            await stack.enter_async_context(followed(server, generations, others.unchecked).at_work())
        await _listen(server, *where)


def _server(
    winner: Winner, limits: Limits, name: str | None, token_env: str | None, log: Path | None, *, otel: bool
) -> Server:
    from rung.serve.log import RequestLog
    from rung.serve.server import Server
    from rung.serve.spans import Spans

    variable = token_env or winner.run.config.serve.token_env
    token = _token(variable, winner) if variable else None
    called = name or winner.task.name
    spans = Spans(called) if otel else None
    kept = RequestLog(log, _say) if log else None
    return Server(winner, called, limits, token, kept, _say, spans=spans)


async def _joined(server: Server, others: _Others) -> None:
    """Let further approaches of the run join in; each must answer as it was measured, unless nothing is checked."""
    from rung.errors import RungError
    from rung.serve.fallback import fallback
    from rung.serve.shadow import Shadow
    from rung.serve.winner import beside, checked

    instead, agree, wrong = others.fallback
    if agree and not instead:
        raise RungError(
            "what must agree keeps answers from a fallback: name the approach that answers otherwise with --fallback"
        )
    if instead:
        server.winner, server.fallback = await fallback(server.winner, instead, wrong, agree)
        for other in server.fallback.others if not others.unchecked else ():
            await checked(other)
        _say(server.fallback.sentence(server.winner))
    if others.shadow:
        server.shadow = Shadow(await beside(server.winner, others.shadow), server.log, server.counts)
        if not others.unchecked:
            await checked(server.shadow.winner)


async def _on_trial(server: Server, others: _Others) -> None:
    """Let an approach answer a share of the inputs. It must answer as it was measured, and what it answers must be kept."""
    from rung.errors import RungError
    from rung.serve.challenger import SHARE, Challenger
    from rung.serve.winner import beside, checked
    from rung.usual_names import shown_name

    if others.challenger is None:
        if others.share is not None:
            raise RungError("a share of the inputs is that of an approach on trial: name one with --challenger")
        return
    if server.log is None:
        raise RungError(
            "a trial needs the request log, by which words about answers find who gave them: name a file with --log"
        )
    server.challenger = Challenger(await beside(server.winner, others.challenger), others.share or SHARE)
    if not others.unchecked:
        await checked(server.challenger.winner)
    _say(
        f"{shown_name(server.challenger.winner.label)} is on trial and answers {server.challenger.share:.0%} of the inputs"
    )


async def _listen(server: Server, host: str, port: int, as_json: bool) -> None:
    import asyncio
    import signal

    from rung.serve.server import UNCHECKED

    winner, found = server.winner, server.check
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    async with server.listening(host, port) as url:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if as_json:
            print_json(
                {
                    "url": url,
                    "model": server.name,
                    "approach": winner.label,
                    **server.checked,
                }
            )
        else:
            echo(
                f"{winner.label}: {found.n - found.answers_changed} of {found.n} stored dev examples got the measured answer "
                f"again, the score changed by {found.gain:+.2f}"
                if found is not None
                else f"{winner.label}: {UNCHECKED}"
            )
            echo(f"{server.name} is served at {url}; Ctrl-C stops")
        await stop.wait()
        _say(f"stopping: {server.counts.in_flight} requests under way")
    if server.log is not None:
        server.log.close()


def _say(text: str) -> None:
    echo(text, err=True)


def _token(variable: str, winner: Winner) -> str:
    from rung.config.environment import variable as value_of
    from rung.errors import RungError

    found = (value_of(variable, winner.run.config.root) or "").strip()
    if len(found) < 16:
        raise RungError(
            f"the environment variable {variable} must hold a token of at least 16 characters (openssl rand -hex 16)"
        )
    return found
