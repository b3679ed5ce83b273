"""The training loop, for both directions: repeatable, interruptible, with a log that can be plotted."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import EiferError
from ..mapping.metadata import EMG2EXP
from ..muscles import CHANNEL_COUNT, OTHER_SIDE
from . import augment, losses
from .log import Log
from .material import Material
from .network import Network, Shape, output_limits, window

FORMAT = 2
_CHECKPOINT_S = 45.0  # what an interruption costs at most
_REPORTS = 60  # lines of the log
_VALIDATION_FRAMES = 20_000
_PREDICT_ROWS = 8192


@dataclass(frozen=True)
class Settings:
    """What decides the result, together with the data."""

    kind: str  # "emg2exp" or "exp2emg"
    seed: int = 1
    steps: int = 40_000
    batch: int = 1024
    learning_rate: float = 2e-3
    before: int = 12  # frames that the network sees before and after its own
    after: int = 12
    hidden: tuple[int, ...] = (256, 256)
    sd_units: int = 0  # see `network.Shape`
    threads: int = 1  # sums are split among threads: another number gives other last digits
    keyed: float = 0.0  # share of a batch that is drawn from `keyed` faces, where there are any
    augmentation: augment.Augmentation = field(default_factory=augment.Augmentation)


@dataclass(frozen=True)
class Space:
    """What training knows about the expression space."""

    names: tuple[str, ...]
    metrics: np.ndarray  # [R, P, P], see `losses`
    spread: np.ndarray  # [P] standard deviation of every parameter in the training data
    mirror: np.ndarray | None  # [P, P], or None where the space has no known one


class Trainer:
    """A network in training: steps, checkpoints, predictions."""

    def __init__(self, settings: Settings, space: Space) -> None:
        torch.set_num_threads(settings.threads)
        self.settings, self.space = settings, space
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(settings.seed)
        self.forward_way = settings.kind == EMG2EXP
        count = len(space.names)
        inputs, outputs = (CHANNEL_COUNT, count) if self.forward_way else (count, CHANNEL_COUNT)
        offsets = window(settings.before, settings.after)
        shape = Shape(inputs, outputs, offsets, settings.hidden, self.forward_way, settings.sd_units)
        self.network = Network(shape)
        self.network.to(self.device)
        self.offsets = np.array(offsets)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=settings.learning_rate, weight_decay=1e-4, fused=False
        )
        self.step = 0
        self.metrics = torch.from_numpy(space.metrics).to(self.device)
        self.mirror = None if space.mirror is None else torch.from_numpy(space.mirror)
        self.spread = torch.from_numpy(space.spread.astype(np.float32))
        self.floor = 0.0  # activity below it is rest, see `finish.fit_floor`

    # --- steps ------------------------------------------------------------------------------------

    def train_step(self, material: Material, keyed: Material | None = None) -> float:
        """One step on a random batch of people and, in their share, of keyed faces; the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate()
        x, present, wanted = self.draw(material, keyed)
        values, log_sd = self.network(x, present)
        if self.forward_way:
            loss = losses.face_loss(values - wanted, self.metrics)
        else:
            loss = losses.activity_loss(values, wanted)
        total = loss
        if not self.settings.sd_units:  # else they are found afterwards, see `finish.fit_deviations`
            gap = self.limited(values).detach() - wanted
            total = loss + 0.01 * losses.likelihood_loss(gap, log_sd)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimiser.step()
        self.step += 1
        return float(loss.detach())

    def _learning_rate(self) -> float:
        """Linear warm-up over 3 % of the steps, then half a cosine to nearly zero."""
        share = (self.step + 1) / self.settings.steps
        warm = min(1.0, share / 0.03)
        return (
            self.settings.learning_rate
            * warm
            * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * min(share, 1.0))))
        )

    def draw(self, material: Material, keyed: Material | None = None) -> tuple[Tensor, Tensor | None, Tensor]:
        """A random batch on the device, see `_batch`; keyed faces are its last rows."""
        drawn = 0 if keyed is None else round(self.settings.batch * self.settings.keyed)
        parts = [self._some(material, self.settings.batch - drawn)]
        if drawn:
            parts.append(self._some(keyed, drawn))
        joined = (None if of[0] is None else torch.cat(of) for of in zip(*parts, strict=True))
        return tuple(None if part is None else part.to(self.device) for part in joined)

    def _some(self, material: Material, count: int) -> tuple[Tensor, Tensor | None, Tensor]:
        rows = torch.randint(len(material), (count,), generator=self.generator).numpy()
        return self._batch(material, rows)

    def _batch(self, material: Material, rows: np.ndarray) -> tuple[Tensor, Tensor | None, Tensor]:
        """(windows [n, K inputs], present [n, 22] or None, wanted [n, outputs]), augmented."""
        chosen = self.settings.augmentation
        near = material.rows(rows, self.offsets)
        activation = torch.from_numpy(material.activation[near if self.forward_way else rows])
        expression = torch.from_numpy(material.expression[rows if self.forward_way else near])
        count = len(rows)
        if self.mirror is not None:
            flip = torch.rand(count, generator=self.generator) < chosen.mirror
            activation = augment.swap_sides(activation, flip)
            expression = augment.mirror_expression(expression, self.mirror, flip)
        if not self.forward_way:
            if chosen.blur:
                shift = torch.randn(count, 1, expression.shape[-1], generator=self.generator) * self.spread
                # A neutral face stays neutral.
                size = (expression / self.spread).square().mean((1, 2), keepdim=True).sqrt().clamp(max=1.0)
                expression = expression + chosen.blur * shift * size
            return (expression / self.spread).reshape(count, -1), None, activation
        present = torch.from_numpy(material.present[rows])
        if self.mirror is not None:
            present = augment.swap_sides(present, flip)
        present = present & augment.random_presence(count, self.generator, chosen.complete)
        activation = activation * augment.channel_gains(count, self.generator, chosen.gain)
        activation = activation.clamp(0.0, 1.0) * present[:, None]
        return activation.reshape(count, -1), present.float(), expression

    def limited(self, values: Tensor) -> Tensor:
        """Activity within 0..1; faces as they are."""
        return values if self.forward_way else values.clamp(0.0, 1.0)

    # --- predictions ------------------------------------------------------------------------------

    def predict(self, material: Material, rows: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(values float32 [n, outputs] within their limits, log of their standard deviations)."""
        rows = np.arange(len(material)) if rows is None else rows
        values, log_sd = [], []
        limits = output_limits(self.space.names)
        with torch.no_grad():
            for start in range(0, len(rows), _PREDICT_ROWS):
                v, s = self.answer(*self.inputs(material, rows[start : start + _PREDICT_ROWS]))
                values.append(v.cpu().numpy())
                log_sd.append(s.cpu().numpy())
        result = np.concatenate(values)
        result = np.clip(result, *limits) if self.forward_way else self.above_floor(result)
        return result, np.concatenate(log_sd)

    def answer(self, x: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor]:
        """The network's answer, averaged with the mirrored answer to the mirrored input: exactly symmetric.

        As `Network.forward`; the variances are averaged. In a space without a known mirror, the plain answer.
        """
        values, log_sd = self.network(x, present)
        if self.mirror is None:
            return values, log_sd
        given, made = (torch.from_numpy(m).to(x) for m in self.mirrors())
        frames = x.view(len(x), len(self.offsets), -1)
        if self.forward_way:
            other = self.network((frames @ given).flatten(1), present @ given)
        else:
            spread = self.spread.to(x)
            other = self.network(((frames * spread @ given) / spread).flatten(1))
        variance = (2 * log_sd).exp() + (2 * other[1]).exp() @ made.square()
        return (values + other[0] @ made) / 2, 0.5 * (variance / 2).log()

    def mirrors(self) -> tuple[np.ndarray, np.ndarray]:
        """Matrices that exchange left and right in a frame's input and in the output, from the right."""
        sides = np.eye(CHANNEL_COUNT, dtype=np.float32)[OTHER_SIDE]
        return (sides, self.space.mirror) if self.forward_way else (self.space.mirror, sides)

    def above_floor(self, values: np.ndarray) -> np.ndarray:
        """Activity 0..1 of what the network gives: what lies above the floor, 1 stays 1."""
        return np.clip((values - self.floor) / (1.0 - self.floor), 0.0, 1.0).astype(np.float32)

    def inputs(self, material: Material, rows: np.ndarray) -> tuple[Tensor, Tensor | None]:
        """What the network is given for some frames, without augmentation."""
        near = material.rows(rows, self.offsets)
        if self.forward_way:
            x = torch.from_numpy(material.activation[near]).flatten(1)
            return x.to(self.device), torch.from_numpy(material.present[rows]).float().to(self.device)
        x = torch.from_numpy(material.expression[near]) / self.spread
        return x.flatten(1).to(self.device), None

    def score(self, material: Material, rows: np.ndarray) -> float:
        """Validation loss: relative distance of faces, or absolute error of activity."""
        values = torch.from_numpy(self.predict(material, rows)[0])
        if self.forward_way:
            gap = values - torch.from_numpy(material.expression[rows])
            return float(losses.face_loss(gap, self.metrics.cpu()))
        return float(losses.activity_loss(values, torch.from_numpy(material.activation[rows])))

    # --- checkpoints ------------------------------------------------------------------------------

    def state(self) -> dict[str, object]:
        """Everything that is needed to go on; plain containers and tensors."""
        return {
            "format": FORMAT,
            "settings": asdict(self.settings),
            "names": list(self.space.names),
            "spread": self.spread,
            "step": self.step,
            "floor": self.floor,
            "mirror": self.mirror,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
        }

    def restore(self, state: dict[str, object]) -> None:
        """Go on from `state`; EiferError if it belongs to another training."""
        if state.get("format") != FORMAT or state.get("settings") != asdict(self.settings):
            raise EiferError(
                "The checkpoint belongs to a training with other settings; repeat its options or start anew."
            )
        if state.get("names") != list(self.space.names):
            raise EiferError("The checkpoint belongs to another expression space; choose the same data.")
        if not torch.equal(state["spread"].cpu(), self.spread):
            raise EiferError("The checkpoint was made with other data; choose the same data or start anew.")
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        self.step, self.floor = int(state["step"]), float(state["floor"])


def fit(
    trainer: Trainer,
    train: Material,
    validation: Material,
    log: Log,
    checkpoint: Callable[[dict[str, object]], None],
    report: Callable[[str], None] = print,
    keyed: Material | None = None,
) -> None:
    """Train to the last step, with a checkpoint at least every minute and a log of the losses."""
    steps = trainer.settings.steps
    every = max(1, steps // _REPORTS)
    few = np.unique(np.linspace(0, len(validation) - 1, _VALIDATION_FRAMES).astype(np.int64))
    started, saved, begun = time.monotonic(), time.monotonic(), trainer.step
    running, count = 0.0, 0
    while trainer.step < steps:
        loss = trainer.train_step(train, keyed)
        if not math.isfinite(loss):
            raise EiferError(
                "The training diverged; use a lower learning rate, or look for extreme values in the data."
            )
        running, count = running + loss, count + 1
        now = time.monotonic()
        if trainer.step % every == 0 or trainer.step == steps:
            score = trainer.score(validation, few)
            log.add(trainer.step, now - started, running / count, score)
            left = (now - started) / (trainer.step - begun) * (steps - trainer.step)
            report(
                f"  step {trainer.step} of {steps}: loss {running / count:.4f}, validation {score:.4f}, "
                f"{left / 60:.1f} min left"
            )
            running, count = 0.0, 0
        if now - saved > _CHECKPOINT_S:
            checkpoint(trainer.state())
            saved = time.monotonic()
    checkpoint(trainer.state())


def save_checkpoint(path: Path, state: dict[str, object]) -> None:
    """Write a checkpoint whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    torch.save(state, temporary)
    temporary.replace(path)


def load_checkpoint(path: Path) -> dict[str, object]:
    """A checkpoint, without running any code in it; EiferError if it is not one."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch raises whatever its unpickler meets, and advises to run the file's code
        raise EiferError(
            f"'{path.name}' is not a checkpoint of a training; choose the .pt file that a training left."
        ) from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise EiferError(f"'{path.name}' is not a checkpoint of a training of this version.")
    return state


def settings_of(state: dict[str, object]) -> Settings:
    """Settings of a checkpoint."""
    values = dict(state["settings"])
    values["hidden"] = tuple(values["hidden"])
    values["augmentation"] = augment.Augmentation(**values["augmentation"])
    return Settings(**values)
