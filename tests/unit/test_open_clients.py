"""Opening the models of a configuration: what is checked before anything is asked, and what a second session knows."""

from __future__ import annotations

import asyncio
import gc

import pytest

from rung.config import parse_config
from rung.errors import BudgetSpent, ConfigError
from rung.models.client import open_clients
from rung.testing.endpoint import Endpoint
from rung.types import Message, Request

PRICED = {"input_usd_per_mtok": 1000.0, "output_usd_per_mtok": 0.0}
LOCAL = {"provider": "openai", "name": "m", "base_url": "http://127.0.0.1:9/v1"}


def configured(root, models, ladder=("prompt",), **limits):
    (root / "rows.jsonl").write_text("{}\n")
    task = {"name": "t", "kind": "generation", "instruction": "Do.", "inputs": ["a"], "target": "b", "goal": 0.9}
    raw = {
        "task": task,
        "data": {"path": "rows.jsonl"},
        "split": {"test": 0.4, "dev": 0.15},
        "models": models,
        "ladder": list(ladder),
        "limits": limits,
    }
    return parse_config(raw, root)


def ask(text):
    return Request((Message("user", text),))


async def with_clients(config, root, use):
    async with open_clients(config, root) as clients:
        return await use(clients)


async def nothing(clients):
    return clients


def test_every_model_without_a_price_is_named_when_there_is_a_budget(tmp_path):
    ladder = ["prompt", {"fewshot": {"model": "small"}}]
    config = configured(tmp_path, {"main": LOCAL, "small": LOCAL}, ladder, budget_usd=1.0)
    with pytest.raises(ConfigError) as caught:
        asyncio.run(with_clients(config, tmp_path, nothing))
    assert [p.path for p in caught.value.problems] == ["models.main", "models.small"]
    assert not (tmp_path / "ledger.sqlite").exists()


def test_a_model_that_no_rung_asks_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    unused = {"provider": "openai", "name": "m"}
    config = configured(tmp_path, {"main": LOCAL, "judge": unused}, ["baseline", "prompt"])
    assert list(asyncio.run(with_clients(config, tmp_path, nothing))) == ["main"]
    config = configured(tmp_path, {"main": unused}, ["baseline"])
    assert not asyncio.run(with_clients(config, tmp_path, nothing))


def test_a_key_written_into_the_file_by_mistake_is_not_repeated(tmp_path):
    with pytest.raises(ConfigError, match="write the NAME of the variable, never the key") as caught:
        configured(tmp_path, {"main": {**LOCAL, "api_key_env": "sk-verysecret0123", "concurrency": 0}})
    assert "verysecret" not in str(caught.value)
    assert "models.main.concurrency: must be greater than or equal to 1 (found 0)" in str(caught.value)


def test_a_missing_key_is_told_before_anything_is_asked(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    config = configured(tmp_path, {"main": {"provider": "openai", "name": "m"}})
    with pytest.raises(ConfigError, match="the environment variable OPENAI_API_KEY is not set"):
        asyncio.run(with_clients(config, tmp_path, nothing))


def test_a_second_sitting_counts_what_the_first_one_spent(tmp_path):
    async def work():
        async with Endpoint().serving() as endpoint:
            model = {**LOCAL, **PRICED, "base_url": endpoint.url, "max_tokens": 1}
            config = configured(tmp_path, {"main": model}, budget_usd=0.2)

            async def first(clients):
                found = [(await clients["main"].ask(ask(f"row {i}"))).cost_usd for i in range(9)]
                return sum(found)

            spent = await with_clients(config, tmp_path, first)
            assert spent == pytest.approx(0.081)  # nine tokens a row at a tenth of a cent

            async def second(clients):
                assert (await clients["main"].ask(ask("row 0"))).cached
                for i in range(9, 100):
                    await clients["main"].ask(ask(f"row {i}"))

            with pytest.raises(BudgetSpent) as caught:
                await with_clients(config, tmp_path, second)
            assert caught.value.spent <= 0.2
            assert caught.value.spent == pytest.approx(endpoint.counts.answered * 0.009)

    asyncio.run(work())


def test_two_roles_share_one_budget_and_one_ledger(tmp_path):
    async def work():
        async with Endpoint().serving() as endpoint:
            model = {**LOCAL, **PRICED, "base_url": endpoint.url}
            ladder = ["prompt", {"fewshot": {"model": "small"}}]
            config = configured(tmp_path, {"main": model, "small": {**model, "name": "n"}}, ladder, budget_usd=5.0)

            async def use(clients):
                for client in clients.values():
                    await client.ask(ask("row"))
                return {role: client.spend() for role, client in clients.items()}

            spend = await with_clients(config, tmp_path, use)
            assert {role: (s["calls"], s["usd"]) for role, s in spend.items()} == {
                "main": (1, pytest.approx(0.008)),
                "small": (1, pytest.approx(0.008)),
            }

    asyncio.run(work())


def test_the_garbage_collector_is_left_as_it_was(tmp_path):
    before = gc.get_threshold()
    config = configured(tmp_path, {"main": LOCAL})

    async def look(clients):
        return gc.get_threshold()[0]

    assert asyncio.run(with_clients(config, tmp_path, look)) > before[0]
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
