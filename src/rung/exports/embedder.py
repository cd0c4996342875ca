"""What turns texts into vectors, as an exported folder carries it: a static model's table beside it, or an address that is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rung import plugins
from rung.engine.reopen import Reopened
from rung.exports.carried import Definition
from rung.exports.endpoint import embedding_facts, embedding_model_of
from rung.models.settings import ProviderSettings
from rung.store.folder import write_atomic

LOOKED_UP: Definition = ("rung.models.static", "Table")
STATIC = "static"  # the provider whose models are tables
EMBEDDER = "embedder"  # the folder of such a table


def embedder_of_winner(run: Reopened, role: str) -> dict[str, Any] | None:
    """Return how vectors are made; None where rung is needed for it."""
    settings = run.clients[role].settings
    return embedding_facts(settings) if settings.provider == STATIC else embedding_model_of(run, role)


def put_table(settings: ProviderSettings, out: Path) -> None:
    """Copy a static model into the folder `embedder`."""
    static = plugins.require("rung.models.static", STATIC)
    assert isinstance(settings, static.Static)
    (out / EMBEDDER).mkdir(mode=0o700)
    for name in static.FILES:
        write_atomic(out / EMBEDDER / name, (Path(settings.folder) / name).read_bytes())
