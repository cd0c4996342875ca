"""Greedy answers of a model folder, in batches of like length."""

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from rung.tuners._scratch.corpus import Document

ROWS_PER_BATCH = 50


class Answerer:
    """A model with its tokenizer, computing in float32."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer

    @staticmethod
    def load(folder: Path) -> "Answerer":
        """Load a folder written by the exporter."""
        return Answerer(
            AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), AutoTokenizer.from_pretrained(folder)
        )

    def prompt(self, chat: Document) -> str:
        """Write a chat without its last turn, ready to be answered."""
        messages = [{"role": turn.role, "content": turn.text} for turn in chat[:-1]]
        return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    @torch.no_grad()
    def answers(self, chats: Sequence[Document], max_new: int = 96) -> list[str]:
        """Answer all chats greedily; the order of the answers is that of the chats."""
        prompts = [self.prompt(c) for c in chats]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        out = [""] * len(prompts)
        for begin in range(0, len(order), ROWS_PER_BATCH):
            chosen = order[begin : begin + ROWS_PER_BATCH]
            batch = self.tokenizer(
                [prompts[i] for i in chosen], return_tensors="pt", padding=True, add_special_tokens=False
            )
            made = self.model.generate(
                input_ids=batch.input_ids, attention_mask=batch.attention_mask, max_new_tokens=max_new, do_sample=False
            )
            for i, row in zip(chosen, made[:, batch.input_ids.shape[1] :], strict=True):
                out[i] = str(self.tokenizer.decode(row, skip_special_tokens=True))
        return out

    def prompt_tokens(self, chats: Sequence[Document]) -> float:
        """Return the mean number of prompt tokens."""
        return sum(len(self.tokenizer(self.prompt(c), add_special_tokens=False).input_ids) for c in chats) / len(chats)
