"""The table of importers: the first that recognises a file reads it. A further tool is one file and one line here."""

from __future__ import annotations

from collections.abc import Iterator

from rung.data.cells import RawRow
from rung.data.importers import (
    inspect_log,
    langfuse,
    langsmith,
    lm_eval,
    openai_batch,
    openai_evals,
    otlp,
    promptfoo,
    promptfoo_csv,
    promptfoo_results,
    trl,
)
from rung.data.importers.base import Found, Importer, Source
from rung.errors import DataError

IMPORTERS: tuple[Importer, ...] = (
    inspect_log.IMPORTER,
    lm_eval.IMPORTER,
    promptfoo_results.IMPORTER,  # before the configuration, which the results hold
    promptfoo.IMPORTER,
    promptfoo_csv.IMPORTER,
    openai_evals.ITEMS,
    openai_evals.LOG,
    openai_batch.REQUESTS,
    openai_batch.ANSWERS,
    otlp.IMPORTER,
    langsmith.RUNS,
    langsmith.EXAMPLES,
    langfuse.ITEMS,
    langfuse.TRACES,
    trl.IMPORTER,
)


def is_known(source: Source) -> bool:
    """Whether a tool of the table wrote the file."""
    return _recognised(source) is not None


def imported(source: Source, found: Found) -> Iterator[RawRow]:
    """Yield the rows of a tool's file and fill `found`. Raises DataError for a damaged file, and one that no tool here wrote."""
    known = _recognised(source)
    if known is None:
        what = "an archive" if source.archive else "a file"
        raise DataError(f"is {what} that no importer of rung knows; write the examples as .jsonl", file=source.file)
    importer, found.reason = known
    found.tool = importer.tool
    yield from importer.read(source, found)


def _recognised(source: Source) -> tuple[Importer, str] | None:
    for importer in IMPORTERS:
        reason = importer.recognise(source)
        if reason is not None:
            return importer, reason
    return None
