"""Answers as it was measured by rung, from model.json (and model.npz) beside this file. See README.md."""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WORD = re.compile(r"\b\w+\b")


@cache
def model() -> dict[str, Any]:
    """Return what model.json says."""
    found: dict[str, Any] = json.loads((HERE / "model.json").read_text(encoding="utf-8"))
    return found


@cache
def predictor() -> Callable[[str], str]:
    """Return the function from a text to its answer."""
    facts = model()
    if facts["method"] == "majority":
        return lambda _: str(facts["answer"])
    import numpy as np

    with np.load(HERE / "model.npz", allow_pickle=False) as held:
        arrays = {name: held[name] for name in held.files}
    if "labels" in facts:
        return linear(facts, arrays)
    return nearest_in_meaning(facts, arrays) if "embedder" in facts else nearest(facts, arrays)


def answer(inputs: dict[str, str]) -> str:
    """Return the answer for one row: the texts of the columns that model.json names."""
    return predictor()("\n".join(inputs[column] for column in model()["columns"]))


def words(text: str) -> list[str]:
    """Return the words of a text in small letters, and its pairs of neighbours."""
    found = WORD.findall(text.lower())
    return [*found, *map(" ".join, pairwise(found))]


def pieces(text: str, shortest: int, longest: int) -> Iterable[str]:
    """Yield the runs of characters within each word, which has a blank on either side; a word too short, once."""
    for word in text.lower().split():
        held = f" {word} "
        for n in range(shortest, longest + 1):
            yield held[:n]
            yield from (held[k : k + n] for k in range(1, len(held) - n + 1))
            if len(held) <= n:
                break


def weighed(terms: Iterable[str], places: dict[str, int], rarity: Any) -> tuple[Any, Any]:
    """Return the places of a text's known terms, and TF-IDF weights of length 1."""
    import numpy as np

    counts = Counter(places[term] for term in terms if term in places)
    at = np.array(sorted(counts), dtype=np.int64)
    weights = (1.0 + np.log([counts[k] for k in at.tolist()])) * rarity[at] if len(at) else np.zeros(0)
    return at, weights / (np.sqrt(weights @ weights) or 1.0)


def linear(facts: dict[str, Any], arrays: dict[str, Any]) -> Callable[[str], str]:
    """A linear classifier over TF-IDF of words and of runs of characters, over vectors, or over both."""
    places = [{term: k for k, term in enumerate(facts.get(kind, ()))} for kind in ("words", "pieces")]
    known = len(places[0]) + len(places[1])
    coefficients, labels = arrays["coefficients"], facts["labels"]  # (terms, labels), or (terms, 1) for two labels

    def predict(text: str) -> str:
        scores = arrays["intercepts"]
        if known:
            ended = text + facts["end"]
            at, weights = weighed(words(ended), places[0], arrays["word_rarity"])
            scores = scores + weights @ coefficients[at]
            at, weights = weighed(pieces(ended, *facts["piece_lengths"]), places[1], arrays["piece_rarity"])
            scores = scores + weights @ coefficients[len(places[0]) + at]
        if "embedder" in facts:
            scores = scores + vector(text) @ coefficients[known:]
        return str(labels[int(scores[0] > 0)] if len(scores) == 1 else labels[int(scores.argmax())])

    return predict


def vector(text: str) -> Any:
    """Return the vector of a text, of length 1: by the model beside this file, or from the address in model.json."""
    import numpy as np

    held = model()["embedder"]
    text = text if text.strip() else " . "  # as it was asked for; endpoints refuse an empty text
    if "files" in held:
        return reader().vectors([text])[0][0]
    from endpoint import post

    sent = {"model": held["name"], "input": [text], "encoding_format": "float"}
    found = np.array(post(held, "/embeddings", sent)["data"][0]["embedding"], dtype=np.float32)
    return found / (np.linalg.norm(found) or 1.0)


@cache
def reader() -> Any:
    """Return the model in the folder `embedder`."""
    sys.path.insert(0, str(HERE))
    held = model()["embedder"]
    module = import_module(f"from_rung.models.{held['provider']}")
    return module.Reader(*(HERE / "embedder" / name for name in held["files"]), **held["reads"])


def nearest_in_meaning(facts: dict[str, Any], arrays: dict[str, Any]) -> Callable[[str], str]:
    """The answer of the row whose vector is most similar, by the cosine; the first of equals."""
    answers, vectors = facts["answers"], arrays["vectors"]
    return lambda text: str(answers[int((vectors @ vector(text)).round(6).argmax())])


def nearest(facts: dict[str, Any], arrays: dict[str, Any]) -> Callable[[str], str]:
    """The answer of the most similar training row, by the cosine of TF-IDF; the first of equals."""
    import numpy as np

    places = {term: k for k, term in enumerate(facts["words"])}
    starts, rows, values = arrays["starts"], arrays["rows"], arrays["values"]  # the matrix by columns (CSC)
    answers = facts["answers"]

    def predict(text: str) -> str:
        at, weights = weighed(words(text), places, arrays["word_rarity"])
        scores = np.zeros(len(answers))
        for k, weight in zip(at.tolist(), weights.tolist(), strict=True):
            held = slice(starts[k], starts[k + 1])
            scores[rows[held]] += weight * values[held]
        return str(answers[int(np.round(scores, 12).argmax())])

    return predict


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.dont_write_bytecode = True  # this folder stays as it is
    from command_line import main

    raise SystemExit(main(answer, model()["columns"], __doc__ or ""))
