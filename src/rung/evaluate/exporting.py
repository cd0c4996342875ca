"""Write a measured rung in one of the forms of `rung.evaluate.exports`: whole and checked, or not at all."""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path

from rung.errors import RungError
from rung.evaluate.exports import Form, forms
from rung.evaluate.reopen import Reopened, measured_rungs
from rung.store.folder import disk_errors
from rung.types import Candidate


async def export(
    run: Reopened, label: str, form: str | None, out: Path | None, dtype: str | None
) -> tuple[str, Path, str]:
    """Write the candidate of a rung; return the form, where it lies, and what is to be said of it.

    Raises RungError for a rung or form that is not there, a folder that is not empty, and weights that are not shown to
    be the measured ones; then nothing is left in `out`.
    """
    measured = measured_rungs(run.folder)
    if label not in measured:
        raise RungError(f"no rung {label!r} was measured in {run.folder.path}; there are: {', '.join(measured)}")
    candidate = run.candidate(label)
    chosen = _form(form, label, candidate)
    place = out or run.folder.path / "exports" / f"{label.replace('@', '-')}-{chosen.name}"
    if place.exists() and any(place.iterdir()):
        raise RungError(f"{place} is not empty; name another folder with --out, or remove it")
    part = place.with_name(f".{place.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with disk_errors(place, "choose a folder you may write with --out"):
            part.mkdir(parents=True)
            said = await chosen.write(run, label, candidate, part, dtype)
            shutil.rmtree(place, ignore_errors=True)
            part.rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return chosen.name, place, said


def _form(name: str | None, label: str, candidate: Candidate) -> Form:
    known = forms()
    if name is None:
        fitting = [f for f in known.values() if f.why_not(candidate) is None]
        if not fitting:
            reasons = "; ".join(f"{f.name}: {f.why_not(candidate)}" for f in known.values())
            raise RungError(f"{label} can be written in no form ({reasons})")
        return fitting[0]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise RungError(f"no form is called {name!r}{hint} There are: {', '.join(known)}")
    why = known[name].why_not(candidate)
    if why is not None:
        raise RungError(f"{label} cannot be written as {name!r}: {why}")
    return known[name]
