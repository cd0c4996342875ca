"""Measure the audit: `python -m bench.audit [large|near|labels|check|text|cleaning|real]`, all by default; results/*.json keeps the figures.

Real sets come from RUNG_SHARED/data, else ../shared/data; a part whose set is absent says so.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from bench.audit import cleaning, text
from rung.data.audit import audit
from rung.data.audit.labels import suspects
from rung.data.load import load
from rung.data.near import find_duplicates
from rung.data.split import split, split_given
from rung.types import Dataset, Example, MetricSpec, Task

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("RUNG_SHARED") or ROOT.parent / "shared") / "data"
RESULTS = Path(__file__).with_name("results")
Figures = Mapping[str, object]
TASK = Task("bench", "Answer.", ("input",), "expected", "classification", (MetricSpec("normalized_match"),), 0.9)


def rows(name: str, part: str) -> Dataset:
    path = next(p for p in (DATA / name / f"{part}.jsonl", DATA / name / f"{part}.jsonl.gz") if p.exists())
    return load(path, inputs=("input",), target="expected")


def large() -> list[Figures]:
    """Load a csv of 100 MB in a process of its own: seconds, memory, and the same with quoted newlines in every row."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, body in (("plain", "word " * 80), ("quoted newlines", 'line "one",\nline two ' * 19)):
            path = Path(folder) / "large.csv"
            with path.open("w", newline="", encoding="utf-8") as file:
                write = csv.writer(file)
                write.writerow(["text", "label"])
                n = 0
                while file.tell() < 100_000_000:
                    write.writerows([f"{body}{n + i}", f"l{i % 9}"] for i in range(1000))
                    n += 1000
            made = subprocess.run(
                [sys.executable, "-m", "bench.audit", "load-one", str(path)],
                capture_output=True,
                text=True,
                check=True,
                cwd=ROOT,
            )
            found.append({"file": name, "mb": path.stat().st_size / 1e6, "rows": n, **json.loads(made.stdout)})
    return found


def load_one(path: str) -> None:
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    data = load(path, inputs=("text",), target="label")
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        json.dumps(
            {"cpu_s": round(time.process_time() - start, 2), "rss_mib": (used - before) // 1024, "read": len(data)}
        )
    )


def near() -> list[Figures]:
    """Minhash against brute force on real sets: pairs at resemblance 0.8, missed and false ones, CPU-seconds."""
    found: list[Figures] = []
    for name, part, most in (
        ("banking77", "train", 3000),
        ("it-tickets", "train", 1500),
        ("restaurant8k", "train", 3000),
    ):
        data = rows(name, part).examples[:most]
        start = time.process_time()
        got = {(p.first, p.second) for p in find_duplicates(data).near}
        seconds = time.process_time() - start
        true = brute_force(data)
        # a pair that is near in full but a mere template without its common shingles is left out on purpose
        found.append(
            {
                "set": name,
                "rows": most,
                "near": len(got),
                "brute": len(true),
                "false": len(got - true),
                "not_found": len(true - got),
                "cpu_s": round(seconds, 2),
            }
        )
    return found


def characters(text: str) -> set[object]:
    return {text[i : i + 5] for i in range(len(text) - 4)}


def triples(text: str) -> set[object]:
    words = text.split(" ")
    return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}


def brute_force(data: tuple[Example, ...]) -> set[tuple[str, str]]:
    from rung.data.near import LONG_WORDS, SHORT_WORDS, THRESHOLD, normal_text

    first: dict[str, str] = {}
    for e in data:
        first.setdefault(normal_text(e.text), e.id)
    pairs: set[tuple[str, str]] = set()
    for shingler, fits in ((characters, lambda n: n <= SHORT_WORDS), (triples, lambda n: n >= LONG_WORDS)):
        kept = [(i, set(shingler(t))) for t, i in first.items() if fits(t.count(" ") + 1)]
        kept = [(i, s) for i, s in kept if s]
        for a, (one, s) in enumerate(kept):
            for other, t in kept[a + 1 :]:
                if min(len(s), len(t)) >= THRESHOLD * max(len(s), len(t)):
                    shared = len(s & t)
                    if shared >= THRESHOLD * (len(s) + len(t) - shared):
                        pairs.add((one, other))
    return pairs


def labels() -> list[Figures]:
    """Confident learning against the crowd's verdicts (given probabilities), and on real texts with 5 % labels flipped."""
    found: list[Figures] = []
    for name in ("imdb", "20news"):
        with gzip.open(DATA / "label-errors" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            data = [json.loads(line) for line in file]
        got = suspects([r["probs"] for r in data], [r["given"] for r in data])
        wrong = {i for i, r in enumerate(data) if r.get("verdict") not in (None, "given_label_ok")}
        guessed = {i for i, r in enumerate(data) if r.get("verdict") == "guessed_label_right"}
        hits = sum(s.row in wrong for s in got)
        found.append(
            {
                "set": name,
                "rows": len(data),
                "errors": len(wrong),
                "flagged": len(got),
                "flagged_by_authors_too": sum(bool(data[s.row].get("flagged_by_authors")) for s in got),
                "precision": round(hits / len(got), 3),
                "recall": round(hits / len(wrong), 3),
                "guessed_label_right": sum(s.row in guessed for s in got),
                "of": len(guessed),
            }
        )
    for name, part in (("banking77", "train_full"), ("banking77", "train"), ("it-tickets", "train")):
        found.append(flipped(name, part))
    return found


def flipped(name: str, part: str) -> Figures:
    from rung.data.audit._linear import out_of_sample

    data = rows(name, part).examples
    names = sorted({e.target for e in data})
    rng = random.Random(1)
    wrong = set(rng.sample(range(len(data)), len(data) // 20))
    y = [names.index(e.target) for e in data]
    y = [(v + rng.randrange(1, len(names))) % len(names) if i in wrong else v for i, v in enumerate(y)]
    start = time.process_time()
    probabilities = out_of_sample([e.text for e in data], y)
    assert probabilities is not None
    got = suspects(probabilities, y)
    seconds = time.process_time() - start
    hits = sum(s.row in wrong for s in got)
    first = got[: len(wrong)]
    return {
        "set": f"{name} {part}, 5 % flipped",
        "rows": len(data),
        "errors": len(wrong),
        "flagged": len(got),
        "precision": round(hits / len(got), 3),
        "recall": round(hits / len(wrong), 3),
        "precision_of_first": round(sum(s.row in wrong for s in first) / len(first), 3),
        "cpu_s": round(seconds, 1),
    }


def check() -> list[Figures]:
    """Split and audit: leaks of given files, CPU-seconds, and 20,000 rows."""
    found: list[Figures] = []
    for name, train, test in (
        ("banking77", "train_full", "test_full"),
        ("banking77", "train", "test"),
        ("it-tickets", "train", "test"),
        ("restaurant8k", "train", "test"),
    ):
        kind = "extraction" if name == "restaurant8k" else "classification"
        start = time.process_time()
        parts = split_given(rows(name, train), rows(name, test), kind=kind)  # type: ignore[arg-type]
        findings = audit(parts, replace(TASK, kind=kind), planned_rungs=3)
        leaks = {str(f.measured["why"]): f.measured["test_rows"] for f in findings if f.check == "leakage"}
        found.append(
            {
                "set": f"{name} {train}/{test}",
                "rows": sum(parts.sizes.values()),
                "test_rows_leaked": leaks,
                "cpu_s": round(time.process_time() - start, 1),
            }
        )
    mixed = [
        e
        for n, p in (
            ("banking77", "train_full"),
            ("banking77", "test_full"),
            ("it-tickets", "train"),
            ("it-tickets", "test"),
            ("it-tickets", "test"),
        )
        for e in rows(n, p).examples
    ]
    data = Dataset(tuple(replace(e, id=f"r{i}", group=f"r{i}") for i, e in enumerate(mixed[:20_000])), "mixed")
    start = time.process_time()
    audit(split(data), TASK, planned_rungs=3)
    found.append({"set": "20,000 mixed, 85 labels", "rows": len(data), "cpu_s": round(time.process_time() - start, 1)})
    return [*found, *text.large(DATA)]


def text_figures() -> list[Figures]:
    """Wrong rows found in free text: precision, recall, estimated share of wrong rows, and the ceiling."""
    return text.run(DATA)


def real() -> list[Figures]:
    """`rung init` and `rung check` on whole real sets, as a user would run them."""
    return text.checked(DATA)


def cleaning_figures() -> list[Figures]:
    """A learner on all training rows, on those not doubted, and on as many at random; same test rows."""
    return cleaning.run(DATA)


PARTS: Mapping[str, Callable[[], list[Figures]]] = {
    "large": large,
    "near": near,
    "labels": labels,
    "check": check,
    "text": text_figures,
    "cleaning": cleaning_figures,
    "real": real,
}


def main(wanted: list[str]) -> None:
    for name in wanted or list(PARTS):
        try:
            figures = PARTS[name]()
        except (FileNotFoundError, StopIteration):
            print(f"{name}: a data set is missing under {DATA.name}; set RUNG_SHARED")
            continue
        print(f"== {name}: {PARTS[name].__doc__}")
        for row in figures:
            print("  " + ", ".join(f"{k} {v}" for k, v in row.items()))
        RESULTS.mkdir(exist_ok=True)
        kept = {"python": platform.python_version(), "figures": figures}
        (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["load-one"]:
        load_one(sys.argv[2])
    else:
        main(sys.argv[1:])
