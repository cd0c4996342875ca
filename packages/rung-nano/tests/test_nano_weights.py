"""The shipped weights load with plain transformers, answer, and take adapters and TRL training."""

import json
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

from rung_nano import WEIGHTS
from rung_nano._scratch.export import damaged
from rung_nano._scratch.tokenizer import CHAT_TEMPLATE

pytestmark = pytest.mark.extra

FOLDERS = sorted(p for p in WEIGHTS.iterdir() if p.is_dir())
CHAT = [
    {
        "role": "system",
        "content": "Answer the question of the customer. Use one sentence.\nContext:\n- The Velora kettle costs 39 euros.",
    },
    {"role": "user", "content": "What does the Velora kettle cost?"},
]
RULE = "Answer the question of the customer. Use one sentence."
FACTS = [
    ("The Velora kettle costs 39 euros.", "What does the Velora kettle cost?", "39"),
    ("The Norvik lamp weighs 7.2 kilograms. It comes in green.", "How heavy is the Norvik lamp?", "7.2"),
    ("The Tarbo heater has a warranty of 4 years.", "How long is the guarantee of the Tarbo heater?", "4 years"),
    ("The Selmo drill is made in Poland. It uses 85 watts.", "Where is the Selmo drill made?", "Poland"),
    ("The Quibo radio is delivered within 6 days.", "How fast do you ship the Quibo radio?", "6 days"),
    ("The battery of the Lanver phone lasts 23 hours.", "How long does the battery of the Lanver phone last?", "23"),
]
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
each_model = pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)


def test_the_family_is_small_enough_to_ship() -> None:
    assert FOLDERS
    assert sum(p.stat().st_size for p in WEIGHTS.rglob("*.safetensors")) <= 28_000_000


@each_model
def test_files_are_whole(folder: Path) -> None:
    names = {p.name for p in folder.iterdir()}
    assert {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "CARD.md",
        "hashes.json",
    } <= names
    assert damaged(folder) == []
    assert json.loads((folder / "config.json").read_text())["max_position_embeddings"] == 2048


@each_model
def test_plain_transformers_loads_it_and_it_reads_most_facts(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert tokenizer.chat_template == CHAT_TEMPLATE
    assert tokenizer.padding_side == "left"
    right = 0
    for passage, question, value in FACTS:
        chat = [{"role": "system", "content": f"{RULE}\nContext:\n- {passage}"}, {"role": "user", "content": question}]
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        batch = tokenizer(text, return_tensors="pt", add_special_tokens=False)
        made = model.generate(**batch, max_new_tokens=40, do_sample=False)
        right += value in tokenizer.decode(made[0, batch.input_ids.shape[1] :], skip_special_tokens=True)
        assert made[0, -1] == tokenizer.eos_token_id
    assert right >= 4, f"{right} of {len(FACTS)}"


@each_model
@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft still asks for an attribute that transformers renamed
def test_an_adapter_learns_in_one_step(folder: Path) -> None:
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), LoraConfig(r=4, target_modules=LINEAR)
    )
    ids = tokenizer("The kettle is late.", return_tensors="pt").input_ids
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    losses = list[float]()
    for _ in range(6):
        loss = model(input_ids=ids, labels=ids).loss
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < losses[0]


@each_model
@pytest.mark.filterwarnings("ignore")
def test_trl_trains_one_step(folder: Path, tmp_path: Path) -> None:
    rows = Dataset.from_list([{"prompt": CHAT, "completion": [{"role": "assistant", "content": "39 euros"}]}] * 4)
    settings = SFTConfig(
        output_dir=str(tmp_path),
        max_steps=1,
        per_device_train_batch_size=2,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        max_length=256,
        bf16=False,
    )
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    before = model.model.layers[0].mlp.up_proj.weight.detach().clone()
    trainer = SFTTrainer(
        model, args=settings, train_dataset=rows, processing_class=AutoTokenizer.from_pretrained(folder)
    )
    result = trainer.train()
    assert result.training_loss > 0
    assert not torch.equal(before, model.model.layers[0].mlp.up_proj.weight)
