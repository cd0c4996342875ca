"""The prompts under which weights are tuned: the bare example, the best prompt so far, and that of RAG with its passages (RAFT).

Zhang et al. 2024, "RAFT: Adapting Language Model to Domain Specific RAG" (arXiv 2403.10131): examples are tuned with the passages that
a search finds for them, the right ones or not, so that the model learns to answer from some and to pass over others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rung.errors import NotOffered
from rung.prompts.templates import Template, as_it_stands, plain_row
from rung.protocols import AnsweringKit, Kit, TuningSpace
from rung.rag.system import RagSystem, bring_to_life
from rung.tuning.search import TuningPrompt, role_of_tuned
from rung.types import Candidate, Example, Message, RagLearned, Task, TunedLearned, learned_as

SHORT, WHOLE, PASSAGES = "short", "whole", "passages"


def bare(task: Task) -> TuningPrompt:
    """Return the prompt that is the bare example."""
    return TuningPrompt(SHORT, Template((Message("user", plain_row(task.inputs)),), tuple(task.inputs)))


def prompts_for(task: Task, below: Candidate | None) -> tuple[TuningPrompt, ...]:
    """Return the prompts to tune under, shortest first: the bare example, and the best prompt so far without examples or passages."""
    first = bare(task)
    chat = below.chat if below is not None else None
    plain = (
        chat is not None and chat.response_format is None
    )  # a prompt for JSON asks for another form than the rows have
    whole = Template.of(below) if below is not None and plain else as_it_stands(task)
    return (first,) if whole.messages == first.template.messages else (first, TuningPrompt(WHOLE, whole))


async def with_passages(
    below: Candidate | None, space: TuningSpace, examples: Sequence[Example], kit: Kit
) -> TuningPrompt | None:
    """Return the prompt of RAG below, with the passages that its search finds for each of the examples; None where it shows none.

    Examples in the prompt, citing and abstaining are left out: the expected answers show neither.
    """
    learned = below.learned if below is not None else None
    if not isinstance(learned, RagLearned) or learned.response_format is not None:
        return None
    if not (learned.choice.k or learned.choice.whole):
        return None
    choice = replace(learned.choice, examples="none", cite=False, may_abstain=False)
    learned = replace(learned, choice=choice, demonstrations=(), nearest=None, told={}, postprocessing=None)
    role = space.base.role
    system = bring_to_life(Candidate("rag", choice.name, learned, role), kit)
    chats: dict[str, tuple[Message, ...]] = {}
    with space.stage("finetune: passages for the examples", len(examples)) as found:
        for example in examples:
            request, _ = await system.request(example.inputs, await system.passages(example.inputs))
            chats[example.id] = tuple(request.messages)
            found("")
    return TuningPrompt(PASSAGES, Template.of(Candidate("rag", choice.name, learned, role)), learned, chats)


def answering_with_passages(candidate: Candidate, task: Task, kit: AnsweringKit) -> RagSystem | None:
    """Return a system that asks tuned weights with passages found for each input; None for weights tuned without."""
    passages = learned_as(candidate, TunedLearned).passages
    if passages is None:
        return None
    if kit.document_index() is None:
        raise NotOffered(
            "these weights were tuned with passages of the documents, and none are configured: restore documents.path"
        )
    return bring_to_life(
        replace(candidate, learned=passages, model=role_of_tuned(candidate, kit)), kit, labels=task.labels
    )
