"""What was measured and decided is never changed in place: its dataclasses are frozen."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import is_dataclass

import pytest

import rung.decide
import rung.stats
import rung.store
import rung.types

CHANGED_IN_PLACE = {"_Write"}  # a row on its way to the disk, never handed out
PACKAGES = (rung.decide, rung.stats, rung.store, rung.types)
MODULES = [f"{p.__name__}.{m.name}" for p in PACKAGES for m in pkgutil.iter_modules(p.__path__)]


def dataclasses_of(module):
    own = vars(importlib.import_module(module)).values()
    return [c for c in own if isinstance(c, type) and is_dataclass(c) and c.__module__ == module]


@pytest.mark.parametrize("module", MODULES)
def test_dataclasses_are_frozen(module):
    loose = {c.__name__ for c in dataclasses_of(module) if not c.__dataclass_params__.frozen}
    assert loose <= CHANGED_IN_PLACE


def test_the_walk_sees_them():
    assert len(MODULES) > 20
    assert sum(len(dataclasses_of(m)) for m in MODULES) > 60
