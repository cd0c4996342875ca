"""Write a measured rung in one of the forms of `rung.exports`: whole and checked, or not at all."""

from __future__ import annotations

import asyncio
import difflib
import shutil
from collections.abc import Sequence
from pathlib import Path

from rung.engine.reopen import Reopened, reopened
from rung.engine.sides import measured_label
from rung.errors import RungError
from rung.exports import Form, forms
from rung.models.settings import StoredSettings
from rung.progress import Progress, Silent
from rung.store.folder import disk_errors, locked, part_of
from rung.store.run import RunFolder, export_place, measured_rungs
from rung.types import Candidate


async def export(
    run: Reopened, label: str, form: str | None, out: Path | None, dtype: str | None
) -> tuple[str, Path, str]:
    """Write the candidate of a rung; return the form, where it lies, and what is to be said of it.

    Raises RungError for a rung or form that is not there, a folder that is not empty, and weights that are not shown to
    be the measured ones; then nothing is left in `out`.
    """
    label = measured_label(run.folder, label)
    candidate = run.candidate(label)
    why = _kept(run, candidate)
    if why is not None:
        raise RungError(f"{label} cannot be exported: {why}. {_able(run, list(forms().values()))}")
    chosen = _form(form, label, run)
    place = out or export_place(run.folder.path, label, chosen.name)
    if place.exists() and not place.is_dir():
        raise RungError(f"{place} is a file; name a folder for the export, an empty or a new one")
    if place.exists() and any(place.iterdir()):
        raise RungError(f"{place} is not empty; write into another folder, or remove it")
    part = part_of(place)
    try:
        with disk_errors(place, "choose a folder that you may write"):
            part.mkdir(parents=True)
            shared = part.stat().st_mode  # less the umask, which nothing tells without changing it
            part.chmod(0o700)
            said = await chosen.write(run, label, candidate, part, dtype)
            _hand_on(part, shared)
            shutil.rmtree(place, ignore_errors=True)
            part.rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return chosen.name, place, said


def _hand_on(folder: Path, shared: int) -> None:
    """Give what is written whole the modes of the user's umask: others run it, as in a container."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(shared if path.is_dir() or path.stat().st_mode & 0o100 else shared & 0o666)


def exported(
    folder: Path, label: str, form: str | None, out: Path | None, dtype: str | None, progress: Progress | None = None
) -> tuple[str, Path, str]:
    """Open a run and write an approach of it, as `export` does, alone in its folder. Not inside an event loop."""

    async def work() -> tuple[str, Path, str]:
        async with reopened(folder, progress or Silent()) as run:
            return await export(run, label, form, out, dtype)

    with locked(RunFolder.open(folder)):
        return asyncio.run(work())


def chosen(folder: RunFolder) -> str:
    """Return the approach to export where none is named: the winner, else the tentative pick. Raises RungError."""
    verdict = folder.verdict.get()
    found = (verdict.winner or verdict.tentative_pick) if verdict is not None else None
    if found is None:
        raise RungError(
            f"{folder.path} has no winner and no tentative pick; name one of its measured approaches: "
            f"{', '.join(measured_rungs(folder))}"
        )
    return found


def _form(name: str | None, label: str, run: Reopened) -> Form:
    known, candidate = forms(), run.candidate(label)
    if name is None:
        fitting = [f for f in known.values() if f.why_not(candidate) is None]
        if not fitting:
            reasons = "; ".join(f"{f.name}: {f.why_not(candidate)}" for f in known.values())
            raise RungError(f"{label} can be written in no form ({reasons}). {_able(run, list(known.values()))}")
        return fitting[0]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise RungError(f"no form is called {name!r}{hint} There are: {', '.join(known)}")
    why = known[name].why_not(candidate)
    if why is not None:
        raise RungError(f"{label} cannot be written as {name!r}: {why}. {_able(run, [known[name]])}")
    return known[name]


def _kept(run: Reopened, candidate: Candidate) -> str | None:
    """Say why nothing of a candidate is to be written: it has stored answers alone, or is what the user has already; else None."""
    client = run.clients.get(candidate.model or "")
    if client is not None and isinstance(client.settings, StoredSettings):
        return "its answers were stored before (provider: recorded), and nothing of it answers a new input"
    feature = candidate.feature
    if feature is None or not feature.as_it_stands:
        return None
    steps = candidate.chat.postprocessing if candidate.chat is not None else None
    after = f", with the steps {steps} after its answer," if steps else ""
    return f"it is {feature.name}, measured{after} as it stands; call it as you do, or `rung serve {run.folder.path}` answers with it"


def _able(run: Reopened, among: Sequence[Form]) -> str:
    """Return a sentence that names the approaches of a run that can be written in one of these forms, and as what."""
    fitting = {
        label: [f.name for f in among if f.why_not(run.candidate(label)) is None]
        for label in measured_rungs(run.folder)
        if _kept(run, run.candidate(label)) is None
    }
    named = [f"{label} (as {' or '.join(names)})" for label, names in fitting.items() if names]
    return f"Of this run these can be written: {', '.join(named)}." if named else "Nothing else of this run can be."
