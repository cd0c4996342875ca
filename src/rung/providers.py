"""Models as arguments: each function returns the entry that `models:` in rung.yaml would hold, checked when it is used.

Keys stay in environment variables: `api_key_env` and `headers_env` name the variable, never its value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict, Unpack

ModelEntry = Mapping[str, Any]  # "provider", and its settings


class ModelSettings(TypedDict, total=False):
    """What every provider takes; docs/plugins.md says what each setting means. Money in US dollars, time in seconds."""

    concurrency: int
    context: int | None
    max_tokens: int
    temperature: float | None
    timeout_s: float
    attempts: int
    requests_per_minute: float | None
    tokens_per_minute: float | None
    input_usd_per_mtok: float | None
    output_usd_per_mtok: float | None
    usd_per_hour: float | None
    price: Mapping[str, float] | None
    texts_a_request: int
    retires: str | None
    note: str | None


class KeySettings(ModelSettings, total=False):
    """What providers behind an address take beside these; the address of Azure is an argument of its own."""

    api_key_env: str | None
    headers_env: Mapping[str, str]
    extra_body: Mapping[str, Any]
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"]
    keep_thoughts: bool


class EndpointSettings(KeySettings, total=False):
    """What the vendors and servers with a known address take."""

    base_url: str


def OpenAI(
    name: str,
    *,
    base_url: str | None = None,
    api_key_env: str | None = None,
    headers_env: Mapping[str, str] | None = None,
    extra_body: Mapping[str, Any] | None = None,
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None,
    efforts: Mapping[str, Mapping[str, Any]] | None = None,
    keep_thoughts: bool | None = None,
    **settings: Unpack[ModelSettings],
) -> ModelEntry:
    """Return a model behind a chat-completions endpoint, OpenAI's or one that speaks like it."""
    own = {"name": name, "base_url": base_url, "api_key_env": api_key_env, "headers_env": headers_env}
    body = {"extra_body": extra_body, "max_tokens_field": max_tokens_field}
    return _entry("openai", settings, **own, **body, efforts=efforts, keep_thoughts=keep_thoughts)


def Anthropic(name: str, **settings: Unpack[EndpointSettings]) -> ModelEntry:
    """Return a Claude model at Anthropic's compatible address; its key is ANTHROPIC_API_KEY (docs/providers/anthropic.md)."""
    return _entry("anthropic", settings, name=name)


def Gemini(name: str, **settings: Unpack[EndpointSettings]) -> ModelEntry:
    """Return a Gemini model at Google's compatible address; its key is GEMINI_API_KEY (docs/providers/gemini.md)."""
    return _entry("gemini", settings, name=name)


def Azure(name: str, base_url: str, **settings: Unpack[KeySettings]) -> ModelEntry:
    """Return a deployment of Azure OpenAI at its target URI; its key is AZURE_OPENAI_API_KEY (docs/providers/azure.md)."""
    return _entry("azure", settings, name=name, base_url=base_url)


def Ollama(name: str, **settings: Unpack[EndpointSettings]) -> ModelEntry:
    """Return a model that Ollama serves, on this machine where no `base_url` is given (docs/providers/ollama.md)."""
    return _entry("ollama", settings, name=name)


def Vllm(name: str, **settings: Unpack[EndpointSettings]) -> ModelEntry:
    """Return a model that vLLM serves, on this machine where no `base_url` is given (docs/providers/vllm.md)."""
    return _entry("vllm", settings, name=name)


def OpenRouter(name: str, **settings: Unpack[EndpointSettings]) -> ModelEntry:
    """Return a model of any maker through OpenRouter; its key is OPENROUTER_API_KEY (docs/providers/openrouter.md)."""
    return _entry("openrouter", settings, name=name)


def Local(
    name: str,
    *,
    folder: str | None = None,
    adapter: str | None = None,
    revision: str | None = None,
    dtype: Literal["auto", "fastest", "float32", "bfloat16", "float16"] | None = None,
    device: Literal["auto", "cpu", "cuda"] | None = None,
    batch: int | None = None,
    **settings: Unpack[ModelSettings],
) -> ModelEntry:
    """Return a chat model that transformers loads here: a name on the Hub, or a saved model in `folder`."""
    own = {"name": name, "folder": folder, "adapter": adapter, "revision": revision}
    return _entry("local", settings, **own, dtype=dtype, device=device, batch=batch)


def Http(
    url: str,
    *,
    body: Mapping[str, Any] | Sequence[Any] | str | None = None,
    answer: str | None = None,
    headers_env: Mapping[str, str] | None = None,
    name: str | None = None,
    **settings: Unpack[ModelSettings],
) -> ModelEntry:
    """Return a service that answers a POST of JSON; `answer` is the path of its answer in the reply."""
    return _entry("http", settings, url=url, body=body, answer=answer, headers_env=headers_env, name=name)


def Python(
    function: str, *, version: str | None = None, name: str | None = None, **settings: Unpack[ModelSettings]
) -> ModelEntry:
    """Return a function of your own code, named as file.py:function or module:function, so that a resumption finds it."""
    return _entry("python", settings, function=function, version=version, name=name)


def Recorded(
    column: str,
    *,
    path: str | None = None,
    id: str | None = None,
    latency: str | None = None,
    cost: str | None = None,
    cost_per_1k_usd: float | None = None,
    name: str | None = None,
    note: str | None = None,
) -> ModelEntry:
    """Return what production already answered: a column of the examples, or of the file `path` that has their ids."""
    own = {"column": column, "path": path, "id": id, "latency": latency, "cost": cost}
    return _entry("recorded", {}, **own, cost_per_1k_usd=cost_per_1k_usd, name=name, note=note)


def Fake(
    answers: Mapping[str, str],
    *,
    abilities: Mapping[str, Any] | None = None,
    seed: int | None = None,
    **settings: Unpack[ModelSettings],
) -> ModelEntry:
    """Return a model that knows the answers (input text -> answer) and gives them as often as `abilities` say: for trying out."""
    return _entry("fake", settings, answers=dict(answers), abilities=abilities, seed=seed)


def _entry(provider: str, settings: ModelSettings, **own: Any) -> ModelEntry:
    """Return the settings that were given; the provider's defaults stand for the rest."""
    return {"provider": provider, **{k: v for k, v in own.items() if v is not None}, **settings}
