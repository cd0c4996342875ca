"""How each vendor tunes a model on exported rows, and what then stands in rung.yaml. Every step with the page that says so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import yaml

from rung.invisible import escaped

READ = "November 2026"


@dataclass(frozen=True, slots=True)
class Vendor:
    """What to do with the rows at one vendor. `entry`: the model in rung.yaml afterwards; `service`: whose format is checked."""

    title: str
    steps: tuple[str, ...]
    entry: str
    pages: tuple[str, ...]
    service: str | None = None


VENDORS: tuple[Vendor, ...] = (
    Vendor(
        "OpenAI",
        (
            "New jobs end: organizations that never tuned, or asked no tuned model for 60 days, cannot start one, and nobody can "
            "from 6 January 2027. Tuned models answer until their base is retired.",
            'curl https://api.openai.com/v1/files -H "Authorization: Bearer $OPENAI_API_KEY" -F purpose=fine-tune '
            "-F file=@chat-train.jsonl    # once more for chat-dev.jsonl",
            'curl https://api.openai.com/v1/fine_tuning/jobs -H "Authorization: Bearer $OPENAI_API_KEY" -H "Content-Type: application/json" '
            '-d \'{"model": "BASE", "training_file": "FILE_ID", "validation_file": "FILE_ID"}\'',
            "Ask for the job until it has a `fine_tuned_model`: that is the name.",
        ),
        '{provider: openai, name: "ft:BASE:ORGANIZATION::ID"}',
        (
            "https://developers.openai.com/docs/guides/supervised-fine-tuning",
            "https://developers.openai.com/api/docs/deprecations",
        ),
        "openai",
    ),
    Vendor(
        "Azure (Microsoft Foundry)",
        (
            "Upload chat-train.jsonl and chat-dev.jsonl under Fine-tuning in the portal, or by the same calls as at OpenAI at your resource.",
            "Deploy the tuned model; a deployment is paid by the hour, also while nobody asks it: give that as `price: {per_hour: ...}`.",
        ),
        "{provider: azure, name: DEPLOYMENT, base_url: https://RESOURCE.openai.azure.com}",
        (
            "https://learn.microsoft.com/en-us/azure/foundry/openai/how-to/fine-tuning",
            "https://learn.microsoft.com/en-us/azure/ai-services/openai/how-to/fine-tuning-deploy",
        ),
        "openai",
    ),
    Vendor(
        "Together AI",
        (
            "pip install together; together files upload chat-train.jsonl",
            "together fine-tuning create --training-file FILE_ID --model BASE --lora",
            "Start a dedicated endpoint for the result; it is paid by the hour: `price: {per_hour: ...}`.",
        ),
        "{provider: openai, name: ENDPOINT, base_url: https://api.together.xyz/v1, api_key_env: TOGETHER_API_KEY}",
        (
            "https://docs.together.ai/docs/fine-tuning/quickstart",
            "https://docs.together.ai/docs/lora-training-and-inference",
        ),
        "together",
    ),
    Vendor(
        "Fireworks",
        (
            "Create a dataset of chat-train.jsonl, in the console or by firectl.",
            "firectl create sftj --base-model BASE --dataset DATASET --output-model NAME",
            'firectl deployment create "accounts/ACCOUNT/models/NAME"; it is paid by the hour: `price: {per_hour: ...}`.',
        ),
        "{provider: openai, name: accounts/ACCOUNT/models/NAME, base_url: https://api.fireworks.ai/inference/v1, "
        "api_key_env: FIREWORKS_API_KEY}",
        (
            "https://docs.fireworks.ai/fine-tuning/fine-tuning-models",
            "https://docs.fireworks.ai/fine-tuning/deploying-loras",
        ),
        "fireworks",
    ),
    Vendor(
        "Gemini (Vertex AI alone)",
        (
            "gcloud storage cp vertex-train.jsonl vertex-dev.jsonl gs://BUCKET/",
            'client = google.genai.Client(vertexai=True); client.tunings.tune(base_model="BASE", '
            'training_dataset={"gcs_uri": "gs://BUCKET/vertex-train.jsonl"})',
            "The tuned model has an endpoint of its own. Its key is an access token that ends within the hour: "
            "export VERTEX_TOKEN=$(gcloud auth print-access-token)",
        ),
        "{provider: openai, name: NAME, api_key_env: VERTEX_TOKEN, "
        "base_url: https://REGION-aiplatform.googleapis.com/v1beta1/projects/PROJECT/locations/REGION/endpoints/ENDPOINT}",
        (
            "https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/tuning/supervised-tuning/prepare-data.md.txt",
            "https://docs.cloud.google.com/gemini-enterprise-agent-platform/reference/rest/v1beta1/projects.locations.endpoints.chat/completions.md.txt",
        ),
    ),
    Vendor(
        "Mistral",
        ("Tuning there is deprecated and no longer supported. A model that was tuned before can be measured.",),
        "{provider: openai, name: NAME, base_url: https://api.mistral.ai/v1, api_key_env: MISTRAL_API_KEY}",
        ("https://docs.mistral.ai/resources/deprecated/finetuning/text-vision-finetuning",),
    ),
    Vendor(
        "A machine of your own",
        (
            "pip install torch transformers trl peft datasets",
            "python train_trl.py BASE_FOLDER --out tuned    # with several GPUs: accelerate launch train_trl.py ...",
            "Copy `tuned` beside rung.yaml, or serve it (vLLM, Ollama) and name the server.",
        ),
        "{provider: local, name: BASE, folder: BASE_FOLDER, adapter: tuned}",
        ("https://huggingface.co/docs/trl/sft_trainer",),
    ),
)

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_HEAD = """# Examples to tune elsewhere

- `chat-train.jsonl`, `chat-dev.jsonl`: one chat a line, `{"messages": [...]}`; the last turn is the expected answer.
- `vertex-train.jsonl`, `vertex-dev.jsonl`: the same as Vertex AI wants them.
- `trl-train.jsonl`, `trl-dev.jsonl`: the same as prompt and completion, the form of TRL.
- `recipe.json`, `train_trl.py`: the recipe, and a script that tunes with it and needs nothing of rung.
- `prompt.yaml`: the prompt of the examples. `rung` asks the tuned model under it.

The test examples are not here: a model tuned on these files can be measured on them. Whatever you upload goes to that vendor.

## When the model is there

Add it to rung.yaml under `models:`, in one of the lines below, and run the same `rung climb` again:

    models:
      %(role)s: {provider: ..., name: ...}

The ladder plans it from the start, so that its result is confirmatory (what is added after the test set was opened is not):

    ladder: [..., {finetune: {model: %(role)s, trained: elsewhere, cost_usd: 40}}]

## How each vendor does it

Read in %(read)s; capital letters stand for your own names.
"""


def readme(role: str, taken: Mapping[str, Sequence[str]]) -> str:
    """Return what to do with the files. `taken`: for which service which problems the rows have."""
    plain = _PLAIN.fullmatch(role) and yaml.safe_load(role) == role
    key = role if plain else escaped(json.dumps(role, ensure_ascii=False))  # as YAML and Markdown take it
    return "\n".join(_readme(key, taken)) + "\n"


def _readme(role: str, taken: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield _HEAD % {"role": role, "read": READ}
    for vendor in VENDORS:
        yield f"### {vendor.title}\n"
        yield from (f"{number}. {step}" for number, step in enumerate(vendor.steps, 1))
        yield f"\n```yaml\n{role}: {vendor.entry}\n```\n"  # a fence: four spaces behind a list go on with the list
        if vendor.service is not None:
            problems = taken.get(vendor.service, ())
            yield f"- examples: {'; '.join(problems) or 'takes chat-train.jsonl'}"
        yield from (f"- {page}" for page in vendor.pages)
        yield ""
