"""A sentence model of the Hugging Face Hub, or a folder of one, on this machine: for the role `embedder`.

Weights are read from safetensors alone and no code of the model's own is run. The Hub is asked for a model that is not here
yet, unless HF_HUB_OFFLINE is set.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from pydantic import Field
from sentence_transformers import SentenceTransformer
from transformers.utils import logging

from rung.errors import ModelError
from rung.foreign import foreign
from rung.models._one_thread import OneThread
from rung.models.settings import ProviderSettings

_MARKS = 8  # tokens around a text at most: of a text itself there are at most as many as it has bytes


class Sentence(ProviderSettings):
    """A sentence model by its Hub `name`, or the folder of one: for the role `embedder` only, it answers no questions.

    A text that is longer than the model reads is cut into windows, whose mean is its vector: nothing is left out.
    """

    name: str = Field(min_length=1, description="name on the Hub, such as BAAI/bge-small-en-v1.5, or a folder")
    revision: str | None = Field(
        None, description="commit on the Hub; name one, so that equal settings give equal vectors"
    )
    device: Literal["cpu", "cuda", "mps"] | None = Field(None, description="by default the best there is")
    batch: int = Field(32, ge=1, le=1024, description="texts computed together")
    usd_per_hour: float | None = Field(0.0, ge=0, description="what this machine costs; nothing, unless you say so")

    def identity(self) -> Mapping[str, Any]:
        return {
            "provider": self.provider,
            "name": self.name,
            "revision": self.revision,
            "long texts": "mean of windows",
        }

    def connect(self) -> Encoder:
        """Load the model. Raises ModelError when it cannot be had."""
        logging.set_verbosity_error()  # of lengths and unused weights: said to whoever reads the terminal, and no help there
        logging.disable_progress_bar()
        with foreign(self._unloadable):
            model = SentenceTransformer(
                self.name,
                device=self.device,
                revision=self.revision,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        return Encoder(self, model)

    def _unloadable(self, error: BaseException) -> ModelError:
        said = " ".join(str(error).split())[:300]
        return ModelError(
            f"the sentence model {self.name!r} cannot be loaded ({said}); check its name, or that this machine reaches the "
            "Hub, or name a folder that holds it",
            provider=self.provider,
        )


class Encoder(OneThread):
    """The loaded model. Tokens are counted by a tokenizer of their own: none may serve two threads."""

    def __init__(self, settings: Sentence, model: Any) -> None:
        super().__init__(settings)
        self._batch = settings.batch
        self._model = model
        self._counting = copy.deepcopy(model.tokenizer)

    def count(self, text: str) -> int:
        encode = getattr(self._counting, "encode", None)
        return len(encode(text)) if callable(encode) else 1

    def encode(self, texts: list[str]) -> Any:
        windows = [self._windows(text) for text in texts]
        found = self._model.encode(
            [window for cut in windows for window in cut],
            batch_size=self._batch,
            convert_to_numpy=True,
            show_progress_bar=False,
        ).astype("float32")
        starts = np.cumsum([0, *map(len, windows)])
        return np.stack([found[a:b].mean(axis=0) for a, b in pairwise(starts)]) if len(texts) < len(found) else found

    def _windows(self, text: str) -> list[str]:
        """Return the text in pieces that the model reads whole."""
        limit, tokenizer = self._model.max_seq_length, self._model.tokenizer
        if not isinstance(limit, int) or len(text.encode("utf-8", "surrogatepass")) + _MARKS < limit:
            return [text]
        if not getattr(tokenizer, "is_fast", False):
            return self._halves(text, limit)
        places = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
        room = max(1, limit - tokenizer.num_special_tokens_to_add())
        cut = [places[i : i + room] for i in range(0, len(places), room)]
        return [text[window[0][0] : window[-1][1]] for window in cut] if len(cut) > 1 else [text]

    def _halves(self, text: str, limit: int) -> list[str]:
        """Return the text halved between words until the model reads each piece whole: a slow tokenizer tells no places."""
        encode = getattr(self._model.tokenizer, "encode", None)
        if not callable(encode):
            raise ModelError(
                f"the tokenizer of the sentence model {self.settings.name!r} counts no tokens, so that a text of {len(text)} characters might "
                "be cut without a word; name a model with a fast tokenizer (tokenizer.json)",
                provider=self.settings.provider,
            )
        if len(text) < 2 or len(encode(text)) <= limit:
            return [text]
        middle = len(text) // 2
        at = max(text.rfind(" ", middle // 2, middle), text.rfind("\n", middle // 2, middle)) + 1 or middle
        return [*self._halves(text[:at], limit), *self._halves(text[at:], limit)]
