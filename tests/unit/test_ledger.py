"""The ledger keeps what it was given, through kills and full disks, and says clearly what is wrong with its file."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.errors import FolderBusy, IntegrityError, Interrupted, NewerFolder, RungError
from rung.store.ledger import SCHEMA, Ledger, identity_bytes, key_of, translate
from rung.types import Completion, Message, Request

ANSWER = Completion("yes", "m-1", 12, 3, 0.25, 0.0015, "length", attempts=2, price_note="an upper bound")


def put_all(ledger, *rows):
    async def work():
        await asyncio.gather(*(ledger.put(key, role, answer) for key, role, answer in rows))

    asyncio.run(work())


def test_an_answer_comes_back_whole_and_marked_as_cached(tmp_path):
    with Ledger.open(tmp_path / "l") as ledger:
        put_all(ledger, (b"k", "main", ANSWER))
    with Ledger.open(tmp_path / "l") as ledger:
        found = asyncio.run(ledger.get(b"k"))
        assert found == Completion(
            "yes", "m-1", 12, 3, 0.25, 0.0015, "length", cached=True, attempts=2, price_note="an upper bound"
        )
        assert asyncio.run(ledger.get(b"other")) is None


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(st.characters(exclude_categories=()), max_size=40), min_size=1, max_size=8))
def test_any_text_survives_even_lone_surrogates_and_zero_bytes(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("ledger") / "l"
    answers = {str(i).encode(): Completion(t, "m", None, None, 0.1, None) for i, t in enumerate(texts)}
    with Ledger.open(path) as ledger:
        put_all(ledger, *((k, "main", a) for k, a in answers.items()))
        assert {k: a.text for k, a in ledger.get_many(list(answers)).items()} == {k: a.text for k, a in answers.items()}


def test_the_key_depends_on_all_that_shapes_the_answer_and_on_nothing_else():
    ask = Request((Message("system", "s"), Message("user", "u")), {"temperature": 0.5, "stop": ["x"]})
    who = identity_bytes({"provider": "p", "name": "n"})
    key = key_of(who, ask)
    assert len(key) == 32
    assert key == key_of(
        identity_bytes({"name": "n", "provider": "p"}), Request(ask.messages, dict(reversed(ask.params.items())))
    )
    different = [
        (identity_bytes({"provider": "p", "name": "o"}), ask),
        (who, Request(ask.messages, ask.params, repeat=1)),
        (who, Request(ask.messages, {"temperature": 0.6, "stop": ["x"]})),
        (who, Request(ask.messages[::-1], ask.params)),
        (who, Request((Message("user", "s"), Message("user", "u")), ask.params)),
        (who, Request((Message("system", "su"), Message("user", "")), ask.params)),
    ]
    assert len({key, *(key_of(i, r) for i, r in different)}) == len(different) + 1
    assert key_of(who, Request((Message("user", "\ud800"),))) != key_of(who, Request((Message("user", "?"),)))


def test_a_second_answer_to_one_key_does_not_replace_the_first(tmp_path):
    with Ledger.open(tmp_path / "l") as ledger:
        put_all(ledger, (b"k", "main", ANSWER))
        put_all(ledger, (b"k", "main", Completion("no", "m-1", 1, 1, 0.1, 9.0)))
        assert asyncio.run(ledger.get(b"k")).text == "yes"
        assert ledger.spend()[0].usd == pytest.approx(0.0015)


def test_one_burst_may_hold_more_rows_than_a_statement_and_losses_too(tmp_path):
    async def work(ledger):
        puts = (ledger.put(i.to_bytes(4, "big"), "main", ANSWER) for i in range(1201))
        await asyncio.gather(*puts, *(ledger.lose("main", 0.5, "timeout") for _ in range(3)))

    with Ledger.open(tmp_path / "l") as ledger:
        asyncio.run(work(ledger))
        [main] = ledger.spend()
        assert (main.answers, main.lost_usd) == (1201, 1.5)


def test_get_many_finds_all_keys_of_a_long_list(tmp_path):
    keys = [i.to_bytes(32, "big") for i in range(1203)]
    with Ledger.open(tmp_path / "l") as ledger:
        put_all(ledger, *((k, "main", ANSWER) for k in keys))
        found = ledger.get_many([*keys, b"unknown"])
        assert set(found) == set(keys)
        assert all(c.cached for c in found.values())


def test_spend_is_by_role_and_survives_reopening(tmp_path):
    unpriced = Completion("x", "m", None, None, 0.1, None)
    with Ledger.open(tmp_path / "l") as ledger:
        put_all(ledger, (b"1", "main", ANSWER), (b"2", "main", ANSWER), (b"3", "judge", unpriced))
        asyncio.run(ledger.lose("main", 0.25, "timeout"))
        asyncio.run(ledger.lose("small", 0.5, "timeout"))
    with Ledger.open(tmp_path / "l") as ledger:
        judge, main, small = ledger.spend()
        assert (judge.role, judge.answers, judge.usd, judge.unpriced, judge.lost_usd) == ("judge", 1, 0.0, 1, 0.0)
        assert (main.role, main.answers, main.input_tokens, main.output_tokens) == ("main", 2, 24, 6)
        assert (main.usd, main.unpriced, main.lost_usd) == (pytest.approx(0.003), 0, 0.25)
        assert (small.role, small.answers, small.lost_usd) == ("small", 0, 0.5)


def test_the_file_is_readable_by_its_owner_only_and_synced_at_every_commit(tmp_path):
    with Ledger.open(tmp_path / "l") as ledger:
        assert stat.S_IMODE((tmp_path / "l").stat().st_mode) == 0o600
        assert ledger._writer.execute("PRAGMA synchronous").fetchone() == (2,)
        assert ledger._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_many_answers_share_few_commits(tmp_path):
    with Ledger.open(tmp_path / "l") as ledger:
        commits = []
        ledger._writer.set_trace_callback(lambda sql: commits.append(sql) if sql.startswith("INSERT") else None)
        put_all(ledger, *((i.to_bytes(4, "big"), "main", ANSWER) for i in range(500)))
        assert 1 <= len(commits) <= 100


def test_a_closed_ledger_refuses_and_closes_twice_without_harm(tmp_path):
    ledger = Ledger.open(tmp_path / "l")
    ledger.close()
    ledger.close()
    with pytest.raises(RungError, match="is closed"):
        put_all(ledger, (b"k", "main", ANSWER))


CHILD = """
import asyncio, sys
from pathlib import Path
from rung.store.ledger import Ledger
from rung.types import Completion

async def main():
    ledger = Ledger.open(Path(sys.argv[1]))
    async def one(i):
        await ledger.put(i.to_bytes(8, "big"), "main", Completion("x" * 200, "m", 1, 1, 0.1, None))
        print(i, flush=True)
    number = 0
    while True:
        await asyncio.gather(*(one(number + k) for k in range(32)))
        number += 32

asyncio.run(main())
"""


def test_whatever_was_called_durable_is_there_after_kill_9(tmp_path):
    path = tmp_path / "l"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
    told = []
    for line in child.stdout:
        told.append(int(line))
        if len(told) == 700:
            child.send_signal(signal.SIGKILL)
            break
    rest = child.stdout.read()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    told += [int(line) for line in rest.split("\n")[:-1]]
    with Ledger.open(path) as ledger:
        keys = [i.to_bytes(8, "big") for i in told]
        assert set(ledger.get_many(keys)) == set(keys)
        assert ledger.spend()[0].answers <= len(told) + 32  # at most one burst was stored without being told


FULL = """
import asyncio, resource, sys
from pathlib import Path
from rung.errors import Interrupted
from rung.store.ledger import Ledger
from rung.types import Completion

async def main():
    ledger = Ledger.open(Path(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    kept = 0
    try:
        while True:
            await ledger.put(kept.to_bytes(8, "big"), "main", Completion("x" * 2000, "m", 1, 1, 0.1, None))
            kept += 1
    except Interrupted as error:
        print(kept, error, sep="\\n")

asyncio.run(main())
"""


def test_a_disk_that_takes_no_more_interrupts_and_loses_nothing(tmp_path):
    path = tmp_path / "l"
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True)
    kept, message = done.stdout.split("\n", 1)
    assert int(kept) > 10
    assert "everything answered so far is kept" in message
    assert "run the same command again" in message
    with Ledger.open(path) as ledger:
        assert ledger.spend()[0].answers == int(kept)
        put_all(ledger, (b"new", "main", ANSWER))


def test_a_newer_schema_is_refused_and_left_alone(tmp_path):
    Ledger.open(tmp_path / "l").close()
    with sqlite3.connect(tmp_path / "l") as db:
        db.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    db.close()
    with pytest.raises(
        NewerFolder, match=rf"ledger schema {SCHEMA + 1}, this version reads up to {SCHEMA}.*upgrade rung"
    ):
        Ledger.open(tmp_path / "l")


def test_a_damaged_file_is_named_with_what_to_do(tmp_path):
    (tmp_path / "l").write_bytes(b"this is no database, and it is longer than a header" * 40)
    with pytest.raises(IntegrityError, match="ledger .*l is damaged .*restore it from a copy, or move it away"):
        Ledger.open(tmp_path / "l")


def test_a_database_of_something_else_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "l") as db:
        db.execute("CREATE TABLE answers (question TEXT)")
    db.close()
    with pytest.raises(IntegrityError, match="cannot be used"):
        Ledger.open(tmp_path / "l")


def test_a_place_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RungError, match="cannot open the ledger .*nowhere/l: No such file.*--folder"):
        Ledger.open(tmp_path / "nowhere" / "l")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RungError, match="cannot write"):
        Ledger.open(tmp_path / "l")


CODES = {
    sqlite3.SQLITE_FULL: (Interrupted, "the disk is full"),
    sqlite3.SQLITE_IOERR: (Interrupted, "the disk failed"),
    sqlite3.SQLITE_IOERR | (3 << 8): (Interrupted, "the disk failed"),
    sqlite3.SQLITE_BUSY: (FolderBusy, "another process has held the ledger"),
    sqlite3.SQLITE_LOCKED: (FolderBusy, "another process has held the ledger"),
    sqlite3.SQLITE_READONLY: (RungError, "cannot write the ledger"),
    sqlite3.SQLITE_CANTOPEN: (RungError, "cannot write the ledger"),
    sqlite3.SQLITE_CORRUPT: (IntegrityError, "is damaged"),
    sqlite3.SQLITE_NOTADB: (IntegrityError, "is damaged"),
}


@pytest.mark.parametrize("code", sorted(CODES))
def test_each_code_of_sqlite_has_its_meaning(code):
    error = sqlite3.OperationalError("said so")
    error.sqlite_errorcode = code
    kind, text = CODES[code]
    found = translate(error, Path("L"))
    assert type(found) is kind
    assert text in str(found)


def test_every_exception_of_sqlite_is_mapped_to_ours(tmp_path):
    kinds = {v for v in vars(sqlite3).values() if isinstance(v, type) and issubclass(v, Exception)}
    assert len(kinds) >= 10
    for kind in kinds:
        assert isinstance(translate(kind("said so"), tmp_path), RungError)


def test_a_connection_that_fails_while_reading_speaks_our_language(tmp_path):
    ledger = Ledger.open(tmp_path / "l")
    ledger._writer.execute("DROP TABLE answers")
    with pytest.raises(IntegrityError, match="no such table"):
        asyncio.run(ledger.get(b"k"))
    with pytest.raises(IntegrityError, match="no such table"):
        put_all(ledger, (b"k", "main", ANSWER))
    ledger.close()
