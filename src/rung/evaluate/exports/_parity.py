"""Is what was written the same model? It answers the frozen test rows again, and the paired difference must be shown
to lie within the tolerance on both sides (two one-sided tests; Schuirmann 1987)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rung import plugin
from rung.errors import RungError
from rung.evaluate.kit import Asker, RunKit, askers
from rung.evaluate.measure import groups_of
from rung.evaluate.reopen import Reopened
from rung.evaluate.run import visiting_order
from rung.models._settings import ProviderSettings
from rung.rungs._prompting import ChatSystem, learned_template
from rung.stats.paired import non_inferior
from rung.store.folder import load_result
from rung.store.sealed import open_test
from rung.types import Base, Candidate, Outcome, Task

ROLE = "exported"


@dataclass(frozen=True, slots=True)
class Parity:
    """Written weights against the measured ones on the same test rows.

    `answers_changed` counts rows whose text differs; `gain` is the change of the deciding score; `same` means that it is
    shown to lie within plus and minus `tolerance`.
    """

    form: str
    n: int
    answers_changed: int
    gain: float
    tolerance: float
    p_worse: float
    p_better: float
    same: bool

    @property
    def refused(self) -> bool:
        """Answers changed, and the change is not shown to be within the tolerance."""
        return self.answers_changed > 0 and not self.same

    @property
    def sentence(self) -> str:
        changed = f"{self.answers_changed or 'no'} answer{'' if self.answers_changed == 1 else 's'} changed"
        shown = "the same model" if self.same else "not shown to be the same model"
        return (
            f"{shown}: on the {self.n} frozen test rows {changed}, the score by {self.gain:+.4f}; a difference within "
            f"±{self.tolerance:g} {'is' if self.same else 'is not'} shown (p = {max(self.p_worse, self.p_better):.2g})"
        )


async def rescore(run: Reopened, label: str, candidate: Candidate, form: str, settings: ProviderSettings) -> Parity:
    """Answer the test rows by a model as others would load it, and compare with the stored outcomes of the rung.

    Opens the test part once, which is written down.
    """
    stored = load_result(run.folder, label)
    base = run.clients[str(candidate.model)]
    client = base.beside(settings)
    try:
        asker = Asker(client.card(ROLE), client.ask, client.count_tokens, client.concurrency, client.free)
        kit = _ExportKit(run, {**askers(run.clients, run.folder.path), ROLE: asker})
        rows = visiting_order(open_test(run.folder.path, f"re-score {label} as {form}"), run.config.split.seed)
        with run.progress.stage(f"{label}: {form} on test again", len(rows)) as bar:
            again = await kit.answer(candidate, rows, lambda _: bar.advance())
    finally:
        await base.release(client)
    found = compared(stored.outcomes, again, run.task, form)
    name = f"rungs/{label}/exports.json"
    before = run.folder.read(name) if run.folder.has(name) else []
    run.folder.write(name, [e for e in before if e["form"] != form] + [asdict(found)])
    return found


class _ExportKit(RunKit):
    """A kit in which a tuned candidate is answered by the exported weights."""

    def __init__(self, run: Reopened, roles: dict[str, Asker]) -> None:
        super().__init__(run.task, roles, run.config.split.seed, run.progress, run.config.root)

    def system(self, candidate: Candidate) -> ChatSystem:
        return ChatSystem(learned_template(candidate), ROLE, lambda _: (), self)


def compared(before: tuple[Outcome, ...], after: tuple[Outcome, ...], task: Task, form: str) -> Parity:
    """Compare outcomes of the same rows. Raises RungError when none has a score in both."""
    metric = task.metrics[0].name
    first = {o.example_id: o for o in before}
    pairs = [(first[o.example_id], o) for o in after if o.example_id in first]
    scored = [(a, b, a.value(metric, task.on_failure), b.value(metric, task.on_failure)) for a, b in pairs]
    known = [(b, x, y) for _, b, x, y in scored if x is not None and y is not None]
    if not known:
        raise RungError("no test row has a score in both: there is nothing to compare")
    x, y, groups = [k[1] for k in known], [k[2] for k in known], groups_of([k[0] for k in known])
    worse = non_inferior(x, y, groups, task.tolerance or task.worth_it, task.alpha)
    better = non_inferior(y, x, groups, task.tolerance or task.worth_it, task.alpha)
    changed = sum(_text(a) != _text(b) for a, b in pairs)
    return Parity(
        form=form,
        n=len(pairs),
        answers_changed=changed,
        gain=sum(y) / len(y) - sum(x) / len(x),
        tolerance=task.tolerance or task.worth_it,
        p_worse=worse.p_value,
        p_better=better.p_value,
        same=worse.shown and better.shown,
    )


def _text(outcome: Outcome) -> str | None:
    return outcome.answer.text if outcome.answer is not None else None


def transformers_settings(run: Reopened, base: Base, folder: Path, adapter: Path | None) -> ProviderSettings:
    """Return exported weights as anyone's transformers would load them; answers end where the measured ones would."""
    configured = run.clients[base.role].settings
    found: ProviderSettings = plugin.make(
        "models",
        "local",
        name=base.name,
        folder=str(folder),
        adapter=None if adapter is None else str(adapter),
        max_tokens=configured.max_tokens,
        temperature=configured.temperature,
        context=configured.context,
        template=dict(base.template),
        usd_per_hour=configured.usd_per_hour,
    )
    return found


def refused(found: Parity, cure: str) -> RungError:
    return RungError(f"export refused: what was written is {found.sentence}; {cure}")


def on_disk(base: Base) -> Base:
    """Return the base with a folder instead of a Hub name, from the local cache."""
    if Path(base.weights).is_dir():
        return base
    hub = plugin.require("huggingface_hub", "local")
    return replace(base, weights=hub.snapshot_download(base.weights, revision=base.revision, local_files_only=True))
