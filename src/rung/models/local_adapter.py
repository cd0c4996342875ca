"""A tuned adapter (PEFT) on top of a loaded model, as it was saved: not merged, so that what is served was measured."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peft import PeftModel

from rung.errors import ModelError

if TYPE_CHECKING:
    from rung.models.local import Local


def with_adapter(base: Any, settings: Local) -> Any:
    """Return the model with the adapter of `settings.adapter`. Raises ModelError for one that does not fit.

    Weights in other formats than safetensors (pickles) are not read.
    """
    assert settings.adapter is not None
    folder = Path(settings.adapter)
    if not (folder / "adapter_model.safetensors").is_file():
        raise ModelError(
            f"adapter {folder.name!r} holds no adapter_model.safetensors; save it again with PEFT as safetensors",
            provider="local",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft calls what transformers will rename
            return PeftModel.from_pretrained(base, str(folder), is_trainable=False)
    except (RuntimeError, ValueError, KeyError) as error:
        what = " ".join(str(error).split())[:200]
        raise ModelError(
            f"adapter {folder.name!r} does not fit {settings.name}: it was tuned on another model ({what})",
            provider="local",
        ) from error
