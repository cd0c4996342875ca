"""Documents (chats with loss weights) -> tokens, and batches of documents of like length."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

PERCENT = 100
"""Loss weights are stored as whole percents in one byte."""


@dataclass(frozen=True)
class Turn:
    """One message of a chat.  `weight` in [0, 1] is the loss weight of its text; `blind` substrings get none.

    Blind are the parts of an answer that nobody could infer from what stands before; learning them would teach guessing.
    """

    role: str
    text: str
    weight: float = 0.0
    blind: tuple[str, ...] = ()


Document = tuple[Turn, ...]


@dataclass(frozen=True)
class Corpus:
    """Tokenised documents end to end: `ids` uint16 and `weights` uint8 (percent), `lengths` int32, one a document."""

    ids: NDArray[np.uint16]
    weights: NDArray[np.uint8]
    lengths: NDArray[np.int32]

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return int(self.lengths.sum())

    def save(self, path: Path) -> None:
        """Write the corpus as safetensors, whole or not at all."""
        part = path.with_suffix(".part")
        save_file({"ids": self.ids, "weights": self.weights, "lengths": self.lengths}, part)
        part.replace(path)

    @staticmethod
    def load(path: Path) -> "Corpus":
        """Read a corpus written by `save`."""
        arrays = load_file(path)
        return Corpus(arrays["ids"], arrays["weights"], arrays["lengths"])


def chat_text(document: Document) -> str:
    """Write a chat as the template of `tokenizer.CHAT_TEMPLATE` does."""
    return "<|bos|>" + "".join(f"<|{turn.role}|>{turn.text}<|end|>" for turn in document)


def encode(
    tokenizer: Tokenizer, documents: Sequence[Document], prompt_weight: float = 0.1, max_tokens: int = 2048
) -> Corpus:
    """Tokenise documents; assistant turns carry their own weight, all else `prompt_weight`; longer documents are left out."""
    encodings = tokenizer.encode_batch([chat_text(d) for d in documents], add_special_tokens=False)
    ids, weights = list[NDArray[np.uint16]](), list[NDArray[np.uint8]]()
    for document, encoding in zip(documents, encodings, strict=True):
        if len(encoding.ids) > max_tokens:
            continue
        starts, ends = np.array(encoding.offsets, dtype=np.int64).T
        weight = np.full(len(encoding.ids), round(prompt_weight * PERCENT), np.uint8)
        for begin, stop, value in _spans(document):
            weight[(ends > begin) & (starts < stop)] = round(value * PERCENT)
        ids.append(np.array(encoding.ids, np.uint16))
        weights.append(weight)
    if not ids:
        return Corpus(np.zeros(0, np.uint16), np.zeros(0, np.uint8), np.zeros(0, np.int32))
    return Corpus(np.concatenate(ids), np.concatenate(weights), np.array([len(x) for x in ids], np.int32))


def _spans(document: Document) -> list[tuple[int, int, float]]:
    """Return (first character, last + 1, weight) of all stretches whose weight is not the prompt's; later ones win."""
    spans = list[tuple[int, int, float]]()
    position = len("<|bos|>")
    for turn in document:
        begin = position + len(f"<|{turn.role}|>")
        position = begin + len(turn.text) + len("<|end|>")
        if turn.role != "assistant":
            continue
        spans.append((begin, position, turn.weight))
        for text in turn.blind:
            at = turn.text.find(text)
            while at >= 0 and text:
                spans.append((begin + at, begin + at + len(text), 0.0))
                at = turn.text.find(text, at + 1)
    return spans


@dataclass(frozen=True)
class Batch:
    """`ids` int64 and `weights` float32, both (documents, positions), padded with 0; `tokens` without padding."""

    ids: NDArray[np.int64]
    weights: NDArray[np.float32]
    tokens: int


def batches(corpora: Sequence[Corpus], tokens_per_batch: int, seed: int, prompt_share: float = 0.2) -> Iterator[Batch]:
    """Yield every document once, in batches of like length (multiples of 32, so that shapes repeat and kernels stay cached).

    Only `prompt_share` of the prompt tokens enter the loss, with a weight that makes up for it: this saves output-layer work.
    """
    rng = np.random.default_rng(seed)
    for number in rng.permutation(len(corpora)):
        corpus = corpora[number]
        offsets = np.concatenate([[0], np.cumsum(corpus.lengths, dtype=np.int64)[:-1]])
        widths = (corpus.lengths + 31) // 32 * 32
        groups = list[tuple[int, NDArray[np.int64]]]()
        for width in np.unique(widths):
            members = rng.permutation(np.flatnonzero(widths == width))
            size = max(1, tokens_per_batch // int(width))
            groups += [(int(width), members[k : k + size]) for k in range(0, len(members), size)]
        for index in rng.permutation(len(groups)):
            width, members = groups[index]
            ids = np.zeros((len(members), width), np.int64)
            weights = np.zeros((len(members), width), np.float32)
            for row, document in enumerate(members):
                begin, length = offsets[document], corpus.lengths[document]
                ids[row, :length] = corpus.ids[begin : begin + length]
                weights[row, :length] = corpus.weights[begin : begin + length] / PERCENT
            prompt = (weights > 0) & (weights < 0.5)
            weights[prompt] *= (rng.random(int(prompt.sum())) < prompt_share) / prompt_share
            yield Batch(ids, weights, int(corpus.lengths[members].sum()))
