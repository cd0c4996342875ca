"""The texts that the form `rows` writes: a TRL script that needs no rung, and what to do with the files."""

README = """# Rows to tune elsewhere

- `chat-train.jsonl`, `chat-dev.jsonl`: one chat a line, `{{"messages": [...]}}`; the last turn is the expected answer.
- `trl-train.jsonl`, `trl-dev.jsonl`: the same as prompt and completion, the form of TRL.
- `recipe.json`, `train_trl.py`: the recipe, and a script that tunes with it: `python train_trl.py BASE_FOLDER --out tuned`
  (`pip install torch transformers trl peft datasets`).
- `prompt.yaml`: the prompt that the rows use.

The test rows are not here: a model tuned on these files can be measured on them. Bring it back as a model of the same
rung.yaml and climb in the same run folder's rows:

    task: {{prompt: prompt.yaml, ...}}
    models: {{tuned: {{provider: openai, name: YOUR-TUNED-MODEL, base_url: ..., api_key_env: ...}}}}
    ladder: [..., {{prompt: {{model: tuned, rewrites: false}}}}]

or, for weights on this machine, `{{provider: local, name: {base}, folder: tuned}}` (with `adapter:` for an adapter).

What hosted services publish about the rows they take, checked when these were written:

{services}
"""

SCRIPT = '''"""Tune a base on trl-train.jsonl with TRL and PEFT by the settings in recipe.json. Needs no rung.

python train_trl.py BASE --out tuned    BASE: a folder or Hub name that transformers loads
"""

import argparse
import json
import math
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

HERE = Path(__file__).parent


class StopAt(TrainerCallback):
    """End where the best dev score was seen; the learning rate falls as if the run went on."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **rest):
        if self.step is not None and state.global_step >= self.step:
            control.should_training_stop = True


def rows(name):
    return Dataset.from_list([json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base")
    parser.add_argument("--out", default="tuned")
    parser.add_argument("--stop-at", type=int, default=None, help="steps; by default where the best dev score was seen")
    options = parser.parse_args()
    recipe = json.loads((HERE / "recipe.json").read_text(encoding="utf-8"))
    train, cuda = rows("trl-train.jsonl"), torch.cuda.is_available()
    steps = math.ceil(recipe["epochs"] * math.ceil(len(train) / recipe["batch_rows"]))
    adapter = None
    if recipe["form"] == "adapter":
        alpha = recipe["alpha"] or 2 * recipe["rank"]
        adapter = LoraConfig(r=recipe["rank"], lora_alpha=alpha, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(options.base, dtype="bfloat16" if cuda else "float32"),
        processing_class=AutoTokenizer.from_pretrained(options.base),
        train_dataset=train,
        peft_config=adapter,
        callbacks=[StopAt(options.stop_at or recipe["stop_at"])],
        args=SFTConfig(
            output_dir=options.out,
            per_device_train_batch_size=recipe["batch_rows"],
            num_train_epochs=recipe["epochs"],
            learning_rate=recipe["learning_rate"],
            lr_scheduler_type="linear",
            warmup_steps=math.ceil(recipe["warmup"] * steps),
            weight_decay=recipe["weight_decay"],
            max_grad_norm=recipe["clip"],
            max_length=recipe["max_length"],
            completion_only_loss=True,
            packing=False,
            bf16=cuda,
            use_cpu=not cuda,
            gradient_checkpointing=False,
            dataloader_pin_memory=False,
            save_strategy="no",
            logging_steps=5,
            report_to="none",
            seed=recipe["seed"],
        ),
    )
    if len(trainer.train_dataset) != len(train):
        raise SystemExit(f"{len(train) - len(trainer.train_dataset)} rows are longer than {recipe['max_length']} tokens")
    trainer.train()
    trainer.save_model(options.out)
    print(f"{trainer.state.global_step} steps; saved to {options.out}")


if __name__ == "__main__":
    main()
'''
