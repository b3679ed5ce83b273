"""Sets of pictures on disk: made once, read through a memory map while training.

A set is a folder: `pictures.npy` uint8 [n, size, size, 3] and `truth.npz`; a paired set, for evaluation
only, also has `clean.npy` (the same faces without electrodes) and `covered.npy` (share of each pixel that is
hidden).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...errors import EiferError

VERSION = 1  # counts up when the same settings give other pictures
SIZE = 128
_NAMES = ("params", "identity", "rotation", "camera", "points")
_BATCH = 4


@dataclass(frozen=True)
class SetSettings:
    """What a set of pictures shows."""

    electrodes: bool
    first: int  # number of the first person
    people: int
    each: int  # pictures of a person
    size: int = SIZE
    unseen: bool = False  # light and electrodes as no training has them
    paired: bool = False  # with the same pictures without electrodes
    still: bool = False  # a clip of consecutive frames of each person

    @property
    def count(self) -> int:
        """Number of pictures."""
        return self.people * self.each

    @property
    def key(self) -> str:
        """Name of the set's folder."""
        text = json.dumps([VERSION, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class PictureSet:
    """An open set; arrays are read from disk as they are used."""

    pictures: np.ndarray  # uint8 [n, size, size, 3]
    person: np.ndarray  # int64 [n]
    truth: dict[str, np.ndarray]  # params [n, 55], identity, rotation, camera, points; see `studio.Truth`
    clean: np.ndarray | None = None
    covered: np.ndarray | None = None  # uint8 [n, size, size]

    def __len__(self) -> int:
        return len(self.pictures)


def obtain(
    settings: SetSettings, folder: Path, progress: Callable[[int, int], None] | None = None
) -> PictureSet:
    """The set from a folder of sets, made first if it is not there; on all cores, safe to interrupt."""
    place = folder / settings.key
    if not (place / "truth.npz").is_file():
        _make(settings, place, progress)
    return open_set(place)


def open_set(place: Path) -> PictureSet:
    """A set that `obtain` has made. Raises EiferError if it is damaged."""
    try:
        with np.load(place / "truth.npz", allow_pickle=False) as file:
            truth = {name: file[name] for name in (*_NAMES, "person")}
        arrays = [np.load(place / "pictures.npy", mmap_mode="r", allow_pickle=False)]
        for name in ("clean", "covered"):
            path = place / f"{name}.npy"
            arrays.append(np.load(path, mmap_mode="r", allow_pickle=False) if path.is_file() else None)
    except (OSError, ValueError, KeyError) as error:
        raise EiferError(f"The set of pictures '{place}' is damaged; delete the folder.") from error
    return PictureSet(arrays[0], truth.pop("person"), truth, *arrays[1:])


def _make(settings: SetSettings, place: Path, progress: Callable[[int, int], None] | None) -> None:
    place.mkdir(parents=True, exist_ok=True)
    shape = (settings.count, settings.size, settings.size)
    kinds = {"pictures": (*shape, 3)}
    if settings.paired:
        kinds |= {"clean": (*shape, 3), "covered": shape}
    own = f".{os.getpid()}.part"
    arrays = {
        name: np.lib.format.open_memmap(place / f"{name}.npy{own}", "w+", np.uint8, size)
        for name, size in kinds.items()
    }
    truth: list[dict[str, np.ndarray]] = []
    numbers = range(settings.first, settings.first + settings.people)
    try:
        for done, found in enumerate(_people(settings, numbers)):
            rows = slice(done * settings.each, (done + 1) * settings.each)
            for name, array in arrays.items():
                array[rows] = found.pop(name)
            truth.append(found)
            if progress:
                progress((done + 1) * settings.each, settings.count)
        joined = {name: np.concatenate([t[name] for t in truth]) for name in truth[0]}
        with (place / f"truth.npz{own}").open("wb") as file:
            np.savez(file, **joined)
        for name, array in arrays.items():
            array.flush()
            (place / f"{name}.npy{own}").replace(place / f"{name}.npy")
        (place / f"truth.npz{own}").replace(place / "truth.npz")
    finally:
        for path in place.glob(f"*{own}"):
            path.unlink()


def _people(settings: SetSettings, numbers: Sequence[int]) -> Iterator[dict[str, np.ndarray]]:
    cores = os.cpu_count() or 1
    if cores == 1 or len(numbers) < 2 * cores:
        yield from (_photograph(settings, n) for n in numbers)
        return
    with ProcessPoolExecutor(cores, initializer=_one_thread) as pool:
        yield from pool.map(_photograph, [settings] * len(numbers), numbers, chunksize=4)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@lru_cache(maxsize=1)
def _studio():  # noqa: ANN202
    from .studio import Studio

    return Studio()


def _photograph(settings: SetSettings, number: int) -> dict[str, np.ndarray]:
    """Pictures of one person, and what is true of them."""
    from .scenes import make_scenes, without_electrodes

    scenes = make_scenes(
        number, settings.each, electrodes=settings.electrodes, unseen=settings.unseen, still=settings.still
    )
    found: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(scenes), _BATCH):
        some = scenes[start : start + _BATCH]
        taken = _studio().photograph(some, settings.size)
        parts = {"pictures": _bytes(taken.images)}
        if settings.paired:
            bare = _studio().photograph([without_electrodes(s) for s in some], settings.size)
            parts |= {"clean": _bytes(bare.images), "covered": _bytes(taken.covered)[..., 0]}
        parts |= {name: getattr(taken.truth, name).numpy() for name in _NAMES}
        for name, array in parts.items():
            found.setdefault(name, []).append(array)
    joined = {name: np.concatenate(list_) for name, list_ in found.items()}
    return joined | {"person": np.full(len(scenes), number)}


def _bytes(images) -> np.ndarray:  # noqa: ANN001
    return (images.permute(0, 2, 3, 1) * 255 + 0.5).to(dtype=__import__("torch").uint8).numpy()
