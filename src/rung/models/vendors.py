"""Vendors and servers with an OpenAI-compatible address: the one table of addresses, keys and hosts (checked 2026-11).

What does not work over a vendor's compatible address is told on its page in docs/providers; what an endpoint does not take is
learnt from its refusals (`rung.models._fitting`), never from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

BEARER = ("Authorization", "Bearer ")


@dataclass(frozen=True, slots=True)
class Vendor:
    """Where a vendor is asked. `address` is None where each customer has one of their own, `key_variable` where no key is sent
    unless the user names one. `hosts`: where that key may go; one that begins with a dot is any name under it.
    """

    title: str
    address: str | None
    path: str  # what follows the host, where the user gives the host alone
    key_variable: str | None = None
    hosts: tuple[str, ...] = ()
    key_header: tuple[str, str] = BEARER  # the header's name, and what stands before the key in it
    embeds: bool = True  # whether the address has /embeddings

    def serves(self, address: str) -> bool:
        """Whether an address is the vendor's own, over HTTPS."""
        parts = urlsplit(address)
        host = (parts.hostname or "").rstrip(".").lower()
        own = any(host.endswith(h) if h.startswith(".") else host == h for h in self.hosts)
        return own and parts.scheme == "https"


_AZURE = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
_SOVEREIGN = (".openai.azure.us", ".cognitiveservices.azure.us", ".openai.azure.cn", ".cognitiveservices.azure.cn")

VENDORS: Mapping[str, Vendor] = {  # the provider's name in rung.yaml -> where it is asked
    "openai": Vendor("OpenAI", "https://api.openai.com/v1", "/v1", "OPENAI_API_KEY", ("api.openai.com",)),
    "anthropic": Vendor(
        "Anthropic",
        "https://api.anthropic.com/v1",
        "/v1",
        "ANTHROPIC_API_KEY",
        ("api.anthropic.com",),
        embeds=False,
    ),
    "gemini": Vendor(
        "Gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "/v1beta/openai",
        "GEMINI_API_KEY",
        ("generativelanguage.googleapis.com",),
    ),
    "azure": Vendor(
        "Azure", None, "/openai/v1", "AZURE_OPENAI_API_KEY", (*_AZURE, *_SOVEREIGN), key_header=("api-key", "")
    ),
    "ollama": Vendor("Ollama", "http://localhost:11434/v1", "/v1"),
    "vllm": Vendor("vLLM", "http://localhost:8000/v1", "/v1"),
    "openrouter": Vendor(
        "OpenRouter", "https://openrouter.ai/api/v1", "/api/v1", "OPENROUTER_API_KEY", ("openrouter.ai",)
    ),
}
