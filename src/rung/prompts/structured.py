"""Structured output: the server is asked to hold the model to a JSON schema made from the metric, the labels or the answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rung.errors import ModelError
from rung.metrics.unwrap import json_object, parse_json
from rung.prompts.class_labels import denoted, labels_of
from rung.prompts.forms import as_record
from rung.prompts.frames import NEARLY_ALL
from rung.prompts.postprocessing import raw_text
from rung.prompts.race import Race, challenge, mean_score, paired
from rung.prompts.templates import Template, chat_of, role_of
from rung.protocols import Judge, Kit, Metric
from rung.types import Candidate, Edit, Example, Outcome, Skipped, Task, by_id

NAME = "structured output"
LABEL = "label"  # the one key under which a label is written
FIRST_LOOK = 8  # rows after which a server that ignores the schema is left alone
FORMS = (
    6 + FIRST_LOOK
)  # calls beside the race itself, at most: a probe of each form, and the look at a schema that is ignored
WORTH_TRYING = 0.02  # share of dev rows that fail by form alone, or without being read, from which it is tried
REFUSED = (400, 415, 422, 501)  # statuses by which servers refuse a parameter
Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Way:
    """One way to ask for a form: what is sent, what the prompt says of it, and the steps that make the answer of it."""

    response_format: Schema
    told: str
    steps: str | None
    name: str = NAME

    @property
    def own(self) -> bool:
        """Whether it is a field of some servers, which others pass over in silence."""
        return bool(self.response_format["type"] == "fields")


@dataclass(frozen=True)
class Form:
    """What is demanded: the schema, what the prompt says of it, and the steps that make the answer of the JSON.

    `labels`: of which the answer is one, where it is a label.
    """

    schema: Schema
    told: str
    steps: str | None = None
    labels: tuple[str, ...] = ()

    def formats(self) -> Iterator[Schema]:
        """Yield what may be sent as `response_format`, the strictest first: servers refuse what they do not have."""
        wrapped = {"name": "answer", "schema": dict(self.schema)}
        yield {"type": "json_schema", "json_schema": {**wrapped, "strict": True}}
        yield {"type": "json_schema", "json_schema": wrapped}
        yield {"type": "json_object"}

    def ways(self) -> Iterator[Way]:
        """Yield the ways to ask for it: JSON, then, for labels, the lists and grammars that some servers have instead."""
        yield from (Way(response_format, self.told, self.steps) for response_format in self.formats())
        if self.labels:
            told = "Write the label only, exactly as it is spelled in the list of labels."
            for fields in _own_fields(self.labels):
                yield Way({"type": "fields", "fields": fields}, told, None, f"{NAME} by {', '.join(fields)}")


def _own_fields(labels: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the fields by which servers of their own kind hold an answer to one of the labels."""
    yield {"structured_outputs": {"choice": list(labels)}}  # vLLM, and before its version 0.12 the next one
    yield {"guided_choice": list(labels)}
    texts = " | ".join(json.dumps(label, ensure_ascii=False) for label in labels)
    yield {"grammar": f"root ::= {texts}"}  # llama.cpp: GBNF


def form_of(task: Task, train: Sequence[Example]) -> Form | None:
    """Return the form that answers can be held to: a label, or a JSON object; None where they are other text."""
    labels = labels_of(task, train)
    if labels:
        schema = _object({LABEL: {"type": "string", "enum": list(labels)}})
        told = f'Write the label as a JSON object with one key: {{"{LABEL}": "..."}}.'
        return Form(schema, told, "only_value", tuple(labels))
    records = [record for e in train if (record := as_record(e.target)) is not None]
    if not records or len(records) < NEARLY_ALL * len(train):
        return None
    own = task.metrics[0].settings.get("schema") if task.metrics[0].plugin == "json_fields" else None
    found = own if isinstance(own, Mapping) else _schema_of(records)
    properties = found.get("properties")
    keys = ", ".join(json.dumps(k, ensure_ascii=False) for k in properties) if isinstance(properties, Mapping) else ""
    return Form(found, f"Write one JSON object{f' with the keys {keys}' if keys else ''}.")


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with these keys and no other; the strict form asks that all are required."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _schema_of(values: Sequence[Any]) -> dict[str, Any]:
    """Return a schema that all the values fit, keys in the order of their first appearance; a key that may miss may be null."""
    some = [v for v in values if v is not None]
    kinds = {_kind(v) for v in some}
    if kinds == {"object"}:
        keys = dict.fromkeys(k for v in some for k in v)
        found = _object({k: _schema_of([v.get(k) for v in some]) for k in keys})
    elif kinds == {"array"}:
        items = [i for v in some for i in v]
        found = {"type": "array", "items": _schema_of(items) if items else {"type": "string"}}
    else:
        names = sorted(kinds - {"integer"} if "number" in kinds else kinds) or ["string"]
        found = {"type": names[0] if len(names) == 1 else names}
    if len(some) == len(values):
        return found
    if kinds & {"object", "array"}:
        return {"anyOf": [found, {"type": "null"}]}
    named = found["type"]
    return {"type": [*([named] if isinstance(named, str) else named), "null"]}


def _kind(value: Any) -> str:
    for kind, cls in (("boolean", bool), ("integer", int), ("number", float), ("string", str), ("array", list)):
        if isinstance(value, cls):
            return kind
    return "object"


def written(target: str, response_format: Schema | None) -> str:
    """Return an expected answer as the form has it: a label under its one key, anything else as it stands."""
    schema = (response_format or {}).get("json_schema", {}).get("schema", {})
    if list(schema.get("properties", ())) != [LABEL] or json_object(target) is not None:
        return target
    return json.dumps({LABEL: target}, ensure_ascii=False)


def fits(text: str, schema: Schema) -> bool:
    """Return whether an answer is one bare JSON object with the keys of the schema and, where it lists labels, one of them."""
    try:
        said = parse_json(text.strip())
    except ValueError:
        return False
    known = schema.get("properties", {})
    if not isinstance(said, dict) or not set(schema.get("required", ())) <= set(said):
        return False
    closed = schema.get("additionalProperties") is False
    listed = known.get(LABEL, {}).get("enum") if list(known) == [LABEL] else None
    return (not closed or set(said) <= set(known)) and (listed is None or said[LABEL] in listed)


def _failing(outcomes: Sequence[Outcome], examples: Mapping[str, Example], metric: Metric, task: Task) -> list[Example]:
    name, found = task.metrics[0].name, []
    for outcome in outcomes:
        if outcome.answer is None or (outcome.scores is not None and outcome.scores[name].value >= task.goal):
            continue
        unread = outcome.failure is not None and outcome.failure.cause == "parse"
        text, example = raw_text(outcome), examples[outcome.example_id]
        right = not isinstance(metric, Judge) and (metric.lenient(text, example, task) or 0.0) >= task.goal
        outside = task.labels is not None and denoted(outcome.answer.text, task.labels) is None
        if unread or right or outside:
            found.append(example)
    return found


async def held_to_form(
    found: Race, form: Form | None, task: Task, kit: Kit
) -> tuple[Race, tuple[Edit, ...], tuple[Skipped, ...]]:
    """Challenge the winner with itself held to a form, where rows fail by their form or the goal is missed; the strict score decides.

    A form helps some models beyond their malformed answers: a choice among labels leaves no room for an answer that is none
    of them in meaning (docs/log.md has the figures), and costs others a little quality; so both are raced, paired. One probe tells what the server takes. A server that refuses every form is named with its reason, and so is one that takes
    a form and does not hold the model to it; before that, labels are asked for by what some servers have instead of a schema.
    """
    best = found.winner
    seen = found.seen[best.name][: found.raced]
    failing = [] if form is None else _failing(seen, by_id(found.order), kit.metric(), task)
    by_form = len(failing) >= max(1.0, WORTH_TRYING * len(seen))
    if form is None or not (by_form or (mean_score(seen, task) or 0.0) < task.goal):
        return found, (), ()
    server, why, ignored = kit.card(role_of(best)).name, "", False
    for way in form.ways():
        if way.own and not by_form:
            break  # what a server passes over in silence shows on a malformed answer alone
        if ignored and not way.own:
            continue  # what ignores one schema ignores the next
        held = held_by(best, way)
        rows = found.order[:FIRST_LOOK]
        # a field that is passed over in silence shows on a row that fails by its form without it
        asked_first = next((e for e in rows if way.own and e in failing), rows[0])
        probe, refusal = await _probed(held, [asked_first], kit)
        if refusal is not None:
            why = why or f"{server} refuses response_format: {refusal}"
            continue
        if way.own and not all(_kept(o, held, form) for o in probe):
            found = replace(found, candidates=(*found.candidates, held), seen={**found.seen, held.name: probe})
            continue
        place = rows.index(asked_first)
        first = await kit.run(held, rows[:place]) if place else ()
        first += probe + (await kit.run(held, rows[place + 1 :]) if rows[place + 1 :] else ())
        loose = [o for o in first if o.answer is not None and not o.answer.truncated and not _kept(o, held, form)]
        if not loose:
            return await _challenged(found, held, way, first, task, kit)
        found = replace(found, candidates=(*found.candidates, held), seen={**found.seen, held.name: first})
        ignored = True
        why = (
            f"{server} takes response_format and does not hold to it: {len(loose)} of {len(first)} answers do not fit the "
            "schema"
        )
    return found, (), (Skipped(NAME, why),) if by_form else ()


async def _challenged(
    found: Race, held: Candidate, way: Way, first: tuple[Outcome, ...], task: Task, kit: Kit
) -> tuple[Race, tuple[Edit, ...], tuple[Skipped, ...]]:
    best = found.winner
    found = await challenge(found, held, task, kit, first)
    if found.winner.name != held.name:
        return found, (), ()
    kit.say(f"{held.rung}: {way.name} lifts {best.name}")
    kind = ", ".join(way.response_format["fields"]) if way.own else way.response_format["type"]
    return found, (paired(found, best, held, f"+ {way.told}\n+ response_format: {kind}", task),), ()


def held_by(best: Candidate, way: Way) -> Candidate:
    """Return the candidate with its prompt, request and steps made for one way to ask for a form."""
    messages = Template.of(best).with_block(way.told).messages
    learned = replace(chat_of(best), messages=messages, postprocessing=way.steps, response_format=way.response_format)
    return replace(best, name=f"{best.name}, {way.name}", learned=learned)


async def _probed(held: Candidate, rows: Sequence[Example], kit: Kit) -> tuple[tuple[Outcome, ...], str | None]:
    """Return the answers to the rows that tell what the server takes; or none, and why it refuses."""
    try:
        outcomes = await kit.run(held, rows)
    except ModelError as error:
        if error.status not in REFUSED:
            raise
        return (), " ".join(str(error).split())
    if any(o.answer is not None for o in outcomes):
        return outcomes, None
    return (), next((o.failure.message for o in outcomes if o.failure is not None), "")


def _kept(outcome: Outcome, held: Candidate, form: Form) -> bool:
    """Whether an answer is of the form: the schema's, one of the labels, or any JSON object where only that was demanded."""
    kind = (chat_of(held).response_format or {})["type"]
    if kind == "fields":
        return raw_text(outcome).strip() in form.labels
    return fits(raw_text(outcome), form.schema if kind == "json_schema" else {})
