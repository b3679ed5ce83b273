"""What is scored: the models under test, the calibrated one, and baselines trained in the same run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..heads.head import ParametricHead
from ..heads.metric import vertex_metric
from ..mapping import calibration
from ..simulation.amplitude import Electrodes
from ..simulation.population import TRAIN, VALIDATION, make_subject
from ..simulation.session import RATE
from ..spaces import DEFAULT_SPACE
from . import baselines
from .assess import Faces, ToFace
from .perceptron import train_perceptron
from .plan import Plan
from .takes import Take, make_material, takes_of

MODEL, CALIBRATED, RIDGE, PERCEPTRON, MEAN = "model", "model, calibrated", "ridge", "perceptron", "mean"
"""Names of the methods in tables."""


class Activity(NamedTuple):
    """What a method says of a face, as `mapping.Activity`."""

    values: np.ndarray  # float32 [n, 22]
    sd: np.ndarray | None = None


class Models(NamedTuple):
    """The pair under test, as functions; on a data set of one's own either may be None."""

    to_face: Callable[[np.ndarray, np.ndarray, float], Faces]  # activation [n, 22], present, frames a second
    to_activity: Callable[[np.ndarray, float], Activity]  # expression [n, P], frames a second
    hidden: tuple[str, ...]  # channels that a face cannot tell


class Baselines(NamedTuple):
    """Trained in the run on the training population."""

    face_sums: baselines.Moments
    face_strength: float
    face_mean: np.ndarray
    face_perceptron: Callable[[np.ndarray], np.ndarray]
    activity_ridge: baselines.Ridge
    activity_mean: np.ndarray
    activity_perceptron: Callable[[np.ndarray], np.ndarray]

    def ridge(self, present: np.ndarray) -> baselines.Ridge:
        """Ridge regression from the channels that are there: fitted again for every set of them."""
        return baselines.ridge(self.face_sums, self.face_strength, present)


def train_baselines(head: ParametricHead, plan: Plan) -> Baselines:
    """Mean, ridge (its strength chosen on validation subjects) and perceptron, both ways."""
    metric = vertex_metric(head)
    train, validation = (
        _pairs(TRAIN[: plan.train_subjects], plan),
        _pairs(VALIDATION[: plan.validation_subjects], plan),
    )
    face_sums, activity_sums = baselines.moments(train), baselines.moments(_turned(train))
    strength = baselines.choose_strength(activity_sums, _turned(validation), _square)
    return Baselines(
        face_sums=face_sums,
        face_strength=baselines.choose_strength(face_sums, validation, lambda gap: _square(gap @ metric)),
        face_mean=baselines.mean_of(face_sums),
        face_perceptron=train_perceptron(train, metric, plan.steps),
        activity_ridge=baselines.ridge(activity_sums, strength),
        activity_mean=baselines.mean_of(activity_sums),
        activity_perceptron=train_perceptron(_turned(train), None, plan.steps),
    )


def _pairs(numbers: Sequence[int], plan: Plan) -> list[baselines.Pair]:
    """Activity and face of subjects' clips, every subject with its own noise, as in training."""
    subjects = (make_material(make_subject(n), plan.train_s) for n in numbers)
    return [(t.activation, t.expression) for one in subjects for t in takes_of(one, Electrodes())[1]]


def _turned(pairs: Sequence[baselines.Pair]) -> list[baselines.Pair]:
    return [(wanted, given) for given, wanted in pairs]


def _square(gap: np.ndarray) -> float:
    return float(np.square(gap, dtype=np.float64).sum())


# --- activity to faces ----------------------------------------------------------------------------


def model_faces(models: Models, rate: float = RATE) -> ToFace:
    """The model as it is."""
    return lambda take: models.to_face(take.activation, take.present, rate)


def ridge_faces(base: Baselines) -> ToFace:
    """Ridge regression from the channels that a take has."""
    fitted: dict[bytes, baselines.Ridge] = {}

    def method(take: Take) -> Faces:
        key = take.present.tobytes()
        if key not in fitted:
            fitted[key] = base.ridge(take.present)
        return Faces(fitted[key].predict(take.activation * take.present))

    return method


def perceptron_faces(base: Baselines) -> ToFace:
    """The perceptron; a channel that is missing is zero."""
    return lambda take: Faces(base.face_perceptron(take.activation * take.present))


def mean_faces(base: Baselines) -> ToFace:
    """Always the mean of the training population."""
    return lambda take: Faces(np.tile(base.face_mean, (len(take.expression), 1)))


def calibrated_faces(models: Models, first: Sequence[Take], metric: np.ndarray) -> ToFace:
    """The model after calibration (`mapping.calibration`) on some takes of the subject, a group each."""
    found = [models.to_face(t.activation, t.present, RATE) for t in first]
    lengths = [len(t.expression) for t in first]
    examples = calibration.Examples(
        features=np.concatenate([f.features for f in found]),
        predicted=np.concatenate([f.values for f in found]),
        wanted=np.concatenate([t.expression for t in first]),
        groups=np.repeat(np.arange(len(first)), lengths),
        weights=np.ones(sum(lengths)),
        names=tuple(f"{t.task} {k}" for k, t in enumerate(first)),
    )
    made = calibration.fit(examples, metric, DEFAULT_SPACE.names)

    def method(take: Take) -> Faces:
        plain = models.to_face(take.activation, take.present, RATE)
        return Faces(calibration.apply(made, plain.values, plain.features), plain.sd)

    return method


# --- faces to activity ----------------------------------------------------------------------------


def activity_methods(models: Models, base: Baselines) -> dict[str, Callable[[np.ndarray], Activity]]:
    """method -> function of a face [n, 55]."""
    return {
        MODEL: lambda x: models.to_activity(x, RATE),
        PERCEPTRON: lambda x: Activity(base.activity_perceptron(x)),
        RIDGE: lambda x: Activity(base.activity_ridge.predict(x)),
        MEAN: lambda x: Activity(np.tile(base.activity_mean, (len(x), 1))),
    }
