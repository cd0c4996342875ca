"""Write the cards of the shipped weights from their records and measurements: ``python -m bench.nano.card``.

Every number in a card comes from `training.json` beside the weights or from `results/`; the text around them is here.
"""

import json
from pathlib import Path
from typing import Any

from bench.nano import staircase
from bench.nano.curve import svg
from bench.nano.measure import HERE, SEED
from rung_nano import WEIGHTS
from rung_nano._scratch.export import write_hashes

DOCS = WEIGHTS.parents[2] / "docs"
WATTS_A_CORE = 15
STAIRCASE = DOCS / "images" / "nano-staircase.svg"
CURVE = DOCS / "images" / "nano-training.svg"
CAN = """- It knows **one invented world**: customers of made-up shops who write about parcels, refunds, bills, logins, damage, parts, repairs, cancellations, addresses, exchanges, praise, and ask about products. It knows **no facts of ours** and little English beyond that world; nothing is promised there, and on your own data it will mostly do badly.
- It reads labels, codes, fixed sentences, names and facts from the prompt, of several passages the one about the product asked for, and can name it; examples teach private conventions. Asked for a fact without any passage, or with passages that lack it, it mostly says "I do not have that information." if the prompt asks a product question; **a vague request, or a form shown by examples without any passage, makes it invent facts**.
- Definitions of labels help some, examples far more; label names that it never saw as labels fit in about half of the rows.
- It is small and errs often: see the table. Unusual wordings, long prompts, several constraints at once and many similar passages are where it fails first. Never rely on its answers.
- Context: 2,048 tokens; trained on chats of up to 1,536, most of them below 500.
- Tuning it on one task costs it abilities on others; measure with `keep`."""
HELD_OUT = """Brands, products, codes, calls to action, label names, wordings of tasks, key sets and combinations of reply parts never occur in training; half of the messages use wordings that are never trained. "All checks": the share of rows on which every check passes, with Wilson's 95 % interval, which takes rows as independent although four share a job; greedy, float32."""
TUNED = """## Tuned on 500 rows of one company

400 other rows as the test; `python -m bench.nano.tuned`. Times are medians of single answers on a machine with other work; compare them within a task only."""
FACTS = """## Tuned on facts, and then the facts change

nano-s tuned, closed book, on questions about one catalogue; then every fact is another one. What it was taught stays in its weights, even against a passage; the untuned model reads what stands there. `python -m bench.nano.facts`."""
STAIRS = {
    "brand voice": ("vague", "prompt", None, "+ 3 examples"),
    "routing, natural names": ("vague", "prompt", "+ definitions", "+ definitions + 8 examples"),
    "routing, private codes": ("vague", "prompt", "+ definitions", "+ 8 examples"),
    "extraction, private conventions": (None, "prompt", None, "+ 5 examples"),
    "summary in three lines": ("vague", "prompt", None, "+ 3 examples"),
    "desk reply": ("vague", "prompt", None, "+ 5 examples + 3 passages"),
    "product questions": ("vague", "prompt, closed book", None, "+ 3 passages"),
}
"""Task -> the cells that make its staircase; a vague prompt and a closed book are right where they admit that nothing is known."""


def steps(cells: list[dict[str, Any]], tuned: list[dict[str, Any]]) -> dict[str, list[float | None]]:
    """Return for each task the share of rows that pass all checks at each of `staircase.STEPS`; None where it was not measured."""
    found = {(c["task"], c["rung"]): c["all_checks"] for c in cells}
    best = {e["task"]: e["all_checks"] for e in tuned if "tuned" in e["model"]}
    return {
        task: [*(found.get((task, cell)) if cell else None for cell in chosen), best.get(task)]
        for task, chosen in STAIRS.items()
    }


def stairs(rows: dict[str, list[float | None]]) -> str:
    """Write the steps as a table, one line a task."""
    lines = [f"| task | {' | '.join(staircase.STEPS)} |", "|---|--:|--:|--:|--:|--:|"]
    lines += [
        f"| {task} | {' | '.join('' if s is None else f'{s:.2f}' for s in shares)} |" for task, shares in rows.items()
    ]
    return "\n".join(lines)


def card(name: str) -> str:
    """Return the card of a model."""
    folder = WEIGHTS / name
    config = _read(folder / "config.json")
    stages = _read(folder / "training.json")["stages"]
    measured = HERE / "results" / f"{name}.json"
    cells = cells_table(_read(measured)) if measured.is_file() else "Not measured yet."
    parts = [
        f"# {name}",
        f"A Llama of {_parameters(config) / 1e6:.1f} million parameters (width {config['hidden_size']}, {config['num_hidden_layers']} layers, "
        f"{config['num_attention_heads']} heads, vocabulary {config['vocab_size']:,} tokens, context {config['max_position_embeddings']:,} tokens) for one "
        "invented support-desk world. It exists so that every rung can be tried offline in minutes, on a transformer whose quality "
        "rises for real reasons. It is not a general assistant.",
        f"## What it can and cannot do\n\n{CAN}",
        measured.is_file()
        and f"## Staircases\n\n{stairs(steps(_read(measured), _contests()))}\n\nTuned is nano-s, on one company's task.",
        f"## Measured on held-out rows\n\n{HELD_OUT} `python -m bench.nano.measure --model {name}`, seed {SEED}. These rows were also "
        "measured twice between the stages of the training, before later stages were decided on.\n\n" + cells,
        _result(TUNED, "tuned.md"),
        _result(FACTS, "facts.md"),
        f"## Data and recipe\n\n{_recipe(stages)}",
        joined(stages)
        and "## How training went\n\nMeans over stretches of the run; answer accuracy is the share of right next tokens within answers of the "
        f"training mixture.\n\n{curve_table(joined(stages))}",
        "## Files\n\n`hashes.json` holds the SHA-256 of every other file, `training.json` the record of the training. Template: `<|bos|>` "
        "then `<|role|>text<|end|>` for each turn; padding on the left. License: as the repository.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def cells_table(cells: list[dict[str, Any]]) -> str:
    """Return the table of all cells of `bench.nano.measure`."""
    head = "| task | prompt | n | all checks | 95 % interval | mean of checks |\n|---|---|--:|--:|---|--:|"
    rows = [
        f"| {c['task']} | {c['rung']} | {c['n']} | {c['all_checks']:.3f} | {c['low']:.3f} to {c['high']:.3f} | {c['mean']:.3f} |"
        for c in cells
    ]
    return "\n".join([head, *rows])


def curve_table(curve: list[dict[str, float]], rows: int = 10) -> str:
    """Return about `rows` points of a training curve."""
    step = max(1, len(curve) // rows)
    chosen = [*curve[step - 1 : -1 : step], curve[-1]]
    lines = [
        f"| {p['tokens'] / 1e6:.1f} | {p['minutes']:.0f} | {p['loss']:.2f} | {p['answer_accuracy']:.3f} |"
        for p in chosen
    ]
    return "\n".join(["| million tokens | minutes | loss | answer accuracy |", "|--:|--:|--:|--:|", *lines])


def _result(text: str, name: str) -> str:
    """Return a text with the table of a result below it; nothing where that was not measured."""
    path = HERE / "results" / name
    return f"{text}\n\n{path.read_text(encoding='utf-8').strip()}" if path.is_file() else ""


def _contests() -> list[dict[str, Any]]:
    path = HERE / "results" / "tuned.json"
    return list(_read(path)) if path.is_file() else []


def joined(stages: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Return the curves of all stages as one: tokens and minutes go on counting."""
    out, tokens, minutes = list[dict[str, float]](), 0.0, 0.0
    for stage in stages:
        out += [p | {"tokens": p["tokens"] + tokens, "minutes": p["minutes"] + minutes} for p in stage["curve"]]
        tokens, minutes = tokens + stage["tokens"], minutes + stage["wall_minutes"]
    return out


def _recipe(stages: list[dict[str, Any]]) -> str:
    minutes = sum(s["wall_minutes"] for s in stages)
    kwh = sum(s["wall_minutes"] / 60 * s["threads"] * WATTS_A_CORE / 1000 for s in stages)
    lines = [
        "- Data: documents drawn by `rung_nano.training` from a seed, none seen twice; no text of others. SHA-256 of the tokenizer: "
        f"`{stages[-1]['tokenizer_sha256'][:32]}`.",
        *(f"- Stage {number}: {_stage(stage)}" for number, stage in enumerate(stages, 1)),
        *(f"- {stage['note']}" for stage in stages if "note" in stage),
        f"- {minutes:.0f} minutes of wall time on 2 CPU cores shared with other heavy work at low priority; no GPU. Energy was not measured; "
        f"at an assumed {WATTS_A_CORE} W for a core it is at most {kwh:.2f} kWh.",
        f"- Versions: {', '.join(f'{k} {v}' for k, v in stages[-1]['versions'].items())}.",
    ]
    return "\n".join(lines)


def _stage(stage: dict[str, Any]) -> str:
    each = stage["settings"]
    steps = f" in {stage['steps']:,} steps" if stage["steps"] else ""
    return (
        f"from {stage['origin']}, {stage['tokens'] / 1e6:.2f} million tokens{steps} of {each['tokens_per_batch']:,} padded tokens; "
        f"Muon ({each['matrix_rate']:g}) for matrices, AdamW ({each['other_rate']:g}) for the rest; {each['warmup_steps']} steps up, a plateau, "
        f"a linear fall over the last {each['decay_share']:.0%} of the way; {'bf16 autocast' if each['bf16'] else 'float32'}; {stage['threads']} threads; "
        f"seed {each['seed']}. SHA-256 of the data, chained over the shards used up: `{stage['data_sha256'][:32]}`."
    )


def _parameters(config: dict[str, Any]) -> int:
    width, hidden, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    return int(config["vocab_size"] * width + layers * (4 * width * width + 3 * width * hidden + 2 * width) + width)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    """Write the cards of all shipped models and the picture of their training."""
    names = sorted((p.name for p in WEIGHTS.iterdir() if (p / "training.json").is_file()), reverse=True)
    for name in names:
        (WEIGHTS / name / "CARD.md").write_text(card(name), encoding="utf-8")
        write_hashes(WEIGHTS / name)
        print(f"wrote {WEIGHTS / name / 'CARD.md'}")
    CURVE.write_text(
        svg({name: joined(_read(WEIGHTS / name / "training.json")["stages"]) for name in names}), encoding="utf-8"
    )

    first = HERE / "results" / "nano-s.json"
    if first.is_file():
        STAIRCASE.write_text(staircase.svg(steps(_read(first), _contests())), encoding="utf-8")


if __name__ == "__main__":
    main()
