"""A span for each request that asks for an answer, in OpenTelemetry's words for generative models (`gen_ai.*`). Needs the extra `otel`.

Names: https://opentelemetry.io/docs/specs/semconv/gen-ai/. No text of a request or an answer is in a span. Where the spans go says the
SDK of whoever starts the server, as `opentelemetry-instrument` does; without one they go nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rung import plugins
from rung.serve.wire import Given, Refused, usage_of

EVALUATION = "gen_ai.evaluation.result"


class Spans:
    """Spans of one server, by the model's name that it serves. Raises MissingExtra where OpenTelemetry is not installed."""

    def __init__(self, name: str) -> None:
        self._trace = plugins.require("opentelemetry.trace", "otel")
        self._propagate = plugins.require("opentelemetry.propagate", "otel")
        self._tracer, self._name = self._trace.get_tracer("rung"), name

    @contextmanager
    def request(self, headers: Mapping[str, str]) -> Iterator[Any]:
        """Open the span of a request, below that of its client; what ends it otherwise than by an answer is its `error.type`."""
        about = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "rung", "gen_ai.request.model": self._name}
        with self._tracer.start_as_current_span(
            f"chat {self._name}",
            context=self._propagate.extract(headers),
            kind=self._trace.SpanKind.SERVER,
            attributes=about,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except BaseException as error:
                span.set_attribute("error.type", error.code if isinstance(error, Refused) else type(error).__name__)
                span.set_status(self._trace.StatusCode.ERROR)
                raise

    def answered(self, span: Any, number: str, given: Given, model: str | None) -> None:
        """Write down what an answer took, and the confidence in it as an evaluation."""
        usage = usage_of(given.answer)
        span.set_attributes(
            {
                "gen_ai.response.id": number,
                "gen_ai.response.model": model or given.approach,
                "gen_ai.response.finish_reasons": ["length" if given.answer.truncated else "stop"],
                "gen_ai.usage.input_tokens": usage["prompt_tokens"],
                "gen_ai.usage.output_tokens": usage["completion_tokens"],
                "rung.approach": given.approach,
            }
        )
        if given.confidence is not None:
            scored = {"gen_ai.evaluation.name": "confidence", "gen_ai.evaluation.score.value": given.confidence}
            span.add_event(EVALUATION, {**scored, "gen_ai.response.id": number})
