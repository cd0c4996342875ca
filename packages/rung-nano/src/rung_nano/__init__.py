"""A small language model that runs offline on a CPU, the examples of `rung demo`, and training from nothing: plug-ins of rung."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
EXAMPLES = Path(__file__).parent / "examples"
REAL = Path(__file__).parent / "real"  # those on real weights (rung_nano.fetched)
