"""Free text with known wrong rows: what the audit doubts, against what is wrong; and the ceiling it predicts."""

from __future__ import annotations

import gzip
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rung.data.audit import audit
from rung.data.audit._slots import fields_of
from rung.data.audit.audit_input import AuditInput
from rung.data.audit.noise import OVERLOOKED, Noise, find_noise
from rung.data.split import split
from rung.types import Dataset, Example, Kind, MetricSpec, Task

Figures = Mapping[str, object]
FREE_TEXT = (("banking77", "train_full"), ("banking77", "test_full"), ("advising-sql", "train"), ("e2e-nlg", "train"))
REAL = {
    "e2e-label-noise": "given",
    "e2e-nlg": "expected",
    "restaurant8k": "expected",
    "advising-sql": "expected",
    "it-tickets": "expected",
}
ROUTINE = ("size", "power", "visible-gain", "length", "balance")
TASK = Task("bench", "Answer.", ("input",), "expected", "extraction", (MetricSpec("normalized_match"),), 0.95)


def read(folder: Path, name: str, part: str) -> list[dict[str, object]]:
    path = next(p for p in (folder / name / f"{part}.jsonl", folder / name / f"{part}.jsonl.gz") if p.exists())
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def judge(pairs: Sequence[tuple[str, str]], kind: Kind) -> tuple[Noise, float]:
    """Return what is doubted among (input, output) pairs, and the CPU-seconds of finding it without the split."""
    rows = tuple(Example(f"r{i}", {"input": q}, a, f"r{i}") for i, (q, a) in enumerate(pairs))
    case = AuditInput(split(Dataset(rows, "bench"), kind=kind), replace(TASK, kind=kind))
    start = time.process_time()
    noise = find_noise(case)
    assert noise is not None
    return noise, time.process_time() - start


def figures(name: str, noise: Noise, wrong: set[int], rows: int, seconds: float) -> dict[str, object]:
    named = {int(d.id[1:]) for d in noise.doubts}
    hits = len(named & wrong)
    low, mid, high = noise.wrong
    return {
        "set": name,
        "rows": rows,
        "way": noise.way,
        "wrong": len(wrong),
        "doubted": len(named),
        "precision": round(hits / len(named), 3) if named else None,
        "recall": round(hits / len(wrong), 3) if wrong else None,
        "wrong_share": round(len(wrong) / rows, 3),
        "estimated": [round(low, 3), round(mid, 3), round(high, 3)],
        "inside": low <= len(wrong) / rows <= high,
        "cpu_s": round(seconds, 1),
    }


def f1(one: Mapping[str, str], other: Mapping[str, str]) -> float:
    """Return F1 over field and value pairs; two empty outputs agree."""
    shared = len(set(one.items()) & set(other.items()))
    return 2.0 * shared / (len(one) + len(other)) if one or other else 1.0


def run(folder: Path) -> list[Figures]:
    """Wrong rows found in free text: precision, recall, estimated share of wrong rows, and the ceiling."""
    found: list[Figures] = []
    for parts in (("train", "test_full"), ("train",), ("test",)):
        data = [r for part in parts for r in read(folder, "e2e-label-noise", part)]
        wrong = {i for i, r in enumerate(data) if r["label_is_wrong"]}
        given, right = (fields_of([str(r[k]) for r in data]) or [] for k in ("given", "expected"))
        for turned in (False, True):
            pairs = [(str(r["input"]), str(r["given"])) for r in data]
            pairs = [(a, q) for q, a in pairs] if turned else pairs
            noise, seconds = judge(pairs, "generation" if turned else "extraction")
            label = f"e2e-label-noise {'+'.join(parts)}, {'fields -> text' if turned else 'text -> fields'}"
            row = figures(label, noise, wrong, len(data), seconds)
            if not turned:
                row["ceiling_exact"] = [round(1 - w, 3) for w in reversed(noise.wrong)]
                row["true_ceiling_exact"] = round(1 - len(wrong) / len(data), 3)
                row["ceiling_f1"] = [
                    round(1 - noise.lost * w * more, 3)
                    for w, more in zip(reversed(noise.wrong), OVERLOOKED, strict=True)
                ]
                row["true_ceiling_f1"] = round(sum(map(f1, given, right)) / len(data), 3)
            found.append(row)
    for name in ("advising-sql", "e2e-nlg", "banking77"):
        data = read(folder, name, "train")
        for share in (0.0, 0.05, 0.2):
            found.append(swapped(name, data, share))
    return found


def swapped(name: str, data: Sequence[Mapping[str, object]], share: float) -> Figures:
    """Give a share of the rows one another's outputs; brackets are taken out, so that no fields are seen."""
    bad = random.Random(1).sample(range(len(data)), int(share * len(data)))
    outputs = [str(r["expected"]) for r in data]
    given = list(outputs)
    for i, j in zip(bad, bad[1:] + bad[:1], strict=True):
        given[i] = outputs[j]
    wrong = {i for i in bad if given[i] != outputs[i]}
    plain = str.maketrans("[]", "  ")
    noise, seconds = judge(
        [(str(r["input"]).translate(plain), g) for r, g in zip(data, given, strict=True)], "generation"
    )
    return figures(f"{name} train, {share:.0%} swapped", noise, wrong, len(data), seconds)


def large(folder: Path) -> list[Figures]:
    """Split and audit 20,000 rows of text with fields, and of free text on both sides: CPU-seconds."""
    noisy = [
        (str(r["input"]), str(r["given"])) for p in ("train", "test_full") for r in read(folder, "e2e-label-noise", p)
    ]
    noisy += [(f"{q} again", a) for q, a in noisy] + [
        (str(r["expected"]), str(r["input"])) for r in read(folder, "e2e-nlg", "train")
    ]
    free = [(str(r["input"]), str(r["expected"])) for n, p in FREE_TEXT for r in read(folder, n, p)]
    found: list[Figures] = []
    for name, pairs, kind in (("text -> fields", noisy, "extraction"), ("text -> text", free, "generation")):
        rows = tuple(Example(f"r{i}", {"input": q}, a, f"r{i}") for i, (q, a) in enumerate(pairs[:20_000]))
        start = time.process_time()
        audit(split(Dataset(rows, "x"), kind=kind), replace(TASK, kind=kind), planned_rungs=3)
        found.append({"set": f"20,000 {name}", "rows": len(rows), "cpu_s": round(time.process_time() - start, 1)})
    return found


def checked(folder: Path) -> list[Figures]:
    """Run `rung init` and `rung check` on whole training files; kinds, findings and what they measured."""
    found: list[Figures] = []
    with tempfile.TemporaryDirectory() as home:
        for name, target in REAL.items():
            source = next(p for p in (folder / name / f"train{e}" for e in (".jsonl", ".jsonl.gz")) if p.exists())
            config = Path(home) / f"{name}.yaml"
            rung = [sys.executable, "-c", "from rung.cli import main; main()"]
            command = [*rung, "init", str(source), "--inputs", "input", "--target", target, "--yes", "--goal", "0.95"]
            subprocess.run([*command, "--out", str(config)], capture_output=True, check=True)
            start = resource.getrusage(resource.RUSAGE_CHILDREN)
            made = subprocess.run([*rung, "check", str(config), "--json"], capture_output=True, text=True, check=False)
            end = resource.getrusage(resource.RUSAGE_CHILDREN)
            told = json.loads(made.stdout)
            seconds = end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime
            about = {
                "set": name,
                "rows": told["rows"],
                "kind": told["kind"],
                "exit": made.returncode,
                "cpu_s": round(seconds, 1),
            }
            kept = {f["check"]: {"severity": f["severity"], "says": f["message"]} for f in told["findings"]}
            found.append({**about, "findings": {k: v for k, v in kept.items() if k not in ROUTINE}})
    return found
