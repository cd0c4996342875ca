"""Stopped from outside, or stopped by a limit of the machine: always a sentence, exit code 4, within two seconds; nothing is
paid into a folder that is gone."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from rung.store.run import RunFolder
from tests.unit._commands import command
from tests.unit.test_interrupted import endpoint, start, wait_for  # noqa: F401 - fixtures

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
RUNG = [sys.executable, "-m", "rung"]
BUSY = {  # what a command may be doing when it is told to end
    "python": "while True: pass",
    "sleeping": "import time; time.sleep(60)",
    "C code that lets go": "import hashlib; hashlib.pbkdf2_hmac('sha512', b'a', b'b', 10**9)",
    "a wait that is never over": "import threading; threading.Event().wait()",
    "a regular expression under a handler that waits": "import re, signal\nsignal.signal(signal.SIGINT, lambda *_: None)\nre.match('(?:a*)*b', 'a' * 40)",
    "an exception that is swallowed": "import time\nwhile True:\n  try: time.sleep(60)\n  except KeyboardInterrupt: pass",
    "a callback that raises nothing": "import time, weakref\nclass A: pass\na = A()\nlost = weakref.ref(a, lambda _: time.sleep(60))\ndel a\ntime.sleep(60)",
}


def ended(process, number, within_s=2.0):
    """Send the signal and return how long it took, the exit code and what was said."""
    began = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    took = time.monotonic() - began
    assert took < within_s + 1.0, took  # a second for a busy machine
    return process.returncode, said


def doing(what):
    code = "from rung.signals import program\ndef run():\n  print('up', flush=True)\n"
    code += "".join(f"  {line}\n" for line in what.splitlines()) + "  return 0\nprogram(lambda: run)"
    process = subprocess.Popen([sys.executable, "-c", code], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == "up\n"
    return process


@pytest.mark.slow
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)], ids=["SIGTERM", "SIGHUP"]
)
@pytest.mark.parametrize("what", BUSY.values(), ids=BUSY)
def test_whatever_it_computes_a_command_ends_in_two_seconds_with_a_word(what, number):
    code, said = ended(doing(what), number)
    assert (code, said) == (4, "rung: interrupted; what a run has stored is kept, and the same command goes on\n")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("delay_s", [0.1, 0.2, 0.35, 0.6, 1.0])
def test_interrupted_while_it_loads_it_says_so(tmp_path, number, delay_s):
    rows = "".join(json.dumps({"text": f"row {i} of many", "team": "ab"[i % 2]}) + "\n" for i in range(6000))
    (tmp_path / "rows.jsonl").write_text(rows)
    words = [*RUNG, "init", "rows.jsonl", "--yes", "--target", "team"]
    process = subprocess.Popen(words, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(delay_s)
    if process.poll() is not None:
        pytest.skip("this machine was quicker")
    if delay_s < 0.15:  # Python itself may not be up yet; it is once our module has been found
        wait_until_up(process)
    code, said = ended(process, number)
    assert "Traceback" not in said
    done = code == 0 or (code == -number and (tmp_path / "rung.yaml").exists())  # Python was taking itself apart
    assert done or code == 4
    assert done or "interrupted; what a run has stored is kept" in said


def wait_until_up(process):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
            caught = next(int(line.split()[1], 16) for line in status if line.startswith("SigCgt"))
        if caught >> (signal.SIGHUP - 1) & 1:
            return
        time.sleep(0.01)


def test_a_climb_in_the_background_of_a_script_hears_sigterm(tmp_path):
    """Where Ctrl-C is shut off, as behind `&`, SIGTERM ends it all the same."""
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nfrom rung.signals import program\n"
    code += "def run():\n  print('up', flush=True)\n  import time; time.sleep(60)\n  return 0\nprogram(lambda: run)"
    process = subprocess.Popen([sys.executable, "-c", code], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == "up\n"
    found, said = ended(process, signal.SIGTERM)
    assert (found, "Traceback" in said) == (4, False)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["deleted", "renamed", "replaced", "answers deleted"])
def test_a_climb_whose_folder_is_gone_stops_paying_at_once(start, endpoint, tmp_path, how):  # noqa: F811
    import shutil

    folder = tmp_path / "runs/routing"
    process = start()
    wait_for(lambda: endpoint.counts.requests >= 10, process)
    if how == "answers deleted":
        for file in folder.glob("ledger.sqlite*"):
            file.unlink()
    elif how == "deleted":
        while folder.exists():  # a file that the climb writes meanwhile stops one pass
            shutil.rmtree(folder, ignore_errors=True)
    else:
        folder.rename(tmp_path / "elsewhere")
        if how == "replaced":
            folder.mkdir()
    seen = endpoint.counts.requests
    _, said = process.communicate(timeout=30)
    assert process.returncode == 4, said
    assert "nothing more is asked" in said
    assert "Traceback" not in said
    assert endpoint.counts.requests - seen <= 3 * 8  # the rest of 0.2 s, and what was under way
    if how in ("deleted", "renamed"):
        assert not folder.exists()
    if how == "replaced":
        assert not (folder / "run.json").exists()  # it is not the run's folder
    if how == "renamed":
        (tmp_path / "elsewhere").rename(folder)
        endpoint.latency_s = 0.0
        again = start()
        _, said = again.communicate(timeout=60)
        assert again.returncode == 1, said
        assert RunFolder(folder).read("run.json")["status"] == "done"


@pytest.mark.slow
def test_a_limit_on_the_size_of_files_is_told_and_the_climb_goes_on_without_it(start, endpoint, tmp_path):  # noqa: F811
    endpoint.latency_s = 0.0
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))\n"
    words = [sys.executable, "-c", code + "from rung.cli import main; main()", "climb"]
    done = subprocess.run(words, cwd=tmp_path, text=True, capture_output=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 4, done.stderr
    assert "(the limit of this shell or file system on the size of a file)" in done.stderr
    assert "raise it (`ulimit -f`) and run the same command again" in done.stderr
    assert "everything answered so far is kept" in done.stderr
    again = start()
    _, heard = again.communicate(timeout=60)
    assert again.returncode == 1, heard


LIMITED = """
import os, resource, sys
sys.argv = ["rung", "report", "run"]
from rung import cli
from rung.cli import report
from rung.store.run import RunFolder
from tests.unit._commands import command
{before}
def work(*_, **__):
    {work}
cli.app.registered_commands = [c for c in cli.app.registered_commands if c.callback is not report.report]
cli.app.command("report")(lambda folder: work())
sys.exit(cli.run())
"""
OPEN_ALL = """
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
def open_all():
    try:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "work", "said"),
    [
        (OPEN_ALL, "open_all(); RunFolder(__import__('pathlib').Path('run')).note(a=1)", "ulimit -n"),
        (OPEN_ALL, "open_all(); RunFolder(__import__('pathlib').Path('run')).event('x')", "ulimit -n"),
        (OPEN_ALL, "open_all(); RunFolder(__import__('pathlib').Path('run')).facts", "ulimit -n"),
        (OPEN_ALL, "open_all(); open('rows.jsonl')", "ulimit -n"),
        ("resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))",
         "RunFolder(__import__('pathlib').Path('run')).note(a='x' * 100)", "ulimit -f"),
        ("resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))", "__import__('pathlib').Path('new').write_text('x' * 100)", "ulimit -f"),
        ("", "raise MemoryError", "has not the memory for it"),
        ("", "raise RuntimeError(\"can't start new thread\")", "ulimit -u"),
        ("", "raise ImportError('advice\\nx.so: failed to map segment from shared object\\nmore')", "(x.so: failed to map"),
        ("resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))",
         "raise SystemError('f returned NULL without setting an exception')", "there is no memory left"),
        (OPEN_ALL, "open_all(); __import__('asyncio').run(__import__('asyncio').sleep(0))", "ulimit -n"),
    ],
)  # fmt: skip
def test_a_limit_of_this_machine_is_named_wherever_it_is_met(tmp_path, before, work, said):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_text("{}")
    (tmp_path / "rows.jsonl").write_text("{}")
    done = command("-c", LIMITED.format(before=before, work=work), folder=tmp_path)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 4, done.stderr
    assert said in done.stderr


@pytest.mark.slow
def test_a_huge_list_of_lists_is_one_call_of_c_code_and_a_short_one():
    """It hears no signal until it is done: 60 MB of the smallest lists took 5.5 CPU-seconds, 4.3 of them in the garbage collector."""
    import gc

    from rung.documents.rows import read_json
    from rung.documents.trouble import Unreadable
    from rung.foreign import uncollected

    text = b"[" + b",".join([b"[1]"] * 2_500_000) + b"]"

    def cpu_s(work):
        began = time.process_time()
        work()
        return time.process_time() - began

    def bare():
        with uncollected():
            assert not gc.isenabled()
            json.loads(text)

    def read():
        with pytest.raises(Unreadable, match="holds no JSON object"):
            read_json("a.json", text)

    assert gc.isenabled()
    assert cpu_s(read) < 3.0 * cpu_s(bare) + 0.5
    assert gc.isenabled()


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    done = subprocess.run(
        f"{sys.executable} -m rung --help | head -c 1", shell=True, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("verb", "closed", "code"),
    [(["plugins"], "stdout", 0), (["check", "--json"], "stdout", 2), (["check"], "stderr", 2)],
    ids=["a table", "json", "a message"],
)
def test_a_reader_that_goes_away_leaves_the_exit_code_as_it_is(tmp_path, verb, closed, code):
    with subprocess.Popen(
        [sys.executable, "-m", "rung", *verb], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        getattr(process, closed).close()
        assert getattr(process, "stderr" if closed == "stdout" else "stdout").read() == b""
        assert process.wait() == code
