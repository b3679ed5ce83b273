"""What each part of the cycle buys: the same short training at 64 pixels, each time without one of them.

E^S begins as a copy of E^N and learns in the cycle alone, so that what a term teaches it is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..tables import Table, make_table
from . import losses
from .cycle import CycleSettings
from .evaluate import Networks, scores
from .job import ABLATION, Job, write_models

_STEPS = 400
_TRANSPLANTS = 32


def ablation_settings(seed: int) -> dict[str, CycleSettings]:
    """The trainings by name: the whole, and without one thing each."""
    whole = CycleSettings(_STEPS, ABLATION.size, transplants=_TRANSPLANTS, encoder_rate=7e-4, seed=seed)
    without = {
        f"without {name.replace('_', ' ')}": replace(whole, weights=losses.WEIGHTS | {name: 0.0})
        for name in losses.WEIGHTS
    }
    return {
        "all terms, and transplants": whole,
        **without,
        "without transplants, as the paper": replace(whole, transplants=0),
    }


def train_ablations(folder: Path, pictures: Path, seed: int) -> Iterator[tuple[str, Path, Networks]]:
    """Train all of them into a folder, going on where an earlier run stopped; (name, folder, networks)."""
    folder.mkdir(parents=True, exist_ok=True)
    job = Job(folder, pictures, replace(ABLATION, seed=seed))
    encoder_n, detector = job.uncovered_encoder(), job.detector()
    for number, (name, settings) in enumerate(ablation_settings(seed).items()):
        encoder_s, remover = job.cycle(encoder_n, detector, settings=settings, name=f"cycle_{number}")
        place = folder / f"models_{number}"
        place.mkdir(exist_ok=True)
        write_models(place, job.plan, {"encoder": encoder_s, "remover": remover, "detector": detector}, name)
        yield name, place, Networks(place, encoder_n, None)


def ablation_table(folder: Path, pictures: Path, seed: int) -> Table:
    """Train what is not trained yet and score all of it on held-out people."""
    rows = [
        [name, *scores(networks, pictures).values()]
        for name, _, networks in train_ablations(folder, pictures, seed)
    ]
    return make_table(
        "phase1_ablations",
        "What each part buys",
        f"{_STEPS} steps of the cycle at {ABLATION.size} pixels, E^S from a copy of E^N, the same seed.",
        (("training", 0), ("expression, mm", 2), ("shape, mm", 2), ("turn, degrees", 1), ("PSNR, dB", 1),
         ("SSIM", 3), ("judge's AUC", 2)),
        rows,
    )  # fmt: skip
