"""The whole evaluation of a pair of models on subjects never trained on, beside baselines of the same run.

What is measured and how is said in every table's note and in the functions of `scores`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..heads.head import ParametricHead
from ..heads.metric import vertex_metric
from ..simulation.amplitude import Electrodes
from ..simulation.population import HELD_OUT, make_subject
from . import activity_tables, assess, face_tables, keyed_tables, methods, plan
from .methods import CALIBRATED, MEAN, MODEL, PERCEPTRON, RIDGE, Models
from .robustness import Curves, robustness
from .second_domain import SecondDomain, second_domain
from .surface import GOAL_GROUPS, GROUPS, face_surface
from .tables import Cell, Table, make_table
from .takes import make_material, takes_of

Say = Callable[[str], None]


def evaluate(head: ParametricHead, models: Models, sizes: plan.Plan, say: Say) -> list[Table]:
    """All tables for a pair of models of the default head's space; the last one is about the goals."""
    surface, metric = face_surface(head), vertex_metric(head)
    say("Training the baselines on simulated subjects ...")
    base = methods.train_baselines(head, sizes)
    say(f"Simulating {sizes.subjects} held-out subjects and scoring their faces ...")
    subjects = [make_subject(number) for number in HELD_OUT[: sizes.subjects]]
    materials = [make_material(one, sizes.seconds, sizes.calibration_s) for one in subjects]
    sessions = [takes_of(one, Electrodes(snr_db=plan.SNR_DB)) for one in materials]
    makers = {
        MODEL: lambda first: methods.model_faces(models),
        CALIBRATED: lambda first: methods.calibrated_faces(models, first, metric),
        PERCEPTRON: lambda first: methods.perceptron_faces(base),
        RIDGE: lambda first: methods.ridge_faces(base),
        MEAN: lambda first: methods.mean_faces(base),
    }
    faces = face_tables.score_faces(surface, makers, sessions)
    say("From faces to muscle activity, and both ways ...")
    second_takes = [second for _, second in sessions]
    activity = activity_tables.score_activity(models, base, second_takes)
    trips = activity_tables.round_trips(surface, models, second_takes)
    say("Lost channels, noise, drift, crosstalk, frame rates ...")
    curves = robustness(surface, models, base, materials[: sizes.curve_subjects], sizes)
    say("The second, independent face ...")
    second = second_domain(head, surface, models, sessions, sizes)
    return [
        *face_tables.face_tables(faces, sizes),
        *activity_tables.activity_tables(activity, models.hidden),
        trips,
        keyed_tables.keyed_table(head, models),
        curves.table,
        second.table,
        _goals(faces, activity, models.hidden, curves, second),
    ]


def _goals(
    faces: face_tables.Scored,
    activity: activity_tables.Scored,
    hidden: Sequence[str],
    curves: Curves,
    second: SecondDomain,
) -> Table:
    rows: list[list[Cell]] = []

    def goal(what: str, wanted: str, value: float, met: bool) -> None:
        rows.append([what, wanted, value, "yes" if met else "no"])

    for group in GOAL_GROUPS:
        model, ridge = (assess.relative(faces[m], GROUPS[group])[0] for m in (MODEL, RIDGE))
        hard, share = plan.RIDGE_ERROR, plan.SHARE_OF_RIDGE
        goal(
            f"{group}: ridge's relative error, so that the task is hard", f"≥ {hard:g}", ridge, ridge >= hard
        )
        limit = plan.RELATIVE_ERROR
        goal(f"{group}: the model's relative error", f"≤ {limit:g}", model, model <= limit)
        goal(f"{group}: the model's over ridge's", f"≤ {share:g}", model / ridge, model <= share * ridge)
    for key, where in (("rho_moving", "in movements"), ("rho", "over all frames")):
        rho = assess.median_of(activity[MODEL], key, activity_tables.visible(hidden))
        goal(f"median ρ of visible muscles {where}", f"≥ {plan.RHO:g}", rho, rho >= plan.RHO)
    if (band := assess.coverage(faces[MODEL])) is not None:
        low, high = plan.BAND
        goal("share of frames within the 80 % band", f"{low:g}–{high:g}", band[0], low <= band[0] <= high)
    ratio, limit = curves.eight_over_all, plan.EIGHT_CHANNELS
    goal("error with 8 of 22 channels over that with all", f"≤ {limit:g}", ratio, ratio <= limit)
    limit = plan.SECOND_DOMAIN_DROP
    goal("second face: largest drop in any region", f"≤ {limit:g}", second.drop, second.drop <= limit)
    columns = [("goal", -1), ("wanted", -1), ("reached", 3), ("met", -1)]
    return make_table("goals", "Goals", "Set before training.", columns, rows)
