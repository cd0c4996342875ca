"""What rungs learn: one tagged class a kind, frozen and plain, so that a stored candidate answers as the measured one did.

A rung names its class as `learned`. A plug-in's own class has a `kind` of its own:

    @dataclass(frozen=True, kw_only=True)
    class EchoLearned(Learned):
        kind: Literal["echo"] = "echo"
        brings: ClassVar[str] = "an echo"
        word: str
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import TypeAdapter
from pydantic_core import core_schema

from rung.types.plain import Json
from rung.types.tasks import Example, Message
from rung.types.tuning import Weights

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

Plain = str | int | float | bool
Selection = Literal["fixed", "diverse", "nearest"]
Fence = Literal["lines", "tags", "block"]
Place = Literal["before", "after", "system"]
KindFinder = Callable[[str], "type[Learned]"]
ALL_COLUMNS = "all"  # a query made of every input column
NO_PASSAGES = "no passages"


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What one candidate learned. Fields are plain data or frozen dataclasses of it; `kind` tells the class when read back.

    Stored as JSON with its kind. A kind that is none of `LEARNED_KINDS` is looked up among the installed plug-ins, by the
    `KindFinder` that the reader gives as the validation context "learned".
    """

    kind: str = ""
    brings: ClassVar[str] = ""  # what answers, as the subject of a sentence: "a better prompt"; "": its label says it

    @property
    def settings(self) -> Mapping[str, Plain]:
        """The short facts of it, by name: what a report shows beside the prompt."""
        named = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "kind"}
        return {name: value for name, value in named.items() if isinstance(value, Plain)}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        if cls is not Learned:
            return handler(source)
        written = core_schema.plain_serializer_function_ser_schema(_write)
        return core_schema.with_info_plain_validator_function(_read, serialization=written)


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A training example shown in a prompt: its id, its input columns and the answer that it expects."""

    id: str
    inputs: Mapping[str, str]
    target: str

    @classmethod
    def of(cls, example: Example) -> Demonstration:
        return cls(example.id, dict(example.inputs), example.target)


@dataclass(frozen=True, kw_only=True)
class ChatLearned(Learned):
    """A chat to send: messages with `{{column}}` where an input belongs, and training examples shown before the row's own.

    `nearest`: of the demonstrations so many, the most similar to the input, the nearest last; None: all, as they stand.
    `documents_sha256`: hash of the documents over which it was chosen; None where it reads none. `postprocessing`: the steps
    that take the answer out of its wrapping (`rung.prompts.postprocessing`). `response_format`: the form that the server is
    asked to hold the model to; with the type "fields", those of a server's own (`fields`) that are sent in its place. `effort`: how long the model is asked to think; None: as it does by itself.
    """

    messages: tuple[Message, ...]
    columns: tuple[str, ...]
    demonstrations: tuple[Demonstration, ...] = ()
    nearest: int | None = None
    documents_sha256: str | None = None
    postprocessing: str | None = None
    response_format: Mapping[str, Json] | None = None
    effort: str | None = None

    @property
    def params(self) -> dict[str, Json]:
        """The parameters of every request, beside the messages."""
        held: dict[str, Json] = {}
        form = self.response_format
        own = form.get("fields") if form is not None and form.get("type") == "fields" else None
        if isinstance(own, Mapping):
            held.update(own)
        elif form is not None:
            held["response_format"] = dict(form)
        if self.effort is not None:
            held["reasoning_effort"] = self.effort
        return held


Method = Literal[
    "majority", "nearest", "linear", "nearest embedding", "embeddings", "words and embeddings", "label names"
]  # of a baseline


@dataclass(frozen=True, kw_only=True)
class BaselineLearned(Learned):
    """The majority answer, or the training rows as (text, answer) from which the same predictor is fitted again; for
    "label names" the labels as words, with the labels.

    The fitted classifier itself would be tens of megabytes; fitting it again is deterministic and takes seconds.
    """

    kind: Literal["baseline"] = "baseline"
    brings: ClassVar[str] = "a classifier without an LLM"
    method: Method
    answer: str | None = None
    rows: tuple[tuple[str, str], ...] = ()
    penalty: float | None = None  # C of the linear classifier
    embedder: str | None = None  # the role whose vectors the method goes by; None: words alone


@dataclass(frozen=True, kw_only=True)
class PromptLearned(ChatLearned):
    """A prompt without examples."""

    kind: Literal["prompt"] = "prompt"
    brings: ClassVar[str] = "a better prompt"


@dataclass(frozen=True, kw_only=True)
class FewShotLearned(ChatLearned):
    """A prompt with `k` examples, chosen by `selection`; 0: none."""

    kind: Literal["fewshot"] = "fewshot"
    brings: ClassVar[str] = "a prompt with examples"
    k: int
    selection: Selection | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """How many passages are looked for and how, and how they stand in the prompt.

    `k` 0: none, the prompt of the rung below. `whole`: all documents, nothing is looked for. `examples`: those of the rung
    below as they are, each "with" a passage of its own, or none. `prompt`: the name of another prompt than that of the rung
    below. `turn`: a map for the vectors of queries, learnt from training questions.
    """

    k: int = 3
    whole: bool = False
    mode: str = "bm25"
    dense_weight: float = 0.5
    chunk_words: int | None = None
    query: str = ALL_COLUMNS
    fence: Fence = "lines"
    place: Place = "before"
    guard: bool = True
    cite: bool = False
    may_abstain: bool = False
    examples: Literal["kept", "with", "none"] = "kept"
    prompt: str = ""
    turn: str = ""

    @property
    def name(self) -> str:
        """A short name; different choices have different ones."""
        if not (self.k or self.whole):
            return NO_PASSAGES
        parts = ["all documents"] if self.whole else [f"k={self.k}", self._search()]
        parts.append(f"{self.fence} {self.place}" if self.place != "before" else self.fence)
        parts += ["may abstain"] if self.may_abstain else []
        parts += ["cites"] if self.cite else []
        parts += [] if self.guard else ["nothing said"]
        parts += [f"prompt {self.prompt}"] if self.prompt else []
        parts += {"kept": [], "with": ["examples with passages"], "none": ["no examples"]}[self.examples]
        return ", ".join(parts)

    def _search(self) -> str:
        how = self.mode if self.mode != "hybrid" else f"hybrid {self.dense_weight:g}"
        how += " with queries turned" if self.turn else ""
        how += "" if self.query == ALL_COLUMNS else f" by {self.query.removeprefix('column:')}"
        return how if self.chunk_words is None else f"{how} in {self.chunk_words} words"


@dataclass(frozen=True, kw_only=True)
class RagLearned(ChatLearned):
    """A prompt with room for passages, which are looked for anew for each input and are never part of it.

    `phrase`: the words for "not in the documents". `told`: the document that told an example's answer, by the example's id.
    `links`: remote links and images of documents stay in prompts.
    """

    kind: Literal["rag"] = "rag"
    brings: ClassVar[str] = "a prompt with passages from your documents"
    choice: Choice
    phrase: str
    links: bool = False
    told: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Mapping[str, Plain]:
        chosen = {name: value for name, value in asdict(self.choice).items() if value is not None}
        return {**super().settings, **chosen, "turn": bool(self.choice.turn)}


@dataclass(frozen=True, kw_only=True)
class TunedLearned(ChatLearned):
    """Tuned weights and the prompt that they were tuned under.

    `weights`: None where a model of the configuration was tuned elsewhere and is asked as it is.
    `base`: the role whose weights were tuned, or that holds the model tuned elsewhere. `under`: "short", "whole" or "passages" prompt. `passages`: how they
    are found for each input, under the prompt of that name. `forced`: reasons against tuning that
    `force: true` overrode. `forgets`: what the weights are shown to forget, which forbids them to win.
    """

    kind: Literal["tuned"] = "tuned"
    brings: ClassVar[str] = "a fine-tuned model"
    weights: Weights | None
    base: str
    tuner: str
    under: str
    rows: int
    passages: RagLearned | None = None
    forced: tuple[str, ...] = ()
    forgets: str | None = None


LEARNED_KINDS: Mapping[str, type[Learned]] = {
    "baseline": BaselineLearned,
    "prompt": PromptLearned,
    "fewshot": FewShotLearned,
    "rag": RagLearned,
    "tuned": TunedLearned,
}


def _read(value: Any, info: core_schema.ValidationInfo) -> Learned:
    if isinstance(value, Learned):
        return value
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if not isinstance(kind, str):
        raise ValueError("what a candidate learned carries its kind")
    cls: Any = LEARNED_KINDS.get(kind)
    if cls is None:
        finder: KindFinder | None = (info.context or {}).get("learned")
        if finder is None:
            raise ValueError(f"no approach learns the kind {kind!r}; there are: {', '.join(LEARNED_KINDS)}")
        cls = finder(kind)
    found: Learned = _adapter(cls).validate_python(value)
    return found


def _write(learned: Learned) -> Any:
    shape: Any = type(learned)
    return _adapter(shape).dump_python(learned, mode="json")


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)
