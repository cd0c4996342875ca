"""Vendors by name: where they are asked, whose hosts their keys go to, and that the page of each is a climb that works."""

from __future__ import annotations

import asyncio
import csv
import json
import re
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from pydantic import ValidationError

import rung
from rung import plugins
from rung.config import load_config
from rung.engine.check import check
from rung.engine.permission import wishes_of
from rung.engine.plan import plan
from rung.errors import ConfigError
from rung.ladder import climb_in_loop
from rung.models.settings import configured
from rung.models.vendors import VENDORS
from rung.progress import Silent
from rung.store.run import RunFolder
from rung.testing.endpoint import Endpoint, Reply, answer_body
from rung.testing.kit import small_rows
from rung.types import Message, Request

PAGES = Path(__file__).parents[2] / "docs" / "providers"
PRESETS = sorted(set(VENDORS) - {"openai"})
AZURE = "https://shop.openai.azure.com"
TARGET = f"{AZURE}/openai/deployments/small/chat/completions?api-version=2024-10-21"
ROWS = small_rows(150, "ticket")


def preset(name, **settings):
    needed = {"base_url": AZURE} if name == "azure" else {}
    return plugins.make("models", name, **{"name": "m-1", **needed, **settings})


def page_of(name):
    """Return the configuration of a page, its names to fill in filled in as a reader would."""
    [block] = re.findall(r"```yaml\n(.*?)```", (PAGES / f"{name}.md").read_text(), re.DOTALL)
    return yaml.safe_load(block.replace("RESOURCE", "our-team").replace("DEPLOYMENT", "our-model"))


def write_rows(folder):
    with (folder / "tickets.csv").open("w", newline="") as file:
        made = csv.writer(file)
        made.writerow(["text", "team"])
        made.writerows([row.inputs["text"], row.target] for row in ROWS)


def test_every_preset_has_a_page_and_is_found_by_its_name():
    assert [page.stem for page in sorted(PAGES.glob("*.md"))] == PRESETS
    assert set(PRESETS) <= set(plugins.available("models"))
    assert {preset(name).provider for name in PRESETS} == set(PRESETS)


@pytest.mark.parametrize(
    ("name", "address", "sent"),
    [
        ("anthropic", "https://api.anthropic.com/v1", {"Authorization": ("ANTHROPIC_API_KEY", "Bearer ")}),
        (
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta/openai",
            {"Authorization": ("GEMINI_API_KEY", "Bearer ")},
        ),
        ("azure", f"{AZURE}/openai/v1", {"api-key": ("AZURE_OPENAI_API_KEY", "")}),
        ("ollama", "http://localhost:11434/v1", {}),
        ("vllm", "http://localhost:8000/v1", {}),
        ("openrouter", "https://openrouter.ai/api/v1", {"Authorization": ("OPENROUTER_API_KEY", "Bearer ")}),
    ],
)
def test_a_preset_knows_its_address_and_its_key(name, address, sent):
    made = preset(name)
    assert (made.base_url, dict(made.variables)) == (address, sent)


@pytest.mark.parametrize("name", [n for n in PRESETS if VENDORS[n].key_variable])
@pytest.mark.parametrize(
    "address",
    [
        "https://models.example.com/v1",
        "http://127.0.0.1:8000/v1",
        "https://{host}.example.com/v1",
        "https://example.com/{host}/v1",
        "https://x{host}/v1",
        "http://{own}/v1",
    ],
)
def test_a_presets_key_goes_to_no_other_host(name, address):
    vendor = VENDORS[name]
    host = vendor.hosts[0].lstrip(".")
    own = f"shop{vendor.hosts[0]}" if vendor.hosts[0].startswith(".") else host
    place = address.format(host=host, own=own)
    for more in ({}, {"api_key_env": vendor.key_variable}, {"headers_env": {"x-key": vendor.key_variable}}):
        given = {"api_key_env": "OTHER_KEY", **more} if "headers_env" in more else more
        with pytest.raises(ValidationError, match=f"would send {vendor.key_variable}, the key for {vendor.title}"):
            preset(name, base_url=place, **given)
    assert preset(name, base_url=place, api_key_env="OTHER_KEY").key_variable == "OTHER_KEY"
    assert preset(name, base_url=f"https://{own.upper()}/v1").variables


def test_the_refusal_says_what_to_do_and_names_the_file(tmp_path):
    write_rows(tmp_path)
    raw = page_of("anthropic")
    raw["models"]["main"]["base_url"] = "https://models.example.com/v1"
    (tmp_path / "rung.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "rung.yaml")
    assert str(caught.value).endswith(
        "  - models.main: would send ANTHROPIC_API_KEY, the key for Anthropic, to https://models.example.com; it goes to "
        "https://api.anthropic.com alone: name the variable with the key of that other address in api_key_env, or ask it by "
        "`provider: openai`"
    )


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (TARGET, f"{AZURE}/openai/deployments/small?api-version=2024-10-21"),
        (f"{AZURE}/", f"{AZURE}/openai/v1"),
        (f"{AZURE}/openai/v1/chat/completions", f"{AZURE}/openai/v1"),
        ("https://shop.services.ai.azure.com/openai/v1", "https://shop.services.ai.azure.com/openai/v1"),
    ],
)
def test_azure_takes_the_address_as_the_portal_shows_it(given, address):
    assert preset("azure", base_url=given).base_url == address


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "copy the target URI"),
        (f"{AZURE}/openai/deployments/small/chat/completions", "has no \\?api-version"),
        (f"{AZURE}/openai/responses?api-version=2025-04-01", "is an address of the Responses API"),
    ],
)
def test_azure_says_what_is_wrong_with_an_address(given, said):
    with pytest.raises(ValidationError, match=said):
        preset("azure", base_url=given)


def test_quirks_that_are_known_before_the_first_request():
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        preset("anthropic", temperature=1.5)
    assert preset("ollama", base_url="http://box:11434").base_url == "http://box:11434/v1"
    assert (preset("ollama").timeout_s, preset("ollama").concurrency) == (300.0, 4)
    assert preset("vllm").price_url is None


def test_the_constructors_give_what_the_file_would_hold():
    made = [
        rung.Anthropic("m-1", max_tokens=99),
        rung.Gemini("m-1", extra_body={"reasoning_effort": "low"}),
        rung.Azure("m-1", TARGET, api_key_env="AZURE_TEAM"),
        rung.Ollama("m-1", base_url="http://box:11434"),
        rung.Vllm("m-1", context=4096),
        rung.OpenRouter("m-1", keep_thoughts=True),
    ]
    assert [entry["provider"] for entry in made] == [
        *("anthropic", "gemini", "azure", "ollama", "vllm", "openrouter"),
    ]
    for entry in made:
        settings = {key: value for key, value in entry.items() if key != "provider"}
        built = plugins.make("models", entry["provider"], **settings)
        assert {key: getattr(built, key) for key in settings if key != "base_url"} == {
            key: value for key, value in settings.items() if key != "base_url"
        }


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", PRESETS)
def test_what_a_page_shows_passes_check_and_plan(name, tmp_path, monkeypatch):
    if VENDORS[name].key_variable:
        monkeypatch.setenv(VENDORS[name].key_variable, "a-key-of-a-test")
    write_rows(tmp_path)
    (tmp_path / "rung.yaml").write_text(yaml.safe_dump(page_of(name)))
    config = load_config(tmp_path / "rung.yaml")
    assert check(config, Silent()).stops == 0
    found = plan(config)
    assert [r.rung for r in found.rungs] == ["baseline", "prompt", "fewshot", "diagnosis"]
    assert found.usd is not None
    assert found.usd > 0


@pytest.mark.parametrize("name", PRESETS)
def test_what_a_page_shows_asks_as_its_vendor_wants(name, tmp_path, monkeypatch):
    """The request, sent to a stub in the vendor's place: path, header of the key, and the fields of the page."""
    monkeypatch.setenv("STUB_KEY", "a-key-of-a-test")
    write_rows(tmp_path)
    raw = page_of(name)
    entry = raw["models"]["main"]
    seen = {}

    async def work():
        async with Endpoint(script=lambda data, attempt: seen.update(data)).serving() as stub:
            address = urlsplit(VENDORS[name].address or entry["base_url"])
            whole = f"http://{urlsplit(stub.url).netloc}{address.path}" + (f"?{address.query}" if address.query else "")
            key = {"api_key_env": "STUB_KEY"} if VENDORS[name].key_variable else {}
            raw["models"]["main"] = {**entry, "base_url": whole, **key}
            (tmp_path / "rung.yaml").write_text(yaml.safe_dump(raw))
            model = configured(load_config(tmp_path / "rung.yaml"))["main"].connect()
            await model.complete(Request((Message("user", "Hello"),)))
            await model.close()
            return stub

    stub = asyncio.run(work())
    path, _, query = urlsplit(VENDORS[name].address or entry["base_url"]).path.partition("/chat/completions")
    assert stub.path_seen.startswith(f"{path}/chat/completions{query}")
    assert ("api-version=2024-10-21" in stub.path_seen) == (name == "azure")
    sent = {"azure": ("api-key", "a-key-of-a-test")}.get(name, ("authorization", "Bearer a-key-of-a-test"))
    assert stub.headers_seen.get(sent[0]) == (sent[1] if VENDORS[name].key_variable else None)
    assert ("authorization" in stub.headers_seen) == (name not in ("azure", "ollama", "vllm"))
    assert seen["model"] == entry["name"]
    assert {key: seen[key] for key in entry.get("extra_body", {})} == entry.get("extra_body", {})


KEY = "a-key-of-a-test"


def error(status, body):
    return Reply(status, json.dumps(body).encode())


def plain_error(status, message, kind, code=None, param=None):
    """An error in OpenAI's own shape, which most vendors share."""
    return error(status, {"error": {"message": message, "type": kind, "param": param, "code": code}})


class VendorStub:
    """An endpoint that takes, refuses and answers as one vendor's compatible address is documented to (pages in docs/providers)."""

    def __init__(self, name):
        self.name = name
        self.endpoint = Endpoint(script=self.reply)
        self.refused = Counter()
        self.bodies = []
        self.answers = {row.inputs["text"]: row.target for row in ROWS}

    def reply(self, data, attempt):
        vendor, headers = VENDORS[self.name], self.endpoint.headers_seen
        field, before = vendor.key_header
        if vendor.key_variable and headers.get(field.lower()) != f"{before}{KEY}":
            return self.refusal("key", plain_error(401, "no such key", "authentication_error"))
        self.bodies.append(data)
        asked = data["messages"][-1]["content"]
        text = next((label for text, label in self.answers.items() if text in asked.splitlines()[-1]), "unknown")
        return getattr(self, self.name)(data, attempt) or self.answer(data, text)

    def refusal(self, what, reply):
        self.refused[what] += 1
        return reply

    def answer(self, data, text):
        spoken = {
            "gemini": {"extra_content": {"google": {"thought_signature": "AB=="}}},
            "ollama": {"reasoning": "The words are those of one team."},
            "openrouter": {"refusal": None, "reasoning": None},
            "vllm": {"reasoning_content": None, "tool_calls": []},
        }
        made = json.loads(answer_body(text, data["model"], 40, 3, **spoken.get(self.name, {})))
        [choice] = made["choices"]
        if self.name == "anthropic":
            made["usage"] |= {"prompt_tokens_details": None, "completion_tokens_details": None}
        elif self.name == "gemini":
            made["usage"]["total_tokens"] += 57  # a thought is in the total alone
        elif self.name == "azure":
            made |= {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}
            choice["content_filter_results"] = {"hate": {"filtered": False, "severity": "safe"}}
        elif self.name == "openrouter":
            made |= {"provider": "Host", "usage": made["usage"] | {"cost": 0.00002, "is_byok": False}}
            choice["native_finish_reason"] = "stop"
        elif self.name == "vllm":
            choice["stop_reason"] = None
            made["usage"]["prompt_tokens_details"] = None
        return Reply(200, json.dumps(made).encode())

    def anthropic(self, data, attempt):
        if "temperature" in data:
            return self.refusal(
                "temperature", plain_error(400, "temperature: Extra inputs are not permitted", "invalid_request_error")
            )
        if attempt == 1 and len(self.bodies) in (10, 30):
            overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
            return self.refusal("busy", error(529, overloaded))
        return None

    def gemini(self, data, attempt):
        if unknown := [field for field in ("seed", "frequency_penalty", "guided_choice") if field in data]:
            said = "".join(
                f'Invalid JSON payload received. Unknown name "{field}": Cannot find field.' for field in unknown
            )
            return self.refusal(
                "seed", error(400, [{"error": {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}}])
            )
        if attempt == 1 and len(self.bodies) in (10, 30):
            said = "You exceeded your current quota. Please retry in 0.01s."
            return self.refusal(
                "busy", error(429, [{"error": {"code": 429, "message": said, "status": "RESOURCE_EXHAUSTED"}}])
            )
        return None

    def azure(self, data, attempt):
        if "api-version=" not in self.endpoint.path_seen:
            return self.refusal("path", error(404, {"error": {"code": "404", "message": "Resource not found"}}))
        if "max_tokens" in data:
            said = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
            return self.refusal(
                "length", plain_error(400, said, "invalid_request_error", "unsupported_parameter", "max_tokens")
            )
        return None

    def ollama(self, data, attempt):
        if attempt == 1 and len(self.bodies) in (10, 30):
            return self.refusal("busy", plain_error(503, "server busy, please try again.", "api_error"))
        return None

    def vllm(self, data, attempt):
        if any(turn["role"] == "system" for turn in data["messages"]):
            said = {"object": "error", "message": "System role not supported", "type": "BadRequestError", "param": None}
            return self.refusal("system", error(400, said | {"code": 400}))
        return None

    def openrouter(self, data, attempt):
        if "temperature" in data:
            said = "No endpoints found that can handle the requested parameters. To learn more about provider routing, visit the docs"
            return self.refusal("temperature", error(404, {"error": {"message": said, "code": 404}}))
        if attempt == 1 and len(self.bodies) in (10, 30):
            failed = {"code": 502, "message": "Provider returned error", "metadata": {"provider_name": "Host"}}
            return self.refusal("busy", error(200, {"error": failed}))
        return None


REFUSALS = {  # what each stub refuses in the climb below, told by rung once in these words; None: nothing is to be learnt
    "anthropic": ("temperature", "takes no temperature of ours"),
    "azure": ("length", "calls the longest answer max_completion_tokens"),
    "gemini": ("busy", None),
    "ollama": ("busy", None),
    "openrouter": ("temperature", "takes no temperature of ours"),
    "vllm": ("system", "takes no system turns"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_the_page_of_a_preset_climbs_whole_on_a_stub_that_behaves_like_its_vendor(name, tmp_path, monkeypatch):
    monkeypatch.setenv("STUB_KEY", KEY)
    write_rows(tmp_path)
    (tmp_path / "prompt.yaml").write_text(
        "- {role: system, content: You sort tickets.}\n- {role: user, content: 'Which team? {{text}}'}\n"
    )
    raw, stub = page_of(name), VendorStub(name)
    raw["task"]["prompt"] = "prompt.yaml"

    async def work():
        async with stub.endpoint.serving():
            address = urlsplit(VENDORS[name].address or raw["models"]["main"]["base_url"])
            whole = f"http://{urlsplit(stub.endpoint.url).netloc}{address.path}{'?' if address.query else ''}{address.query}"
            own = (
                {"api_key_env": "STUB_KEY", "price": {"input": 1.0, "output": 4.0}}
                if VENDORS[name].key_variable
                else {}
            )
            raw["models"]["main"] |= {"base_url": whole, **own}
            (tmp_path / "rung.yaml").write_text(yaml.safe_dump(raw | {"ladder": ["prompt"]}))
            return await climb_in_loop(load_config(tmp_path / "rung.yaml"), tmp_path / "run")

    found = asyncio.run(work())
    assert (found.verdict.decision, found.exit_code) == ("meets", 0)
    refused, told = REFUSALS[name]
    assert stub.refused[refused], "the stub did refuse what its vendor refuses"
    assert "key" not in stub.refused
    spend = RunFolder.open(found.folder).spend.need()["by_role"]["main"]
    assert spend["usd"] is not None
    assert spend["usd"] > 0
    notes = " ".join(spend["notes"])
    assert told is None or (told in notes and notes.count(told) == 1)
    if told is not None:
        assert stub.refused[refused] < 20, "what was learnt is not asked again"
    held = b"".join(file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file())
    assert KEY.encode() not in held


@pytest.mark.parametrize(
    ("entry", "sent"),
    [
        ({"provider": "anthropic", "name": "m"}, [("ANTHROPIC_API_KEY", "api.anthropic.com")]),
        ({"provider": "gemini", "name": "m"}, [("GEMINI_API_KEY", "generativelanguage.googleapis.com")]),
        ({"provider": "azure", "name": "m", "base_url": TARGET}, [("AZURE_OPENAI_API_KEY", "shop.openai.azure.com")]),
        ({"provider": "openrouter", "name": "m"}, [("OPENROUTER_API_KEY", "openrouter.ai")]),
        ({"provider": "ollama", "name": "m"}, []),
        ({"provider": "vllm", "name": "m", "api_key_env": "VLLM_KEY"}, [("VLLM_KEY", "localhost:8000")]),
        (
            {"provider": "openai", "name": "m", "base_url": "https://api.openai.com/v1"},
            [("OPENAI_API_KEY", "api.openai.com")],
        ),
        ({"provider": "openai", "name": "m", "base_url": "http://box:1/v1"}, []),
    ],
)
def test_a_project_from_elsewhere_is_asked_about_the_key_that_a_preset_sends(entry, sent, tmp_path):
    write_rows(tmp_path)
    raw = page_of("ollama") | {"models": {"main": entry}}
    (tmp_path / "rung.yaml").write_text(yaml.safe_dump(raw))
    assert list(wishes_of(load_config(tmp_path / "rung.yaml")).sent) == sent
