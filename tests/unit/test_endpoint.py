"""The test endpoint deals out the faults it was told to, the same to everyone; the measuring programs run on it."""

from __future__ import annotations

import signal
import time

import pytest

from bench.harness.cases import ENGINE
from bench.harness.climb import climbs
from bench.harness.process import counts, measure, run_folder, start, stub
from bench.harness.project import ticket
from bench.harness.rows import answer, target_of
from rung.testing.endpoint import MIX_A, MIX_B, Faults


@pytest.mark.sample(1)
@pytest.mark.parametrize("mix", [MIX_A, MIX_B], ids=["A", "B"])
def test_faults_have_their_shares_and_depend_on_prompt_attempt_and_seed_only(mix):
    drawn = [mix.draw(1, str(i).encode(), 1) for i in range(20_000)]
    assert drawn == [mix.draw(1, str(i).encode(), 1) for i in range(20_000)]
    for name in ("too_many", "server_error", "drop", "malformed", "page"):
        assert drawn.count(name) / 20_000 == pytest.approx(getattr(mix, name), abs=0.005)
    assert drawn != [mix.draw(2, str(i).encode(), 1) for i in range(20_000)]
    assert drawn != [mix.draw(1, str(i).encode(), 2) for i in range(20_000)]


def test_no_faults_means_none():
    assert {Faults().draw(0, str(i).encode(), 1) for i in range(1000)} == {None}


def test_the_endpoint_knows_the_tickets_of_a_project():
    right = sum(answer(ticket(number)) == target_of(number) for number in range(1000))
    assert right == 870
    assert ticket(199) == f"{ticket(195)} once more"


@pytest.mark.slow
def test_a_whole_climb_is_measured_with_the_same_command_again():
    found = {figure.name: figure.value for figure in climbs(300, 1)}
    assert found["requests of a climb, 300 examples"] > 300
    assert found["requests of the same command again"] == 0
    assert 0 < found["CPU of the same command again"] < found["requests of a climb, 300 examples"]


@pytest.mark.slow
def test_the_measured_engine_answers_all_rows_and_asks_none_again(tmp_path):
    with run_folder(200) as folder, stub() as url:
        said = measure(ENGINE, folder, url, 16).said
        assert (said["rows"], said["failed"], said["accuracy"]) == (200, 0, pytest.approx(0.87))
        assert measure(ENGINE, folder, url, 16).said["cached"] == 200
        assert counts(url)["requests"] == 200


@pytest.mark.slow
def test_after_kill_9_no_more_rows_are_asked_again_than_were_in_flight():
    with run_folder(600) as folder, stub(0.02) as url:
        process = start(ENGINE, folder, url, 16)
        while counts(url)["answered"] < 300 and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert measure(ENGINE, folder, url, 16).said["accuracy"] == pytest.approx(0.87)
        seen = counts(url)
    assert seen["distinct"] == 600
    assert seen["asked_again"] <= 18  # 16 under way and two being stored
