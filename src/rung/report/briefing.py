"""Advice before a climb: the decision matrix from a rung.yaml and its rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rung.config import load_config
from rung.data.configured import as_task, part_rows, read_rows
from rung.decide.factors import Situation, facts, quoted_share
from rung.report.advice import Advice

MOST_LOOKED_AT = 2_000  # training rows whose expected outputs are looked for in their inputs


def advice_before(path: Path, told: Mapping[str, bool]) -> Advice:
    """Return what a rung.yaml and its rows advise; nothing is written and no model is asked.

    Raises ConfigError and DataError as a climb does.
    """
    config = load_config(path)
    loaded = read_rows(config)
    kind, parts = part_rows(config, loaded)
    task = as_task(config, kind, (*parts.train, *parts.dev))
    wanted = kind not in ("classification", "style")
    situation = Situation(
        task=task,
        train_rows=len(parts.train),
        documents=config.documents is not None,
        requests_per_month=config.volume.requests_per_month,
        facts_change=config.task.facts_change,
        scope=config.task.scope,
        quoted=quoted_share(parts.train[:MOST_LOOKED_AT]) if wanted else None,
    )
    return Advice(facts(situation, told), task, len(parts.train))
