"""Tables of faces made from muscle activity."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..movements import EMOTIONS, SCHAEDE
from . import assess
from .assess import SubjectFaces, ToFace
from .methods import CALIBRATED, MODEL, PERCEPTRON, RIDGE
from .plan import SNR_DB, Plan
from .scores import MOVING_MM
from .surface import GROUPS, REGIONS, Surface
from .tables import Table, make_table
from .takes import Take

Scored = dict[str, list[SubjectFaces]]
"""method -> subjects."""


def score_faces(
    surface: Surface,
    methods: dict[str, Callable[[Sequence[Take]], ToFace]],
    sessions: Sequence[tuple[list[Take], list[Take]]],
) -> Scored:
    """Scores of methods, each made from a subject's first takes, on its second ones."""
    return {
        name: [assess.subject_faces(surface, second, make(first)) for first, second in sessions]
        for name, make in methods.items()
    }


def face_tables(faces: Scored, plan: Plan) -> list[Table]:
    """All tables of this module."""
    movements = movement_table(faces, (MODEL, CALIBRATED, RIDGE))
    return [_regions(faces, plan), whole_table(faces), _sides(faces), movements, _band(faces)]


def _regions(faces: Scored, plan: Plan) -> Table:
    note = f"""\
Mean ± standard error over {plan.subjects} subjects of {plan.seconds:g} s, all 22 channels, {SNR_DB:g} dB.
In frames in which the true region's vertices are at least {MOVING_MM:g} mm from neutral on average: mean
vertex error divided by that displacement, averaged over frames; 1 is what a resting face scores. Left and
right are scored apart and pooled. *Calibrated*: on another {plan.calibration_s:g} s of the subject."""
    rows = [
        [name, *(_with_error(assess.relative(subjects, regions)) for regions in GROUPS.values())]
        for name, subjects in faces.items()
    ]
    return make_table(
        "regions", "Relative error by region", note, [("method", -1), *((g, 3) for g in GROUPS)], rows
    )


def _with_error(pair: tuple[float, float]) -> str | None:
    """Mean and standard error as text."""
    mean, error = pair
    if np.isnan(mean):
        return None
    return f"{mean:.3f}" if np.isnan(error) else f"{mean:.3f} ± {error:.3f}"


def whole_table(faces: Scored) -> Table:
    """Millimetres over the whole face, the jaw and jitter."""
    note = f"""\
Distance of the face's vertices in mm over all frames, rest among them, with its standard error over
subjects, and the 95th percentile of all vertices in all frames. Jaw: angle between true and predicted
rotation, over all frames and over those with a true jaw open by {assess.OPEN_DEGREES:g}° or more. Jitter: RMS
second difference of the vertices in mm/frame², of the prediction, of the truth, and of the prediction while
the true face rests."""
    columns = [("method", -1), ("mean mm", 2), ("± mm", 2), ("95 % mm", 2), ("jaw °", 2), ("open jaw °", 2)]
    columns += [("jitter", 3), ("true jitter", 3), ("jitter at rest", 3)]
    rows = [
        [name, *assess.mean_mm(s), assess.p95_mm(s), *assess.jaw_degrees(s), *assess.jitter(s)]
        for name, s in faces.items()
    ]
    return make_table("face", "Vertex error, jaw and jitter", note, columns, rows)


def _sides(faces: Scored) -> Table:
    methods = (MODEL, CALIBRATED, PERCEPTRON, RIDGE)
    rows = [[name, *(assess.relative(faces[m], [name])[0] for m in methods)] for name in REGIONS]
    columns = [("region", -1), *((m, 3) for m in methods)]
    return make_table(
        "sides", "Relative error of every region", "As above, left and right apart.", columns, rows
    )


def movement_table(faces: Scored, methods: Sequence[str]) -> Table:
    """Task by task, natural movements by their kind; the first method's error also in mm."""
    note = """\
Mean displacement of the true face and mean error in mm over all frames of the movement's clips; relative
error over all regions and frames that move."""
    first = faces[methods[0]]
    known = set(np.concatenate([np.unique(s.task) for s in first]).tolist())
    order = [t for t in (*SCHAEDE, *EMOTIONS) if t in known]
    rows = []
    for task in [*order, *sorted(known - set(order))]:
        moved, error = (
            float(np.concatenate([getattr(s, which)[s.task == task, -1] for s in first]).mean())
            for which in ("moved", "error")
        )
        rows.append([task, moved, error, *(assess.relative(faces[m], REGIONS, task)[0] for m in methods)])
    columns = [("movement", -1), ("movement mm", 2), ("error mm", 2), *((m, 3) for m in methods)]
    return make_table("movements", "By movement", note, columns, rows)


def _band(faces: Scored) -> Table:
    note = f"""\
Share of frames in which a parameter's true value lies within the band that the model gives for it, in per
cent: mean over the parameters, the lowest and the highest of them. 80 is right. Frames in which the true face
rests (less than {assess.STILL_MM:g} mm from neutral) do not count. Calibration leaves the band as wide as it
was."""
    found = {name: assess.coverage(faces[name]) for name in (MODEL, CALIBRATED)}
    rows = [[name, *(100 * share for share in shares)] for name, shares in found.items() if shares]
    columns = [("method", -1), ("mean %", 1), ("lowest %", 1), ("highest %", 1)]
    return make_table("band", "Coverage of the 80 % band", note, columns, rows)
