"""The cache keeps what it was given, through kills and full disks, and says clearly what is wrong with its file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.errors import FolderBusy, IntegrityError, Interrupted, NewerFolder, RungError
from rung.store.cache import SCHEMA, AnswerCache, Spend, identity_bytes, key_of, translate
from rung.types import Completion, Message, Request

ANSWER = Completion("yes", "m-1", 12, 3, 0.25, 0.0015, "length", attempts=2, price_note="an upper bound")


def put_all(answer_cache, *rows):
    async def work():
        await asyncio.gather(*(answer_cache.put(key, role, answer) for key, role, answer in rows))

    asyncio.run(work())


def stored(answer_cache, keys):
    async def work():
        return {key: await answer_cache.get(key) for key in keys}

    return asyncio.run(work())


def test_an_answer_comes_back_whole_and_marked_as_cached(tmp_path):
    with AnswerCache.open(tmp_path / "l") as answer_cache:
        put_all(answer_cache, (b"k", "main", ANSWER))
    with AnswerCache.open(tmp_path / "l") as answer_cache:
        found = asyncio.run(answer_cache.get(b"k"))
        assert found == Completion(
            "yes", "m-1", 12, 3, 0.25, 0.0015, "length", cached=True, attempts=2, price_note="an upper bound"
        )
        assert asyncio.run(answer_cache.get(b"other")) is None


@pytest.mark.slow
@settings(max_examples=settings.default.max_examples * 3 // 4)
@given(texts=st.lists(st.text(st.characters(exclude_categories=()), max_size=40), min_size=1, max_size=8))
def test_any_text_survives_even_lone_surrogates_and_zero_bytes(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("answer_cache") / "l"
    answers = {str(i).encode(): Completion(t, "m", None, None, 0.1, None) for i, t in enumerate(texts)}
    with AnswerCache.open(path) as answer_cache:
        put_all(answer_cache, *((k, "main", a) for k, a in answers.items()))
        assert {k: a.text for k, a in stored(answer_cache, answers).items()} == {k: a.text for k, a in answers.items()}


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
    with AnswerCache.open(tmp_path / "l") as answer_cache:
        put_all(answer_cache, (b"k", "main", ANSWER))
        put_all(answer_cache, (b"k", "main", Completion("no", "m-1", 1, 1, 0.1, 9.0)))
        assert asyncio.run(answer_cache.get(b"k")).text == "yes"
        assert answer_cache.spend()[0].usd == pytest.approx(0.0015)


def test_one_burst_may_hold_more_rows_than_a_statement_and_losses_too(tmp_path):
    async def work(answer_cache):
        puts = (answer_cache.put(i.to_bytes(4, "big"), "main", ANSWER) for i in range(1201))
        await asyncio.gather(*puts, *(answer_cache.lose("main", 0.5, "timeout") for _ in range(3)))

    with AnswerCache.open(tmp_path / "l") as answer_cache:
        asyncio.run(work(answer_cache))
        [main] = answer_cache.spend()
        assert (main.answers, main.lost_usd) == (1201, 1.5)


def test_spend_is_by_role_and_survives_reopening(tmp_path):
    unpriced = Completion("x", "m", None, None, 0.1, None)
    with AnswerCache.open(tmp_path / "l") as answer_cache:
        put_all(answer_cache, (b"1", "main", ANSWER), (b"2", "main", ANSWER), (b"3", "judge", unpriced))
        asyncio.run(answer_cache.lose("main", 0.25, "timeout"))
        asyncio.run(answer_cache.lose("small", 0.5, "timeout"))
    with AnswerCache.open(tmp_path / "l") as answer_cache:
        judge, main, small = answer_cache.spend()
        assert (judge.role, judge.answers, judge.usd, judge.unpriced, judge.lost_usd) == ("judge", 1, 0.0, 1, 0.0)
        assert (main.role, main.answers, main.input_tokens, main.output_tokens) == ("main", 2, 24, 6)
        assert (main.usd, main.unpriced, main.lost_usd) == (pytest.approx(0.003), 0, 0.25)
        assert (small.role, small.answers, small.lost_usd) == ("small", 0, 0.5)


def test_the_file_is_readable_by_its_owner_only_and_synced_at_every_commit(tmp_path):
    with AnswerCache.open(tmp_path / "l") as answer_cache:
        assert stat.S_IMODE((tmp_path / "l").stat().st_mode) == 0o600
        assert answer_cache._writer.execute("PRAGMA synchronous").fetchone() == (2,)
        assert answer_cache._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert answer_cache._writer.execute("PRAGMA busy_timeout").fetchone() == (10_000,)  # ms
        assert answer_cache._writer.execute("PRAGMA wal_autocheckpoint").fetchone() == (10_000,)  # pages


def test_many_answers_share_few_commits(tmp_path):
    with AnswerCache.open(tmp_path / "l") as answer_cache:
        commits = []
        answer_cache._writer.set_trace_callback(lambda sql: commits.append(sql) if sql.startswith("INSERT") else None)
        put_all(answer_cache, *((i.to_bytes(4, "big"), "main", ANSWER) for i in range(500)))
        assert 1 <= len(commits) <= 100


def test_a_closed_ledger_refuses_and_closes_twice_without_harm(tmp_path):
    answer_cache = AnswerCache.open(tmp_path / "l")
    answer_cache.close()
    answer_cache.close()
    with pytest.raises(RungError, match="is closed"):
        put_all(answer_cache, (b"k", "main", ANSWER))


CHILD = """
import asyncio, sys
from pathlib import Path
from rung.store.cache import AnswerCache
from rung.types import Completion

async def main():
    answer_cache = AnswerCache.open(Path(sys.argv[1]))
    async def one(i):
        await answer_cache.put(i.to_bytes(8, "big"), "main", Completion("x" * 200, "m", 1, 1, 0.1, None))
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
    with AnswerCache.open(path) as answer_cache:
        keys = [i.to_bytes(8, "big") for i in told]
        assert None not in stored(answer_cache, keys).values()
        assert answer_cache.spend()[0].answers <= len(told) + 32  # at most one burst was stored without being told


FULL = """
import asyncio, resource, sys
from pathlib import Path
from rung.errors import Interrupted
from rung.store.cache import AnswerCache
from rung.types import Completion

async def main():
    answer_cache = AnswerCache.open(Path(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    kept = 0
    try:
        while True:
            await answer_cache.put(kept.to_bytes(8, "big"), "main", Completion("x" * 2000, "m", 1, 1, 0.1, None))
            kept += 1
    except Interrupted as error:
        print(kept, error, sep="\\n")

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_disk_that_takes_no_more_interrupts_and_loses_nothing(tmp_path):
    path = tmp_path / "l"
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True)
    kept, message = done.stdout.split("\n", 1)
    assert int(kept) > 10
    assert "everything answered so far is kept" in message
    assert "run the same command again" in message
    assert "ulimit -f" in message
    with AnswerCache.open(path) as answer_cache:
        assert answer_cache.spend()[0].answers == int(kept)
        put_all(answer_cache, (b"new", "main", ANSWER))


NO_FILES = """
import os, resource, sys
from pathlib import Path
from rung.errors import Interrupted
from rung.store.cache import AnswerCache

resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
for free in range(12):  # places for files that are left: the limit is met at a different step of opening
    held = []
    while True:
        try:
            held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            break
    for number in held[:free]:
        os.close(number)
    try:
        AnswerCache.open(Path(sys.argv[1])).close()
        print("opened")
    except Interrupted as error:
        print(error)
    for number in held[free:]:
        os.close(number)
"""


def test_a_limit_on_open_files_is_told_by_its_name_at_whichever_step_it_is_met(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", NO_FILES, str(tmp_path / "l")], capture_output=True, text=True, check=False
    )
    said = done.stdout.splitlines()
    assert len(said) == 12, done.stderr
    assert all(line == "opened" or "ulimit -n" in line for line in said), said
    assert said[0] != "opened"
    assert said[-1] == "opened"


@pytest.mark.parametrize("ending", ["", "-wal"])
def test_answers_that_have_a_second_name_are_not_written_to(tmp_path, ending):
    path = tmp_path / "l"
    AnswerCache.open(path).close()
    Path(f"{path}{ending}").touch()
    os.link(f"{path}{ending}", tmp_path / "mine")
    before = (tmp_path / "mine").read_bytes()
    with pytest.raises(IntegrityError, match="one file with 2 names"):
        AnswerCache.open(path)
    assert (tmp_path / "mine").read_bytes() == before


def test_a_newer_schema_is_refused_and_left_alone(tmp_path):
    AnswerCache.open(tmp_path / "l").close()
    with sqlite3.connect(tmp_path / "l") as db:
        db.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    db.close()
    with pytest.raises(
        NewerFolder, match=rf"cache schema {SCHEMA + 1}, this version reads up to {SCHEMA}.*upgrade rung"
    ):
        AnswerCache.open(tmp_path / "l")


def test_a_damaged_file_is_named_with_what_to_do(tmp_path):
    (tmp_path / "l").write_bytes(b"this is no database, and it is longer than a header" * 40)
    with pytest.raises(IntegrityError, match="cache .*l is damaged .*restore it from a copy, or move it away"):
        AnswerCache.open(tmp_path / "l")


def test_a_database_of_something_else_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "l") as db:
        db.execute("CREATE TABLE answers (question TEXT)")
    db.close()
    with pytest.raises(IntegrityError, match="cannot be used"):
        AnswerCache.open(tmp_path / "l")


def test_a_place_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RungError, match="cannot write .*nowhere/l: its folder is not there.*choose a run folder"):
        AnswerCache.open(tmp_path / "nowhere" / "l")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RungError, match="cannot write"):
        AnswerCache.open(tmp_path / "l")


CODES = {
    sqlite3.SQLITE_FULL: (Interrupted, "the disk is full"),
    sqlite3.SQLITE_IOERR: (Interrupted, "the disk failed"),
    sqlite3.SQLITE_IOERR | (3 << 8): (Interrupted, "the disk failed"),
    sqlite3.SQLITE_BUSY: (FolderBusy, "another process has held the cache"),
    sqlite3.SQLITE_LOCKED: (FolderBusy, "another process has held the cache"),
    sqlite3.SQLITE_READONLY: (RungError, "cannot write the cache"),
    sqlite3.SQLITE_CANTOPEN: (RungError, "cannot write the cache"),
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
    answer_cache = AnswerCache.open(tmp_path / "l")
    answer_cache._writer.execute("DROP TABLE answers")
    with pytest.raises(IntegrityError, match="no such table"):
        asyncio.run(answer_cache.get(b"k"))
    with pytest.raises(IntegrityError, match="no such table"):
        put_all(answer_cache, (b"k", "main", ANSWER))
    answer_cache.close()


ODD = {
    "a number beyond 64 bits": Completion("x", "m", 2**63, 1, 0.1, None),
    "a negative one": Completion("x", "m", 1, -(2**63) - 1, 0.1, None),
    "half a letter": Completion("x", "\ud800", 1, 1, 0.1, None),
}


@pytest.mark.parametrize("case", ODD)
def test_an_answer_that_cannot_be_stored_fails_alone_and_the_others_are_kept(tmp_path, case):
    async def work(cache):
        puts = [cache.put(str(i).encode(), "main", ODD[case] if i == 3 else ANSWER) for i in range(8)]
        return await asyncio.wait_for(asyncio.gather(*puts, return_exceptions=True), 10)

    with AnswerCache.open(tmp_path / "l") as answer_cache:
        found = asyncio.run(work(answer_cache))
        assert [e is None for e in found] == [i != 3 for i in range(8)]
        assert isinstance(found[3], RungError)
        assert "an answer cannot be written into the cache" in str(found[3])
        assert answer_cache.spend()[0].answers == 7
        put_all(answer_cache, (b"later", "main", ANSWER))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("trouble", [MemoryError, ZeroDivisionError, RecursionError, SystemExit])
def test_whatever_a_writer_meets_fails_those_who_wait_with_a_sentence(tmp_path, trouble, monkeypatch):
    async def work(cache):
        return await asyncio.wait_for(
            asyncio.gather(*(cache.put(bytes([i]), "main", ANSWER) for i in range(4)), return_exceptions=True), 10
        )

    def fails(*_):
        raise trouble("so")

    with AnswerCache.open(tmp_path / "l") as answer_cache:
        monkeypatch.setattr(answer_cache._writing, "_store", fails)
        for _ in range(2):
            found = asyncio.run(work(answer_cache))
            assert all(isinstance(e, RungError) for e in found)
            assert "the cache" in str(found[0])


@pytest.mark.parametrize("how", ["removed", "renamed", "replaced"])
def test_a_cache_whose_file_is_gone_takes_nothing_more(tmp_path, how):
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "l"
    with AnswerCache.open(path) as answer_cache:
        put_all(answer_cache, (b"a", "main", ANSWER))
        if how == "renamed":
            path.parent.rename(tmp_path / "other")
        else:
            path.unlink()
        if how == "replaced":
            path.write_bytes(b"")
        with pytest.raises(Interrupted, match="was removed or replaced while .* nothing more is asked"):
            put_all(answer_cache, (b"b", "main", ANSWER))


def test_facts_are_kept_by_kind_and_name_with_losses_in_one_commit(tmp_path):
    async def work(cache):
        await cache.note("a", {b"x": "1", b"y": "2"})
        await cache.note("b", {b"x": "3"}, {"main": 0.5}, "why")
        await cache.note("a", {b"x": "4"})
        await cache.note("c", {})

    with AnswerCache.open(tmp_path / "l") as answer_cache:
        asyncio.run(work(answer_cache))
    with AnswerCache.open(tmp_path / "l") as answer_cache:
        assert answer_cache.noted("a") == {b"x": "4", b"y": "2"}
        assert answer_cache.noted("b") == {b"x": "3"}
        assert answer_cache.noted("c") == {}
        assert answer_cache.spend()[0].lost_usd == 0.5


def test_a_cache_of_the_first_schema_is_read_and_goes_on(tmp_path):
    columns = "key BLOB PRIMARY KEY, role TEXT, model TEXT, text BLOB, finish TEXT, input_tokens INTEGER, output_tokens INTEGER"
    with sqlite3.connect(tmp_path / "l") as db:
        db.execute(
            f"CREATE TABLE answers ({columns}, latency_s REAL, cost_usd REAL, price_note TEXT, attempts INTEGER, at REAL)"
        )
        db.execute(
            "CREATE TABLE losses (role TEXT NOT NULL, usd REAL NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL)"
        )
        db.execute("INSERT INTO answers VALUES (x'6b', 'main', 'm', x'796573', 'stop', 1, 2, 0.5, 0.25, NULL, 1, 0.0)")
        db.execute("PRAGMA user_version = 1")
    db.close()
    with AnswerCache.open(tmp_path / "l") as answer_cache:
        assert asyncio.run(answer_cache.get(b"k")) == Completion("yes", "m", 1, 2, 0.5, 0.25, cached=True)
        put_all(answer_cache, (b"new", "main", ANSWER))
        assert answer_cache.spend()[0].answers == 2


def test_what_was_booked_from_above_and_thoughts_are_summed(tmp_path):
    with AnswerCache.open(tmp_path / "l") as answer_cache:
        put_all(
            answer_cache,
            (b"a", "main", Completion("x", "m", None, None, 0.1, 0.5, price_note="an upper bound")),
            (b"b", "main", Completion("x", "m", 1, 1, 0.1, 0.25, thought=9)),
            (b"c", "main", Completion("x", "m", 1, 1, 0.1, None, price_note="unknown")),
        )
        [spend] = answer_cache.spend()
        assert (spend.usd, spend.bound_usd, spend.unpriced, spend.thoughts) == (0.75, 0.5, 1, 1)
        assert asyncio.run(answer_cache.get(b"b")).thought == 9


def test_money_and_tokens_of_roles_are_added_up_and_a_role_that_only_lost_money_is_there_too(tmp_path):
    some = Completion("x", "m", 5, None, 0.1, 0.5)
    with AnswerCache.open(tmp_path / "l") as answer_cache:
        assert answer_cache.spend() == ()
        asyncio.run(answer_cache.lose("a", 0.25, "timeout"))
        put_all(answer_cache, (b"1", "b", some), (b"2", "b", Completion("x", "m", 7, 2, 0.1, None)))
        assert answer_cache.spend() == (Spend("a", 0, 0, 0, 0.0, 0, 0.25), Spend("b", 2, 12, 2, 0.5, 1, 0.0))


def test_a_transaction_that_fails_stores_nothing_of_it_and_tells_everyone_who_waits(tmp_path):
    async def work(answer_cache):
        waiting = [answer_cache.put(b"k%d" % i, "main", ANSWER) for i in range(3)]
        return await asyncio.gather(*waiting, answer_cache.lose("main", 0.5, "x"), return_exceptions=True)

    answer_cache = AnswerCache.open(tmp_path / "l")
    answer_cache._writer.execute("DROP TABLE losses")  # the second statement of the transaction fails
    found = asyncio.run(work(answer_cache))
    assert [type(f) for f in found] == [IntegrityError] * 4
    assert stored(answer_cache, [b"k0", b"k1", b"k2"]) == {b"k0": None, b"k1": None, b"k2": None}
    answer_cache._writer.execute(
        "CREATE TABLE losses (role TEXT NOT NULL, usd REAL NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL)"
    )
    assert asyncio.run(work(answer_cache)) == [None] * 4  # the writer lives on
    assert answer_cache.spend() == (Spend("main", 3, 36, 9, *[pytest.approx(0.0045), 0, 0.5, pytest.approx(0.0045)]),)
    answer_cache.close()


def test_what_was_asked_for_before_closing_is_stored_and_nothing_after(tmp_path):
    async def work(answer_cache):
        waiting = asyncio.ensure_future(answer_cache.put(b"k", "main", ANSWER))
        await asyncio.sleep(0)
        await asyncio.to_thread(answer_cache.close)
        await waiting

    answer_cache = AnswerCache.open(tmp_path / "l")
    asyncio.run(work(answer_cache))
    with pytest.raises(RungError, match=r"the cache .*l is closed; open it again before asking"):
        asyncio.run(answer_cache.lose("main", 0.5, "x"))
    with AnswerCache.open(tmp_path / "l") as again:
        assert asyncio.run(again.get(b"k")).text == "yes"


def test_a_row_holds_who_answered_and_when(tmp_path):
    before = time.time()
    with AnswerCache.open(tmp_path / "l") as answer_cache:
        put_all(answer_cache, (b"k", "main", ANSWER))
        asyncio.run(answer_cache.lose("judge", 0.5, "timeout"))
    with contextlib.closing(sqlite3.connect(tmp_path / "l")) as db:
        [(role, at)] = db.execute("SELECT role, at FROM answers").fetchall()
        [loss] = db.execute("SELECT role, usd, reason, at FROM losses").fetchall()
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
    assert (role, loss[:3]) == ("main", ("judge", 0.5, "timeout"))
    assert before <= at <= loss[3] <= time.time()


def test_an_answer_keeps_its_numbers_where_they_are_unknown(tmp_path):
    bare = Completion("", "m", None, None, 0.0, None)
    with AnswerCache.open(tmp_path / "l") as answer_cache:
        put_all(answer_cache, (b"k", "main", bare))
        assert asyncio.run(answer_cache.get(b"k")) == replace(bare, cached=True)


def test_an_older_file_gets_its_tables_and_a_full_one_keeps_its_rows(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "l")) as db:
        db.execute("PRAGMA user_version = 0")
    with AnswerCache.open(tmp_path / "l") as answer_cache:
        put_all(answer_cache, (b"k", "main", ANSWER))
    with AnswerCache.open(tmp_path / "l") as answer_cache:
        assert answer_cache.spend()[0].answers == 1
    with contextlib.closing(sqlite3.connect(tmp_path / "l")) as db:
        db.execute("DROP TABLE losses")
        db.commit()
    with pytest.raises(IntegrityError, match="cannot be used .*no such table: losses"):
        AnswerCache.open(tmp_path / "l")


def test_the_sentence_for_a_code_names_the_file_and_the_way_out():
    def said(code):
        error = sqlite3.OperationalError("said so")
        error.sqlite_errorcode = code
        return str(translate(error, Path("L")))

    assert said(sqlite3.SQLITE_FULL) == (
        "the disk is full while writing the cache L; everything answered so far is kept: free some space and run the same "
        "command again"
    )
    assert said(sqlite3.SQLITE_BUSY).startswith("another process has held the cache L for 10 s; wait for it")
    for code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        assert said(code) == "cannot write the cache L (said so); choose a run folder that you may write"
    assert said(sqlite3.SQLITE_MISUSE).startswith("the cache L cannot be used (OperationalError: said so)")
    assert str(translate(sqlite3.Warning("w"), Path("L"))).startswith("the cache L cannot be used (Warning: w)")


@pytest.mark.parametrize(
    "change",
    ["text = X'FFFE'", "text = 7", "latency_s = 'x'", "latency_s = 9e999", "cost_usd = 'x'", "attempts = 'y'", "thought = 'z'", "input_tokens = 1.5",
     "model = X'00'", "billed = '{'", "billed = '[1, 2, 3, 4, 5]'"],
)  # fmt: skip
def test_an_answer_that_none_of_us_wrote_is_a_sentence_that_names_the_file(tmp_path, change):
    with AnswerCache.open(tmp_path / "l") as answer_cache:
        put_all(answer_cache, (b"k", "main", ANSWER))
    with contextlib.closing(sqlite3.connect(tmp_path / "l")) as opened:
        opened.execute(f"UPDATE answers SET {change}")
        opened.commit()
    with (
        AnswerCache.open(tmp_path / "l") as answer_cache,
        pytest.raises(IntegrityError, match=r"cache .*/l is damaged .* move it away and keep it"),
    ):
        asyncio.run(answer_cache.get(b"k"))
