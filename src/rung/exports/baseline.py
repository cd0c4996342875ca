"""An approach without a language model as a folder that runs alone: data as JSON and arrays, one program, its command line."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rung.embedding import embedding_request
from rung.engine.reopen import Reopened
from rung.errors import RungError
from rung.exports.bare import CHECKED, NUMPY, copied, required
from rung.exports.carried import carry
from rung.exports.embedder import HELPS, embedder_of_winner, put_model, taken_along
from rung.exports.prompt import answered_again
from rung.prompts.similar import Index
from rung.rungs.baseline import Baseline
from rung.rungs.vectors import Fitted, VectorSystem
from rung.rungs.words import END, PIECES, fitted_linear
from rung.store.folder import write_atomic
from rung.types import BaselineLearned, Candidate, Example, learned_as

README = """# A baseline, as rung measured it

It runs alone: Python 3.11 or later, and numpy (`pip install -r requirements.txt`; a majority answer needs none).

    python -I predict.py --help
    python -I predict.py "a text"                             one text for each column, in their order; - reads standard input
    python -I predict.py --in rows.csv --out answers.csv      .csv, .tsv or .jsonl; the rows come back with a column `answer`

A batch that is stopped goes on where it was when the same command is given again: until all rows are answered, the answers
lie in a file beside `--out` that ends in `.unfinished`. A file that is there already is never overwritten.

From Python, in this folder: `import predict; predict.answer({"COLUMN": "a text"})`. The columns and their order are in
model.json.

- `predict.py`, `command_line.py`: the program. They are the same for every export and hold no data.
- `model.json`: the method, the columns, the answers and the terms.
- `model.npz`: the weights as plain arrays of numpy (no pickle), where the method has any.
- `requirements.txt`: the packages it needs.
- `embedder`, `from_rung`: where the method goes by meaning, the small model that makes vectors, under the licence that it has, and
  what reads it. Where vectors come from an address, `endpoint.py` asks for them, with keys from the variables that model.json names.

Before this folder was written, dev examples were answered again by these files alone, and all answers were those of what was measured.
"""


@dataclass(frozen=True)
class WithoutModel:
    """The majority answer, the nearest training row's, or the linear classifier."""

    name: str = "baseline"
    about: str = "the baseline as data and a program that needs numpy alone"

    def why_not(self, candidate: Candidate) -> str | None:
        return None if isinstance(candidate.learned, BaselineLearned) else "it asks a language model"

    async def write(self, run: Reopened, label: str, candidate: Candidate, out: Path, dtype: str | None) -> str:
        """Write the folder, and answer stored dev examples by it. Raises RungError where one answer differs."""
        if dtype is not None:
            raise RungError(f"a baseline is exported as it was measured, in float64; leave `dtype` ({dtype}) away")
        learned = learned_as(candidate, BaselineLearned)
        columns = tuple(run.split.dev[0].inputs)
        embedder = None
        if learned.embedder is not None and (embedder := embedder_of_winner(run, learned.embedder)) is None:
            raise RungError(
                f"the embedder models.{learned.embedder} runs inside rung: {HELPS}, the baseline is written; "
                "`rung serve` answers with it as it is"
            )
        facts, arrays = _by_vectors(await _system(run, candidate).fitted()) if embedder else _parts(learned)
        said = {
            "measured_as": f"{label}: {candidate.name}",
            "columns": list(columns),
            "method": learned.method,
            **facts,
            **({"embedder": embedder} if embedder is not None else {}),
        }
        write_atomic(out / "model.json", (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode())
        if arrays:
            held = io.BytesIO()
            np.savez(held, **arrays)  # type: ignore[arg-type]  # allow_pickle: an array of objects is not among them
            write_atomic(out / "model.npz", held.getvalue())
        for name in ("predict.py", "command_line.py"):
            copied(name, out)
        write_atomic(out / "README.md", README.encode())
        reader, needs = taken_along(embedder)
        if reader:
            put_model(run.clients[str(learned.embedder)].settings, out)
            carry(reader, out)
        elif embedder is not None:
            copied("endpoint.py", out)
        required([*([NUMPY] if arrays else []), *needs], out)
        n = await _same_answers(run, label, candidate, out)
        return f"{learned.method}; predict.py, alone under `python -I`, gave the measured answer to {n} of {n} dev examples"


def _parts(learned: BaselineLearned) -> tuple[dict[str, Any], Mapping[str, np.ndarray[Any, Any]]]:
    """Return what model.json and model.npz hold of the method. The order of the terms is that of the arrays."""
    if learned.method == "majority":
        return {"answer": learned.answer or ""}, {}
    texts, answers = [text for text, _ in learned.rows], [answer for _, answer in learned.rows]
    if learned.method == "nearest":
        index = Index.of(texts)
        matrix = index.matrix.tocsc()
        terms = [" ".join(term) for term in index.terms.texts()]
        return {"answers": answers, "words": terms}, {
            "starts": matrix.indptr,
            "rows": matrix.indices,
            "values": matrix.data,
            "word_rarity": index.weights,
        }
    return _weights(*fitted_linear(texts, answers, learned.penalty or 1.0))


def _by_vectors(fitted: Fitted) -> tuple[dict[str, Any], Mapping[str, np.ndarray[Any, Any]]]:
    if fitted.model is None:
        return {"answers": list(fitted.answers)}, {"vectors": fitted.vectors}
    return _weights(fitted.words, fitted.model)


def _weights(counter: Any, model: Any) -> tuple[dict[str, Any], Mapping[str, np.ndarray[Any, Any]]]:
    """Return a linear classifier over counts of words, or over vectors alone where `counter` is None; vectors stand behind words."""
    facts: dict[str, Any] = {"labels": [str(label) for label in model.classes_]}
    arrays = {
        "coefficients": np.ascontiguousarray(model.coef_.T),  # (terms, labels): a text reads few rows
        "intercepts": np.atleast_1d(model.intercept_),
    }
    if counter is None:
        return facts, arrays
    words, pieces = (vectorizer for _, vectorizer in counter.transformer_list)
    facts |= {
        "end": END,
        "piece_lengths": list(PIECES),
        "words": words.get_feature_names_out().tolist(),
        "pieces": pieces.get_feature_names_out().tolist(),
    }
    return facts, {**arrays, "word_rarity": words.idf_, "piece_rarity": pieces.idf_}


async def _same_answers(run: Reopened, label: str, candidate: Candidate, out: Path) -> int:
    """Return how many stored dev examples got the answer of what was measured, by these files alone.

    What was measured may have learnt from dev since: then what was chosen must give the stored answers here, and the files those of what
    was measured. Raises RungError for the first that differs.
    """
    stored = {o.example_id: o.answer.text for o in run.folder.rung(label).dev.get() or () if o.answer is not None}
    rows = [e for e in run.split.dev if e.id in stored][:CHECKED]
    if not rows:
        raise RungError(
            f"export refused: {label} has no stored answer to a dev example, so nothing shows that it is the same"
        )
    expected = [stored[e.id] for e in rows]
    chosen = run.chosen(label)
    if chosen.id != candidate.id:
        _equal_or_refused(rows, await _answers(run, chosen, rows), expected)
        expected = await _answers(run, candidate, rows)
    vectors: dict[str, Sequence[float]] = {}
    if learned_as(candidate, BaselineLearned).embedder is not None:  # each alone, as it was asked and is stored
        system = _system(run, candidate)
        asked = [embedding_request([e.text]).messages[0].content for e in rows]
        vectors = {text: (await system.embed([text]))[0].tolist() for text in asked}
    again = await answered_again(out, "predict.py", rows, {}, vectors, "model.json")
    _equal_or_refused(rows, [said.text for said in again], expected)
    return len(rows)


async def _answers(run: Reopened, candidate: Candidate, rows: Sequence[Example]) -> list[str]:
    system = Baseline.revive(candidate, run.task, run.kit())
    return [(await system.answer(dict(e.inputs))).text for e in rows]


def _system(run: Reopened, candidate: Candidate) -> VectorSystem:
    return VectorSystem(learned_as(candidate, BaselineLearned), run.kit())


def _equal_or_refused(rows: Sequence[Example], again: Sequence[str], expected: Sequence[str]) -> None:
    wrong = [(e, a, b) for e, a, b in zip(rows, again, expected, strict=True) if a != b]
    if wrong:
        example, text, right = wrong[0]
        raise RungError(
            f"export refused: what was written answers {len(wrong)} of {len(rows)} dev examples otherwise than was measured "
            f"(example {example.id!r}: {text[:80]!r} in place of {right[:80]!r}); was scikit-learn or numpy "
            "changed since the run? Climb again, or install the versions that it was measured with"
        )


form = WithoutModel()
