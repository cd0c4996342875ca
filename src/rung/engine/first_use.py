"""The first measurement of a run uses its test set: that is written into the project's register, with what came before."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from rung.config import Config
from rung.decide.wording import caveats
from rung.errors import RungError
from rung.progress import Progress
from rung.store.register import Register, TestSet, Use
from rung.store.run import RunFolder
from rung.types import Split, Task, content_hash

CHOSEN_AFTERWARDS = ("name", "goal", "limits", "service")  # of a task: these make no candidate


@dataclass(frozen=True)
class TestUse:
    """What a climb will do with its test set, ready to be noted when it is first measured on."""

    __test__ = False  # no test for pytest, in spite of its name

    root: Path
    test: TestSet
    plan: str
    goal: float

    def note(self, run: RunFolder, progress: Progress) -> None:
        """Write the use into the register and what came before into the run; noted again it changes nothing."""
        if "id" not in run.facts:
            run.note(id=secrets.token_hex(8))
        use = Use(self.test.sha256, str(run.facts["id"]), self.plan, self.goal)
        before = run.test_use
        again = before is not None and before.noted == asdict(use)
        gone_on = before is not None and {**before.noted, "plan": use.plan} == asdict(
            use
        )  # with a model that was awaited
        try:
            found, damage, known = Register(self.root).note(self.test, use)
        except RungError as error:
            progress.say(f"later runs will not know that these test examples were used: {error}")
            found, damage, known = None, None, False
        if damage:
            progress.say(damage)
        if before is not None and gone_on:
            if again and not known:
                progress.say("the register of test sets did not know of this run any more: it is noted again")
            found = found or before.earlier
        run.note(test_use={"noted": asdict(use), "earlier": asdict(found) if found else None})
        for line in caveats(False, found):
            progress.say(line)


def plan_of(config: Config, task: Task, split: Split) -> str:
    """Return the hash of all that makes a climb's candidates, wherever its files lie. The goal makes none."""
    steers = config.steers
    about = {name: steers[name] for name in ("models", "ladder", "diagnosis", "stop_early")}
    about["cost"] = steers.get("cost")  # where it chooses among models
    documents = {k: v for k, v in (steers["documents"] or {}).items() if k not in ("path", "relevant")}
    plain = TypeAdapter(Task).dump_python(task, mode="json")
    later = {*CHOSEN_AFTERWARDS, *(("tolerance",) if task.as_good_as is not None else ())}  # the margin
    asked = {
        k: v for k, v in plain.items() if k not in later and not (k in ("floors", "slices", "as_good_as") and not v)
    }
    asked["alpha"] = config.task.alpha  # whatever share of it this look may spend
    parts: Mapping[str, Any] = split.manifest
    shown = [parts[part]["sha256"] for part in ("train", "dev")]
    return content_hash([about, documents, asked, shown, split.seed])[:16]
