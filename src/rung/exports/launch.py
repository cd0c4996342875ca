"""Exported weights behind a server: launch configurations of vLLM and LiteLLM, as data beside them.

Formats: https://docs.vllm.ai/en/latest/configuration/serve_args (`vllm serve --config`), .../features/lora (`lora-modules`),
.../design/lora_resolver_plugins (folder NAME/adapter_config.json whose base is the served one); https://docs.litellm.ai/docs/proxy/configs.
Read on 2026-11.
"""

from __future__ import annotations

import json
from pathlib import Path

from rung.store.folder import write_json

SERVED = "tuned"  # the model's name at both
ADAPTER = "adapter_config.json"
ADDRESS = "http://localhost:8000/v1"


def write_launch(out: Path, *, base: str | None, context: int | None) -> None:
    """Write vllm.yaml and litellm.yaml beside an adapter or whole weights.

    `base`: the Hub's name of an adapter's base; None: it was a folder, which `vllm serve FOLDER` names. An adapter is given its name, so
    that vLLM's resolver of folders finds the adapter for it.
    """
    adapter = out / ADAPTER
    if adapter.is_file():
        config = json.loads(adapter.read_text("utf-8"))
        if base is not None:
            write_json(adapter, {**config, "base_model_name_or_path": base})
        rank = max([int(config["r"]), *map(int, config.get("rank_pattern", {}).values())])
        own = {"enable-lora": True, "max-lora-rank": _allowed(rank), "lora-modules": [f"{SERVED}=."]}
        named = {} if base is None else {"model": base}
    else:
        own, named = {"served-model-name": SERVED}, {"model": "."}
    length = {} if context is None else {"max-model-len": context}
    write_json(out / "vllm.yaml", {**named, **own, **length, "generation-config": "vllm"})
    asked = {"model": f"openai/{SERVED}", "api_base": ADDRESS, "api_key": "none"}
    write_json(out / "litellm.yaml", {"model_list": [{"model_name": SERVED, "litellm_params": asked}]})


def _allowed(rank: int) -> int:
    """Return the least bound on ranks that vLLM takes and that holds this one."""
    return next((n for n in (8, 16, 32, 64, 128, 256, 320) if n >= rank), 512)
