"""The record on real tasks: it is whole at any moment, goes on where it ended, and asks for nothing that stands there."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from bench.real.record import AT_ONCE, DEV, PROMPT_POOL, Cell, Kept, one, plan
from bench.real.sets import SETS, Pools, fields_of
from rung.store.cache import AnswerCache
from rung.testing.kit import small_rows

ROWS = small_rows(PROMPT_POOL + 3 * AT_ONCE, "r")
POOLS = Pools(ROWS[:PROMPT_POOL], ROWS[PROMPT_POOL:])
MODEL = {
    "provider": "fake",
    "name": "small",
    "answers": {row.text: row.target for row in ROWS},
    "abilities": {"base": 0.6},
    "max_tokens": 24,
}
FEWSHOT = Cell("banking77-10", "small", "fewshot", 100)


class Cut(Kept):
    """A record that is cut off after its first writing."""

    def add(self, *given):
        super().add(*given)
        raise KeyboardInterrupt


def asked(kept, home, wanted=3 * AT_ONCE):
    """Go on with the cell; return how many answers were bought."""
    asyncio.run(one(FEWSHOT, wanted, POOLS, MODEL, kept, home, lambda text: None))
    return bought(home)


def bought(home):
    with AnswerCache.open_in(home) as cache:
        return sum(spent.answers for spent in cache.spend())


def ids():
    return [row.id for row in POOLS.asked]


@pytest.mark.slow
def test_a_record_goes_on_where_it_was_cut_and_asks_nothing_twice(tmp_path):
    whole = Kept("s", ids(), tmp_path / "whole")
    all_calls = asked(whole, tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        asked(Cut("s", ids(), tmp_path / "cut"), tmp_path / "b")
    kept = Kept("s", ids(), tmp_path / "cut")  # as the next session reads it
    assert kept.done(FEWSHOT.key) == AT_ONCE
    assert asked(kept, tmp_path / "b") == all_calls  # with the answers of the first: nothing is bought again
    later = Kept("s", ids(), tmp_path / "later")
    later.cells = {FEWSHOT.key: {**whole.cells[FEWSHOT.key], **_first(whole, AT_ONCE)}}
    assert asked(later, tmp_path / "c") == all_calls - AT_ONCE  # on another machine: dev again, and what is lacking
    for one_of_them in (kept, later):
        scores = one_of_them.cells[FEWSHOT.key]["score"]
        assert scores == whole.cells[FEWSHOT.key]["score"]
        assert len(scores) == len(POOLS.asked)


def _first(kept, count):
    columns = kept.cells[FEWSHOT.key]
    return {name: columns[name][:count] for name in ("score", "input_tokens", "output_tokens", "seconds")}


@pytest.mark.slow
def test_a_cell_whose_choice_came_out_otherwise_is_begun_anew(tmp_path):
    kept = Kept("s", ids(), tmp_path)
    asked(kept, tmp_path / "a", AT_ONCE)
    kept.cells[FEWSHOT.key]["sha256"] = "another"
    kept.cells[FEWSHOT.key]["score"] = [0.5] * AT_ONCE
    asked(kept, tmp_path / "a", AT_ONCE)
    assert set(kept.cells[FEWSHOT.key]["score"]) <= {0, 1}


def test_other_examples_are_refused(tmp_path):
    (tmp_path / "s.json").write_text(json.dumps({"ids": ["a"], "cells": {}}))
    with pytest.raises(ValueError, match="other examples"):
        Kept("s", ["b"], tmp_path)


def test_the_plan_names_no_cell_twice_at_one_size_and_measures_no_approach_on_its_own_dev():
    cells = list(plan())
    assert len(set(cells)) == len(cells)
    for one_of_them in {cell for cell, _ in cells}:
        sizes = [size for cell, size in cells if cell == one_of_them]
        assert sizes == sorted(sizes)
    assert all(cell.pool > DEV and cell.set in SETS for cell, _ in cells)


def test_facts_become_a_json_object():
    assert fields_of("name[Zizzi], area[city centre]") == '{"name": "Zizzi", "area": "city centre"}'


SERVER = """#!{python}
import http.server, sys
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *given): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Health).serve_forever()
"""
BENCH = """
import sys, time
from pathlib import Path
from bench.real.server import llama
with llama(Path("m.gguf"), Path(sys.argv[1]), 1, int(sys.argv[2])) as (url, pid):
    print(pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
def test_a_bench_that_is_ended_takes_its_server_with_it(tmp_path):
    binary = tmp_path / "llama-server"
    binary.write_text(SERVER.format(python=sys.executable))
    binary.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = [sys.executable, "-c", BENCH, str(tmp_path), str(port)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as bench:
        server = int(bench.stdout.readline())
        bench.send_signal(signal.SIGTERM)
        assert bench.wait() == 128 + signal.SIGTERM
    for _ in range(50):
        if not _alive(server):
            break
        time.sleep(0.1)
    assert not _alive(server)


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
