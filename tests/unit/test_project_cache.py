"""What a project paid for is paid once: by whichever run, in whichever folder, and with several processes at work at once."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rung.engine.verify import verify
from rung.errors import IntegrityError, NewerFolder
from rung.ladder import climb
from rung.models._exposure import KIND, settle_earlier
from rung.models.client import open_clients
from rung.store.cache import FILES, AnswerCache
from rung.store.project import CLAIMS, FILE, FOLDER, SCHEMA, NotKept, ProjectCache, hidden_folder
from rung.store.register import LOCK, Register, TestSet, Use
from rung.store.run import RunFolder
from rung.store.sessions import Session, alive
from rung.types import Completion, Message, Request
from tests.unit._worlds import rows, world
from tests.unit.test_interrupted import endpoint, start, wait_for  # noqa: F401 - fixtures

ANSWER = Completion("yes", "m-1", 12, 3, 0.25, 0.0015, "length", attempts=2, price_note="an upper bound")
USE = Use("t", "r", "p", 0.9)
GOOD = {"abilities": {"base": 0.99}}


def spent(folder):
    return RunFolder.open(folder).spend.need()


def figures(folder):
    """What a run measured, without its own money."""
    run = RunFolder.open(folder)
    return {label: run.rung(label).result.plain() for label in run.measured}, run.verdict.plain()


def said_by(config, folder):
    lines = []

    class Heard:
        def say(self, text):
            lines.append(text)

        def stage(self, *_):
            from rung.progress import Silent

            return Silent().stage("", 1)

    climb(config, folder, Heard())
    return lines


@pytest.fixture
def config(tmp_path):
    return world(tmp_path, 120, model=GOOD, ladder=["prompt"], diagnosis={"calls": 0})


def test_a_climb_in_another_folder_pays_nothing_and_measures_the_same(tmp_path, config):
    climb(config, tmp_path / "a")
    first = spent(tmp_path / "a")["by_role"]["main"]
    said = said_by(config, tmp_path / "b")
    second = spent(tmp_path / "b")["by_role"]["main"]
    assert first["usd"] > 0
    assert (first["taken"], second["calls"], second["usd"], second["input_tokens"]) == (0, 0, 0.0, 0)
    assert (second["taken"], second["taken_usd"]) == (first["calls"], pytest.approx(first["usd"]))
    assert figures(tmp_path / "a") == figures(tmp_path / "b")
    [told] = [line for line in said if "taken from what the project had paid for" in line]
    assert told.startswith(f"models.main: {first['calls']} answers were")
    assert str(tmp_path / FOLDER / FILE) in told


@pytest.mark.slow
def test_a_cap_counts_what_this_run_pays_alone(tmp_path, config):
    climb(config, tmp_path / "a")
    usd = spent(tmp_path / "a")["usd"]
    capped = world(
        tmp_path, 120, model=GOOD, ladder=["prompt"], diagnosis={"calls": 0}, limits={"budget_usd": usd / 100}
    )
    assert climb(capped, tmp_path / "b").verdict.decision == "meets"
    assert spent(tmp_path / "b")["usd"] == 0.0


@pytest.mark.slow
def test_one_more_approach_is_all_that_is_paid(tmp_path, config):
    climb(config, tmp_path / "a")
    whole = world(tmp_path, 120, model=GOOD, ladder=["prompt", "fewshot"], diagnosis={"calls": 0}, task={"goal": 0.999})
    climb(whole, tmp_path / "b")
    second = spent(tmp_path / "b")["by_role"]["main"]
    assert second["taken"] > 100
    shutil.rmtree(tmp_path / FOLDER)
    climb(whole, tmp_path / "c")
    assert second["calls"] == spent(tmp_path / "c")["calls"] - second["taken"] > 0


@pytest.mark.slow
def test_an_archive_of_a_run_that_took_all_its_answers_verifies_alone_and_read_only(tmp_path, config):
    climb(config, tmp_path / "a")
    climb(config, tmp_path / "b")
    archive = tmp_path / "else" / "where"
    shutil.copytree(tmp_path / "b", archive)
    shutil.rmtree(tmp_path / FOLDER)
    for path in (*archive.rglob("*"), archive):
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        checks = verify(RunFolder.open(archive))
    finally:
        for path in (archive, *archive.rglob("*")):
            path.chmod(0o700)
    assert [c.what for c in checks if not c.passed] == []
    assert any(c.what == "stored answers" and c.compared > 0 for c in checks)


def ask(config, folder, request, **options):
    async def work():
        async with open_clients(config, folder, project=config.root, **options) as clients:
            return await clients["main"].ask(request), clients["main"].spend()

    folder.mkdir(exist_ok=True)
    return asyncio.run(work())


def test_a_repeat_a_parameter_and_a_model_are_asked_by_themselves(tmp_path, config):
    one = Request((Message("user", rows(1)[0]["text"]),))
    assert ask(config, tmp_path / "a", one)[1]["calls"] == 1
    again = Request(one.messages, repeat=1)
    warm = Request(one.messages, {"temperature": 0.7})
    assert [ask(config, tmp_path / f"b{i}", r)[1]["calls"] for i, r in enumerate((one, again, warm))] == [0, 1, 1]
    other = world(tmp_path, 120, model={**GOOD, "name": "another"}, ladder=["prompt"])
    assert ask(other, tmp_path / "c", one)[1]["calls"] == 1


def test_a_price_that_was_unknown_is_applied_to_the_tokens_and_one_that_was_known_stays(tmp_path, config):
    one, two = (Request((Message("user", row["text"]),)) for row in rows(2))
    unpriced = world(tmp_path, 120, model={**GOOD, "input_usd_per_mtok": None, "output_usd_per_mtok": None})
    told, _ = ask(unpriced, tmp_path / "a", one)
    known, _ = ask(config, tmp_path / "b", two)
    assert told.cost_usd is None
    dear = world(tmp_path, 120, model={**GOOD, "input_usd_per_mtok": 100.0, "output_usd_per_mtok": 200.0})
    priced, spend = ask(dear, tmp_path / "c", one)
    assert priced.cost_usd == pytest.approx((100 * told.input_tokens + 200 * told.output_tokens) / 1e6)
    assert (spend["usd"], spend["taken_usd"]) == (0.0, pytest.approx(priced.cost_usd))
    assert ask(dear, tmp_path / "d", two)[0].cost_usd == known.cost_usd > 0


def test_what_stands_in_the_place_of_an_answer_is_no_answer_for_others(tmp_path):
    with AnswerCache.open(tmp_path / "l") as cache:
        cache.project = ProjectCache.open(tmp_path)
        asyncio.run(cache.put(b"asked", "main", ANSWER))
        asyncio.run(cache.put(b"instead", "main", ANSWER, "instead"))
        asyncio.run(cache.put(b"taken", "main", ANSWER, "taken"))
        found = {key: cache.elsewhere(key) for key in (b"asked", b"instead", b"taken")}
        assert (found[b"instead"], found[b"taken"]) == (None, None)
        assert found[b"asked"] == Completion(
            "yes", "m-1", 12, 3, 0.25, 0.0015, "length", cached=True, attempts=2, price_note="an upper bound"
        )
        [main] = cache.spend()
        assert (main.answers, main.taken) == (2, 1)


@pytest.mark.slow
def test_answers_of_a_run_folder_are_never_copied_into_the_project(tmp_path, config):
    climb(config, tmp_path / "a")
    shutil.rmtree(tmp_path / FOLDER)
    (tmp_path / "a" / "verdict.json").unlink()  # else the climb is read back, and asks nobody
    climb(config, tmp_path / "a")  # all of it is in the run folder, which may be from elsewhere
    with sqlite3.connect(tmp_path / FOLDER / FILE) as held:
        assert held.execute("SELECT count(*) FROM answers").fetchone() == (0,)


@pytest.mark.slow
def test_the_folder_is_hidden_private_and_no_business_of_git(tmp_path, config):
    climb(config, tmp_path / "a")
    assert stat.S_IMODE((tmp_path / FOLDER).stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / FOLDER / FILE).stat().st_mode) == 0o600
    assert (tmp_path / FOLDER / ".gitignore").read_text().splitlines()[-1] == "*"


@pytest.mark.slow
def test_a_damaged_or_newer_cache_stops_with_a_sentence_before_anything_is_paid(tmp_path, config):
    climb(config, tmp_path / "a")
    path = tmp_path / FOLDER / FILE
    with contextlib.closing(sqlite3.connect(path)) as held:
        held.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    with pytest.raises(NewerFolder, match=r"written by a newer rung \(schema 3.*upgrade rung, or move the file away"):
        climb(config, tmp_path / "b")
    path.write_bytes(b"no database" * 100)
    with pytest.raises(IntegrityError, match=r"answers.sqlite is damaged .*restore it from a copy, or move it away"):
        climb(config, tmp_path / "b")
    path.unlink()
    (tmp_path / "elsewhere").write_bytes(b"")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="is no plain file or folder"):
        climb(config, tmp_path / "b")
    assert (tmp_path / "elsewhere").read_bytes() == b""


@pytest.mark.slow
def test_where_nothing_can_be_kept_the_climb_says_so_and_goes_on(tmp_path, config, monkeypatch):
    (tmp_path / FOLDER).write_text("a file of the user's")
    said = said_by(config, tmp_path / "a")
    assert any("later runs will pay again for what this one asks: cannot write" in line for line in said)
    assert spent(tmp_path / "a")["calls"] > 0
    with pytest.raises(NotKept):
        ProjectCache.open(tmp_path)
    assert (tmp_path / FOLDER).read_text() == "a file of the user's"


def test_a_cache_that_is_removed_while_it_is_used_costs_no_answer(tmp_path):
    with AnswerCache.open(tmp_path / "l") as cache:
        project = cache.project = ProjectCache.open(tmp_path)
        shutil.rmtree(tmp_path / FOLDER)
        asyncio.run(cache.put(b"k", "main", ANSWER))
        assert asyncio.run(cache.get(b"k")) is not None
        assert "was removed or replaced" in project.trouble
        assert cache.elsewhere(b"k") is None


WRITER = """
import asyncio, sys
from pathlib import Path
from rung.store.cache import AnswerCache
from rung.store.project import ProjectCache
from rung.types import Completion

async def main(root, who, first, last):
    with AnswerCache.open_in(root / who) as cache:
        cache.project = ProjectCache.open(root)
        print("up", flush=True)
        sys.stdin.readline()
        for start in range(first, last, 20):
            await asyncio.gather(*(
                cache.put(i.to_bytes(8, "big"), "main", Completion(f"{who} {i}", "m", 1, 1, 0.1, 0.5))
                for i in range(start, min(start + 20, last))
            ))
        print(cache.project.trouble, flush=True)
        if who == "killed":
            sys.stdin.readline()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


def writer(root, who, first, last):
    (root / who).mkdir()
    words = [sys.executable, "-c", WRITER, str(root), who, str(first), str(last)]
    process = subprocess.Popen(words, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == "up\n"
    return process


@pytest.mark.slow
def test_three_processes_write_at_once_one_is_killed_and_nothing_is_lost(tmp_path):
    writers = [writer(tmp_path, "a", 0, 400), writer(tmp_path, "b", 200, 600), writer(tmp_path, "killed", 600, 700)]
    for process in writers:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.stdout.readline() for process in writers] == ["None\n"] * 3
    writers[2].kill()
    for process in writers:
        process.communicate(timeout=30)
    project = ProjectCache.open(tmp_path)
    texts = [project.get(i.to_bytes(8, "big"))[1].decode() for i in range(700)]
    project.close()
    assert [int(text.rpartition(" ")[2]) for text in texts] == list(range(700))
    assert {text.split()[0] for text in texts[:200]} == {"a"}
    assert {text.split()[0] for text in texts[400:600]} == {"b"}
    assert {text.split()[0] for text in texts[600:]} == {"killed"}
    with sqlite3.connect(tmp_path / FOLDER / FILE) as held:
        assert held.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_what_a_living_session_has_in_flight_is_not_booked_and_what_a_dead_one_had_is(tmp_path):
    said = []
    with AnswerCache.open_in(tmp_path) as cache:
        cache.begin()
        living = Session(tmp_path)
        dead = "0123456789abcdef"
        (tmp_path / f".session-{dead}.lock").touch()
        marks = {f"main\nx\n{living.token}": "0.5", f"main\nx\n{dead}": "0.25", "judge\nx": "0.125"}
        asyncio.run(cache.note(KIND, {name.encode(): usd for name, usd in marks.items()}))
        asyncio.run(settle_earlier(cache, tmp_path, said.append))
        assert {s.role: s.lost_usd for s in cache.spend()} == {"main": 0.25, "judge": 0.125}
        assert alive(tmp_path, living.token)
        assert not alive(tmp_path, dead)
        assert not (tmp_path / f".session-{dead}.lock").exists()
        living.close()
        asyncio.run(settle_earlier(cache, tmp_path, said.append))  # it ended without taking its amount back
        assert {s.role: s.lost_usd for s in cache.spend()} == {"main": 0.75, "judge": 0.125}
        asyncio.run(settle_earlier(cache, tmp_path, said.append))
        assert len(said) == 3
    assert [p.name for p in tmp_path.glob(".session*")] == []


def test_the_token_of_a_session_is_no_path():
    assert not alive(Path("/"), "../etc/passwd")


@pytest.mark.slow
def test_a_killed_climb_and_a_living_one_share_what_they_paid(tmp_path, endpoint, start):  # noqa: F811
    """The second climb, in another folder, pays for what the killed one had not stored; the first resumes for nothing more."""
    (tmp_path / "rung.yaml").write_text(
        (tmp_path / "rung.yaml")
        .read_text()
        .replace("name: stub", "name: stub\n    input_usd_per_mtok: 1\n    output_usd_per_mtok: 1")
    )
    first = start()
    wait_for(lambda: endpoint.counts.answered >= 30, first)
    first.send_signal(signal.SIGKILL)
    first.wait()
    words = [sys.executable, "-m", "rung", "climb", "--json", "--folder"]

    def other(folder):
        env = {**os.environ, "RUNG_TRUST": "1"}
        return subprocess.run([*words, folder], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    done = other("runs/second")
    assert json.loads(done.stdout)["verdict"]["decision"] in ("meets", "misses", "inconclusive")
    paid = len(endpoint.counts.seen)
    assert (
        endpoint.counts.requests <= paid + 8 + 5
    )  # those in flight at the kill, and five asked anew for their latency
    taken = json.loads((tmp_path / "runs/second/spend.json").read_text())["by_role"]["main"]["taken"]
    assert taken >= 30 - 8
    before = endpoint.counts.requests
    other("runs/routing")
    assert endpoint.counts.requests == before
    held = RunFolder.open(tmp_path / "runs/routing").spend.need()["by_role"]["main"]
    assert held["lost_usd"] > 0  # what was in flight at the kill


OPENER = """
import sys
from pathlib import Path
from rung.store.project import ProjectCache
print("up", flush=True)
sys.stdin.readline()
ProjectCache.open(Path(sys.argv[1])).close()
"""


@pytest.mark.slow
def test_many_processes_make_it_at_once(tmp_path):
    words = [sys.executable, "-c", OPENER, str(tmp_path)]
    openers = [subprocess.Popen(words, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(6)]
    for process in openers:
        assert process.stdout.readline() == "up\n"
    for process in openers:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in openers:
        process.communicate(timeout=60)
    assert [process.returncode for process in openers] == [0] * 6


def test_what_is_asked_is_claimed_before_anybody_else_is_there(tmp_path):
    one = ProjectCache.open(tmp_path)
    assert one.claim(b"k")
    other = ProjectCache.open(tmp_path)
    assert not other.claim(b"k")  # the first was alone when it asked
    assert other.claim(b"l")
    assert other.claim(b"l")
    assert not one.claim(b"l")
    other.add([(b"l", b"yes", "m", 1, 1, 0.1, 0.5, "stop", 1, None, 0, None, 0.0)])
    other.release(b"l")
    assert one.get(b"l")[1] == b"yes"
    one.release(b"k")
    assert other.claim(b"k")
    other.close()
    assert one.claim(b"k")  # its holder has gone
    one.close()
    assert sorted(p.name for p in (tmp_path / FOLDER).iterdir() if "claims" in p.name) == [CLAIMS]


def test_claims_that_cannot_be_read_are_made_anew(tmp_path):
    ProjectCache.open(tmp_path).close()
    (tmp_path / FOLDER / CLAIMS).write_bytes(b"no database" * 1000)
    one, other = ProjectCache.open(tmp_path), ProjectCache.open(tmp_path)
    assert (one.claim(b"k"), other.claim(b"k"), one.trouble, other.trouble) == (True, False, None, None)
    for project in (one, other):
        project.close()


@pytest.mark.parametrize("name", ["", FILE, f"{FILE}-wal", f"{FILE}.lock", CLAIMS, "ledger.sqlite", LOCK])
@pytest.mark.parametrize("kind", ["link to a file", "link to a folder", "link to nothing", "second name"])
def test_nothing_is_opened_through_a_link_in_the_hidden_folder(tmp_path, name, kind):
    """A project that was downloaded may hold its hidden folder already."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "mine").write_text("mine")
    place = tmp_path / FOLDER / name if name else tmp_path / FOLDER
    place.parent.mkdir(exist_ok=True)
    if kind == "second name":
        if not name:
            pytest.skip("a folder has one name")
        os.link(theirs / "mine", place)
    else:
        place.symlink_to({"link to a file": theirs / "mine", "link to a folder": theirs}.get(kind, theirs / "new"))
    opens = [lambda: hidden_folder(tmp_path, *FILES)]  # as `rung docs` does
    opens += [lambda: ProjectCache.open(tmp_path), lambda: Register(tmp_path).note(TestSet("t", 1, ("0" * 10,)), USE)]
    kept = []
    for opened in opens:
        try:
            opened()
        except IntegrityError as error:
            assert str(place) in str(error)  # noqa: PT017
            kept.append(opened)
    assert len(kept) == (1 if name else 3)
    assert {p.name: p.read_text() for p in theirs.iterdir()} == {"mine": "mine"}


@pytest.mark.slow
def test_two_climbs_at_once_pay_once_for_what_both_ask(tmp_path, endpoint, start):  # noqa: F811
    endpoint.latency_s = 0.1
    env = {**os.environ, "RUNG_TRUST": "1"}
    words = [sys.executable, "-m", "rung", "climb", "--json", "--folder"]

    def run(folder):
        return subprocess.Popen([*words, folder], cwd=tmp_path, env=env, text=True, stdout=subprocess.PIPE)

    both = [run("runs/a"), run("runs/b")]
    said = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    assert said[0]["verdict"]["decision"] == said[1]["verdict"]["decision"]
    assert figures(tmp_path / "runs/a") == figures(tmp_path / "runs/b")
    roles = [spent(tmp_path / f"runs/{name}")["by_role"]["main"] for name in "ab"]
    assert sum(role["calls"] for role in roles) == endpoint.counts.requests
    alone = roles[0]["calls"] + roles[0]["taken"]
    assert endpoint.counts.requests <= alone + 5  # the five that each asks anew, to know how long an answer takes
    assert list((tmp_path / FOLDER).glob(".session*")) == []
