"""Spans of served requests: what an answer took, under its client's span, and no text of anyone."""

import asyncio
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from rung.errors import MissingExtra
from rung.serve import spans as module
from rung.serve.server import Limits
from rung.serve.spans import Spans
from rung.serve.wire import Given
from rung.types import Answer, Completion
from tests.unit.test_serve import Stub, chat, no_last_words, served  # noqa: F401  a fixture

pytest.importorskip("opentelemetry")
PARENT = "4bf92f3577b34da6a3ce929d0e0e4736"


class Tracer:
    """Keeps what is written into spans, where an SDK would send it."""

    def __init__(self):
        self.spans = []

    @contextmanager
    def start_as_current_span(self, name, *, context, kind, attributes, record_exception, set_status_on_exception):
        from opentelemetry import trace

        found = SimpleNamespace(name=name, attributes=dict(attributes), events=[], status=None, ended=False)
        found.parent = f"{trace.get_current_span(context).get_span_context().trace_id:032x}"
        found.set_attribute = found.attributes.__setitem__
        found.set_attributes = found.attributes.update
        found.set_status = lambda status: setattr(found, "status", status.name)
        found.add_event = lambda event, about: found.events.append((event, about))
        self.spans.append(found)
        try:
            yield found
        finally:
            found.ended = True


@pytest.fixture
def spans():
    made = Spans("routing")
    made._tracer = Tracer()
    return made


def asked(spans, *bodies, system=None, way="chat/completions", **more):
    async def work():
        async with served(system or Stub(), spans=spans, **more) as (_, session, url):
            found = []
            for body in bodies:
                headers = {"traceparent": f"00-{PARENT}-00f067aa0ba902b7-01"}
                async with session.post(f"{url}/{way}", json=body, headers=headers) as reply:
                    found.append((reply.status, (await reply.json()).get("id")))
            async with session.get(f"{url}/models") as reply:
                assert reply.status == 200
            return found

    return asyncio.run(work())


def test_an_answer_is_a_span_with_its_tokens_below_its_clients(spans):
    [(status, number)] = asked(spans, chat("cut off please"))
    [span] = spans._tracer.spans
    assert (status, span.name, span.parent, span.status, span.ended) == (200, "chat routing", PARENT, None, True)
    assert span.attributes == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "rung", "gen_ai.request.model": "routing",
        "gen_ai.response.id": number, "gen_ai.response.model": "m-1", "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 3, "rung.approach": "prompt",
    }  # fmt: skip
    assert "cut off please" not in str(vars(span))


@pytest.mark.parametrize(("text", "kind"), [("refuse", "refused_by_model"), ("bug", "model_error")])
def test_what_gets_no_answer_is_an_error_of_a_kind(spans, text, kind):
    asked(spans, chat(text), {"model": "routing"})
    first, second = spans._tracer.spans
    assert (first.attributes["error.type"], first.status) == (kind, "ERROR")
    assert "gen_ai.response.id" not in first.attributes
    assert second.status == "ERROR"


def test_a_deadline_is_an_error_too(spans):
    asked(spans, chat("a"), system=Stub(seconds=9), limits=Limits(deadline_s=0.05))
    assert spans._tracer.spans[0].attributes["error.type"] == "TimeoutError"


def test_a_confidence_is_an_evaluation(spans):
    span = SimpleNamespace(attributes={}, events=[])
    span.set_attributes, span.add_event = span.attributes.update, lambda *event: span.events.append(event)
    answer = Answer("x", (Completion("x", "m", 1, 1, 0.1, None, "length"),))
    spans.answered(span, "chatcmpl-1", Given(answer, "baseline", 0.75), None)
    [(name, about)] = span.events
    assert (name, about["gen_ai.evaluation.score.value"]) == (module.EVALUATION, 0.75)
    assert span.attributes["gen_ai.response.model"] == "baseline"
    assert span.attributes["gen_ai.response.finish_reasons"] == ["length"]


def test_without_the_package_the_line_that_installs_it_is_said(monkeypatch):
    for name in [n for n in sys.modules if n.split(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(MissingExtra, match=r"pip install 'rung\[otel\]'"):
        Spans("routing")
