"""Whole climbs under a cap, against an endpoint with a meter: billed, recorded, cap, and what was said. `python -m bench.money`.

Cases: too long answers, replies without a usage that can be true, a model that keeps to no length, interruptions, kills, a
deleted ledger. Promises (SECURITY.md): billed <= cap + what the requests in flight at the first disobedient answer cost above
what was set aside; recorded >= billed. Exit code 1 where one does not hold. Linux alone: it forks. Prints a table in Markdown
and writes it beside this file.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from bench.chaos.__main__ import imported
from bench.chaos.command import Point, run
from bench.chaos.stub import Billed, Billing, Stub
from bench.chaos.worlds import _answering_tickets, _tickets
from rung.store.run import RunFolder
from rung.testing.endpoint import Faults, Reply, answer_body

HERE = Path(__file__).parent
IN_USD, OUT_USD = 1.0, 10.0  # a million tokens
IN_FLIGHT = 64
ROWS = 400
LONG = {"extra_body": {"max_tokens": 4000}}
ZEROS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@dataclass
class Meter(Billing):
    """An endpoint that bills by price. `words`: of an answer, None for the label alone; `obeys`: a length that is set is kept;
    `tells`: the usage, None for none, "right" for what is billed."""

    words: int | None = None
    obeys: bool = True
    tells: Any = "right"

    def _well(self, data: dict[str, Any]) -> Reply:
        asked = "\n".join(m["content"] for m in data["messages"])
        allowed = max((v for k, v in data.items() if k in ("max_tokens", "max_completion_tokens")), default=256)
        wanted = self.words or 1
        tokens_in, tokens_out = len(asked) // 4 + 8, min(wanted, allowed) if self.obeys else wanted
        text = self.answering(asked) + " word" * (tokens_out - 1)
        assert isinstance(self.counts, Billed)
        self.counts.usd += (tokens_in * IN_USD + tokens_out * OUT_USD) / 1e6
        self.counts.answered += 1
        body = json.loads(answer_body(text, "m", tokens_in, tokens_out))
        if self.tells is None:
            del body["usage"]
        elif self.tells != "right":
            body["usage"] = self.tells
        return Reply(body=json.dumps(body).encode())


@dataclass(frozen=True)
class Case:
    """One line of the table. `ends`: signals sent to climbs before the last one; `removed`: the ledger, before the last one."""

    name: str
    cap: float | None
    meter: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    ends: tuple[int, ...] = ()
    removed: bool = False
    told: bool = True  # the endpoint tells a usage, or obeys the length: recorded must reach billed


CASES = (
    Case("`extra_body: {max_tokens: 4000}`, no usage in the replies", 0.50, {"words": 4000, "tells": None}, LONG),
    Case("usage all zeros", 0.50, {"words": 200, "tells": ZEROS}),
    Case("`extra_body: {max_tokens: 4000}`, usage right", 0.50, {"words": 4000}, LONG),
    Case("a model that ignores max_tokens and reports 3,000", 0.50, {"words": 3000, "obeys": False}),
    Case("the same, and no usage", 0.50, {"words": 3000, "obeys": False, "tells": None}, told=False),
    Case("five interruptions", 0.30, {"words": 100}, ends=(signal.SIGINT,) * 5),
    Case("six kills, cap not reached", 5.00, {"words": 100}, ends=(signal.SIGKILL,) * 6),
    Case("ledger and project cache deleted at the cap", 0.35, {"words": 200}, removed=True),
)


@dataclass(frozen=True)
class Row:
    """What came of a case. `over`: by how much billed may lie above the cap."""

    case: Case
    billed: float
    recorded: float
    bound: float
    over: float
    answers: int
    code: int
    flagged: str

    @property
    def held(self) -> bool:
        within = self.case.cap is None or self.billed <= self.case.cap + self.over + 1e-9
        return within and (self.recorded >= self.billed - 1e-9 or not self.case.told)


def project(root: Path, case: Case, port: int, rows: list[dict[str, str]]) -> None:
    root.mkdir(parents=True)
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    raw = {
        "task": {
            "name": "tickets", "kind": "classification", "instruction": "Name the team.", "inputs": ["text"], "target": "team",
            "metrics": ["contains"], "goal": 0.85,
        },
        "data": {"path": "rows.jsonl", "id": "id"},
        "models": {
            "main": {
                "provider": "openai", "name": "m", "base_url": f"http://127.0.0.1:{port}/v1", "concurrency": IN_FLIGHT,
                "price": {"input": IN_USD, "output": OUT_USD}, **case.model,
            }
        },
        "limits": {} if case.cap is None else {"budget_usd": case.cap},
        "diagnosis": {"calls": 0},
        "ladder": [{"prompt": {"rewrites": False}}],
    }  # fmt: skip
    (root / "rung.yaml").write_text(yaml.safe_dump(raw))


def row_of(case: Case, root: Path, rows: list[dict[str, str]]) -> Row:
    """Climb as the case says, until a climb comes to its end or the cap stops it."""
    kind = partial(Meter, **case.meter)
    stub = Stub(_answering_tickets(rows), 0, seed=1, faults=Faults(), latency_s=0.05, kind=kind)
    try:
        project(root, case, stub.port, rows)
        for number, end in enumerate(case.ends):
            run(["climb", "--folder", "run"], root, Point("asking", 2500 + 700 * number, end, 0.01))
        ended = run(["climb", "--folder", "run"], root)
        if case.removed:
            for kept in (*(root / "run").glob("ledger.sqlite*"), *(root / ".rung").glob("answers.sqlite*")):
                kept.unlink()
            ended = run(["climb", "--folder", "run"], root)
        seen = stub.counts()
    finally:
        stub.close()
    spend = RunFolder.open(root / "run").spend.need()
    main = spend["by_role"]["main"]
    notes = [note for note in main["notes"] if "thought" not in note]
    said = [line for line in ended.said.splitlines() if "more was spent than" in line or "in flight when" in line]
    stopped = (RunFolder.open(root / "run").facts.get("stopped") or {}).get("why")
    told = [*notes, *said, *([f"stopped: {str(stopped).partition(': ')[0]}"] if stopped else [])]
    if main["lost_usd"]:
        told.append(f"${main['lost_usd']:.3f} booked for requests that were broken off")
    if main["bound_usd"] > main["lost_usd"]:
        told.append(f"${main['bound_usd'] - main['lost_usd']:.3f} is an upper bound")
    over = (
        0.0 if case.meter.get("obeys", True) else (case.meter["words"] * OUT_USD) / 1e6
    )  # the first answer is asked alone
    return Row(
        case, seen["usd"], spend["usd"], main["bound_usd"], over, seen["answered"], ended.code, "; ".join(told) or "-"
    )


def table(rows: list[Row]) -> str:
    lines = [
        "| case | cap | billed | recorded | answers | exit | flagged | held |",
        "|---|--:|--:|--:|--:|--:|---|---|",
    ]
    for r in rows:
        cap = "none" if r.case.cap is None else f"{r.case.cap:.2f}"
        lines.append(
            f"| {r.case.name} | {cap} | {r.billed:.3f} | {r.recorded:.3f} | {r.answers} | {r.code} | {r.flagged} | "
            f"{'yes' if r.held else '**no**'} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    asked = parser.parse_args()
    imported(tuning=False)
    rows, found = _tickets(ROWS), []
    with tempfile.TemporaryDirectory(prefix="rung-money-") as work:
        for number, case in enumerate(c for c in CASES if asked.only in c.name):
            found.append(row_of(case, Path(work) / str(number), rows))
            print(table(found[-1:]).splitlines()[-1], flush=True)
    if not asked.only:
        (HERE / "results").mkdir(exist_ok=True)
        (HERE / "results" / "money.md").write_text(table(found))
    print(table(found))
    return int(not all(row.held for row in found))


if __name__ == "__main__":
    sys.exit(main())
