"""The generalisation check: people of `waters`, of whom nothing was trained on, after calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..heads.head import ParametricHead
from ..heads.metric import vertex_metric
from ..spaces import DEFAULT_SPACE
from . import scores, waters
from .methods import Models, calibrated_faces
from .plan import Plan
from .surface import GROUPS, REGIONS, Surface, displacements
from .tables import Table, make_table
from .takes import Take, normalised

LEAST_MM = 1.0  # directions count in frames in which the region moves so far
_PIECE_S = 2.5  # a calibration take is cut into groups so long, about a movement each


class SecondDomain(NamedTuple):
    """The table, and the largest share of an in-domain score that is lost in any region."""

    table: Table
    drop: float


class Directions(NamedTuple):
    """One subject: of every region (sum, count) of direction cosines, and the correlation."""

    cosines: tuple[tuple[float, int], ...]
    correlations: tuple[float, ...]


def second_domain(
    head: ParametricHead,
    surface: Surface,
    models: Models,
    sessions: Sequence[tuple[list[Take], list[Take]]],
    plan: Plan,
) -> SecondDomain:
    """Calibrated models on the simulation's own held-out sessions, and on people of vector muscles."""
    own = [_own(head, surface, models, *session) for session in sessions[: plan.people]]
    pairs = [_person(head, surface, models, number, plan) for number in range(plan.people)]
    other, limits = [made for made, _ in pairs], [limit for _, limit in pairs]
    rows, drops = [], []
    for group in GROUPS:
        ours, theirs, limit = _of(own, group), _of(other, group), _of(limits, group)
        lost = [1 - b / a for a, b in zip(ours, theirs, strict=True)]
        drops += [value for value in lost if np.isfinite(value)]
        rows.append([group, ours[0], theirs[0], limit[0], ours[1], theirs[1], limit[1], 100 * max(lost)])
    note = f"""\
{plan.people} people of vector muscles after Waters (1987), placed by anatomy, with other dynamics, crosstalk
and movements, never trained on; after calibration on {plan.calibration_s:g} s of each. Beside it the same
scores on the simulation's own held-out subjects. Direction: cosine between predicted and true movement of the
region's vertices in frames that move by {LEAST_MM:g} mm. Correlation: of the region's movement along its main
direction, over all frames. Limit: what the head's space can show of the second face at all. Drop: the larger
loss of the two, in per cent."""
    columns = [("region", -1), ("direction, own", 3), ("second", 3), ("limit", 3)]
    columns += [("correlation, own", 3), ("second", 3), ("limit", 3), ("drop %", 1)]
    table = make_table("second domain", "A second, independent face", note, columns, rows)
    return SecondDomain(table, max(drops, default=float("nan")))


def _own(
    head: ParametricHead, surface: Surface, models: Models, first: Sequence[Take], second: Sequence[Take]
) -> Directions:
    method = calibrated_faces(models, first, vertex_metric(head))
    predicted = np.concatenate([method(t).values for t in second])
    return _directions(surface, predicted, _field(surface, np.concatenate([t.expression for t in second])))


def _person(
    head: ParametricHead, surface: Surface, models: Models, number: int, plan: Plan
) -> tuple[Directions, Directions]:
    """Of the calibrated model, and of the expressions that come closest to the true faces."""
    person = waters.make_person(head, number)
    lengths = (plan.calibration_s, plan.seconds)
    known, test = (waters.perform(person, s, number + 1000 * k) for k, s in enumerate(lengths))
    (first, second), present = normalised([known.envelope_uv, test.envelope_uv])
    wanted = waters.solved(head, person.field, known.force)
    size = round(_PIECE_S * waters.RATE)
    pieces = [slice(start, start + size) for start in range(0, len(first), size)]
    takes = [_take(first[rows], present, wanted[rows]) for rows in pieces]
    method = calibrated_faces(models, takes, vertex_metric(head))
    predicted = method(_take(second, present, np.zeros((len(second), DEFAULT_SPACE.size), np.float32))).values
    truth = waters.faces(head, person.field, test.force, surface.vertices) * 1000
    closest = waters.solved(head, person.field, test.force)
    return _directions(surface, predicted, truth), _directions(surface, closest, truth)


def _take(activation: np.ndarray, present: np.ndarray, expression: np.ndarray) -> Take:
    return Take("free", "", activation, present, expression, np.ones(len(activation), bool))


def _field(surface: Surface, params: np.ndarray) -> np.ndarray:
    return np.concatenate([block for _, block in displacements(surface, params)])


def _directions(surface: Surface, predicted: np.ndarray, truth: np.ndarray) -> Directions:
    """predicted: parameters [n, 55]; truth: displacement [n, v, 3] mm."""
    made = _field(surface, predicted)
    cosines, correlations = [], []
    for column in range(len(REGIONS)):
        inside = surface.mean_of[:, column] > 0
        own, wanted = made[:, inside], truth[:, inside]
        cosines.append(scores.direction_cosine(own, wanted, LEAST_MM))
        correlations.append(scores.movement_correlation(own.mean(1), wanted.mean(1)))
    return Directions(tuple(cosines), tuple(correlations))


def _of(subjects: Sequence[Directions], group: str) -> tuple[float, float]:
    """(cosine over all frames, mean correlation over subjects and sides) of a group of regions."""
    columns = [REGIONS.index(name) for name in GROUPS[group]]
    cosines = [one.cosines[c] for one in subjects for c in columns]
    return scores.pooled(cosines)[0], float(
        np.nanmean([one.correlations[c] for one in subjects for c in columns])
    )
