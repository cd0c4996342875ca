"""The data of a run with what the audit found, and the record: what was spent, when the test set was read, hashes."""

from __future__ import annotations

from collections.abc import Iterator

from rung.report import blocks as b
from rung.report.charts import stacked
from rung.report.figures import count, examples, money, seconds
from rung.report.load import Report
from rung.report.summary import Summary
from rung.types import Finding

PARTS = (("train", "s0"), ("dev", "s1"), ("test", "s2"))


def data(report: Report, ids: b.Ids) -> b.Section:
    """Return how the examples were split, and what the audit found: what needs action first, and in every form."""
    found = list(enumerate(report.findings))
    acted = [(i, f) for i, f in found if f in report.open_findings and f.severity != "note"]
    rest = [pair for pair in found if pair not in acted]
    blocks: list[b.Block] = [b.Fold("", [*_split(report)], style="bare")]
    if acted:
        blocks.append(b.Bullets([_finding(report, i, f, ids) for i, f in acted], "findings"))
    if rest:
        blocks.append(b.Fold("", [b.Bullets([_finding(report, i, f, ids) for i, f in rest], "findings")], style="bare"))
    if not found:
        blocks.append(b.Fold("", [b.Text("The audit found nothing to say.", "empty")], style="bare"))
    return b.Section("data", "Data", "Data", blocks)


def _split(report: Report) -> Iterator[b.Block]:
    m = report.manifest
    if not m:
        return
    sizes = [(name, m[name]["rows"], colour) for name, colour in PARTS]
    whole = sum(size for _, size, _ in sizes)
    yield b.Table(
        b.columns(""),
        [b.Row((b.Drawing(stacked(sizes, whole), ", ".join(f"{name} {size:,}" for name, size, _ in sizes)),))],
        "",
    )
    groups = {
        name: f" in {count(m[name]['groups'])} groups" if m[name]["groups"] != size else "" for name, size, _ in sizes
    }
    yield b.Key([(f"swatch {colour}", f"{name} {examples(size)}{groups[name]}") for name, size, colour in sizes])
    left = m.get("quarantined", {})
    why = "left out of training because they equal, nearly equal or share the group of a dev or test example."
    yield b.Text(
        f"{examples(len(left))} quarantined: {why}" if left else "No training example had to be quarantined.", "small"
    )


def _finding(report: Report, number: int, f: Finding, ids: b.Ids) -> b.Item:
    settled = "" if f in report.open_findings else "; a warning before the run, settled by the verdict"
    words = (
        b.bold(f.check),
        " ",
        b.soft(f"{f.severity}{settled}: "),
        b.Bit(f.message, "line"),
        " ",
        b.Bit(f"Next: {f.next_step}", "line soft"),
        " ",
        *ids(f.example_ids),
    )
    return b.Item(words, f"finding-{number}", f.severity)


def spend(report: Report, said: Summary) -> b.Section:
    """Return what was asked and paid by role, and the record."""
    times = "once" if report.opened == 1 else f"{report.opened} times"
    told = b.Text(
        f"This run: {said.spent}. The test set was opened {times}. Written by rung {report.head['rung_version']}.",
        "small",
    )
    past = (b.Title("Generations"), b.Bullets(report.history)) if report.history else ()
    return b.Section(
        "spend",
        "Record",
        "The record",
        (told, *past, b.Fold("", [*_spent(report), b.Facts([*_record(report)])], style="bare")),
    )


def _spent(report: Report) -> Iterator[b.Block]:
    if not report.spend:
        yield b.Text("Nothing was asked yet.", "empty")
        return
    whole, limit = report.spend, report.task.limits.budget_usd
    heads = b.columns("Role", "Dollars|", "Calls|", "From the cache|", "Tokens in|", "Tokens out|", "Retries|", "Price")
    rows = [
        b.Row((role, money(s.get("usd")), *(count(s.get(k)) for k in ("calls", "cached", "input_tokens", "output_tokens", "retries")), s.get("note") or ""))
        for role, s in whole["by_role"].items()
    ]  # fmt: skip
    cap = "no cap" if limit is None else f"cap {money(limit)}"
    rows.append(
        b.Row(
            ("all", money(whole["usd"], whole["note"]), count(whole["calls"]), count(whole["cached"]), "", "", "", cap),
            style="total",
        )
    )
    yield b.Table(heads, rows)
    for role, s in whole["by_role"].items():
        notes = (
            [f"{money(s['bound_usd'])} is an upper bound, since the endpoint did not tell"]
            if s.get("bound_usd")
            else []
        )
        if notes := [*notes, *s.get("notes", [])]:
            yield b.Text(f"{role}: {'. '.join(notes)}.", "small")


def _record(report: Report) -> Iterator[tuple[str, b.Words]]:
    opened = [e for e in report.events if e.get("event") in ("test_opened", "test_revealed")]
    lines = [f"{e['at']} {e.get('why', '')}{' (revealed)' if e['event'] == 'test_revealed' else ''}" for e in opened]
    yield "Test set opened", (f"{report.opened} time{'' if report.opened == 1 else 's'}", *map(b.small, lines))
    yield "Started", str(report.head.get("created"))
    yield "Time at work", seconds(report.elapsed_s, "no session has come to its end")
    yield "Status", str(report.head.get("status"))
    yield "Seed", str(report.manifest.get("seed", "unknown"))
    packages = "".join(f", {name} {value}" for name, value in report.head.get("environment", {}).items())
    yield "Environment", f"rung {report.head['rung_version']}{packages}"
    yield "Configuration", b.Bit(str(report.head.get("config_sha256")), "hash")
    for name, _ in PARTS if report.manifest else ():
        yield f"{name.capitalize()} examples", b.Bit(report.manifest[name]["sha256"], "hash")
    yield "Recompute", (b.code(f"rung verify {report.inside}"), " derives every number here from the stored answers.")
