"""The pytest plugin: a fixture `rung_run`, so that a test suite can hold a feature to what was measured, or to what it does today.

def test_the_prompt_still_does(rung_run):
    assert rung_run("runs/ticket-routing").rung("prompt").lower >= 0.9

def test_the_model_still_does(rung_run):
    assert rung_run("runs/ticket-routing", fresh=True).winner.lower >= 0.9
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import pytest

import rung

if TYPE_CHECKING:
    from rung.testing.measured import MeasuredRun


class RungRun(Protocol):
    """Open a run folder by its path. `fresh`: ask again, once a session: True the winner, or the named approaches."""

    def __call__(self, path: str, *, fresh: bool | str | Sequence[str] = False) -> MeasuredRun: ...


@pytest.fixture(scope="session")
def rung_run(pytestconfig: pytest.Config) -> RungRun:
    """Open a run folder by its path; a relative one starts at pytest's root folder."""
    asked: dict[tuple[str, tuple[str, ...]], MeasuredRun] = {}

    def opened(path: str, *, fresh: bool | str | Sequence[str] = False) -> MeasuredRun:
        place = pytestconfig.rootpath / path
        if not fresh:
            stored: MeasuredRun = rung.open_run(place)
            return stored
        names = () if fresh is True else (fresh,) if isinstance(fresh, str) else tuple(fresh)
        key = (str(place), names)
        if key not in asked:
            asked[key] = rung.open_run(place, fresh=names or True)
        return asked[key]

    return opened
