"""The paper's kind of model as a reference: a plain multi-layer perceptron that sees one frame at a time.

Its sizes and schedule are ours; the paper's are not published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from .baselines import Pair

HIDDEN = (256, 256)
_BATCH = 1024
_LEARNING_RATE = 2e-3


def train_perceptron(
    pairs: Sequence[Pair], metric: np.ndarray | None, steps: int, seed: int = 1
) -> Callable[[np.ndarray], np.ndarray]:
    """A function from inputs [n, k] to outputs float32 [n, m], trained on clips.

    metric: [m, m], weighs errors as `heads.metric.vertex_metric`; None for all outputs alike. The
    same arguments give the same network on the same machine.
    """
    torch.manual_seed(seed)
    given, wanted = (torch.from_numpy(np.concatenate(part)) for part in zip(*pairs, strict=True))
    centre, scale = given.mean(0), given.std(0).clamp_min(1e-6)
    weigh = torch.eye(wanted.shape[1]) if metric is None else torch.from_numpy(metric)
    network = _network(given.shape[1], wanted.shape[1])
    optimiser = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, _LEARNING_RATE, total_steps=steps, pct_start=0.1
    )
    order = torch.Generator().manual_seed(seed)
    batch = min(_BATCH, len(given))
    for _ in range(steps):
        chosen = torch.randint(len(given), (batch,), generator=order)
        gap = network((given[chosen] - centre) / scale) - wanted[chosen]
        loss = (gap @ weigh).square().sum(1).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()

    def predict(values: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network((torch.from_numpy(values) - centre) / scale).numpy()

    return predict


def _network(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in HIDDEN:
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))
