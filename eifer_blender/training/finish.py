"""After the last step: bands that hold what they say, and features to calibrate with."""

from __future__ import annotations

import numpy as np
import torch

from ..agreement import BAND, spearman
from . import losses
from .fit import Trainer
from .material import Material

FEATURES = 48
_RIDGE = 1e-3  # of a subject's own read-out, relative to the mean energy of the hidden units
_ROWS = 4096
_STILL = 1e-3  # a face or muscle so close to zero says nothing about a band
_SCALES = (0.25, 4.0)  # a band is corrected by so much at most
_LEAST_FRAMES = 200
_DEVIATION_STEPS = 2000
_DEVIATION_RATE = 2e-3
_FLOORS = (0.0, 0.004, 0.008, 0.012, 0.016, 0.024)


def fit_deviations(trainer: Trainer, material: Material, keyed: Material | None) -> None:
    """Find the layers that tell the standard deviations, where a network has them for itself.

    After the training, because errors of a network that still learns are not those it will make; maximum
    likelihood, on batches as the training's.
    """
    network = trainer.network
    if network.sd_hidden is None:
        return
    weights = [*network.sd_hidden.parameters(), *network.log_sd.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=_DEVIATION_RATE, weight_decay=1e-4, fused=False)
    cooling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _DEVIATION_STEPS)
    for _ in range(_DEVIATION_STEPS):
        x, present, wanted = trainer.draw(material, keyed)
        with torch.no_grad():
            differences = network.differences(x, present)
            gap = trainer.limited(network.out(differences)) - wanted
        optimiser.zero_grad(set_to_none=True)
        losses.likelihood_loss(gap, network.sd_of(differences)).backward()
        optimiser.step()
        cooling.step()


def fit_bands(trainer: Trainer, validation: Material) -> np.ndarray:
    """Scale the standard deviations so that the 80 % bands hold 80 % of the frames of validation subjects.

    Rest, where the truth and the answer are both exactly zero, does not count. Returns the factors [outputs].
    """
    factors = _correct_bands(trainer, validation)
    # The answer's variance is averaged with that of the mirrored one, so that one correction may not do.
    return factors * _correct_bands(trainer, validation)


def _correct_bands(trainer: Trainer, validation: Material) -> np.ndarray:
    values, log_sd = trainer.predict(validation)
    truth = validation.expression if trainer.forward_way else validation.activation
    counted = np.maximum(np.abs(values), np.abs(truth)) > _STILL
    if trainer.forward_way:  # a face that moves at all counts with all its parameters
        counted |= counted.any(1, keepdims=True)
    ratio = np.abs(values - truth) / np.exp(log_sd)
    factors = np.ones(values.shape[1])
    for k in range(values.shape[1]):
        if counted[:, k].sum() >= _LEAST_FRAMES:
            factors[k] = np.quantile(ratio[counted[:, k], k], 0.8) / BAND
    factors = np.clip(factors, *_SCALES)
    with torch.no_grad():
        trainer.network.log_sd.bias += torch.from_numpy(np.log(factors).astype(np.float32)).to(trainer.device)
    return factors


def fit_floor(trainer: Trainer, validation: Material) -> float:
    """Find the activity below which a muscle counts as resting, and use it from now on.

    The chain's activation is exactly zero at rest; a network's little more than zero would rank rest above
    rest. The floor with the highest median rank correlation over subjects and channels is taken.
    """
    rows = [validation.subject == s for s in np.unique(validation.subject)]
    found = []
    for floor in _FLOORS:
        trainer.floor = floor
        values = trainer.predict(validation)[0]
        rho = [spearman(values[r], validation.activation[r]) for r in rows]
        found.append(float(np.nanmedian(rho)))
    trainer.floor = _FLOORS[int(np.argmax(found))]
    return trainer.floor


def calibration_features(trainer: Trainer, material: Material, metric: np.ndarray) -> np.ndarray:
    """float32 [H, F]: the directions in which people differ from what the network says on average.

    For every subject a ridge regression from the last hidden layer to what is left of the error, in
    millimetres by `metric` [P, P]; the principal directions of these regressions' weights, scaled so that a
    person's weights have unit variance (empirical Bayes, the prior of `mapping.calibration`). With fewer than
    three subjects they are the principal directions of the hidden layer itself.
    """
    subjects = np.unique(material.subject)
    spread = np.zeros((trainer.settings.hidden[-1],) * 2)
    energy = np.zeros_like(spread)
    for subject in subjects:
        hidden, gap = _hidden(trainer, material, np.flatnonzero(material.subject == subject))
        gram = hidden.T @ hidden
        energy += gram
        own = np.linalg.solve(
            gram + _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)), hidden.T @ (gap @ metric)
        )
        spread += own @ own.T
    if len(subjects) < 3:
        spread = np.linalg.pinv(energy / len(material) + 1e-6 * np.eye(len(energy)))
    values, vectors = np.linalg.eigh(spread / (len(subjects) * metric.shape[1]))
    kept = np.argsort(-values)[:FEATURES]
    return (vectors[:, kept] * np.sqrt(np.maximum(values[kept], 0.0))).astype(np.float32)


def _hidden(trainer: Trainer, material: Material, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(last hidden layer [n, H], truth minus answer [n, P]) of some frames."""
    layers, gaps = [], []
    with torch.no_grad():
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            inputs = trainer.inputs(material, some)
            differences = trainer.network.differences(*inputs)
            answer = trainer.answer(*inputs)[0].cpu().numpy()
            layers.append(differences.cpu().numpy().astype(np.float64))
            gaps.append(material.expression[some] - answer)
    return np.concatenate(layers), np.concatenate(gaps)
