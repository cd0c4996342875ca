"""Is the queue of `rung label --feedback` better than random order at equal numbers of labels? `python -m bench.feedback [SEEDS]`.

it-tickets (RUNG_SHARED/data, else ../shared/data): a linear classifier of words learns from some examples, 1,500 further tickets are
"served" with its confidence, and the first 50 to 400 of the queue, or as many drawn at random, are labelled and learnt from, too.
Scored on the data set's own 1,000 test tickets, which nothing else sees; differences are paired over seeds.
results/queue.json keeps the figures.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from rung.feedback.worth import queue
from rung.prompts.similar import Index
from rung.serve.confidence import Confidence
from rung.store.records import Feedback
from rung.types import Example, MetricSpec, Task

SERVED, LABELLED, KNOWN = 1500, (50, 100, 200, 400), (200, 500)
TASK = Task("bench", "Route.", ("input",), "expected", "classification", (MetricSpec("normalized_match"),), 0.9)
ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("RUNG_SHARED") or ROOT.parent / "shared") / "data" / "it-tickets"


class Tickets:
    """Both files as words; rows by place."""

    def __init__(self) -> None:
        read = (gzip.decompress((DATA / f"{name}.jsonl.gz").read_bytes()).splitlines() for name in ("train", "test"))
        train, test = ([json.loads(line) for line in lines] for lines in read)
        words = TfidfVectorizer(sublinear_tf=True, max_features=20_000)
        self.texts = [row["input"] for row in train]
        self.x, self.x_test = words.fit_transform(self.texts), words.transform([row["input"] for row in test])
        self.y, self.y_test = (np.array([row["expected"] for row in part]) for part in (train, test))

    def fitted(self, places: Sequence[int]) -> Any:
        return LinearSVC(random_state=0, max_iter=10_000).fit(self.x[places], self.y[places])

    def score(self, places: Sequence[int]) -> float:
        return float((self.fitted(places).predict(self.x_test) == self.y_test).mean())

    def queued(self, known: Sequence[int], served: Sequence[int], by: str) -> list[int]:
        """Return the served rows in the order of the queue: by its classifier's margin, by the logged confidence, or the most unlike first."""
        if by == "new":
            index = Index.of([self.texts[p] for p in known])
            return sorted(served, key=lambda p: float(index.similarity(self.texts[p]).max()))
        model = self.fitted(known)
        numbers = model.decision_function(self.x[served])
        confidence = Confidence(1.0, 0)
        items = [
            Feedback(
                str(place), {"input": self.texts[place]}, answer=str(model.classes_[row.argmax()]),
                confidence=confidence.of(dict(zip(model.classes_, row, strict=True))) if by == "confidence" else None,
            )
            for place, row in zip(served, numbers, strict=True)
        ]  # fmt: skip
        examples = [Example(str(p), {"input": self.texts[p]}, str(self.y[p]), str(p)) for p in known]
        if by == "confidence":  # as it is where too few examples are known for a classifier
            examples = examples[:1]
        return [int(waiting.item.id) for waiting in queue(items, examples, TASK)]


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    tickets, began = Tickets(), time.process_time()
    found: dict[tuple[int, str, int], list[float]] = {}
    for seed in range(seeds):
        places = list(range(len(tickets.texts)))
        random.Random(seed).shuffle(places)
        for size in KNOWN:
            known, served = places[:size], places[size : size + SERVED]
            orders = {"random": served} | {
                by: tickets.queued(known, served, by) for by in ("margin", "confidence", "new")
            }
            for name, order in orders.items():
                for count in LABELLED:
                    found.setdefault((size, name, count), []).append(tickets.score([*known, *order[:count]]))
    rows = []
    for (size, name, count), scores in found.items():
        gain = np.array(scores) - np.array(found[size, "random", count])
        error = 1.96 * float(gain.std(ddof=1)) / len(gain) ** 0.5
        rows.append({
            "known": size, "order": name, "labels": count, "accuracy": round(float(np.mean(scores)), 4),
            "gain": round(float(gain.mean()), 4), "interval": [round(float(gain.mean()) - error, 4), round(float(gain.mean()) + error, 4)],
        })  # fmt: skip
        print(rows[-1], flush=True)
    made = {"seeds": seeds, "test_rows": len(tickets.y_test), "cpu_s": round(time.process_time() - began), "rows": rows}
    (Path(__file__).with_name("results") / "queue.json").write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
