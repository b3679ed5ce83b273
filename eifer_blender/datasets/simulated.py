"""A simulated population written as a data set, so that training has one reader for all."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

from ..errors import EiferError
from .methods import METHODS
from .mmm import OWN, ClipData, new_folder, write_clip, write_index

REC = "1S"  # the first block, with electrodes
_MOST_JOBS = 16

Progress = Callable[[int, int], None]


def simulate(
    folder: Path,
    *,
    subjects: int,
    seconds: float = 150.0,
    seed: int = 0,
    raw: bool = False,
    jobs: int | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write the first `subjects` people of the population that is there to train on.

    seconds: of each one's session. raw: also write every session as raw sEMG, `raw/PID_1S.edf`. jobs:
    processes (None: one for each core); they do not change the result. progress(done, subjects) is called
    after every subject. Raises EiferError if the folder is in the way or a number cannot be.
    """
    from ..simulation.amplitude import Electrodes
    from ..simulation.population import TRAIN
    from ..simulation.protocol import protocol_hash

    if not 1 <= subjects <= len(TRAIN):
        raise EiferError(f"The population has from 1 to {len(TRAIN)} subjects.")
    if not 20 <= seconds <= 3600:
        raise EiferError("A session lasts from 20 to 3600 seconds.")
    if seed < 0 or (jobs is not None and jobs < 1):
        raise EiferError("The seed must not be negative, and there must be at least one process.")
    facts = {
        "protocol": protocol_hash(),
        "seed": seed,
        "subjects": subjects,
        "seconds": seconds,
        "window_ms": Electrodes().window_ms,
    }
    numbers = list(TRAIN[:subjects])
    # A process takes seconds to start, longer than a few subjects.
    jobs = min(jobs or os.cpu_count() or 1, -(-subjects // 4), _MOST_JOBS)
    with new_folder(Path(folder), replace=replace) as unfinished:
        work = partial(_write_subject, unfinished, seconds, seed, raw)
        rows: dict[int, list[dict[str, object]]] = {}
        for number, found in _each(work, numbers, jobs):
            rows[number] = found
            if progress:
                progress(len(rows), subjects)
        write_index(unfinished, [row for n in numbers for row in rows[n]], METHODS[OWN], facts)
    return Path(folder)


def _each(
    work: Callable[[int], list[dict[str, object]]], numbers: Sequence[int], jobs: int
) -> Iterator[tuple[int, list[dict[str, object]]]]:
    """(number, what the work made of it) as they become ready."""
    if jobs == 1:
        for number in numbers:
            yield number, work(number)
        return
    # A fresh interpreter for each: forking a process with threads is not safe.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context)
    try:
        waiting = {pool.submit(work, number): number for number in numbers}
        for ready in as_completed(waiting):
            yield waiting[ready], ready.result()
    except BrokenExecutor:
        raise EiferError(
            "A process that simulated was ended from outside; try again with --jobs 1."
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _write_subject(
    folder: Path, seconds: float, seed: int, raw: bool, number: int
) -> list[dict[str, object]]:
    """Write one subject's session; rows of the index."""
    from ..simulation.laboratory import write_session
    from ..simulation.population import make_subject
    from ..simulation.session import make_session

    subject = make_subject(number)
    clips = make_session(subject, seconds=seconds, seed=seed)
    if raw:
        (folder / "raw").mkdir(exist_ok=True)
        write_session(folder / "raw" / f"{subject.name}_{REC}.edf", subject, seconds=seconds, seed=seed)
    return [
        write_clip(
            folder,
            ClipData(subject.name, REC, clip.mode, clip.task, index, clip.envelope_uv, clip.expression),
            METHODS[OWN],
        )
        for index, clip in enumerate(clips, 1)
    ]
