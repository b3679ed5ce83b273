"""The evaluation of models on somebody's own data set, recorded or simulated, in any expression space."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .. import agreement
from ..datasets import mmm, sessions, splits
from ..heads.default import load_default_head
from ..heads.metric import vertex_metric
from ..spaces import DEFAULT_SPACE
from . import assess, baselines
from .activity_tables import activity_tables
from .assess import Faces
from .face_tables import movement_table, score_faces, whole_table
from .methods import MEAN, MODEL, RIDGE, Models
from .surface import face_surface
from .tables import Table, make_table
from .takes import Take

_MOVES = 0.1  # a frame is one of movement if any muscle is so active

Way = Callable[[Take], np.ndarray]
"""What a way round starts from or leads to."""


class _Fit(NamedTuple):
    """Ridge regression and mean of the data set's own training part."""

    ridge: baselines.Ridge
    mean: np.ndarray

    def predict(self, name: str, given: np.ndarray) -> np.ndarray:
        """float32 [n, m] of inputs [n, k]."""
        return self.ridge.predict(given) if name == RIDGE else np.tile(self.mean, (len(given), 1))


class _Parts(NamedTuple):
    """Takes to fit baselines to, to choose their strength with, and to report on, subject by subject."""

    train: list[Take]
    validation: list[Take]
    test: list[list[Take]]


def evaluate_recorded(
    dataset: mmm.DataSet, models: Models, split_by: str = "auto"
) -> tuple[list[Table], str]:
    """(tables, a sentence about the split) for the test part of a data set, split as for training.

    Raises EiferError if the data set is too small to be split.
    """
    chosen = splits.split(dataset, by=split_by)
    takes = _takes(dataset)
    subjects: dict[str, list[Take]] = {}
    for number in chosen.test:
        subjects.setdefault(dataset.clips[number].pid, []).append(takes[number])
    train, validation = ([takes[i] for i in part] for part in (chosen.train, chosen.validation))
    parts = _Parts(train, validation, list(subjects.values()))
    tables = []
    if models.to_face is not None:
        tables += _faces(models, parts, dataset.space == DEFAULT_SPACE)
    if models.to_activity is not None:
        tables += _activity(models, parts)
    return tables, chosen.sentence


def _takes(dataset: mmm.DataSet) -> list[Take]:
    """Every clip, normalised session by session; a channel that a clip lacks anywhere is missing in it."""
    activity = sessions.activations(dataset)
    faces = sessions.expressions(dataset, activity)
    return [
        Take(c.mode, c.task, a, present.all(0), face, a.max(1) > _MOVES)
        for c, (a, present), face in zip(dataset.clips, activity, faces, strict=True)
    ]


def _faces(models: Models, parts: _Parts, own_head: bool) -> list[Table]:
    metric = vertex_metric(load_default_head()) if own_head else np.eye(parts.train[0].expression.shape[1])
    fit = _fit(parts, lambda t: t.activation, lambda t: t.expression, metric)
    methods = {
        MODEL: lambda take: models.to_face(take.activation, take.present, mmm.RATE),
        RIDGE: lambda take: Faces(fit.predict(RIDGE, take.activation)),
        MEAN: lambda take: Faces(fit.predict(MEAN, take.activation)),
    }
    tables = [_parameters(methods, parts)]
    if own_head:
        makers = {name: lambda _, method=method: method for name, method in methods.items()}
        scored = score_faces(face_surface(load_default_head()), makers, [([], one) for one in parts.test])
        tables += [whole_table(scored), movement_table(scored, tuple(methods))]
    return tables


def _activity(models: Models, parts: _Parts) -> list[Table]:
    fit = _fit(
        parts, lambda t: t.expression, lambda t: t.activation, np.eye(parts.train[0].activation.shape[1])
    )
    scored: dict[str, list[assess.SubjectActivity]] = {MODEL: [], RIDGE: [], MEAN: []}
    for takes in parts.test:
        found = [models.to_activity(t.expression, mmm.RATE) for t in takes]
        sds = [f.sd for f in found if f.sd is not None]
        scored[MODEL].append(assess.subject_activity(takes, [f.values for f in found], sds or None))
        for name in (RIDGE, MEAN):
            estimates = [fit.predict(name, t.expression) for t in takes]
            scored[name].append(assess.subject_activity(takes, estimates))
    return activity_tables(scored, models.hidden)


def _fit(parts: _Parts, given: Way, wanted: Way, metric: np.ndarray) -> _Fit:
    train, validation = ([(given(t), wanted(t)) for t in some] for some in (parts.train, parts.validation))
    sums = baselines.moments(train)
    strength = baselines.choose_strength(sums, validation, lambda gap: float(np.square(gap @ metric).sum()))
    return _Fit(baselines.ridge(sums, strength), baselines.mean_of(sums))


def _parameters(methods: dict[str, Callable[[Take], Faces]], parts: _Parts) -> Table:
    """Errors in the parameters themselves, which need no head."""
    note = """\
Test part of the data set; ridge regression and mean are fitted to its training part. Error: root mean squared
error of a parameter divided by its standard deviation there, median over the parameters. Correlation:
Pearson's, over the frames of all test clips, median over the parameters. Band: share of values within the
80 % band, in per cent."""
    takes = [take for one in parts.test for take in one]
    truth = np.concatenate([t.expression for t in takes])
    varies = truth.std(0) > 0
    rows = []
    for name, method in methods.items():
        found = [method(t) for t in takes]
        values = np.concatenate([f.values for f in found])
        error = agreement.rmse(values, truth)[varies] / truth.std(0, dtype=np.float64)[varies]
        band = float("nan")
        if all(f.sd is not None for f in found):
            band = 100 * float(
                agreement.covered(values, np.concatenate([f.sd for f in found]), truth)[:, varies].mean()
            )
        rows.append([name, float(np.median(error)), float(np.median(_pearson(values, truth)[varies])), band])
    columns = [("method", -1), ("error", 3), ("correlation", 3), ("band %", 1)]
    return make_table("parameters", "Expression parameters", note, columns, rows)


def _pearson(values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """float64 [m]: correlation of every column; 0 where one does not vary."""
    a, b = (x - x.mean(0, dtype=np.float64) for x in (values, truth))
    size = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    return (a * b).sum(0) / np.where(size > 0, size, np.inf)
