"""Is what was written the same model? It answers the frozen test rows again, and the paired difference must be shown
to lie within the tolerance on both sides (two one-sided tests; Schuirmann 1987)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rung import plugins
from rung.engine.reopen import Reopened
from rung.errors import RungError
from rung.evaluate.evaluator import visiting_order
from rung.evaluate.kit import RunKit
from rung.evaluate.roles import Asker, askers
from rung.foreign import foreign
from rung.models.prices import rent_of
from rung.models.settings import ProviderSettings
from rung.prompts.templates import ChatSystem, Template
from rung.stats.paired import non_inferior
from rung.store.records import Parity
from rung.store.sealed import sealed_test
from rung.types import Base, Candidate, Completion, Example, Outcome, Request, Task, groups_of

ROLE = "exported"


async def rescore(run: Reopened, label: str, candidate: Candidate, form: str, settings: ProviderSettings) -> Parity:
    """Answer the test rows by a model as others would load it, and compare with the stored outcomes of the rung.

    Opens the test part once, which is written down.
    """
    stored = run.folder.rung(label).measured()
    base = run.clients[str(candidate.model)]
    client = base.beside(settings)
    try:
        asker = Asker(client.card(ROLE), client.ask, client.count_tokens, client.concurrency, client.free)
        kit = _ExportKit(run, {**askers(run.clients, run.folder.path), ROLE: asker})
        rows = frozen_rows(run, f"re-score {label} as {form}")
        with run.progress.stage(f"{label}: {form} on test again", len(rows)) as bar:
            again = await kit.answer(candidate, rows, lambda _: bar.advance(), system=kit.exported(candidate))
    finally:
        await base.release(client)
    found = compared(stored.outcomes, again, run.task, form)
    parities = run.folder.rung(label).parities
    parities.save((*(p for p in parities.get() or () if p.form != form), found))
    return found


def frozen_rows(run: Reopened, purpose: str) -> tuple[Example, ...]:
    """Return the frozen test examples in the order in which they were measured; the opening is written down."""
    return tuple(visiting_order(sealed_test(run.folder).read(purpose), run.config.split.seed))


async def answered_by(
    run: Reopened, candidate: Candidate, texts: Mapping[str, str], rows: Sequence[Example]
) -> tuple[Outcome, ...]:
    """Return the outcomes of rows for which a program said these texts, by the rows' ids."""
    card = replace(run.clients[str(candidate.model)].card(ROLE), role=ROLE)
    roles, found = askers(run.clients, run.folder.path), list[Outcome]()
    for row in rows:

        async def told(_: Request, text: str = texts[row.id]) -> Completion:
            return Completion(text, card.name, None, None, None, None)

        kit = _ExportKit(run, {**roles, ROLE: Asker(card, told, lambda _: 0, 1, True)})
        found += await kit.answer(candidate, (row,), system=kit.exported(candidate))
    return tuple(found)


class _ExportKit(RunKit):
    """A kit in which a tuned candidate is answered by the exported weights."""

    def __init__(self, run: Reopened, roles: dict[str, Asker]) -> None:
        super().__init__(run.task, roles, run.config.split.seed, run.progress, run.config.root)

    def exported(self, candidate: Candidate) -> ChatSystem:
        return ChatSystem(Template.of(candidate), ROLE, lambda _: (), self)


def compared(before: tuple[Outcome, ...], after: tuple[Outcome, ...], task: Task, form: str) -> Parity:
    """Compare outcomes of the same rows. Raises RungError when none has a score in both."""
    metric = task.metrics[0].name
    first = {o.example_id: o for o in before}
    pairs = [(first[o.example_id], o) for o in after if o.example_id in first]
    scored = [(a, b, a.value(metric, task.failure_score), b.value(metric, task.failure_score)) for a, b in pairs]
    known = [(b, x, y) for _, b, x, y in scored if x is not None and y is not None]
    if not known:
        raise RungError("no test example has a score in both: there is nothing to compare")
    x, y, groups = [k[1] for k in known], [k[2] for k in known], groups_of([k[0] for k in known])
    worse = non_inferior(x, y, groups, task.min_gain, task.alpha)
    better = non_inferior(y, x, groups, task.min_gain, task.alpha)
    changed = sum(_text(a) != _text(b) for a, b in pairs)
    return Parity(
        form=form,
        n=len(pairs),
        answers_changed=changed,
        gain=sum(y) / len(y) - sum(x) / len(x),
        tolerance=task.min_gain,
        p_worse=worse.p_value,
        p_better=better.p_value,
        same=worse.shown and better.shown,
    )


def _text(outcome: Outcome) -> str | None:
    return outcome.answer.text if outcome.answer is not None else None


def transformers_settings(run: Reopened, base: Base, folder: Path, adapter: Path | None) -> ProviderSettings:
    """Return exported weights as anyone's transformers would load them; answers end where the measured ones would."""
    configured = run.clients[base.role].settings
    found: ProviderSettings = plugins.make(
        "models",
        "local",
        name=base.name,
        folder=str(folder),
        adapter=None if adapter is None else str(adapter),
        max_tokens=configured.max_tokens,
        temperature=configured.temperature,
        context=configured.context,
        template=dict(base.template),
        usd_per_hour=rent_of(configured),
    )
    return found


def refused(found: Parity, cure: str) -> RungError:
    return RungError(f"export refused: what was written is {found.sentence}; {cure}")


def on_disk(base: Base) -> Base:
    """Return the base with a folder instead of a Hub name, from the local cache. Raises RungError where its weights are gone."""
    if Path(base.weights).is_dir():
        return base
    hub = plugins.require("huggingface_hub", "local")
    with foreign(lambda error: _gone(base, error)):
        place = hub.snapshot_download(base.weights, revision=base.revision, local_files_only=True)
    return replace(base, weights=place)


def _gone(base: Base, error: BaseException) -> RungError:
    return RungError(
        f"the base weights of {base.name} are not on this machine any more ({base.weights}: {type(error).__name__}), and tuned weights "
        "are nothing without them: put them back where they were, and export again; nothing was written"
    )
