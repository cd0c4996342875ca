"""What turns texts into vectors, as an exported folder carries it: a small model's files beside it, or an address that is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rung import plugins
from rung.engine.reopen import Reopened
from rung.exports.carried import Definition
from rung.exports.endpoint import embedding_facts, embedding_model_of
from rung.models.settings import ProviderSettings
from rung.store.folder import write_atomic

EMBEDDER = "embedder"  # the folder of such a model
_TOKENIZERS = "tokenizers>=0.22,<1"
_TAKEN_ALONG: Mapping[str, tuple[str, ...]] = {  # provider -> what its reader needs, as it stands in pyproject.toml
    "static": (_TOKENIZERS, "safetensors>=0.6,<1"),
    "onnx": ("onnxruntime>=1.20,<2", _TOKENIZERS),
}
HELPS = "with `provider: onnx`, `static`, or `openai` at an address"  # where an embedder cannot be taken along


def embedder_of_winner(run: Reopened, role: str) -> dict[str, Any] | None:
    """Return how vectors are made; None where rung is needed for it."""
    settings = run.clients[role].settings
    if settings.provider not in _TAKEN_ALONG:
        return embedding_model_of(run, role)
    return {**embedding_facts(settings), "files": list(_module(settings).FILES), "reads": settings.reads()}  # type: ignore[attr-defined]


def taken_along(embedder: Mapping[str, Any] | None) -> tuple[Sequence[Definition], Sequence[str]]:
    """Return what of rung reads the model's files, and what that needs; nothing where an address is asked or no vectors are made."""
    if embedder is None or "files" not in embedder:
        return (), ()
    return ((f"rung.models.{embedder['provider']}", "Reader"),), _TAKEN_ALONG[embedder["provider"]]


def put_model(settings: ProviderSettings, out: Path) -> None:
    """Copy the model's files into the folder `embedder`."""
    (out / EMBEDDER).mkdir(mode=0o700)
    for name, file in zip(_module(settings).FILES, settings.files(), strict=True):  # type: ignore[attr-defined]
        write_atomic(out / EMBEDDER / name, file.read_bytes())


def _module(settings: ProviderSettings) -> Any:
    return plugins.require(f"rung.models.{settings.provider}", settings.provider)
