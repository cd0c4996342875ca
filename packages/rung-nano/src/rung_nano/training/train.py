"""Train a model of the family from nothing and export it: ``python -m rung_nano.training.train --size s``.

A second call with the same folder goes on where the first one stopped.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: idle threads must not spin on a shared machine

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file

from rung_nano import WEIGHTS
from rung_nano._scratch.export import export, write_hashes
from rung_nano._scratch.llama import Llama, Shape, start_with_copying
from rung_nano._scratch.loop import Settings, Trainer
from rung_nano._scratch.tokenizer import chat_tokenizer
from rung_nano.training.build import ENTRIES, Shards, tokenizer
from rung_nano.training.grow import grown
from rung_nano.training.mixtures import MIXTURES
from rung_nano.training.record import NAME, Run, write

SHAPES = {
    "s": Shape(ENTRIES, width=160, layers=6, heads=5, hidden=432),
    "l": Shape(ENTRIES, width=320, layers=6, heads=10, hidden=864),
}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=list(SHAPES), default="s")
    parser.add_argument("--folder", type=Path, default=None, help="state and log (default: build/nano/SIZE)")
    parser.add_argument("--out", type=Path, default=None, help="export here (default: the package's weights)")
    parser.add_argument("--tokens", type=float, default=30e6)
    parser.add_argument(
        "--minutes", type=float, default=None, help="stop after so much training time even if tokens are left"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--stage", type=int, default=0, help="trainings of one family draw other documents at each stage"
    )
    parser.add_argument("--mixture", choices=list(MIXTURES), default="whole", help="of documents")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4096, help="tokens a batch")
    parser.add_argument("--matrix-rate", type=float, default=0.016)
    parser.add_argument("--other-rate", type=float, default=2.5e-3)
    parser.add_argument("--decay-share", type=float, default=0.35)
    parser.add_argument("--float32", action="store_true", help="no bf16 autocast")
    parser.add_argument("--grow-from", type=Path, default=None, help="folder of smaller weights to widen")
    parser.add_argument("--start-from", type=Path, default=None, help="folder of weights of this size to go on from")
    parser.add_argument("--steps", type=int, default=None, help="stop after so many steps, wherever the rate stands")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def main() -> None:
    """Build data, train, export."""
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    build = Path("build/nano")
    folder = options.folder or build / options.size
    exported = options.grow_from and (options.grow_from / "tokenizer.json").is_file()
    trained = tokenizer((options.grow_from if exported else build) / "tokenizer.json")
    if options.grow_from:
        model = grown(options.grow_from / "model.safetensors", SHAPES["s"], SHAPES[options.size], options.seed)
    elif options.start_from:
        model = Llama(SHAPES[options.size])
        model.load_state_dict(load_file(options.start_from / "model.safetensors"))
    else:
        model = Llama(SHAPES[options.size], options.seed)
        start_with_copying(model, options.seed)
    settings = Settings(
        tokens=int(options.tokens),
        minutes=options.minutes,
        tokens_per_batch=options.batch,
        matrix_rate=options.matrix_rate,
        other_rate=options.other_rate,
        decay_share=options.decay_share,
        steps=options.steps,
        bf16=not options.float32,
        seed=options.seed,
    )
    fresh = not (options.grow_from or options.start_from)
    shards = Shards(trained, options.seed + 1000 * options.stage, options.mixture, early=fresh)
    trainer = Trainer(model.to(options.device), shards, settings, folder)
    print(
        f"nano-{options.size}: {sum(p.numel() for p in model.parameters()) / 1e6:.2f} million parameters; from step {trainer.state.step}",
        flush=True,
    )
    state = trainer.run()
    print(
        f"ended after {state.tokens / 1e6:.2f} million tokens in {state.seconds:.0f} s; data {state.data_sha256[:16]}",
        flush=True,
    )
    out = options.out or WEIGHTS / f"nano-{options.size}"
    export(model.cpu(), chat_tokenizer(trained, model.shape.context), out)
    origin = options.grow_from or options.start_from
    before = origin.parent / "weights" / NAME if origin else None
    write(Run(folder, _origin(options), settings), out / "tokenizer.json", out, before)
    write_hashes(out)


def _origin(options: argparse.Namespace) -> str:
    if options.grow_from:
        return f"the smaller model, widened ({options.grow_from})"
    return f"the weights of the stage before ({options.start_from})" if options.start_from else "nothing"


if __name__ == "__main__":
    main()
