"""Train the EMG2Exp network on simulated frames."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ..muscles import CHANNEL_COUNT
from ..simulation.generator import Face, Frames, make_frames
from .network import Emg2Exp


@dataclass(frozen=True)
class TrainingSettings:
    """What decides the result, together with the head."""

    seed: int = 1
    frames: int = 240_000
    steps: int = 6000
    batch: int = 1024
    learning_rate: float = 3e-3
    hidden: tuple[int, ...] = (160, 160)
    threads: int = 1  # sums are split among threads: another number gives other last digits


@dataclass(frozen=True)
class TrainingResult:
    """The network and how long it took."""

    network: Emg2Exp
    seconds: float


def train(
    face: Face,
    metric: np.ndarray,
    settings: TrainingSettings,
    report: Callable[[str], None] = print,
) -> TrainingResult:
    """Train a network to give the face of random muscle activity.

    face: see `generator.Face`. metric: [P, P], weighs parameters by what they move on the face, see
    `heads.metric.vertex_metric`. The same settings on the same machine give the same network.
    """
    started = time.monotonic()
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(True)
    report(f"Simulating {settings.frames} frames ...")
    frames = make_frames(settings.frames, settings.seed, face)
    network = Emg2Exp(frames.expression.shape[1], settings.hidden)
    report(f"Training {settings.steps} steps of {settings.batch} frames ...")
    _fit(network, frames, torch.from_numpy(metric), settings, report)
    return TrainingResult(network.eval(), time.monotonic() - started)


def predict(network: Emg2Exp, frames: Frames) -> np.ndarray:
    """Parameters float32 [n, P] of simulated frames."""
    with torch.no_grad():
        return network(*_inputs(frames)).numpy()


def _inputs(frames: Frames) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(frames.activation), torch.from_numpy(frames.present.astype(np.float32))


def _fit(
    network: Emg2Exp,
    frames: Frames,
    metric: torch.Tensor,
    settings: TrainingSettings,
    report: Callable[[str], None],
) -> None:
    activation, present = _inputs(frames)
    wanted = torch.from_numpy(frames.expression) @ metric
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.steps, pct_start=0.1
    )
    order = torch.Generator().manual_seed(settings.seed)
    every = max(1, settings.steps // 10)
    running = 0.0
    for step in range(1, settings.steps + 1):
        chosen = torch.randint(len(wanted), (settings.batch,), generator=order)
        gap = network.unlimited(activation[chosen], present[chosen]) @ metric - wanted[chosen]
        loss = gap.square().sum(1).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        running += loss.item()
        if step % every == 0:
            report(f"  step {step}: root mean square vertex error {(running / every) ** 0.5:.3f} mm")
            running = 0.0


@dataclass(frozen=True)
class Ridge:
    """Linear regression on the same input, to compare with."""

    weights: np.ndarray  # [44, P]

    @staticmethod
    def fit(frames: Frames, penalty: float = 1.0) -> Ridge:
        """Least squares without an intercept, so that rest with all channels gives rest."""
        x = _features(frames)
        gram = x.T @ x + penalty * np.eye(x.shape[1])
        return Ridge(np.linalg.solve(gram, x.T @ frames.expression).astype(np.float32))

    def predict(self, frames: Frames) -> np.ndarray:
        """Parameters float32 [n, P]."""
        return _features(frames) @ self.weights


def _features(frames: Frames) -> np.ndarray:
    absent = 1.0 - frames.present.astype(np.float32)
    assert frames.activation.shape[1] == CHANNEL_COUNT
    return np.concatenate([frames.activation, absent], 1)
