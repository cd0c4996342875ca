"""docs/write-a-plugin.md is a package: it installs, keeps its promises, and a climb uses all of it."""

import importlib
import re
import sys
import tomllib
from pathlib import Path

import pytest

import rung
from rung import plugins
from rung.errors import PluginConflict
from rung.testing.kit import small_rows

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[2] / "docs" / "write-a-plugin.md"
TEXT = PAGE.read_text(encoding="utf-8")
FILES = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", TEXT, re.S))
POINTS = tomllib.loads(re.search(r"```toml\n(.*?)```", TEXT, re.S)[1])["project"]["entry-points"]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Lay the page's files and entry points where an installer would, on the path of this process."""
    site = tmp_path / "site"
    for name, code in FILES.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(code)
    (site / "my_plugins/__init__.py").touch()
    about = site / "my_plugins-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-plugins\nVersion: 1.0\n")
    lines = [f"[{group}]\n" + "".join(f"{n} = {t}\n" for n, t in of.items()) for group, of in POINTS.items()]
    (about / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()
    plugins.available.cache_clear()
    yield site
    plugins.available.cache_clear()
    for name in [m for m in sys.modules if m.split(".")[0] == "my_plugins"]:
        del sys.modules[name]


def checked(kind):
    """Return the test function that the page shows for a kind."""
    names: dict[str, object] = {}
    exec(compile(FILES[f"tests/test_{kind}.py"], f"test_{kind}.py", "exec"), names)
    return names["test_it_keeps_its_promises"]


def test_every_kind_is_there_with_its_check():
    assert set(POINTS) == {f"rung.{kind}" for kind in plugins.KINDS}
    assert set(FILES) == {f"{place}{kind}.py" for kind in plugins.KINDS for place in ("my_plugins/", "tests/test_")}


def test_the_metric_keeps_its_promises(installed):
    checked("metrics")()


def test_the_provider_keeps_its_promises(installed):
    checked("models")()


def test_the_approach_keeps_its_promises(installed):
    checked("rungs")()


def test_the_retriever_keeps_its_promises(installed, tmp_path, monkeypatch):
    checked("retrievers")(tmp_path, monkeypatch)


@pytest.mark.extra
def test_the_tuner_keeps_its_promises(installed, tmp_path):
    pytest.importorskip("peft")
    from tests.extra.test_tuning_loop import NANO, rows

    checked("tuners")(NANO, rows(16), tmp_path / "tuned")


def test_a_climb_uses_all_of_them_by_name(installed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHELF", str(tmp_path / "kept"))
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents/teams.md").write_text("Billing answers about invoices, delivery about parcels.")
    run = rung.climb(
        [{"text": e.inputs["text"], "team": e.target} for e in small_rows(120, "t")],
        inputs="text",
        target="team",
        metric="first-letters",
        goal=0.99,
        models={"provider": "rules", "rules": {"invoice": "billing", "parcel": "delivery", "password": "login"}},
        ladder=["checklist", "rag"],
        documents={"path": "documents", "store": "shelf:handbook"},
    )
    assert run.task.metrics[0].name == "first-letters"
    first = run.frame()[0]
    assert (first["approach"], first["result"], first["score"]) == ("checklist", "misses", None)
    assert first["note"].startswith("stopped early after ")
    assert (tmp_path / "kept/handbook.sqlite").is_file()
    assert all(check.passed for check in run.verify())
    assert "my-plugins" in {p.origin for p in plugins.available("metrics").values()}


def test_a_class_of_this_process_can_be_registered():
    class Always(plugins.Metric):
        def score(self, answer, example, task):
            from rung.types import Score

            return Score(1.0)

    plugins.register("metrics", "always", Always)
    try:
        assert plugins.find("metrics", "always") is Always
        plugins.register("metrics", "always", Always)  # a cell that is run again
        with pytest.raises(PluginConflict, match="a metrics plugin is called 'regex' already .built-in."):
            plugins.register("metrics", "regex", Always)
    finally:
        plugins.unregister("metrics", "always")
    assert "always" not in plugins.available("metrics")
