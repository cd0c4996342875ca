"""Grow a small trained model into a wider and deeper one that computes the same function, ready to learn on.

Every channel, head and hidden unit is doubled, and each matrix is halved over its doubled inputs (Net2Net, Chen et al. 2015, arXiv 1511.05641).
The two halves get opposite noise, which cancels at first and lets the twins part company in training.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from rung_nano._scratch.llama import Llama, Shape


def grown(weights: Path, small: Shape, large: Shape, seed: int = 0, noise: float = 0.1) -> Llama:
    """Return a model of shape `large` that computes what the small one does; new layers, at the end, start as the identity.

    `large` must have twice the width, heads and hidden units of `small`.  `noise` is relative to each matrix's own spread.
    """
    if (large.width, large.heads, large.hidden) != (
        2 * small.width,
        2 * small.heads,
        2 * small.hidden,
    ) or large.layers < small.layers:
        raise ValueError(f"cannot grow {small} to {large}: width, heads and hidden must double, layers must not fall")
    old = {name.removeprefix("model."): value for name, value in load_file(weights).items()}
    model = Llama(large, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in old:
                parameter.copy_(_widened(name, old[name].float(), noise, generator))
            elif name.endswith(("o_proj.weight", "down_proj.weight")):
                parameter.zero_()
    return model


def _widened(name: str, value: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    if value.dim() == 1:
        # tied output: twice the channels would double the logits, so the last norm is halved
        return torch.cat([value, value]) * (0.5 if name == "norm.weight" else 1.0)
    if name.startswith("embed"):
        return torch.cat([value, value], 1)
    halves = torch.cat([value, value]) / 2
    jitter = noise * halves.std() * torch.randn(halves.shape, generator=generator)
    return torch.cat([halves + jitter, halves - jitter], 1)
