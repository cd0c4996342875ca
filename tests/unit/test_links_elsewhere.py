"""Links of README and docs to other sites: `make nightly` asks each; what cannot be reached from here is no broken link."""

import re
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.tiers import NIGHTLY

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "packages" / "rung-nano" / "README.md"]
LINK = re.compile(r"\]\((https?://[^)\s]+)\)")
GONE = (404, 410)


def links():
    """Return each address that a page links to, with the first page that does."""
    found = {}
    for page in sorted(PAGES):
        for address in LINK.findall(page.read_text("utf-8")):
            found.setdefault(address, page.relative_to(ROOT).as_posix())
    return found


def state(address):
    """Return "there", "gone" (the site says so) or "unreachable"."""
    asked = urllib.request.Request(address, headers={"User-Agent": "Mozilla/5.0 (link check)"})
    try:
        with urllib.request.urlopen(asked, timeout=20):
            return "there"
    except urllib.error.HTTPError as error:
        return "gone" if error.code in GONE else "unreachable"  # refusals to programs say nothing of the page
    except OSError:
        return "unreachable"


@pytest.mark.skipif(not NIGHTLY, reason="asks other sites: `make nightly`")
def test_no_link_to_another_site_is_broken():
    states = {address: state(address) for address in links()}
    if "there" not in states.values():
        pytest.skip(f"none of {len(states)} linked sites can be reached from here")
    assert {address: links()[address] for address, said in states.items() if said == "gone"} == {}


def test_there_are_links_to_ask():
    assert len(links()) > 5
    assert links()["https://dspy.ai"] == "README.md"


class Site(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(self.path[1:]))
        self.end_headers()

    def log_message(self, *_):
        pass


def test_what_a_site_answers_is_told_apart():
    server = HTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    here = f"http://127.0.0.1:{server.server_port}"
    found = [state(f"{here}/{code}") for code in (200, 404, 410, 403, 503)]
    server.shutdown()
    thread.join()
    server.server_close()
    assert found == ["there", "gone", "gone", "unreachable", "unreachable"]
    assert state(f"{here}/200") == "unreachable"
