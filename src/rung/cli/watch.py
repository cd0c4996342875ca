"""`rung watch`: is what is served still like what was measured? One look, valid however often it is repeated."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rung.cli._screen import Screen, echo, line, print_json

if TYPE_CHECKING:
    from rung.store.run import RunFolder
    from rung.watch.announced import Announced
    from rung.watch.asked import Held
    from rung.watch.look import Look, Standing

LONGEST = 100
QUIET, ALARM = 0, 1


def watch(
    folder: Path = typer.Argument(..., help="The run folder, or a folder of generations: its champion."),
    logs: list[Path] = typer.Argument(None, help="Request logs of `rung serve`, the oldest first."),
    approach: str = typer.Option(None, "--approach", help="Which one is served; by default the winner."),
    since: str = typer.Option(
        None, "--since", help="Begin at this day (2026-11-29), as after an alarm was dealt with."
    ),
    labels: list[Path] = typer.Option(
        None, "--labels", help="Right answers to a random sample of requests, as `rung feedback` reads them."
    ),
    ask: int = typer.Option(
        None,
        "--ask",
        min=20,
        max=1000,
        help="Ask so many dev examples again, the same each time, and compare the nights.",
    ),
    ahead: int = typer.Option(
        30, "--ahead", min=0, help="An alarm from so many days before a model of the approach is announced to end."
    ),
    webhook_env: str = typer.Option(
        None, "--webhook-env", help="Variable with an address that is told of an alarm; no texts of requests are sent."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Compare inputs, answers, form, refusals, failures, seconds, tokens and labelled quality with the run's baseline.

    Run it every day on all logs: at most 5 % false alarms in a year, over all signals and looks together. Exit code 0: quiet;
    1: an alarm, which stays until --since begins anew, or a model that ends soon. Nothing is asked but with --ask.
    """
    from rung.errors import DataError, RungError
    from rung.watch.announced import announced
    from rung.watch.served import Log

    if not logs and ask is None:
        raise RungError("name a request log of `rung serve`, or the number of dev examples to ask again (--ask)")
    (run, label, generation), begin = _served(folder, approach), _day(since)
    log = Log(tuple(logs or ()), run.task, label, begin, generation)
    found = _looked(run, label, log, tuple(labels or ()), asks=ask is not None) if logs else None
    if logs and found is None:
        whose = f"{label}{f' of generation {generation}' if generation else ''} answered{f' since {since}' if since else ''}"
        raise DataError(
            f"holds no request that {whose} ({log.other:,} of others, {log.damaged:,} damaged)", file=str(logs[-1])
        )
    nights = _asked(run.path, label, ask, begin, as_json) if ask is not None else None
    told = announced(run, label, ask=ask is not None)
    show = _print if as_json else _tell_all
    show(found, nights, told, (label, log, ask is not None, ahead))
    moved = _moved(found, nights, told, ahead)
    if moved and webhook_env:
        _send(webhook_env, run, label, moved)
    return ALARM if moved else QUIET


def _served(folder: Path, approach: str | None) -> tuple[RunFolder, str, int | None]:
    """Return the run, the approach and the generation, where the folder is one of generations."""
    from rung.exports.write import chosen
    from rung.store.generations import champion_of
    from rung.store.run import RunFolder

    champion = champion_of(folder)
    path, label, generation = (folder, None, None) if champion is None else champion
    run = RunFolder.open(path)
    return run, approach or label or chosen(run), generation


def _print(found: Look | None, nights: Held | None, told: Announced, about: tuple[str, Any, bool, int]) -> None:
    label, log, _, ahead = about
    seen = _plain(found, label, log) if found is not None else {"approach": label}
    asked = {**asdict(nights), "sees": nights.sees} if nights is not None else None
    print_json({**seen, "asked": asked, **_plainly(told, ahead)})


def _tell_all(found: Look | None, nights: Held | None, told: Announced, about: tuple[str, Any, bool, int]) -> None:
    label, log, asks, ahead = about
    if found is not None:
        _tell(found, label, log)
    if asks:
        _tell_nights(nights)
    _tell_announced(told, ahead)


def _plainly(told: Announced, ahead: int) -> dict[str, Any]:
    ends = [
        {"model": e.model, "role": e.role, "on": e.on.isoformat(), "days": e.days, "source": e.source, "soon": e.soon(ahead)}
        for e in told.ends
    ]  # fmt: skip
    return {"ends": ends, "list_price": asdict(told.price) if told.price is not None else None}


def _tell_announced(told: Announced, ahead: int) -> None:
    for end in told.ends:
        echo(line(f"{'ALARM: ' * end.soon(ahead)}{end.today}{': rung migrate' * end.soon(ahead)}"))
    price = told.price
    if price is not None and price.moved:
        echo(
            f"1,000 of the measured requests cost ${price.measured_usd:.4g} when they were measured and ${price.today_usd:.4g} today "
            f"({price.source})"
        )


def _asked(folder: Path, label: str, count: int, begin: date | None, as_json: bool) -> Held | None:
    from rung.cli._permission import permit_run
    from rung.watch.asked import ask, held

    permit_run(folder)
    nights = ask(folder, label, count, Screen(quiet=as_json))
    since = begin.isoformat() if begin is not None else ""
    return held([night for night in nights if night.at >= since])


def _moved(found: Look | None, nights: Held | None, told: Announced, ahead: int) -> list[dict[str, Any]]:
    """Return what alarms: names, rates and days."""
    day = str(found.alarm) if found is not None else ""
    moved: list[dict[str, Any]] = [
        {"name": s.signal.name, "since": day, "rate": s.rate, "baseline": s.signal.hits / s.signal.n}
        for s in (found.standings if found is not None and found.alarm is not None else ())
        if s.moved
    ]
    if nights is not None and nights.alarm is not None:
        asked = {"since": nights.alarm, "better": nights.better, "worse": nights.worse}
        moved.append({"name": "examples asked again", **asked})
    moved += [{"name": f"{e.model} ends", "on": e.on.isoformat()} for e in told.ends if e.soon(ahead)]
    return moved


def _tell_nights(nights: Held | None) -> None:
    if nights is None:
        echo("dev examples asked again: the first night, which the next ones are compared with")
        return
    shown = f"{nights.better} better and {nights.worse} worse of {nights.examples} after {nights.nights} nights (p = {nights.p_value:.2g}, an alarm below {nights.level:.2g})"
    echo(f"dev examples asked again: {shown}; {nights.other:.0%} answered in other words than in the first night")
    echo(
        f"a night can show a drop of {nights.sees:.0%} of them or more; a smaller one takes more examples (--ask)"
        if nights.sees is not None
        else "they are too few, in groups, to show any drop: ask more (--ask)"
    )
    if nights.alarm is not None:
        echo(
            f"ALARM since {nights.alarm}: what answers has changed behind its name. Climb again, or `rung migrate`; then begin anew with --since"
        )


def _looked(run: RunFolder, label: str, log: Any, labels: tuple[Path, ...], asks: bool) -> Look | None:
    from rung.data.parts import thaw
    from rung.stats.watching import ALPHA, OF_ASKED
    from rung.watch.baseline import signals
    from rung.watch.look import labelled, look, words_of

    watched = signals(run, label)
    split = thaw(run.path)
    known = words_of(e.text for e in (*split.train, *split.dev))
    return look(labelled(log.read(), _right(labels, run)), watched, known, ALPHA - OF_ASKED * asks)


def _right(labels: tuple[Path, ...], run: RunFolder) -> Any:
    """Return the right answers by request."""
    from rung.feedback.reading import Source

    said = (one for path in labels for one in Source(path, run.task).read())
    return {one.request: one.expected for one in said if one.request and one.expected is not None}


def _day(text: str | None) -> date | None:
    from rung.errors import RungError

    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RungError(f"--since is a day such as 2026-11-29, not {text[:40]!r}") from None


def _plain(found: Look, label: str, log: Any) -> dict[str, Any]:
    return {
        "approach": label,
        "generation": log.generation,
        "from": found.first.isoformat(),
        "to": found.last.isoformat(),
        "requests": found.requests,
        "left_out": {"repeats_on_a_day": log.repeats, "of_others": log.other, "damaged": log.damaged},
        "alarm": found.alarm.isoformat() if found.alarm else None,
        "evidence": round(found.evidence, 4),
        "alarm_from": round(found.alarm_from),
        "signals": [
            {
                "name": s.signal.name,
                "moved": s.moved,
                "baseline": round(s.signal.hits / s.signal.n, 4),
                "baseline_n": s.signal.n,
                "bound": round(s.signal.bound, 4),
                "rate": None if s.rate is None else round(s.rate, 4),
                "n": s.n,
                "evidence": round(s.evidence, 4),
                "examples": [{"id": e.id, "inputs": dict(e.inputs), "answer": e.answer} for e in s.examples],
                "new_words": list(s.new_words),
            }
            for s in found.standings
        ],
    }


def _tell(found: Look, label: str, log: Any) -> None:
    from rung.data.audit.audit_input import counted

    left = f", {log.repeats:,} repeats on a day left out" if log.repeats else ""
    left += f", {log.other:,} of other approaches, generations or inputs" if log.other else ""
    left += f", {log.damaged:,} damaged lines" if log.damaged else ""
    of = f" of generation {log.generation}" if log.generation else ""
    echo(f"{label}{of}: {counted(found.requests, 'request')} from {found.first} to {found.last}{left}")
    if found.alarm is None:
        echo(
            f"quiet: nothing moved beyond its bound (evidence {found.evidence:.2g} at most; an alarm from {found.alarm_from:.3g} on)"
        )
        return
    echo(f"ALARM since {found.alarm}:")
    for standing in found.standings:
        if standing.moved:
            _told(standing)
    echo(
        "After you have dealt with it, begin anew with --since. Label what is new: rung feedback, rung label --feedback"
    )


def _told(standing: Standing) -> None:
    signal = standing.signal
    now = "none seen" if standing.rate is None else f"{standing.rate:.1%} of {standing.n:,} in the last 28 days"
    echo(line(f"  {signal.name}: {now}; {signal.hits / signal.n:.1%} of {signal.n:,} when measured ({signal.said})"))
    for one in standing.examples:
        text = line(" ".join(one.text.split()))
        echo(f"    {text[:LONGEST]}{'…' if len(text) > LONGEST else ''}")
    if standing.new_words:
        echo(line(f"    words that no example has: {', '.join(standing.new_words)}"))


def _send(variable: str, run: RunFolder, label: str, moved: list[dict[str, Any]]) -> None:
    """Tell the address of an alarm: task, day, and the names and rates of what moved. What goes wrong is said, the exit code stays."""
    from rung.config.environment import variable as value_of
    from rung.watch.webhook import post

    said = (f"{m['name']} {'since ' + m['since'] if 'since' in m else 'on ' + m['on']}" for m in moved)
    text = f"rung watch: {run.task.name} ({label}): {', '.join(said)}"
    address = value_of(variable, run.config[1])
    why = post(address, {"text": text, "task": run.task.name, "moved": moved}) if address else "it is empty"
    if why:
        echo(f"the webhook in {variable} was not told: {why}", err=True)
