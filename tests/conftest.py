"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets: RUNG_SHARED/data, else ../shared/data beside the repository."""
    root = Path(os.environ.get("RUNG_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    if not (root / "data").is_dir():
        pytest.skip(f"no shared data sets at {root / 'data'}; set RUNG_SHARED to their folder")
    return root / "data"
