"""Quality over quantity: the same learner on all training rows, on those the audit does not doubt, and on as many at random."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from bench.audit.text import Figures, f1, judge, read
from rung.data.audit._slots import fields_of
from rung.stats.paired import compare_paired

SEEDS = 5  # random subsets
CLOSED = 0.9  # share of a field's test values that must be known from training rows: names are not
Fields = Mapping[str, str]
Learner = Callable[[Sequence[str], Sequence[Fields], Sequence[str]], list[dict[str, str]]]


def linear(texts: Sequence[str], fields: Sequence[Fields], asked: Sequence[str]) -> list[dict[str, str]]:
    """Answer with one logistic regression a field, over its values and its absence."""
    weigh = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2, dtype=np.float32)
    x, z = weigh.fit_transform(texts), weigh.transform(asked)
    answers: list[dict[str, str]] = [{} for _ in asked]
    for name in sorted({n for row in fields for n in row}):
        values = [row.get(name, "") for row in fields]
        if len(set(values)) < 2:
            continue
        with warnings.catch_warnings(), threadpool_limits(limits=1):
            warnings.simplefilter("ignore")
            said = LogisticRegression(C=10.0, max_iter=50).fit(x, values).predict(z)
        for answer, value in zip(answers, said, strict=True):
            if value:
                answer[name] = str(value)
    return answers


def nearest(texts: Sequence[str], fields: Sequence[Fields], asked: Sequence[str]) -> list[dict[str, str]]:
    """Answer with the fields of the most similar training text: what an example in a prompt would show."""
    weigh = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), dtype=np.float32)
    x, z = weigh.fit_transform(texts), weigh.transform(asked)
    best = [
        int(i)
        for start in range(0, len(asked), 500)
        for i in np.asarray((z[start : start + 500] @ x.T).argmax(axis=1)).ravel()
    ]
    return [dict(fields[i]) for i in best]


LEARNERS: Mapping[str, Learner] = {"linear": linear, "nearest": nearest}


def run(folder: Path) -> list[Figures]:
    """All rows, the undoubted ones, and as many at random, on the same test rows of e2e-label-noise."""
    train, test = read(folder, "e2e-label-noise", "train"), read(folder, "e2e-label-noise", "test")
    texts, asked = [str(r["input"]) for r in train], [str(r["input"]) for r in test]
    given = fields_of([str(r["given"]) for r in train]) or []
    right, noisy = (fields_of([str(r[k]) for r in test]) or [] for k in ("expected", "given"))
    known = {(n, v) for row in given for n, v in row.items()}
    asked_for = [n for n in {n for row in right for n in row} if closed(n, right, known)]
    given, right, noisy = (
        [{n: v for n, v in row.items() if n in asked_for} for row in f] for f in (given, right, noisy)
    )
    noise, _ = judge([(str(r["input"]), str(r["given"])) for r in train], "extraction")
    doubted = {int(d.id[1:]) for d in noise.doubts}
    kept = [i for i in range(len(train)) if i not in doubted]
    wrong = sum(bool(train[i]["label_is_wrong"]) for i in kept)
    chosen = {"all": [list(range(len(train)))], "undoubted": [kept]}
    chosen["as many at random"] = [sorted(random.Random(s).sample(range(len(train)), len(kept))) for s in range(SEEDS)]
    found: list[Figures] = []
    for learner, learn in LEARNERS.items():
        exact: dict[str, list[float]] = {}
        for name, subsets in chosen.items():
            answers = [learn([texts[i] for i in s], [given[i] for i in s], asked) for s in subsets]
            exact[name] = [float(a == r) for a, r in zip(answers[0], right, strict=True)]
            found.append(
                {
                    "learner": learner,
                    "rows": name,
                    "n_train": len(subsets[0]),
                    "wrong_in_train": {"all": sum(bool(r["label_is_wrong"]) for r in train), "undoubted": wrong}.get(
                        name
                    ),
                    "n_test": len(test),
                    "exact_by_mended_labels": share(answers, right),
                    "f1_by_mended_labels": mean_f1(answers, right),
                    "exact_by_given_labels": share(answers, noisy),
                    "f1_by_given_labels": mean_f1(answers, noisy),
                }
            )
        found.append(gain(learner, exact))
    return [*found, *flipped(folder, 0.05), *flipped(folder, 0.2)]


def closed(name: str, rows: Sequence[Fields], known: set[tuple[str, str]]) -> bool:
    """Whether a field's values are a closed list, as those of the test rows occur in the training rows too."""
    values = [row[name] for row in rows if name in row]
    return sum((name, v) in known for v in values) >= CLOSED * len(values)


def flipped(folder: Path, share_wrong: float) -> list[Figures]:
    """Do the same with labels: banking77 with labels flipped in train, a linear model, clean test rows."""
    train, test = read(folder, "banking77", "train_full"), read(folder, "banking77", "test_full")
    texts, asked = [str(r["input"]) for r in train], [str(r["input"]) for r in test]
    labels, right = [str(r["expected"]) for r in train], [{"label": str(r["expected"])} for r in test]
    rng, names = random.Random(1), sorted(set(labels))
    for i in rng.sample(range(len(labels)), int(share_wrong * len(labels))):
        labels[i] = rng.choice([n for n in names if n != labels[i]])
    noise, _ = judge(list(zip(texts, labels, strict=True)), "classification")
    doubted = {int(d.id[1:]) for d in noise.doubts}
    kept = [i for i in range(len(labels)) if i not in doubted]
    chosen = {
        "all": list(range(len(labels))),
        "undoubted": kept,
        "as many at random": sorted(rng.sample(range(len(labels)), len(kept))),
    }
    exact: dict[str, list[float]] = {}
    found: list[Figures] = []
    for name, subset in chosen.items():
        answers = linear([texts[i] for i in subset], [{"label": labels[i]} for i in subset], asked)
        exact[name] = [float(a == r) for a, r in zip(answers, right, strict=True)]
        about = {"set": f"banking77, {share_wrong:.0%} flipped", "learner": "linear", "rows": name}
        found.append(
            {**about, "n_train": len(subset), "n_test": len(test), "exact": round(float(np.mean(exact[name])), 3)}
        )
    return [*found, {"set": f"banking77, {share_wrong:.0%} flipped", **gain("linear", exact)}]


def share(answers: Sequence[Sequence[Fields]], truth: Sequence[Fields]) -> float:
    return round(float(np.mean([[dict(x) == dict(t) for x, t in zip(a, truth, strict=True)] for a in answers])), 3)


def mean_f1(answers: Sequence[Sequence[Fields]], truth: Sequence[Fields]) -> float:
    return round(float(np.mean([[f1(x, t) for x, t in zip(a, truth, strict=True)] for a in answers])), 3)


def gain(learner: str, exact: Mapping[str, Sequence[float]]) -> Figures:
    found = compare_paired(exact["all"], exact["undoubted"], seed=1)
    return {
        "learner": learner,
        "gain_exact_undoubted_over_all": round(found.gain, 3),
        "interval": [round(found.low, 3), round(found.high, 3)],
        "wins": found.wins,
        "losses": found.losses,
        "p_value": float(f"{found.p_value:.2g}"),
    }
