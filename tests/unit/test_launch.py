"""Launch configurations beside exported weights: what vLLM and LiteLLM read, and nothing of this machine."""

import json

import pytest
import yaml

from rung.exports.launch import write_launch


def written(place):
    return [yaml.safe_load((place / name).read_text()) for name in ("vllm.yaml", "litellm.yaml")]


@pytest.mark.parametrize(
    ("rank", "pattern", "allowed"), [(8, {}, 8), (12, {}, 16), (16, {"q_proj": 40}, 64), (400, {}, 512)]
)
def test_an_adapter_is_served_on_its_base_under_one_name(tmp_path, rank, pattern, allowed):
    held = {"peft_type": "LORA", "r": rank, "rank_pattern": pattern, "base_model_name_or_path": "small"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(held))
    write_launch(tmp_path, base="some/Model-135M", context=2048)
    vllm, litellm = written(tmp_path)
    assert vllm == {
        "model": "some/Model-135M", "enable-lora": True, "max-lora-rank": allowed, "lora-modules": ["tuned=."], "max-model-len": 2048,
        "generation-config": "vllm",
    }  # fmt: skip
    (one,) = litellm["model_list"]
    assert (one["model_name"], one["litellm_params"]["model"]) == ("tuned", "openai/tuned")
    now = json.loads((tmp_path / "adapter_config.json").read_text())
    assert now == {**held, "base_model_name_or_path": "some/Model-135M"}  # what vLLM's resolver compares


def test_a_base_from_a_folder_is_named_by_who_starts_the_server_and_whole_weights_need_none(tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 8, "base_model_name_or_path": "small"}))
    write_launch(tmp_path, base=None, context=None)
    assert "model" not in written(tmp_path)[0]
    assert json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"] == "small"
    (tmp_path / "adapter_config.json").unlink()
    write_launch(tmp_path, base=None, context=512)
    assert written(tmp_path)[0] == {
        "model": ".", "served-model-name": "tuned", "max-model-len": 512, "generation-config": "vllm",
    }  # fmt: skip
