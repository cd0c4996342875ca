"""A real Chromium that opens pages and tells everything that a page did: scripts, dialogs, requests, refusals, moves."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync "
    "--disable-component-update --disable-dev-shm-usage --disable-extensions --remote-debugging-port=0"
).split()
LOOK = """(() => {
  for (const d of document.querySelectorAll("details")) d.open = true;
  const all = [...document.querySelectorAll("*")];
  for (const e of all) for (const [kind, name] of [[MouseEvent, "mouseover"], [MouseEvent, "click"], [FocusEvent, "focus"], [Event, "toggle"], [Event, "error"]])
    if (!(name === "click" && e.closest("a, label, summary, input, button"))) e.dispatchEvent(new kind(name));
  const counts = {};
  for (const e of all) if (!e.classList.contains("hid")) counts[e.tagName] = (counts[e.tagName] || 0) + 1;
  const attributes = {}, led = [];
  for (const e of all) for (const a of e.attributes) {
    attributes[a.name] = (attributes[a.name] || 0) + 1;
    if (["href", "src", "action", "data", "srcset", "formaction", "xlink:href", "poster", "srcdoc"].includes(a.name) && !/^#[\\w.-]*$/.test(a.value)) led.push(e.tagName + " " + a.name + "=" + a.value.slice(0, 80));
  }
  return {title: document.title, canary: typeof window.canary, counts, attributes, led, ids: all.filter(e => e.id).length,
          different: new Set(all.filter(e => e.id).map(e => e.id)).size};
})()"""


@dataclass
class Seen:
    """What a page did and what it is. `requests` are those beyond the page itself."""

    title: str = ""
    canary: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    attributes: Counter[str] = field(default_factory=Counter)
    led: list[str] = field(default_factory=list)
    ids: int = 0
    different: int = 0  # of the ids
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    moves: list[str] = field(default_factory=list)


def look_at(pages: Sequence[Path], profile: Path) -> list[Seen]:
    """Open the pages one after the other, open every panel, touch every element, and tell what happened."""
    return asyncio.run(_look_at(pages, profile))


async def _look_at(pages: Sequence[Path], profile: Path) -> list[Seen]:
    assert CHROMIUM is not None
    words = [CHROMIUM, *QUIET, f"--user-data-dir={profile}", "about:blank"]
    browser = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        assert browser.stderr is not None
        said = iter(browser.stderr.readline, "")
        address = next(found[1] for line in said if (found := re.search(r"DevTools listening on (ws://\S+)", line)))
        drain = asyncio.create_task(asyncio.to_thread(browser.stderr.read))
        async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as wire:
            devtools = _Devtools(wire)
            listening = asyncio.create_task(devtools.listen())
            seen = [await asyncio.wait_for(devtools.visit(page), 90) for page in pages]
            listening.cancel()
        return seen
    finally:
        browser.kill()
        browser.wait()
        await drain


class _Devtools:
    """The protocol of Chromium's developer tools, as far as it is needed here."""

    def __init__(self, wire: aiohttp.ClientWebSocketResponse) -> None:
        self._wire, self._number = wire, 0
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self._seen, self._page, self._session = Seen(), "", ""

    async def listen(self) -> None:
        async for message in self._wire:
            said = message.json()
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
            else:
                self._happened(said["method"], said["params"])

    async def _do(self, method: str, **params: Any) -> dict[str, Any]:
        return await self._send(method, params)

    def _send(self, method: str, params: dict[str, Any]) -> asyncio.Future[dict[str, Any]]:
        self._number += 1
        done = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        whose = {"sessionId": self._session} if self._session else {}
        asyncio.get_running_loop().create_task(
            self._wire.send_json({"id": self._number, "method": method, "params": params, **whose})
        )
        return done

    async def visit(self, page: Path) -> Seen:
        self._session, self._seen, self._page = "", Seen(), page.as_uri()
        self._loaded.clear()
        target = (await self._do("Target.createTarget", url="about:blank"))["result"]["targetId"]
        self._session = (await self._do("Target.attachToTarget", targetId=target, flatten=True))["result"]["sessionId"]
        for part in ("Page", "Runtime", "Network", "Log"):
            await self._do(f"{part}.enable")
        await self._do("Fetch.enable", patterns=[{"urlPattern": "*"}])
        await self._do("Page.navigate", url=self._page)
        await self._loaded.wait()
        found = (await self._do("Runtime.evaluate", expression=LOOK, returnByValue=True))["result"]["result"]["value"]
        await asyncio.sleep(0.3)  # whatever was set off
        again = await self._do(
            "Runtime.evaluate", expression="[document.title, typeof window.canary]", returnByValue=True
        )
        title, canary = again["result"]["result"]["value"]
        seen = self._seen
        seen.title, seen.canary, seen.led, seen.ids, seen.different = (
            title,
            canary,
            found["led"],
            found["ids"],
            found["different"],
        )
        seen.counts, seen.attributes = Counter(found["counts"]), Counter(found["attributes"])
        await self._do("Target.closeTarget", targetId=target)
        return seen

    def _happened(self, method: str, params: dict[str, Any]) -> None:
        seen = self._seen
        if method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Page.javascriptDialogOpening":
            seen.dialogs.append(params["message"])
            self._send("Page.handleJavaScriptDialog", {"accept": False})
        elif method == "Fetch.requestPaused":
            url = params["request"]["url"]
            if url != self._page:
                seen.requests.append(url[:200])
            verdict = (
                ("Fetch.continueRequest", {})
                if url == self._page
                else ("Fetch.failRequest", {"errorReason": "Aborted"})
            )
            self._send(verdict[0], {"requestId": params["requestId"], **verdict[1]})
        elif method == "Log.entryAdded":
            seen.logged.append(params["entry"]["text"][:200])
        elif method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Network.webSocketCreated"):
            seen.logged.append(f"{method} {str(params)[:200]}")
        elif method == "Page.frameNavigated" and params["frame"]["url"] != self._page:
            seen.moves.append(params["frame"]["url"][:200])
        elif method in ("Page.navigatedWithinDocument", "Page.windowOpen", "Page.frameAttached"):
            seen.moves.append(f"{method} {params.get('url', '')[:200]}")
