"""Muon: momentum whose update is made orthogonal, for the matrices of a network's hidden layers (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/)."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

STEPS = 5
A, B, C = 3.4445, -4.7750, 2.0315
"""Coefficients of the quintic Newton-Schulz step, from the source above: fast, with singular values ending in about [0.7, 1.2]."""


def orthogonalise(batch: Tensor) -> Tensor:
    """Bring the singular values of each matrix of (count, rows, columns), rows <= columns, near 1."""
    x: Tensor = batch / (batch.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(STEPS):
        gram = x @ x.mT
        x = A * x + (B * gram + C * gram @ gram) @ x
    return x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised; `precision` is the number type of the orthogonalisation."""

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.02,
        momentum: float = 0.95,
        decay: float = 0.01,
        precision: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "decay": decay})
        self.precision = precision

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Make one step; matrices of one shape are treated as one batch."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if "average" not in state:
                    state["average"] = torch.zeros_like(parameter)
                state["average"].lerp_(parameter.grad, 1 - group["momentum"])
                update = parameter.grad.lerp(state["average"], group["momentum"])
                flat = update.T if update.shape[0] > update.shape[1] else update
                alike.setdefault(flat.shape, []).append((parameter, flat))
            for pairs in alike.values():
                updates = orthogonalise(torch.stack([flat for _, flat in pairs]).to(self.precision))
                for (parameter, _), update in zip(pairs, updates, strict=True):
                    tall = parameter.shape[0] > parameter.shape[1]
                    whole = (update.T if tall else update).to(parameter.dtype)
                    growth = max(1.0, parameter.shape[0] / parameter.shape[1]) ** 0.5
                    parameter.mul_(1 - group["lr"] * group["decay"]).add_(whole, alpha=-group["lr"] * growth)
