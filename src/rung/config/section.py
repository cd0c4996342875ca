"""What every section of rung.yaml is: a frozen model without unknown keys."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Section(BaseModel):
    """A part of the file: frozen, and no key that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    later: ClassVar[frozenset[str]] = frozenset()
    """Keys that came later: left out of what is written where they are empty, so that its hash is that of the runs before."""

    @model_serializer(mode="wrap")
    def _as_before(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = write(self)
        return {key: value for key, value in plain.items() if key not in self.later or value}
