"""How rung.yaml asks for robustness: true, or the number of dev examples that are changed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

USUAL = 100  # dev examples that `true` means
FEWEST = 20


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        return USUAL if value else 0
    if isinstance(value, int) and 0 < value < FEWEST:
        raise ValueError(
            f"{value} changed examples show nothing: true means {USUAL}, a number must be {FEWEST} or more"
        )
    return value


ChangedExamples = Annotated[int, BeforeValidator(_number), Field(ge=0)]
