"""Names of plug-ins that people expect and that are called otherwise here: what helps, in place of the nearest spelling."""

from __future__ import annotations

from collections.abc import Mapping

_COMPATIBLE = "use `provider: openai` with the base_url of its OpenAI-compatible API, or `python:` or `http:` around your own call"
WELL_KNOWN: Mapping[str, Mapping[str, str]] = {  # kind -> name -> what helps
    "metrics": {
        "accuracy": "use `normalized_match` (forgives case and punctuation) or `exact_match`: their mean is the accuracy",
        "acc": "use `normalized_match` (forgives case and punctuation) or `exact_match`: their mean is the accuracy",
        "em": "use `exact_match`, or `normalized_match`, which forgives case and punctuation",
        "f1": "use `token_f1` for words of a text, `json_fields` for the fields of a record, `macro_f1` for labels, or `label_f` for one label",
        "rouge": "use `rouge_l`",
        "bleu": "use `chrf` or `rouge_l`",
        "json": "use `json_fields` to compare fields with the expected ones",
        "llm": "use `judge`, with the role of the model that judges",
        "llm-rubric": "use `judge`, with the role of the model that judges",
        "semantic_similarity": "use `similarity`, with the role of an embedder",
    },
    "models": dict.fromkeys(
        ("bedrock", "cohere", "deepseek", "fireworks", "groq", "mistral", "together", "xai"),
        _COMPATIBLE,
    )
    | {
        "claude": "use `provider: anthropic`",
        "google": "use `provider: gemini`",
        "azure_openai": "use `provider: azure`",
        "azure-openai": "use `provider: azure`",
        "huggingface": "use `provider: local` with the name of a model on the Hub",
        "transformers": "use `provider: local`",
        "hf": "use `provider: local` with the name of a model on the Hub",
    },
    "rungs": dict.fromkeys(("tune", "tuning", "lora", "LoRA", "qlora", "QLoRA", "sft", "SFT"), "use `finetune`")
    | dict.fromkeys(("retrieval", "search"), "use `rag`")
    | dict.fromkeys(("zeroshot", "zero-shot", "zero_shot"), "use `prompt`"),
}


SHOWN: Mapping[str, str] = {"fewshot": "few-shot", "rag": "RAG", "finetune": "fine-tuning", "scratch": "from scratch"}


def shown_name(label: str) -> str:
    """Return a step's label as people read it: fewshot@small is few-shot@small."""
    rung, apart, name = label.partition("@")
    return SHOWN.get(rung, rung) + apart + name
