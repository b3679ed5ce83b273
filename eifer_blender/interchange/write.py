"""Expressions and muscle activity as files for other programs, whole or not at all."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..datasets.methods import METHODS, Method, find_method, identity_columns, target_columns
from ..datasets.mmm import EMG_COLUMNS
from ..datasets.tables import table_bytes
from ..errors import EiferError
from ..muscles import CHANNEL_COUNT, CHANNELS, MUSCLES, SIDES
from ..recordings.types import Annotation, Channel, Kind, Recording, Stream
from ..spaces import ARKIT_NAMES, ExpressionSpace
from .clip import RATES
from .live_link import ANGLES, HEADER, SHAPES, timecodes

if TYPE_CHECKING:
    from ..estimation import Estimate

_PER_CENT = np.float32(100)


def write_live_link_face(
    path: Path | str,
    weights: np.ndarray,
    fps: float,
    *,
    angles: np.ndarray | None = None,
    start: str = "00:00:00:00.000",
    replace: bool = False,
) -> Path:
    """Write ARKit weights [n, 52], 0..1 in the order of `spaces.ARKIT_NAMES`, as a Live Link Face CSV.

    angles: [n, 9] radians of head and eyes in the order of `live_link.ANGLES`, else 0. start: timecode of the
    first row. Raises EiferError if the file exists and `replace` is not asked for, or numbers are missing.
    """
    weights = _checked(weights, len(ARKIT_NAMES), "weights")
    if angles is None:
        angles = np.zeros((len(weights), len(ANGLES)), np.float32)
    angles = _checked(angles, len(ANGLES), "angles")
    _check_rate(fps)
    lower = [name.casefold() for name in ARKIT_NAMES]
    ordered = weights[:, [lower.index(name.casefold()) for name in SHAPES]]
    row = ",".join(["%.10f"] * (len(SHAPES) + len(ANGLES)))
    numbers = np.hstack([ordered, angles]).tolist()
    count = len(SHAPES) + len(ANGLES)
    lines = [",".join(HEADER)]
    lines += [
        f"{code},{count},{row % tuple(one)}"
        for code, one in zip(timecodes(len(weights), fps, start), numbers, strict=True)
    ]
    return write_file(path, ("\n".join(lines) + "\n").encode(), replace=replace)


def write_parameters(
    path: Path | str,
    method: Method | ExpressionSpace | str,
    values: np.ndarray,
    *,
    identity: np.ndarray | None = None,
    replace: bool = False,
) -> Path:
    """Write expression parameters [n, P] as a table of the MMM data set, gzipped if the name ends in .gz.

    method: whose columns are written; columns that are no expression are 0. identity: [k] standard deviations
    of FLAME's shape, the same in all frames. Raises EiferError for an unknown method, numbers that are
    missing, or a file that exists and is not to be replaced.
    """
    path = Path(path)
    chosen = _method(method)
    values = _checked(values, chosen.space.size, "parameters")
    table = np.zeros((len(values), len(chosen.columns)), np.float32)
    table[:, target_columns(chosen, chosen.columns, path.name)] = values
    if identity is not None:
        person = identity_columns(chosen.columns)[: len(identity)]
        table[:, person] = identity[: len(person)]
    data = table_bytes(chosen.columns, table, zipped=path.suffix == ".gz")
    return write_file(path, data, replace=replace)


def write_parameter_arrays(
    path: Path | str,
    method: Method | ExpressionSpace | str,
    values: np.ndarray,
    fps: float,
    *,
    identity: np.ndarray | None = None,
    times: np.ndarray | None = None,
    confidence: np.ndarray | None = None,
    replace: bool = False,
) -> Path:
    """Write expression parameters [n, P] as NPZ: `parameters`, `names` [P], `space` and `fps`.

    identity: [k] standard deviations of FLAME's shape, written as `shape`. times: [n] increasing seconds of
    the rows, where they are not even. confidence: [n], 0..1, of a reconstruction; 0 where the face was lost.
    Raises EiferError for an unknown method, numbers that are missing, or a file that exists and is not to be
    replaced.
    """
    chosen = _method(method)
    values = _checked(values, chosen.space.size, "parameters")
    _check_rate(fps)
    stream = io.BytesIO()
    arrays = {"parameters": values, "names": np.array(chosen.space.names)}
    arrays |= {"space": np.array(chosen.space.id), "fps": np.array(float(fps))}
    if identity is not None:
        arrays["shape"] = np.asarray(identity, np.float32)
    for name, rows, kind in (("times", times, np.float64), ("confidence", confidence, np.float32)):
        if rows is not None:
            _checked(np.reshape(rows, (-1, 1)), 1, name)
            arrays[name] = np.asarray(rows, kind).reshape(-1)
            if len(arrays[name]) != len(values):
                raise EiferError(f"There are {len(values)} frames but {len(arrays[name])} {name}.")
    np.savez_compressed(stream, **arrays)
    return write_file(path, stream.getvalue(), replace=replace)


def write_activity_csv(path: Path | str, activity: Estimate | np.ndarray, *, replace: bool = False) -> Path:
    """Write muscle activity, an estimate or values [n, 22], as a table of the MMM data set.

    An unnamed column counts the frames from 0; a cell that is not known stays empty. The table does not say
    the frame rate. Raises EiferError if the file exists and is not to be replaced.
    """
    values = _checked(_values(activity), CHANNEL_COUNT, "activity", unknown=True)
    return write_file(path, table_bytes(EMG_COLUMNS, values, index=True), replace=replace)


def write_activity_edf(
    path: Path | str,
    values: np.ndarray,
    fps: float,
    *,
    sd: np.ndarray | None = None,
    annotations: Sequence[Annotation] = (),
    what: str = "estimated",
    replace: bool = False,
) -> Path:
    """Write muscle activity [n, 22], 0..1, as EDF+ in per cent of the maximum, with an anonymous header.

    sd: [n, 22] as further signals. what: "estimated" or "measured", said in an annotation. A muscle that is
    unknown throughout has no signal; where it is unknown for a while its signal is 0 and an annotation says
    so. Raises EiferError if nothing is known, EDF cannot hold the frame rate, or the file exists and is not
    to be replaced.
    """
    from ..recordings.edf_write import write_edf

    path = Path(path)
    values = _checked(values, CHANNEL_COUNT, "activity", unknown=True)
    _check_rate(fps)
    known = np.flatnonzero(np.isfinite(values).any(0))
    if not len(known):
        raise EiferError("There is no muscle activity to write.")
    columns, channels = [values[:, known]], [_channel(k) for k in known]
    if sd is not None:
        sd = _checked(sd, CHANNEL_COUNT, "standard deviations", unknown=True)
        columns.append(sd[:, known])
        channels += [_band(k) for k in known]
    samples = np.hstack(columns) * _PER_CENT
    told = Annotation(0.0, 0.0, f"Muscle activity, {what}, per cent of the maximum")
    # EDF holds the last value to the end of a data record, about a second.
    end = Annotation(len(values) / fps, 0.0, "End of the animation")
    gaps = _gaps(values[:, known], [f"EMG {_short(k)}" for k in known], fps)
    recording = Recording((Stream(tuple(channels), samples, fps),), (told, *annotations, *gaps, end))
    try:
        return write_edf(path, recording, overwrite=replace)
    except OSError as error:
        raise EiferError(f"'{path.name}' cannot be written: {error.strerror or error}.") from None


def write_file(path: Path | str, data: bytes, *, replace: bool) -> Path:
    """Write a file under another name first, so that a failure leaves what was there.

    Raises EiferError if it exists and is not to be replaced, or cannot be written.
    """
    path = Path(path)
    if path.exists() and not replace:
        raise EiferError(f"'{path.name}' exists already; choose another name or allow replacing it.")
    temporary = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=".part")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        temporary.chmod(0o644)  # a temporary file is its owner's alone
        temporary.replace(path)
    except OSError as error:
        raise EiferError(f"'{path.name}' cannot be written: {error.strerror or error}.") from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return path


def _channel(k: int) -> Channel:
    return Channel(f"EMG {_short(k)}", "%", Kind.ACTIVATION, CHANNELS[k])


def _band(k: int) -> Channel:
    return Channel(f"SD {_short(k)}", "%", Kind.OTHER)


def _short(k: int) -> str:
    """Channel names that fit EDF's 16 characters and that every facial EMG laboratory reads."""
    return f"{MUSCLES[k // 2].german} {SIDES[k % 2]}"


def _gaps(values: np.ndarray, names: Sequence[str], fps: float) -> list[Annotation]:
    """Stretches in which a muscle is unknown."""
    found = []
    for column, name in zip(np.isnan(values).T, names, strict=True):
        edges = np.flatnonzero(np.diff(column.astype(np.int8), prepend=0, append=0))
        for start, end in edges.reshape(-1, 2).tolist():
            found.append(Annotation(start / fps, (end - start) / fps, f"{name} unknown"))
    return found


def _values(activity: Estimate | np.ndarray) -> np.ndarray:
    return activity if isinstance(activity, np.ndarray) else activity.values


def _checked(values: np.ndarray, columns: int, what: str, *, unknown: bool = False) -> np.ndarray:
    values = np.asarray(values, np.float32)
    if values.ndim != 2 or values.shape[1] != columns or not len(values):
        raise EiferError(f"There are no {what} to write: needed are rows of {columns} numbers.")
    if np.isinf(values).any() or (not unknown and np.isnan(values).any()):
        row = int((~np.isfinite(values)).any(1).argmax())
        raise EiferError(f"Frame {row + 1} of the {what} holds no number; correct it before writing.")
    return values


def _check_rate(fps: float) -> None:
    if not RATES[0] <= fps <= RATES[1]:
        raise EiferError(f"The frame rate must lie between {RATES[0]:g} and {RATES[1]:g} frames per second.")


def _method(method: Method | ExpressionSpace | str) -> Method:
    if isinstance(method, Method):
        return method
    space = method.id if isinstance(method, ExpressionSpace) else method
    return next((m for m in METHODS.values() if m.space.id == space), None) or find_method(space)
