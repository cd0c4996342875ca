"""The section `documents` of rung.yaml: the user's documents, for rungs that look answers up."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from rung.config.section import Section


class DocumentsSection(Section):
    """The user's documents, for approaches that look answers up."""

    path: Path = Field(description="the folder: Markdown, text, HTML, PDF, DOCX, CSV and JSONL files, at any depth")
    embedder: str | None = Field(
        None,
        description="the role under `models` that makes vectors; none: the role `embedder` if there is one, else words alone",
    )
    relevant: Path | None = Field(
        None,
        description="a file that tells which documents hold the answer to which example: example id, document, grade (tabs between)",
    )
    chunk_words: int = Field(180, ge=10, le=5000, description="words of a passage, where an approach does not choose")
    hidden: Literal["leave_out", "keep"] = Field(
        "leave_out",
        description="text that no reader sees (hidden by styles, hidden runs, not drawn); panels that open by a click are always read",
    )
    store: str = Field(
        "sqlite:.rung/documents.sqlite",
        description="where the index is kept: a retriever plugin, a colon, and the place",
    )

    @field_validator("store")
    @classmethod
    def _plugin_and_place(cls, value: str) -> str:
        name, colon, place = value.partition(":")
        if not (name and colon and place):
            raise ValueError(
                "is written as RETRIEVER:PLACE, for example sqlite:.rung/documents.sqlite or lance:vectors"
            )
        return value

    @property
    def retriever(self) -> tuple[str, str]:
        """The plugin's name, and the place."""
        name, _, place = self.store.partition(":")
        return name, place
