"""Calibration: a small change of an EMG2Exp model that brings its faces closer to given examples.

A model gives an expression and features [F] for each frame. A calibrated one gives

    clip(expression + features @ W)

with W [F, P] the posterior mean of a linear Gaussian model (ridge regression: Hoerl and Kennard 1970;
Rasmussen and Williams 2006, section 2.1): every entry of W, measured in millimetres on the face, is N(0, 1)
beforehand, and the examples are known up to a noise. How much noise is chosen by leaving each group of
examples out. Features of a face without activity are zero, so the neutral face stays neutral whatever W is.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import EiferError
from ..spaces import EYELID_NAMES, JAW_LIMITS, JAW_NAMES
from .metadata import MAXIMUM_PARAMETERS
from .model import MAXIMUM_FEATURES, MappingModel, emg_to_expression

NOISES_MM = tuple(0.15 * 2.0**power for power in range(10))
"""Noise of the examples that is tried, root mean square over the face; beyond it, no change."""

_MAXIMUM_ENTRY = 1e4  # of W: far beyond what any sound calibration holds
_MAXIMUM_EXAMPLES = 1000  # named in a file
_MAXIMUM_BYTES = 4 << 20
_FORMAT = 1
_EXPECTED_MM = 3.0  # what a model may be off at one muscle's maximum, where its features do not say it
_LEAST_GAIN = 0.05  # share of the error that a calibration must take away to be worth anything
_ALIKE = 0.2  # relative distance of two groups' features up to which muscles look alike
_DISAGREEMENT_MM = 2.0  # what two poses may differ where muscles look alike, root mean square


class Examples(NamedTuple):
    """Frames at which the wanted face is known."""

    features: np.ndarray  # float [n, F]
    predicted: np.ndarray  # float [n, P], what the model gives
    wanted: np.ndarray  # float [n, P]
    groups: np.ndarray  # int [n], number of the row's group: one pose, one movement, one clip
    weights: np.ndarray  # float [n], 1 for a face that is known well; a group counts once, whatever its rows
    names: tuple[str, ...]  # of the groups, for people


class GroupError(NamedTuple):
    """Error of a group of examples, root mean square over rows and face, in millimetres."""

    name: str
    before: float
    after: float


@dataclass(frozen=True)
class Calibration:
    """A change of one model, and what is known about it. Errors in mm, root mean square over the face."""

    update: np.ndarray  # float32 [F, P], W
    reach: np.ndarray  # float32 [F, R], W in millimetres on the face
    bound_mm: float  # no face is changed by more, root mean square: the most that an example asked for
    parameters: tuple[str, ...]  # names of the P parameters
    before: float
    after: float
    left_out: float | None  # of examples that were left out; None with a single group
    noise_mm: float | None  # chosen noise of the examples; None: the best is no change
    groups: tuple[GroupError, ...]
    strength: float = 1.0  # share of the change that is applied, 0..1
    model_id: str = ""
    model_sha256: str = ""  # of the model's file

    @property
    def changes(self) -> bool:
        """Whether it changes anything."""
        return self.noise_mm is not None


class Faces(NamedTuple):
    """What a model gives for a take."""

    values: np.ndarray  # float32 [n, P]
    features: np.ndarray  # float32 [n, F], zero without activity


def faces(model: MappingModel, activation: np.ndarray, present: np.ndarray, fps: float) -> Faces:
    """Expressions and features; the activity itself where a model gives no features.

    Arguments and errors as for `emg_to_expression`.
    """
    made = emg_to_expression(model, activation, present, fps)
    if made.features.shape[1]:
        return Faces(made.values, made.features)
    usable = np.isfinite(activation) & present
    scale = _EXPECTED_MM / np.sqrt(made.values.shape[1])
    return Faces(made.values, np.where(usable, activation * scale, 0.0).astype(np.float32))


# --- applying -------------------------------------------------------------------------------------


def apply(calibration: Calibration, expression: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Calibrated expressions float32 [n, P], for what the model gives: expression [n, P], features [n, F].

    The change of a frame grows with its features, up to `bound_mm`.
    """
    change = _bounded(calibration.update, calibration.reach, calibration.bound_mm, features)
    low, high = limits(calibration.parameters)
    return np.clip(expression + np.float32(calibration.strength) * change, low, high).astype(np.float32)


def calibrated_expression(
    model: MappingModel,
    calibration: Calibration,
    activation: np.ndarray,
    present: np.ndarray,
    fps: float,
) -> np.ndarray:
    """Calibrated expressions float32 [n, P] of a whole take; arguments as for `emg_to_expression`.

    Raises EiferError if the calibration was made with another model.
    """
    check_model(calibration, model)
    made = faces(model, activation, present, fps)
    if made.features.shape[1] != len(calibration.update) or made.values.shape[1] != len(
        calibration.parameters
    ):
        raise EiferError("The calibration does not fit the model that it names; calibrate again.")
    return apply(calibration, made.values, made.features)


def check_model(calibration: Calibration, model: MappingModel) -> None:
    """EiferError unless the calibration was made with this model."""
    if calibration.model_sha256 == model.sha256:
        return
    other = f"the model '{calibration.model_id}'"
    if calibration.model_id == model.metadata.id:
        other = f"another version of {other}"
    raise EiferError(
        f"The calibration was made with {other}, not with this '{model.metadata.id}'; calibrate again, "
        "or switch the calibration off."
    )


def limits(parameters: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value of each parameter, float32 [P]: lids and jaw have limits, by their names."""
    known = dict.fromkeys(EYELID_NAMES, (0.0, 1.0)) | dict(zip(JAW_NAMES, JAW_LIMITS, strict=True))
    pairs = np.array([known.get(name, (-np.inf, np.inf)) for name in parameters], np.float32)
    return pairs[:, 0], pairs[:, 1]


def _bounded(update: np.ndarray, reach: np.ndarray, bound_mm: float, features: np.ndarray) -> np.ndarray:
    """features @ update, each row made shorter where it moves the face by more than the bound."""
    size = np.linalg.norm(features @ reach, axis=1)
    share = np.minimum(1.0, bound_mm / np.maximum(size, 1e-12))
    return (features @ update) * share[:, None]


# --- fitting --------------------------------------------------------------------------------------


def fit(examples: Examples, metric: np.ndarray, parameters: Sequence[str]) -> Calibration:
    """The calibration that examples ask for; it changes nothing where they do not agree on a change.

    metric: [P, R] matrix L, |x L|^2 is the mean squared displacement (mm^2) of the face by a step x
    (`heads.metric.vertex_metric`). parameters: names of the P columns. Takes milliseconds.

    Raises EiferError if there is no example, or none that a calibration could follow.
    """
    problem = _Problem.of(examples, np.asarray(metric, np.float64), tuple(parameters))
    count = len(examples.names)
    if count == 1:
        return problem.calibration(NOISES_MM[0], None)
    left_out = [problem.left_out(noise) for noise in (*NOISES_MM, None)]
    # Few examples cannot tell noises apart: the least noise among those that are about as good.
    good_enough = min(left_out) * np.sqrt(1.0 + 0.5 / count)
    chosen = next(i for i, error in enumerate(left_out) if error <= good_enough)
    if chosen < len(NOISES_MM):
        made = problem.calibration(NOISES_MM[chosen], left_out[chosen])
        if made.after < (1.0 - _LEAST_GAIN) * made.before:
            return made
    return problem.calibration(None, left_out[-1])


def describe(calibration: Calibration) -> str:
    """What a calibration does, in a sentence or two."""
    count = len(calibration.groups)
    if not calibration.changes:
        return (
            f"The {count} examples do not agree on one change, so the model is used as it is; "
            "remove those that matter least, or add more of the same movements."
        )
    text = (
        f"{count} example{'s' if count > 1 else ''}: error {calibration.before:.1f} mm before, "
        f"{calibration.after:.1f} mm after"
    )
    if calibration.left_out is None:
        return f"{text}. A single example cannot be checked against others; add a second."
    return f"{text}, {calibration.left_out:.1f} mm for an example that is left out."


def contradiction(examples: Examples, metric: np.ndarray) -> str:
    """A sentence about the two groups that contradict each other most; empty if none do.

    They do if the muscles look alike but what the model would have to change differs by millimetres.
    """
    count = len(examples.names)
    inside = examples.groups[:, None] == np.arange(count)
    share = inside / inside.sum(0)
    features = share.T @ examples.features
    asked = share.T @ (examples.wanted - examples.predicted) @ metric
    wanted = share.T @ examples.wanted @ metric
    size = np.linalg.norm(features, axis=1)
    distance = np.linalg.norm(features[:, None] - features, axis=-1)
    alike = distance <= _ALIKE * np.maximum(size[:, None], size)
    differs = np.linalg.norm(asked[:, None] - asked, axis=-1) * (alike & ~np.eye(count, dtype=bool))
    first, second = sorted(np.unravel_index(int(differs.argmax()), differs.shape))
    if differs[first, second] <= _DISAGREEMENT_MM:
        return ""
    apart = float(np.linalg.norm(wanted[first] - wanted[second]))
    return (
        f"At {examples.names[first]} and {examples.names[second]} the muscles look alike but the poses "
        f"differ by {apart:.1f} mm; remove one."
    )


@dataclass(frozen=True)
class _Problem:
    """Examples, ready to be solved for any noise and without any of the groups."""

    examples: Examples
    metric: np.ndarray
    parameters: tuple[str, ...]
    asked: np.ndarray  # [n, P] wanted - predicted
    gram: np.ndarray  # [groups, F, F] weighted
    moment: np.ndarray  # [groups, F, P] weighted
    bound_mm: float

    @staticmethod
    def of(examples: Examples, metric: np.ndarray, parameters: tuple[str, ...]) -> _Problem:
        numbers = [
            np.asarray(a, np.float64) for a in (examples.features, examples.predicted, examples.wanted)
        ]
        features, predicted, wanted = numbers
        groups, weights = np.asarray(examples.groups), np.asarray(examples.weights, np.float64)
        if not len(features) or not np.abs(features).any():
            raise EiferError("There is no example with muscle activity; add a pose at a moment of movement.")
        if not all(np.isfinite(a).all() for a in (*numbers, weights)):
            raise EiferError("An example holds something that is not a number; remove it and add it again.")
        asked = wanted - predicted
        weights = weights / np.bincount(groups)[groups]
        clean = Examples(features, predicted, wanted, groups, weights, examples.names)
        weighted = features * weights[:, None]
        inside = [groups == number for number in range(len(examples.names))]
        gram = np.stack([weighted[rows].T @ features[rows] for rows in inside])
        moment = np.stack([weighted[rows].T @ asked[rows] for rows in inside])
        bound = float(np.linalg.norm(asked @ metric, axis=1).max())
        return _Problem(clean, metric, parameters, asked, gram, moment, bound)

    def solve(self, noise_mm: float | None, without: int | None = None) -> np.ndarray:
        """W float64 [F, P], from all groups or all but one; None: no change."""
        if noise_mm is None:
            return np.zeros(self.moment.shape[1:])
        gram, moment = self.gram.sum(0), self.moment.sum(0)
        if without is not None:
            gram, moment = gram - self.gram[without], moment - self.moment[without]
        # The noise of a face is spread over all directions of the metric, the prior holds for each.
        ridge = noise_mm**2 / self.metric.shape[1]
        return np.linalg.solve(gram + ridge * np.eye(len(gram)), moment)

    def errors(self, update: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Squared errors in mm^2 of rows with an update."""
        predicted, features = self.examples.predicted[rows], self.examples.features[rows]
        change = _bounded(update, update @ self.metric, self.bound_mm, features)
        low, high = limits(self.parameters)
        made = np.clip(predicted + change, low, high) if update.any() else predicted
        return (((self.examples.wanted[rows] - made) @ self.metric) ** 2).sum(1)

    def left_out(self, noise_mm: float | None) -> float:
        """Error in mm of every group with what the others say."""
        squares = np.empty(len(self.asked))
        for number in range(len(self.examples.names)):
            rows = self.examples.groups == number
            squares[rows] = self.errors(self.solve(noise_mm, number), rows)
        return self._mean(squares)

    def calibration(self, noise_mm: float | None, left_out: float | None) -> Calibration:
        update = self.solve(noise_mm)
        before, after = self.errors(np.zeros_like(update)), self.errors(update)
        members = [self.examples.groups == number for number in range(len(self.examples.names))]
        return Calibration(
            update=update.astype(np.float32),
            reach=(update @ self.metric).astype(np.float32),
            bound_mm=self.bound_mm,
            parameters=self.parameters,
            before=self._mean(before),
            after=self._mean(after),
            left_out=left_out,
            noise_mm=noise_mm,
            groups=tuple(
                GroupError(name, float(np.sqrt(before[rows].mean())), float(np.sqrt(after[rows].mean())))
                for name, rows in zip(self.examples.names, members, strict=True)
            ),
        )

    def _mean(self, squares: np.ndarray) -> float:
        return float(np.sqrt(np.average(squares, weights=self.examples.weights)))


# --- text and files -------------------------------------------------------------------------------


def to_json(calibration: Calibration) -> str:
    """A calibration as text; numbers keep six digits."""
    data = {
        "eifer_calibration": _FORMAT,
        "model": {"id": calibration.model_id, "sha256": calibration.model_sha256},
        "parameters": list(calibration.parameters),
        "strength": calibration.strength,
        "bound_mm": calibration.bound_mm,
        "noise_mm": calibration.noise_mm,
        "errors_mm": {
            "before": calibration.before,
            "after": calibration.after,
            "left_out": calibration.left_out,
        },
        "examples": [list(group) for group in calibration.groups],
        "update": [[float(f"{value:.6g}") for value in row] for row in calibration.update.tolist()],
    }
    return json.dumps(data)


def from_json(text: str, metric: np.ndarray) -> Calibration:
    """Inverse of `to_json`; metric: as for `fit`.

    Raises EiferError if the text is not a sound calibration for a space of this size.
    """
    try:
        return _from_data(json.loads(text), np.asarray(metric, np.float64))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise EiferError("This is not a calibration, or it is damaged; calibrate again.") from None


def _from_data(data: dict, metric: np.ndarray) -> Calibration:
    if data["eifer_calibration"] != _FORMAT:
        raise EiferError("The calibration was written by another version of this extension; calibrate again.")
    parameters = tuple(_text(name) for name in data["parameters"])
    update = np.array(data["update"], dtype=np.float32)
    errors, groups = data["errors_mm"], data["examples"]
    if len(groups) > _MAXIMUM_EXAMPLES or len(parameters) > MAXIMUM_PARAMETERS:
        raise ValueError
    if update.ndim != 2 or update.shape[1] != len(parameters) or not 1 <= len(update) <= MAXIMUM_FEATURES:
        raise ValueError
    if len(parameters) != len(metric):
        raise EiferError(
            f"The calibration is for a head of {len(parameters)} parameters, not for this one of "
            f"{len(metric)}; calibrate again."
        )
    if not (np.abs(update) <= _MAXIMUM_ENTRY).all():  # also false for what is no number
        raise ValueError
    return Calibration(
        update=update,
        reach=(update @ metric).astype(np.float32),
        bound_mm=_number(data["bound_mm"]),
        parameters=parameters,
        before=_number(errors["before"]),
        after=_number(errors["after"]),
        left_out=None if errors["left_out"] is None else _number(errors["left_out"]),
        noise_mm=None if data["noise_mm"] is None else _number(data["noise_mm"]),
        groups=tuple(GroupError(_text(name), _number(a), _number(b)) for name, a, b in groups),
        strength=min(1.0, _number(data["strength"])),
        model_id=_text(data["model"]["id"]),
        model_sha256=_text(data["model"]["sha256"]),
    )


def _number(value: object) -> float:
    """A finite number that is not negative; ValueError for anything else."""
    number = float(value) if isinstance(value, (int, float)) else np.nan
    if not 0.0 <= number < np.inf:
        raise ValueError
    return number


def _text(value: object) -> str:
    """One short line of printable text; ValueError for anything else."""
    if not isinstance(value, str):
        raise ValueError
    return "".join(c for c in value[:200] if c.isprintable())


def read(path: Path | str, metric: np.ndarray) -> Calibration:
    """The calibration in a file. Raises EiferError if it cannot be read or is none."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            raw = file.read(_MAXIMUM_BYTES + 1)
    except OSError as error:
        reason = error.strerror or "unknown reason"
        raise EiferError(f"The calibration '{path.name}' cannot be read: {reason}.") from None
    try:
        if len(raw) > _MAXIMUM_BYTES:
            raise EiferError("It is too large for a calibration.")
        return from_json(raw.decode("utf-8", "replace"), metric)
    except EiferError as error:
        raise EiferError(f"'{path.name}' cannot be used. {error}") from None


def write(path: Path | str, calibration: Calibration, *, replace_file: bool = False) -> None:
    """Write a calibration to a file, all of it or nothing.

    Raises EiferError if the file exists and may not be replaced, or cannot be written.
    """
    path = Path(path)
    if path.exists() and not replace_file:
        raise EiferError(f"'{path.name}' exists already; choose another name.")
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=".eifer-", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(to_json(calibration) + "\n")
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        reason = error.strerror or "unknown reason"
        raise EiferError(f"The calibration cannot be written to '{path}': {reason}.") from None


def for_model(calibration: Calibration, name: str, sha256: str) -> Calibration:
    """The calibration with the mark of the model that it changes."""
    return replace(calibration, model_id=name, model_sha256=sha256)
