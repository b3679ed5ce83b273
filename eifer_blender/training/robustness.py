"""What real electrodes do: the error when channels are lost, noise grows, gains drift; other frame rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..muscles import CHANNEL_COUNT, CHANNELS
from ..simulation.amplitude import Electrodes
from ..simulation.session import RATE
from . import assess
from .methods import Baselines, Models, model_faces, ridge_faces
from .plan import SNR_DB, Plan
from .surface import GOAL_GROUPS, Surface
from .tables import Cell, Table, make_table
from .takes import Material, Take, takes_of

_PAIRS = {
    16: """medial_frontalis lateral_frontalis corrugator_supercilii orbicularis_oculi
        levator_labii_superioris zygomaticus orbicularis_oris depressor_anguli_oris""",
    12: """medial_frontalis corrugator_supercilii orbicularis_oculi levator_labii_superioris zygomaticus
        orbicularis_oris""",
    8: "medial_frontalis corrugator_supercilii orbicularis_oculi zygomaticus",
    6: "corrugator_supercilii orbicularis_oculi zygomaticus",
    4: "corrugator_supercilii zygomaticus",
}
_ALL = "all 22 channels, 20 dB"
_EIGHT = "8 channels: eight muscles of the left side"

Sessions = list[list[Take]]


class Curves(NamedTuple):
    """Robustness: the table, and the ratio that the goal asks for."""

    table: Table
    eight_over_all: float  # error with eight muscles of one side over that with all channels


def channel_sets() -> dict[str, np.ndarray]:
    """Condition -> bool [22] channels that are there, from many to few.

    Both sides of the muscles that studies of emotion record most, or, as such studies do, one side
    only: eight muscles of the left.
    """

    def chosen(names: str, sides: str) -> np.ndarray:
        return np.isin(CHANNELS, [f"{name}_{side}" for name in names.split() for side in sides])

    sets = {f"{n} channels: {n // 2} muscles, both sides": chosen(names, "lr") for n, names in _PAIRS.items()}
    sets[_EIGHT] = chosen(_PAIRS[16], "l")
    return dict(sorted(sets.items(), key=lambda one: -one[1].sum()))


def random_eight(number: int) -> np.ndarray:
    """bool [22]: eight channels drawn for one subject."""
    present = np.zeros(CHANNEL_COUNT, bool)
    present[np.random.default_rng([8, number]).choice(CHANNEL_COUNT, 8, replace=False)] = True
    return present


def robustness(
    surface: Surface, models: Models, base: Baselines, materials: Sequence[Material], plan: Plan
) -> Curves:
    """The model and ridge regression under every condition, and the model at other frame rates."""
    conditions = _conditions(materials)
    rows: list[list[Cell]] = []
    found = {}
    for name, sessions in conditions.items():
        model, ridge = (
            [assess.subject_faces(surface, takes, method) for takes in sessions]
            for method in (model_faces(models), ridge_faces(base))
        )
        found[name] = assess.goal_error(model)
        rows.append([name, found[name], assess.mean_mm(model)[0], assess.goal_error(ridge)])
    for rate in (24.0, 60.0):
        sessions = [[at_rate(t, rate) for t in takes] for takes in conditions[_ALL]]
        model = [assess.subject_faces(surface, takes, model_faces(models, rate)) for takes in sessions]
        rows.append([f"{rate:g} frames a second", assess.goal_error(model), assess.mean_mm(model)[0], None])
    note = f"""\
{len(materials)} subjects of {plan.seconds:g} s; relative error as the mean of {", ".join(GOAL_GROUPS)}, and
mean vertex error in mm. Unless said otherwise all 22 channels at {SNR_DB:g} dB. Ridge regression is fitted
again for every set of channels. Noise is against half a maximum; drift is of each electrode's gain from the
session's begin to its end."""
    columns = [("condition", -1), ("model", 3), ("model mm", 2), ("ridge", 3)]
    return Curves(make_table("robustness", "Robustness", note, columns, rows), found[_EIGHT] / found[_ALL])


def at_rate(take: Take, rate: float) -> Take:
    """The take at another frame rate: straight lines between its rows, from the first to the last."""
    at = np.arange(int((len(take.expression) - 1) * rate / RATE) + 1) * RATE / rate
    low = np.clip(at.astype(int), 0, len(take.expression) - 2)
    share = (at - low)[:, None].astype(np.float32)

    def lines(values: np.ndarray) -> np.ndarray:
        return values[low] * (1 - share) + values[low + 1] * share

    moving = take.moving[np.round(at).astype(int)]
    return take._replace(activation=lines(take.activation), expression=lines(take.expression), moving=moving)


def _conditions(materials: Sequence[Material]) -> dict[str, Sessions]:
    """Condition -> the takes of every subject, in the order of the table."""

    def recorded(**change: float | tuple[float, float]) -> Sessions:
        electrodes = Electrodes(**{"snr_db": SNR_DB, **change})
        return [takes_of(m, electrodes)[1] for m in materials]

    usual = recorded()

    def masked(present: Callable[[int], np.ndarray]) -> Sessions:
        return [[t._replace(present=t.present & present(k)) for t in one] for k, one in enumerate(usual)]

    result = {_ALL: usual}
    for name, present in channel_sets().items():
        result[name] = masked(lambda _, present=present: present)
    result["8 channels at random"] = masked(random_eight)
    for snr in (30, 15, 10, 5, 0):
        result[f"SNR {snr} dB"] = recorded(snr_db=float(snr))
    for drift in (0.1, 0.3):
        result[f"gain drift, log-SD {drift:g}"] = recorded(gain_drift=drift)
    result["crosstalk doubled"] = recorded(crosstalk=2.0)
    result["recorded at 250 Hz (20–110 Hz)"] = recorded(band_hz=(20.0, 110.0))
    return result
