"""Every command, told to end while it works: it is gone within two seconds, with a word or because it was done, never with a traceback."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time

import pytest

from rung import cli
from rung.signals import is_stop
from rung.store.generations import Generations, Step, fingerprint
from rung.store.run import RunFolder
from tests.tiers import NIGHTLY
from tests.unit._judged import rows
from tests.unit.test_stopping import ended, wait_until_up

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")]
COMMANDS = {  # by name: its words in a project with a run
    "init": "init big.jsonl --yes --force --target answer --out other.yaml",
    "check": "check",
    "advise": "advise run --yes",
    "plan": "plan",
    "climb": "climb --folder another",
    "data": "data clean --accept near-duplicates --dry-run",
    "report": "report run",
    "runs": "runs .",
    "compare": "compare run:prompt run:prompt",
    "consistency": "consistency run --rung prompt",
    "regression": "regression --model main",
    "label": "label run --csv sheet.csv",
    "export": "export run --rung prompt --form rows --out exported",
    "feedback": "feedback run log.jsonl",
    "watch": "watch run log.jsonl --approach prompt",
    "verify": "verify run",
    "retrain": "retrain plain.yaml --folder again --first plain",
    "rollback": "rollback generations",
    "migrate": "migrate plain.yaml --to other --folder plain",
    "serve": "serve run --port 0",
    "docs": "docs update",
    "plugins": "plugins",
    "demo": "demo --folder shown",
}
SAID = "interrupted; what a run has stored is kept, and the same command goes on"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A judged project with documents, and a finished run of it."""
    place = tmp_path_factory.mktemp("project")
    made = rows(240)
    (place / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    (place / "big.jsonl").write_text(
        "".join(json.dumps({**r, "id": f"{n}-{r['id']}"}) + "\n" for n in range(60) for r in made)
    )
    (place / "docs").mkdir()
    for i, row in enumerate(made):
        (place / "docs" / f"{i}.md").write_text(f"# {row['question']}\n\n" + f"{row['answer']}\n\n" * 200)
    config = {
        "version": 1,
        "task": {"name": "letters", "kind": "generation", "instruction": "Answer in six words.", "inputs": ["question"], "target": "answer",
                 "metrics": [{"judge": {"rubric": "Says what is expected."}}], "goal": 0.8},
        "data": {"path": "rows.jsonl", "id": "id"},
        "models": {"main": {"provider": "fake", "answers": {r["question"]: r["answer"] for r in made}},
                   "judge": {"provider": "python", "function": "rung.testing.judges:fair"}},
        "documents": {"path": "docs"},
        "ladder": ["prompt", "fewshot"], "split": {"test": 0.5, "dev": 0.2},
    }  # fmt: skip
    (place / "rung.yaml").write_text(json.dumps(config))
    served = {
        "at": "2026-11-29T10:00:00+00:00",
        "way": "/v1/predict",
        "approach": "prompt",
        "status": 200,
        "answer": "x",
    }
    lines = [{**served, "id": str(i), "inputs": {"question": row["question"]}} for i, row in enumerate(made)]
    (place / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    plain = {**config, "task": {**config["task"], "metrics": ["exact_match"]}, "ladder": ["prompt"],
             "models": {**config["models"], "other": config["models"]["main"]}}  # fmt: skip
    (place / "plain.yaml").write_text(json.dumps(plain))
    for words in ("rung.yaml --folder run", "plain.yaml --folder plain"):
        command = [sys.executable, "-m", "rung", "climb", *words.split()]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
    generations, run = Generations(place / "generations"), RunFolder.open(place / "plain")
    with generations.held():
        for number in range(1, 6):  # one of them is gone back each time
            what = "begun" if number == 1 else "promoted"
            generations.record(Step(what, number, "../plain", "prompt", fingerprint(run, "prompt"), "ann", ""))
    return place


def test_every_command_is_told_to_end():
    named = {c.name or c.callback.__name__ for c in cli.app.registered_commands}
    named |= {g.name or g.typer_instance.info.name for g in cli.app.registered_groups}
    assert named == set(COMMANDS)


@pytest.mark.parametrize("delay_s", [0.0, 0.5, 1.2] if NIGHTLY else [0.0, 0.5])
@pytest.mark.parametrize("command", tuple(COMMANDS))
def test_a_command_that_is_told_to_end_ends(project, command, delay_s):
    words = [sys.executable, "-m", "rung", *COMMANDS[command].split()]
    shutil.rmtree(project / "exported", ignore_errors=True)  # an earlier one may have been done before it was told
    process = subprocess.Popen(
        words, cwd=project, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_until_up(process)
    time.sleep(delay_s)
    code, said = ended(process, signal.SIGTERM)
    assert "Traceback" not in said
    assert code in (0, 1, 4, -signal.SIGTERM), said  # the last: it was done, and Python was taking itself apart
    assert code != 4 or SAID in said or "interrupted" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_labelling_by_keys_ends_and_leaves_the_terminal_as_it_was(project, number):
    import pty
    import termios

    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    words = [sys.executable, "-m", "rung", "label", "run"]
    process = subprocess.Popen(words, cwd=project, text=True, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE)
    seen, until = b"", time.monotonic() + 20
    while b"Keys:" not in seen and time.monotonic() < until:
        if select.select([ours], [], [], 0.2)[0]:
            seen += os.read(ours, 65536)
    assert b"Keys:" in seen, seen[-500:]
    time.sleep(0.3)
    code, said = ended(process, number)
    assert code == 4, said
    assert "interrupted" in said
    assert termios.tcgetattr(theirs)[3] == before[3]  # echo and lines are on
    for end in (ours, theirs):
        os.close(end)


def test_a_signal_in_the_making_of_a_class_is_a_signal():
    class Field:
        def __set_name__(self, owner, name):
            raise KeyboardInterrupt

    with pytest.raises((RuntimeError, KeyboardInterrupt)) as caught:  # Python 3.11 raises the first from the second
        type("Section", (), {"field": Field()})
    assert isinstance(caught.value, KeyboardInterrupt) or is_stop(caught.value)
    assert not is_stop(RuntimeError("another"))
