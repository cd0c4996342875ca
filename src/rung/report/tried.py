"""What each approach tried before it was measured, on training and dev examples alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from rung.report import blocks as b
from rung.report.charts import share_bar
from rung.report.evidence import cut, slug
from rung.report.figures import cost, count
from rung.report.gains import usual
from rung.report.load import Report
from rung.types import Candidate, Edit, Fitted, Trial
from rung.usual_names import shown_name

DEMONSTRATIONS_SHOWN = 8
LONGEST_PROMPT = 20_000  # characters of one message shown
MOVED_SHOWN = 20  # examples that an edit moved


def section(report: Report, ids: b.Ids) -> b.Section:
    """Return the candidates of each approach, and the approaches that were not run."""
    fitted = [(rung.label, rung.fitted) for rung in report.rungs if rung.fitted is not None]
    winner = report.verdict.winner if report.verdict else None
    inner: list[b.Block] = [
        b.Text("What each approach tried, on training and dev examples alone. Weak candidates saw fewer examples: they were dropped early.", "intro"),
        *(b.Fold(_line(label, f), [*_blocks(f)], f"tried-{slug(label)}", label == winner) for label, f in fitted),
    ]  # fmt: skip
    if not fitted:
        inner.append(b.Text("No approach was fitted.", "empty"))
    if report.skipped:
        inner.append(b.Title("Approaches not run"))
        inner.append(
            b.Bullets([b.Item((b.bold(s.what), f": {s.reason}"), f"skipped-{i}") for i, s in enumerate(report.skipped)])
        )
    left = [_left_out(label, f) for label, f in fitted if f.skipped]
    return b.Section("tried", "Candidates", "Candidates tried", (b.Fold("", inner, style="bare"), *left))


def _left_out(label: str, f: Fitted) -> b.Fold:
    """Say to those who see no list of candidates how many were not tried, and why the first was not."""
    many = "1 candidate was" if len(f.skipped) == 1 else f"{len(f.skipped)} candidates were"
    return b.Fold(f"{shown_name(label)}: {many} left out; {f.skipped[0].what}: {f.skipped[0].reason}", [], told="line")


def _line(label: str, f: Fitted) -> b.Words:
    many = f" of {len(f.trials)} candidate{'' if len(f.trials) == 1 else 's'}" if f.trials else ""
    calls = sum(trial.calls for trial in f.trials)
    asked = "" if not f.trials else f", {count(calls)} model calls on dev" if calls else ", no model asked"
    hand = f" · by hand usually: {usual(label)}" if usual(label) else ""
    return b.bold(shown_name(label)), f" chose “{f.candidate.name}”{many}{asked}", b.soft(hand)


def _blocks(f: Fitted) -> Iterator[b.Block]:
    if f.models:
        heads = b.columns("Model", "Dev mean|", "Dev examples|", "Cost per 1,000|", "Note")
        rows = [
            b.Row((_chosen(m.name, m.kept), "not tried" if m.mean is None else f"{m.mean:.3f}", count(m.rows), cost(m.cost_per_1k_usd), m.note or ""), style=_style(m.kept))
            for m in f.models
        ]  # fmt: skip
        yield b.Table(heads, rows, "cards trials")
    if f.trials:
        heads = b.columns(
            "Candidate",
            b.Column("Dev mean", "barcell", ""),
            b.Column("", "r", "Dev mean"),
            "Dev examples|",
            "Calls|",
            "Tokens a request|",
        )
        yield b.Table(heads, [b.Row(_trial(t), style=_style(t.kept)) for t in f.trials], "cards trials")
    if f.candidate.prompt:
        yield b.Title("The chosen prompt", "sub")
        yield b.Chat([(m.role, cut(m.content, LONGEST_PROMPT)) for m in f.candidate.prompt])
    yield from map(_edit, f.edits)
    if shown := f.candidate.demonstrations:
        first = f", the first {DEMONSTRATIONS_SHOWN}" if len(shown) > DEMONSTRATIONS_SHOWN else ""
        yield b.Title(
            f"{count(len(shown))} training {'example' if len(shown) == 1 else 'examples'} it may show{first}", "sub"
        )
        texts = (
            "\n".join([*(f"{k}: {v}" for k, v in d.inputs.items()), f"→ {d.target}"])
            for d in shown[:DEMONSTRATIONS_SHOWN]
        )
        yield b.Chat([("", cut(text, LONGEST_PROMPT)) for text in texts])
    yield b.Fold(f"Settings of candidate {f.candidate.id}", [b.Code(_settings(f.candidate))], style="long")
    if f.skipped:
        yield b.Title("Left out", "sub")
        yield b.Bullets([(b.bold(s.what), f": {s.reason}") for s in f.skipped])


def _chosen(name: str, kept: bool) -> b.Words:
    return (name, " ", b.status("meets", "chosen")) if kept else name


def _style(kept: bool) -> str:
    return "chosen" if kept else ""


def _trial(t: Trial) -> tuple[b.Words, ...]:
    unknown = "unknown: the model reports no tokens" if t.candidate.model else "no model"
    return (
        _chosen(t.candidate.name, t.kept),
        "" if t.mean is None else b.Drawing(share_bar(t.mean, None, "", "fill" if t.kept else "fill quiet"), ""),
        "unknown: no example had a score" if t.mean is None else f"{t.mean:.3f}",
        count(t.rows),
        count(t.calls),
        unknown if t.tokens_per_request is None else count(t.tokens_per_request),
    )


def _edit(e: Edit) -> b.Fold:
    moved = ""
    if e.rows and e.mean_before is not None and e.mean_after is not None:
        moved = f": dev {e.mean_before:.3f} → {e.mean_after:.3f} on {count(e.rows)} examples, {len(e.better)} better, {len(e.worse)} worse"
    named = [b.Text((f"{word}: ", *_moved(ids))) for word, ids in (("Better", e.better), ("Worse", e.worse)) if ids]
    return b.Fold(f"“{e.before}” → “{e.after}”{moved}", [b.Code(e.diff), *named], style="long")


def _moved(ids: tuple[str, ...]) -> list[b.Inline]:
    more = f" and {len(ids) - MOVED_SHOWN} more" if len(ids) > MOVED_SHOWN else ""
    return [", ".join(ids[:MOVED_SHOWN]), more]


def _settings(candidate: Candidate) -> str:
    """Return what was learned besides the prompt, as short JSON: long lists by their length."""
    rest = {k: v for k, v in asdict(candidate.learned).items() if k not in ("messages", "demonstrations")}
    return json.dumps(_brief(rest), ensure_ascii=False, indent=1)


def _brief(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _brief(v) for k, v in list(value.items())[:40]}
    if isinstance(value, list | tuple):
        return [_brief(v) for v in value] if len(value) <= 12 else f"{len(value):,} entries, in the run folder"
    return cut(value, 400) if isinstance(value, str) else value
