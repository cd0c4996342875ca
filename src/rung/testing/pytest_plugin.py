"""The pytest plugin: a fixture `rung_run`, so that a test suite can hold a feature to what was measured.

def test_the_prompt_still_does(rung_run):
    assert rung_run("runs/ticket-routing").rung("prompt").lower >= 0.9
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

import rung

if TYPE_CHECKING:
    from rung.testing.measured import MeasuredRun


@pytest.fixture(scope="session")
def rung_run(pytestconfig: pytest.Config) -> Callable[[str], MeasuredRun]:
    """Open a run folder by its path; a relative one starts at pytest's root folder."""

    def opened(path: str) -> MeasuredRun:
        found: MeasuredRun = rung.open_run(pytestconfig.rootpath / path)
        return found

    return opened
