"""The report page against axe-core: desktop and phone, light and dark, folded and with every panel open.

The package comes from the registry at test time, or lies where RUNG_AXE names its axe.min.js; without either the test is skipped.
"""

import html
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from rung.report.page import render_several
from rung.report.several import several
from tests.browser.test_report_page import CHROMIUM, chromium, page
from tests.unit._run_folder import LADDER, build

__all__ = ["page"]  # the fixture
pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"), pytest.mark.slow]
AXE = "axe-core@4.14.1"
LOOK = """<script>
axe.run(document, {resultTypes: ["violations", "incomplete"]}).then(found => {
  const short = rules => rules.map(r => r.id + ": " + r.nodes.slice(0, 4).map(n => n.target.join(" ") + " " + n.any.concat(n.all, n.none).map(c => c.message).join("; ")).join(" | "));
  parent.document.body.setAttribute("data-axe", JSON.stringify({violations: short(found.violations), incomplete: short(found.incomplete), passed: found.passes.length}));
});
</script>"""


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """Return the text of axe.min.js."""
    if held := os.environ.get("RUNG_AXE"):
        return Path(held).read_text("utf-8")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("axe-core is not looked for: npm is not here, and RUNG_AXE names no axe.min.js")
    place = tmp_path_factory.mktemp("axe")
    words = [npm, "pack", "--silent", "--fetch-retries=0", "--fetch-timeout=20000", AXE]
    if subprocess.run(words, cwd=place, capture_output=True, check=False).returncode:
        pytest.skip(f"{AXE} cannot be had from the package registry here")
    with tarfile.open(next(place.glob("*.tgz"))) as packed:
        script = packed.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode("utf-8")


def findings(tmp_path, page, axe, width, dark, unfolded):
    """Return what axe says of the page in a frame of this width."""
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text("utf-8"))
    if unfolded:
        text = re.sub(r"<details(?! open)", "<details open", text)
    inner = html.escape(text.replace("</body>", f"<script>{axe}</script>{LOOK}</body>"))
    file = tmp_path / "looked-at.html"
    file.write_text(
        f'<!doctype html><html lang="en"><title>t</title><body><iframe width="{width}" height="1200" style="border:0" srcdoc="{inner}"></iframe>',
        encoding="utf-8",
    )
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    dom = chromium(
        tmp_path, scheme, "--window-size=1400,1300", "--virtual-time-budget=60000", "--dump-dom", file.as_uri()
    )
    seen = re.search(r'data-axe="([^"]*)"', dom.stdout)
    assert seen, f"axe did not end: {dom.stderr[-500:]}"
    return json.loads(html.unescape(seen[1]))


@pytest.mark.parametrize("unfolded", [False, True], ids=["folded", "unfolded"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390], ids=["desktop", "phone"])
def test_axe_finds_nothing(tmp_path, page, axe, width, dark, unfolded):
    found = findings(tmp_path, page, axe, width, dark, unfolded)
    assert found["passed"] > 20
    assert found["violations"] == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390], ids=["desktop", "phone"])
def test_axe_finds_nothing_on_the_page_over_several_runs(tmp_path, axe, width, dark):
    places = [
        build(tmp_path / name, LADDER, goal=goal, sizes=(20, 40, 80)).path for name, goal in (("a", 0.6), ("b", 0.9))
    ]
    page = tmp_path / "runs.html"
    page.write_text(render_several(several(places, page)), encoding="utf-8")
    found = findings(tmp_path, page, axe, width, dark, unfolded=True)
    assert found["passed"] > 15
    assert found["violations"] == []
