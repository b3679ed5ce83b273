"""Tables of muscle activity estimated from faces, and of both models one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..muscles import CHANNEL_COUNT, CHANNELS, MUSCLES, SIDES
from ..simulation.session import RATE
from . import assess
from .assess import Faces, SubjectActivity
from .methods import MODEL, Baselines, Models, activity_methods
from .surface import GOAL_GROUPS, Surface
from .tables import Cell, Table, make_table
from .takes import Take

Scored = dict[str, list[SubjectActivity]]
"""method -> subjects."""

_KEYS = ("rho_moving", "rho", "rmse", "smape", "lag")
_COLUMNS = [("ρ in movements", 3), ("ρ all frames", 3), ("RMSE", 3), ("SMAPE", 1), ("lag", 2)]
_NOTE = """\
Truth is the processed, noisy envelope of the same frames, 0..1. Spearman's ρ with average ranks for ties,
RMSE, SMAPE (0..200) and lag in frames (peak of the cross-correlation; positive: the estimate is late), each
of a subject's frames and then averaged over subjects"""


def visible(hidden: Sequence[str]) -> np.ndarray:
    """bool [22]: channels that a face tells."""
    return ~np.isin(CHANNELS, hidden)


def score_activity(models: Models, base: Baselines, sessions: Sequence[list[Take]]) -> Scored:
    """Scores of all methods on subjects' takes."""
    result: Scored = {}
    for name, method in activity_methods(models, base).items():
        result[name] = []
        for takes in sessions:
            found = [method(t.expression) for t in takes]
            sds = [f.sd for f in found if f.sd is not None]
            result[name].append(assess.subject_activity(takes, [f.values for f in found], sds or None))
    return result


def activity_tables(activity: Scored, hidden: Sequence[str]) -> list[Table]:
    """All methods in medians, and the model muscle by muscle."""
    seen = visible(hidden)
    kinds = [(kind, which) for kind, which in (("visible", seen), ("hidden", ~seen)) if which.any()]
    medians = [
        [name, kind, *(assess.median_of(subjects, k, which) for k in _KEYS)]
        for name, subjects in activity.items()
        for kind, which in kinds
    ]
    means = {key: assess.over_subjects(activity[MODEL], key) for key in (*_KEYS, "inside")}
    rows = []
    for muscle in MUSCLES:
        at = [CHANNELS.index(f"{muscle.name}_{side}") for side in SIDES]
        values = [float(np.mean(means[k][at])) for k in _KEYS]
        kind = "visible" if seen[at].all() else "hidden"
        rows.append([muscle.label, kind, *values, 100 * float(means["inside"][at].mean())])
    return [
        make_table(
            "activity",
            "Muscle activity from faces",
            f"{_NOTE};\nmedians over the muscles' channels. *In movements*: frames within movement blocks.",
            [("method", -1), ("muscles", -1), *_COLUMNS],
            medians,
        ),
        make_table(
            "muscles",
            "Muscle by muscle",
            f"{_NOTE} and both sides.\n*Hidden*: a face does not tell of this muscle. "
            "Band: share of frames within the 80 % band, in per cent; a muscle at rest does not count.",
            [("muscle", -1), ("", -1), *_COLUMNS, ("band %", 1)],
            rows,
        ),
    ]


def round_trips(surface: Surface, models: Models, sessions: Sequence[list[Take]]) -> Table:
    """Face → activity → face and activity → face → activity."""
    seen, everything = visible(models.hidden), np.ones(CHANNEL_COUNT, bool)

    def there_and_back(take: Take) -> Faces:
        return models.to_face(models.to_activity(take.expression, RATE).values, everything, RATE)

    faces = [assess.subject_faces(surface, takes, there_and_back) for takes in sessions]
    activity = []
    for takes in sessions:
        made = [models.to_face(t.activation, t.present, RATE).values for t in takes]
        back = [models.to_activity(m, RATE).values for m in made]
        activity.append(assess.subject_activity(takes, back))
    rows: list[list[Cell]] = [
        [
            "face → activity → face",
            f"relative error, mean of {', '.join(GOAL_GROUPS)}",
            assess.goal_error(faces),
        ],
        ["face → activity → face", "mean vertex error, mm", assess.mean_mm(faces)[0]],
        [
            "activity → face → activity",
            "median ρ in movements, visible",
            assess.median_of(activity, "rho_moving", seen),
        ],
        ["activity → face → activity", "median RMSE, visible", assess.median_of(activity, "rmse", seen)],
    ]
    note = "Both models one after the other; what comes back is compared with what went in."
    columns = [("way", -1), ("score", -1), ("value", 3)]
    return make_table("round trips", "Round trips", note, columns, rows)
