"""Tuning and consistency in sentences: the same for the terminal and Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from rung.decide.economics import UNTOLD
from rung.evaluate.consistency import FORMS
from rung.report.figures import money
from rung.report.load import Report
from rung.store.records import Consistency
from rung.types import Tuning
from rung.usual_names import shown_name

DECISIVE = (
    " the place of ",
    " worth tuning: ",
    " cannot win: ",
)  # in claims about tuned rungs and cheaper alternatives


def tuning_lines(report: Report) -> Iterator[str]:
    """Yield why a tuned or cheaper rung wins or not, what is to be said of each tuned rung, and of each rung's form."""
    if report.verdict is not None:
        yield from (r.claim for r in report.verdict.reasons if any(words in r.claim for words in DECISIVE))
    for rung in report.rungs:
        tuning = rung.fitted.tuning if rung.fitted else None
        if tuning is not None:
            yield f"{shown_name(rung.label)}: {how(tuning)}"
            yield from (f"{shown_name(rung.label)}: {text}" for text in (tuning.lesson, tuning.forecast) if text)
            if tuning.forgetting is not None:
                chosen = next(r for r in tuning.remedies if r.chosen)
                yield f"{shown_name(rung.label)}, {chosen.name}: {chosen.forgetting.sentence}"
                if chosen is not tuning.remedies[0]:
                    before = tuning.remedies[0].dev
                    yield f"{shown_name(rung.label)}: the weights kept score {chosen.dev:.3f} on dev; as tuned they scored {before:.3f}"
    for rung in report.rungs:
        if rung.consistency is not None:
            yield f"{shown_name(rung.label)}: {form_line(rung.consistency)}"


def how(tuning: Tuning) -> str:
    """Say what tuning took, or that it was done elsewhere."""
    if tuning.elsewhere:
        unknown = "; what it forgets was not measured: name the model that it was tuned from as `base`"
        return f"{tuning.base} was tuned elsewhere, for {money(tuning.paid_usd, UNTOLD)}{unknown * (tuning.forgetting is None)}"
    return f"{len(tuning.trials)} runs, {tuning.tokens:,} tokens, {tuning.seconds:.0f} s{saving(tuning)}"


def saving(tuning: Tuning) -> str:
    """Say how much shorter the tuned prompt is than the best one below; nothing where that is unknown."""
    now, before = tuning.prompt_tokens, tuning.prompt_tokens_below
    if now is None or not before:
        return ""
    return f"; its prompt takes {now:.0f} tokens, {before:.0f} below ({100 * (1 - now / before):+.0f} % saved)"


def form_line(found: Consistency) -> str:
    """Say how often the form was broken, and how."""
    broken = [f"{FORMS[form]} {s.count:,}" for form, s in found.forms.items() if form != "exact" and s.count]
    agree = f"; repeats agree on {found.agreement}" if found.agreement is not None else ""
    return f"format errors in {found.deviation}{': ' if broken else ''}{', '.join(broken)}{agree}"
