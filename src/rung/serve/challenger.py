"""A second approach that answers a share of the requests, on trial: which inputs are its, is fixed by what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rung.serve.winner import Winner
from rung.types import content_hash

SHARE = 0.1  # of the inputs, where nobody says
_RANGE = 16**8


@dataclass(frozen=True)
class Challenger:
    """`share`: of the inputs, in (0, 1). The same input is always answered by the same side, so that a word about it is about that side."""

    winner: Winner
    share: float

    def takes(self, inputs: Mapping[str, str]) -> bool:
        """Whether these inputs are the challenger's."""
        return int(content_hash(["trial", *inputs.values()])[:8], 16) < self.share * _RANGE
