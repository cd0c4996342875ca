"""The page in a real browser: its style applies, it follows the colour scheme, nothing overflows, nothing is refused."""

import html
import json
import re
import shutil
import struct
import subprocess
import zlib

import pytest

from rung.report.page import write_page
from rung.store.sealed import sealed_test
from rung.types import Example, Skipped
from tests.unit._run_folder import LADDER, Made, build

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: the page is not looked at")
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --enable-logging=stderr --virtual-time-budget=2000"
).split()
LIGHT, DARK = (0xFB, 0xFA, 0xF7), (0x15, 0x16, 0x1A)  # --paper of page.css
PROBE = """<script>
const wide = document.documentElement.clientWidth;
const inScroll = e => { for (let p = e.parentElement; p; p = p.parentElement) if (/auto|scroll/.test(getComputedStyle(p).overflowX)) return true; };
const out = [...document.querySelectorAll("main *, header *, footer *")].filter(e => { const b = e.getBoundingClientRect();
  return b.width > 0 && b.right > wide + 1 && !inScroll(e) && !e.closest("svg.bar"); });
const texts = [...document.querySelectorAll("svg.ladder")].filter(s => s.getBoundingClientRect().width > 0).flatMap(s => {
  const f = s.getBoundingClientRect();
  return [...s.querySelectorAll("text")].filter(t => { const b = t.getBoundingClientRect(); return b.left < f.left - 1 || b.right > f.right + 1 || b.bottom > f.bottom + 1; }).map(t => t.textContent); });
parent.document.body.setAttribute("data-probe", JSON.stringify({wide, scroll: document.documentElement.scrollWidth,
  out: out.slice(0, 5).map(e => e.tagName + "." + e.className), texts, charts: [...document.querySelectorAll("figure.chart")].filter(f => f.getBoundingClientRect().width > 0).length}));
</script>"""


def chromium(tmp_path, *words):
    """Run the browser once with a profile of its own; return what it printed and logged."""
    command = [CHROMIUM, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def first_pixel(png):
    """Return the colour of the top left corner of an 8-bit RGB or RGBA picture."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, data = 8, b""
    while at < len(png):
        (length,), kind = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        data += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    return tuple(zlib.decompress(data)[1:4])  # the first pixel of the first row is the same under every row filter


def screenshot(tmp_path, page, *words):
    picture = tmp_path / "page.png"
    found = chromium(tmp_path, "--window-size=1280,2000", f"--screenshot={picture}", *words, page.as_uri())
    return picture.read_bytes(), found.stderr


@pytest.fixture
def page(tmp_path):
    long = Example("d-long", {"subject": "x" * 700, "body": "word " * 300}, "a" * 300, "d-long")
    dev = (long, *(Example(f"d{i}", {"subject": "s", "body": "b"}, "billing", f"d{i}") for i in range(40)))
    six = (*LADDER, Made("rag", 0.7, 0.0009), Made("finetune", 0.74, 0.00022), Made("scratch", 0.5, None))
    skipped = (Skipped("distil", "no larger model is configured"),)
    planned = (*(m.label for m in six), "distil")
    folder = build(tmp_path / "run", six, planned=planned, skipped=skipped, goal=0.97, sizes=(60, 20, 80), dev=dev)
    sealed_test(folder).reveal()
    return write_page(folder)


def test_the_style_applies_in_light_and_dark_and_the_policy_refuses_nothing(tmp_path, page):
    for scheme, paper in ((1, LIGHT), (0, DARK)):
        png, logged = screenshot(tmp_path, page, f"--blink-settings=preferredColorScheme={scheme}")
        assert first_pixel(png) == paper
        assert len(png) > 60_000, "the page looks empty"
        assert "Refused" not in logged
        assert "CONSOLE" not in logged


@pytest.mark.parametrize("width", [360, 390, 800, 1280])
def test_nothing_sticks_out_at_any_width(tmp_path, page, width):
    open_all = re.sub(r"<details(?! open)", "<details open", page.read_text("utf-8"))
    probed = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", open_all).replace(
        "</body>", PROBE + "</body>"
    )
    file = tmp_path / "probed.html"  # a frame, because a window of its own is never narrower than 500 pixels
    frame = f'<iframe width="{width}" height="1200" style="border:0" srcdoc="{html.escape(probed)}"></iframe>'
    file.write_text(f'<!doctype html><meta charset="utf-8"><body>{frame}</body>', encoding="utf-8")
    dom = chromium(tmp_path, "--window-size=1400,1300", "--dump-dom", file.as_uri()).stdout
    seen = re.search(r'data-probe="([^"]*)"', dom)
    assert seen, "the probe did not run"
    found = json.loads(html.unescape(seen[1]))
    assert found == {"wide": width, "scroll": width, "out": [], "texts": [], "charts": 1}


HEIGHT = '<script>parent.document.body.setAttribute("data-high", document.documentElement.scrollHeight)</script>'


@pytest.mark.parametrize(("width", "most"), [(1280, 4500), (390, 9000)])
def test_before_anything_is_unfolded_the_page_is_short(tmp_path, page, width, most):
    bare = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text("utf-8"))
    file = tmp_path / "high.html"
    inner = html.escape(bare.replace("</body>", HEIGHT + "</body>"))
    file.write_text(
        f'<!doctype html><body><iframe width="{width}" height="900" style="border:0" srcdoc="{inner}"></iframe></body>'
    )
    dom = chromium(tmp_path, "--window-size=1400,1300", "--dump-dom", file.as_uri()).stdout
    assert 500 < int(re.search(r'data-high="(\d+)"', dom)[1]) <= most


def test_it_prints_on_paper(tmp_path, page):
    pdf = tmp_path / "page.pdf"
    chromium(tmp_path, f"--print-to-pdf={pdf}", "--no-pdf-header-footer", page.as_uri())
    assert pdf.read_bytes().startswith(b"%PDF")
    assert 20_000 < pdf.stat().st_size < 3_000_000


SEARCH = """<script>
const box = document.querySelector(".filtered"), words = box.querySelector("input[type=search]"), cause = box.querySelector("select");
const left = () => [...box.querySelectorAll("tbody > tr")].filter(r => getComputedStyle(r).display !== "none").length;
const told = [left()];
const put = (field, value) => { field.value = value; field.dispatchEvent(new Event("input", {bubbles: true})); told.push(left(), box.querySelector("output").value); };
document.querySelectorAll("details").forEach(d => { d.open = true; });
put(words, "XXXX"); put(words, "no such words"); put(words, ""); put(cause, cause.options[1].value);
document.body.setAttribute("data-told", JSON.stringify([box.querySelector(".search").hidden, ...told]));
</script>"""


def test_dev_examples_are_searched_by_words_and_by_cause(tmp_path, page):
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text("utf-8"))
    file = tmp_path / "searched.html"
    file.write_text(text.replace("</body>", SEARCH + "</body>"), encoding="utf-8")
    dom = chromium(tmp_path, "--dump-dom", file.as_uri()).stdout
    hidden, *told = json.loads(html.unescape(re.search(r'data-told="([^"]*)"', dom)[1]))
    by_cause = told.pop(7), told.pop(7)
    assert (hidden, told) == (False, [41, 1, "1 example", 0, "0 examples", 41, ""])
    first = re.search(r'<option value="">any</option><option>(.*?)</option>', text)[1]
    count = text.count(f'data-cause="{first}"')
    assert by_cause == (count, "1 example" if count == 1 else f"{count} examples")
    assert 0 < count < 41
