"""What a climb hands to its rungs: roles, tuned weights, places to tune in, repeats that stay apart."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rung.errors import ConfigError, NotOffered
from rung.evaluate.asking import AskingKit
from rung.evaluate.kit import RunKit
from rung.evaluate.roles import Asker
from rung.models.fake import FakeModel
from rung.models.tuned import tuned_role
from rung.progress import Silent
from rung.types import Completion, Message, ModelCard, Request, Weights
from tests.unit._results import task

CARD = ModelCard("main", "scripted", "scripted-1", 1000, 10, note="knows little")
WEIGHTS = Weights("tuned/a/step-1", "f" * 64, "adapter")
SETTINGS = FakeModel()


def said(text: str) -> Completion:
    return Completion(text, "scripted-1", 3, 1, 0.01, 0.0, "stop")


async def answered(request: Request) -> Completion:
    return said(f"base {request.repeat}")


class OnWeights:
    """Stands where `Served` does: answers with the weights it was asked on."""

    async def ask(self, weights: Weights, request: Request) -> Completion:
        return said(f"{weights.path} {request.repeat}")


ASKER = Asker(CARD, answered, len, 4, True, SETTINGS)
REQUEST = Request((Message("user", "hello"),), repeat=0)


def kit(asker: Asker = ASKER, **changes) -> RunKit:
    return RunKit(task(0.9), {"main": asker, "judge": ASKER}, 7, Silent(), **changes)


def test_a_role_that_is_not_configured_is_named_with_those_that_are():
    with pytest.raises(ConfigError, match="an approach asks for this model, but it is not configured") as error:
        kit().card("other")
    problem = error.value.problems[0]
    assert (problem.path, problem.allowed) == ("models.other", "main, judge")


def test_tuned_weights_are_a_role_of_their_own_with_the_card_of_their_base():
    tuned = kit(replace(ASKER, tuned=OnWeights()))
    role = tuned_role("main", WEIGHTS)
    assert tuned.card(role) == replace(CARD, name="scripted-1 (tuned)", note=None)
    assert tuned.card("main") == CARD
    assert asyncio.run(tuned.ask(role, REQUEST)).text == "tuned/a/step-1 0"
    assert asyncio.run(tuned.ask("main", REQUEST)).text == "base 0"
    with pytest.raises(ConfigError, match="tuned weights are served from a run folder only"):
        kit().card(role)


def test_a_place_to_tune_in_is_made_for_the_role_that_is_asked_for():
    made = []
    spaces = lambda *given: made.append(given) or "a place"  # noqa: E731
    tuning = kit(spaces=spaces)
    assert tuning.tuning_space("main") == "a place"
    assert made == [(tuning, "main", SETTINGS, None)]
    assert AskingKit(tuning).tuning_space("judge") == "a place"
    assert made[1][1] == "judge"
    with pytest.raises(NotOffered, match=r"models\.main cannot be tuned here"):
        kit().tuning_space("main")


def test_what_is_asked_anew_is_counted_and_stays_apart_from_repeats_of_the_rung():
    inner = kit()
    for repeat, own, expected in ((0, 0, 0), (2, 0, 2), (2, 3, 3002), (0, 3, 3)):
        asking = AskingKit(inner, repeat)
        assert asyncio.run(asking.ask("main", replace(REQUEST, repeat=own))).text == f"base {expected}"
        assert asking.calls == 1
