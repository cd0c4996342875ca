"""The TRL script that is written beside rows to tune elsewhere: it needs no rung."""

import inspect

from rung.chats import folded

_SCRIPT = '''"""Tune a base on trl-train.jsonl with TRL and PEFT by the settings in recipe.json. Needs no rung.

python train_trl.py BASE --out tuned    BASE: a folder or Hub name that transformers loads
"""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from jinja2 import TemplateError
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

HERE = Path(__file__).parent
REFUSED = (TemplateError, ValueError, TypeError)  # what a chat template raises for turns that it does not know


{CHATS}

class StopAt(TrainerCallback):
    """End where the best dev score was seen; the learning rate falls as if the run went on."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **rest):
        if self.step is not None and state.global_step >= self.step:
            control.should_training_stop = True


def rows(name, tokenizer, options):
    lines = (HERE / name).read_text(encoding="utf-8").split("\\n")  # not splitlines: rows may hold U+2028
    found = [json.loads(line) for line in lines if line.strip()]
    if not takes_system(tokenizer, options):
        found = [{**row, "prompt": folded(row["prompt"])} for row in found]
    return Dataset.from_list([{**row, "chat_template_kwargs": options} for row in found] if options else found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base")
    parser.add_argument("--out", default="tuned")
    parser.add_argument("--stop-at", type=int, default=None, help="steps; by default where the best dev score was seen")
    options = parser.parse_args()
    recipe = json.loads((HERE / "recipe.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(options.base)
    train, cuda = rows("trl-train.jsonl", tokenizer, recipe["template"]), torch.cuda.is_available()
    steps = math.ceil(recipe["epochs"] * math.ceil(len(train) / recipe["batch_rows"]))
    adapter = None
    if recipe["form"] == "adapter":
        alpha = recipe["alpha"] or 2 * recipe["rank"]
        adapter = LoraConfig(r=recipe["rank"], lora_alpha=alpha, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(options.base, dtype="bfloat16" if cuda else "float32"),
        processing_class=tokenizer,
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


def script() -> str:
    """Return the program, with what it needs of ours written into it."""
    from rung.chat_templates import takes_system  # it loads jinja2, which most climbs do not need

    return _SCRIPT.replace("{CHATS}", f"{inspect.getsource(folded)}\n\n{inspect.getsource(takes_system)}")
