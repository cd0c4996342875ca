"""What all tests share."""

from __future__ import annotations

import gc
import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from rung import plugins

# How many random cases a property is tried on; `--hypothesis-profile` chooses, and `full` is what runs unless it does.
# A test that wants fewer or more takes a share of `settings.default.max_examples`. No deadline: on a busy machine a
# case may take long, and what must be quick has a test of its own.
settings.register_profile("quick", max_examples=10, deadline=None)
settings.register_profile("mutants", max_examples=20, deadline=None)
settings.register_profile("full", max_examples=40, deadline=None)
settings.register_profile("nightly", max_examples=1000, deadline=None)
settings.load_profile("full")

os.environ["RUNG_TRUST"] = (
    "1"  # the projects that tests write are their own; what is asked of others has tests of its own
)


if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # started behind `&`: what tests start must hear Ctrl-C all the same
    signal.signal(signal.SIGINT, signal.default_int_handler)

SAMPLE = 12  # cases of a parametrised test that are quick, evenly spread, first and last among them: `sample` marks another number


LONG = (
    "test_chaos.py",
    "test_endpoint.py",
    "test_ci_action.py",
)  # begun first, with all folders but unit: the last tests are short

MEMORY = Path(
    "/dev/shm"
)  # what is written and synced there does not wait for a disk, which is most of a climb's time here


def pytest_configure(config: pytest.Config) -> None:
    """Let tests write into memory where there is enough, unless a place is named: by `--basetemp`, or the variable below."""
    if config.option.basetemp is None and MEMORY.is_dir():
        place = os.statvfs(MEMORY)
        if place.f_bavail * place.f_frsize > 4e9 and not place.f_flag & os.ST_NOEXEC:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole-sweeps", action="store_true", help="let all cases of a sweep be quick")


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a sweep over many cases, some are among the quick tests and the rest are `slow`: `make test` runs them all."""
    if not config.getoption("--whole-sweeps", default=False):
        leave_samples(items)
    items.sort(key=lambda item: item.path.parent.name == "unit" and item.path.name not in LONG)


def leave_samples(items: list[pytest.Item]) -> None:
    """Mark `slow` all cases but a sample of each sweep that is not `slow` itself."""
    sweeps = defaultdict(list)
    for item in items:
        if hasattr(item, "callspec") and item.get_closest_marker("slow") is None:
            sweeps[item.nodeid.split("[")[0]].append(item)
    for cases in sweeps.values():
        asked = cases[0].get_closest_marker("sample")
        count = asked.args[0] if asked else SAMPLE
        quick = {round(n * (len(cases) - 1) / max(1, count - 1)) for n in range(count)}
        for place, case in enumerate(cases):
            if len(cases) > count and place not in quick:
                case.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Look for garbage among what tests make, not among the thousands of tests: a tenth of the quick ones' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory) -> Iterator[None]:
    """Models are tuned in the user's cache: here in one of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets: RUNG_SHARED/data, else ../shared/data beside the repository."""
    root = Path(os.environ.get("RUNG_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    if not (root / "data").is_dir():
        pytest.skip(f"no shared data sets at {root / 'data'}; set RUNG_SHARED to their folder")
    return root / "data"


@pytest.fixture
def without_other_packages(monkeypatch) -> Iterator[None]:
    """As if no installed package offered a plugin, rung-nano included."""
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    plugins.available.cache_clear()
    yield
    plugins.available.cache_clear()
