"""From a data set on disk to material for training; the simulated population is one like any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..datasets import mmm, sessions, splits
from ..spaces import DEFAULT_SPACE, ExpressionSpace
from .material import Material, make_material

SUBJECTS = 320
SECONDS = 150.0
"""Size of the population that the bundled models are trained on."""

_MMM_WINDOW_MS = 500.0


@dataclass(frozen=True)
class Data:
    """What training needs, and what the model will say about it."""

    train: Material
    validation: Material
    space: ExpressionSpace
    method: str
    window_ms: float  # of the envelope
    preset: str  # the signal chain's preset that gives this envelope
    rate: float  # frames a second
    protocol: str  # hash, or "" for recorded data
    statement: str
    licence: str
    notes: tuple[str, ...]

    @property
    def has_head(self) -> bool:
        """Whether the space is the default head's, so that errors can be measured on a surface."""
        return self.space == DEFAULT_SPACE


def simulated_folder(seed: int) -> Path:
    """The simulated population in the cache folder; it is made first if it is not there yet."""
    from ..cli.environments import cache_folder
    from ..datasets.simulated import simulate
    from ..simulation.protocol import protocol_hash

    name = f"population-{protocol_hash()[:12]}-{SUBJECTS}x{SECONDS:g}-{seed}"
    folder = cache_folder() / name
    if not folder.exists():
        print(f"Simulating {SUBJECTS} subjects ...")
        simulate(folder, subjects=SUBJECTS, seconds=SECONDS, seed=seed)
    return folder


def read_data(folder: Path, method: str | None, split_by: str) -> Data:
    """Read a data set and split it; EiferError if it cannot be used."""
    dataset = mmm.read_dataset(folder, method)
    split = splits.split(dataset, by=split_by)
    activity = sessions.activations(dataset)
    expressions = sessions.expressions(dataset, activity)

    # Models of simulated people are reported on with others, who are in no data set (`population.HELD_OUT`).
    train = (*split.train, *split.test) if dataset.simulation else split.train

    def part(numbers: Sequence[int]) -> Material:
        people = [dataset.clips[i].pid for i in numbers]
        return make_material([activity[i] for i in numbers], [expressions[i] for i in numbers], people)

    simulation = dataset.simulation
    people = len({clip.pid for clip in dataset.clips})
    return Data(
        train=part(train),
        validation=part(split.validation),
        space=dataset.space,
        method=dataset.method,
        window_ms=simulation["window_ms"] if simulation else _MMM_WINDOW_MS,
        preset="Animation" if simulation else "MMM",
        rate=mmm.RATE,
        protocol=simulation["protocol"] if simulation else "",
        statement=(
            "Simulated people by tables of anatomy and random numbers; nobody was recorded for it."
            if simulation
            else f"Recordings of {people} people: {dataset.method} parameters relative to their rest."
        ),
        licence="CC0-1.0" if simulation else "as the recordings'",
        notes=(*dataset.notes, split.sentence),
    )
