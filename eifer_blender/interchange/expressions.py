"""Files of expressions of any of the known spaces -> `ExpressionClip` -> parameters of a head."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..datasets.methods import ARKIT_52, FLAME_53, FLAME_55, METHODS, Method, identity_columns, target_columns
from ..errors import EiferError
from ..heads.arkit import from_arkit
from ..heads.fitting import limited
from ..heads.head import ParametricHead
from ..heads.transfer import Transfer
from ..spaces import ARKIT_NAMES, DEFAULT_SPACE, EYELIDS, ExpressionSpace
from .arrays import is_npz, read_arrays
from .clip import RATES, ExpressionClip
from .clock import Clock, read_times, seconds
from .confidence import CONFIDENCE, as_confidence, bridge_rows, place_confidence
from .live_link import ANGLES, read_timecodes
from .table import Table

_FEW_SHAPES = 10  # of ARKit, which are more than a coincidence
_NOISE = 0.01  # of a weight, beyond which it is worth a sentence that it was clamped
_PER_CENT = (2.0, 100.5)  # the largest weight of a file in per cent lies between these
_SIDE = re.compile(r"(.+?)[_. -]?(l|r)", re.IGNORECASE)
_TIME = re.compile(
    r"(time|timestamp|seconds?|secs?|t|time.?code)([ _]?[\[(]?(s|ms|msec|sec|seconds)[\])]?)?", re.I
)

_JAW_OPEN, _MOUTH_CLOSE = ARKIT_NAMES.index("jawOpen"), ARKIT_NAMES.index("mouthClose")
_HEADS = {
    "flame-55": "a FLAME head (EIFER, SMIRK)",
    "flame-53": "a FLAME head (DECA, EMOCA)",
    "bfm-64": "the Basel face model (Deep3DFace)",
    "bfm-100": "the Basel face model (FOCUS)",
}


def _way_out(space: str) -> str:
    """What to do with parameters of another head."""
    if space in (FLAME_55.id, FLAME_53.id):
        return "add the FLAME head that they were made for and load them onto it, or give an ARKit table"
    return "give an ARKit or Live Link Face table of the same face, or a model of that space"


class _Layout(NamedTuple):
    """Which columns hold what."""

    space: ExpressionSpace
    columns: list[int]  # of each parameter; -1 where the file has none and it counts as 0
    format: str


def read_expressions(path: Path | str, *, fps: float | None = None) -> ExpressionClip:
    """Expressions from a CSV file, known by the names of its columns, plain or gzipped, or from an NPZ.

    Understood are Live Link Face and other tables of ARKit's 52 shapes (any case and order), the parameter
    tables of the methods in `datasets.methods`, and what this project writes. The frame rate comes from the
    rows' times; missing rows are bridged. `fps` overrides it: every row is then a frame.

    Raises EiferError if the file cannot be read, a column is missing, or too many rows have no value.
    """
    path = Path(path)
    if is_npz(path):
        return read_arrays(path, fps=fps)
    if fps is not None and not RATES[0] <= fps <= RATES[1]:
        raise EiferError(f"The frame rate must lie between {RATES[0]:g} and {RATES[1]:g} frames per second.")
    table = Table(path)
    layout = _find_layout(table)
    there = [c for c in layout.columns if c >= 0]
    if len(set(there)) < len(there):
        raise EiferError(f"Two columns of '{path.name}' mean the same parameter; remove one.")
    found = table.numbers(there)
    if not len(found):
        raise EiferError(f"'{path.name}' has names of columns but no row of numbers.")
    sure = _confidence(table)
    values, notes = bridge_rows(found, [table.names[c] for c in there], path.name, sure)
    values, more = _plausible(values, layout, path.name)
    clock = Clock(fps) if fps else _clock(table)
    whole = np.zeros((len(clock.place(values)), layout.space.size), np.float32)
    whole[:, [i for i, c in enumerate(layout.columns) if c >= 0]] = clock.place(values)
    return ExpressionClip(
        layout.space, whole, clock.fps, clock.start_s, (*notes, *more, *clock.notes), layout.format,
        _extra(table, layout, clock) | place_confidence(sure, found, clock),
    )  # fmt: skip


def to_head(
    clip: ExpressionClip, head: ParametricHead, from_default: Transfer | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """(parameters float32 [n, 55] of the head, notes) for a clip of ARKit weights or of the head's own space.

    from_default: carries parameters of the default head over to a head of another kind. Weights below 0 or
    above 1, which a face cannot have, are clamped, and `mouthClose`, which closes the lips of an open jaw,
    counts no more than `jawOpen`. Raises EiferError if the clip belongs to another head.
    """
    notes = clip.notes
    if clip.space.id == head.space:
        return limited(clip.values), notes
    if clip.space.id == FLAME_53.id and head.space == FLAME_55.id:
        without_lids = np.insert(clip.values, [EYELIDS.start, EYELIDS.start], 0.0, axis=1)
        return limited(without_lids), (*notes, "The file says nothing of the eyelids; they stay open.")
    if clip.space.id == DEFAULT_SPACE.id and from_default is not None:
        return from_default(clip.values), notes
    if clip.space.id != ARKIT_52.id:
        belongs = _HEADS.get(clip.space.id, f"the space '{clip.space.id}'")
        raise EiferError(
            f"These are parameters of {belongs}, not of the head '{head.name}': {_way_out(clip.space.id)}."
        )
    weights = np.clip(clip.values, 0.0, 1.0)
    beyond = float(np.mean((clip.values < -_NOISE) | (clip.values > 1 + _NOISE)))
    if beyond:
        low, high = float(clip.values.min()), float(clip.values.max())
        notes += (
            f"Weights from {low:.2f} to {high:.2f} are in the file; those outside 0 to 1 "
            f"({max(100 * beyond, 0.1):.1f} % of all) were clamped.",
        )
    weights[:, _MOUTH_CLOSE] = np.minimum(weights[:, _MOUTH_CLOSE], weights[:, _JAW_OPEN])
    return from_arkit(head, weights).parameters, notes


# --- layout -----------------------------------------------------------------------------------------


def _find_layout(table: Table) -> _Layout:
    """Raises EiferError if the columns are no expression, or some of them are missing."""
    names, where = table.names, table.path.name
    arkit = _arkit_columns(names)
    if len(arkit) >= _FEW_SHAPES:
        return _arkit_layout(names, arkit, where)
    folded = {name.casefold(): k for k, name in enumerate(names)}
    own = [folded.get(name) for name in DEFAULT_SPACE.names]
    if "jaw_x" in folded or "eyelid_l" in folded:
        missing = [n for n, k in zip(DEFAULT_SPACE.names, own, strict=True) if k is None]
        if missing:
            raise EiferError(f"'{where}' has no column '{missing[0]}' ({len(missing)} of 55 are missing).")
        return _Layout(DEFAULT_SPACE, [k for k in own if k is not None], "parameters of the default head")
    method = _method_of(names)
    if method is None:
        raise EiferError(
            f"'{where}' has none of the columns of an expression; needed are ARKit's 52 shapes (as in a Live "
            "Link Face CSV) or the parameters of a face, such as exp0, exp1 and so on."
        )
    return _Layout(method.space, target_columns(method, names, where), f"parameters of {method.name}")


def _arkit_layout(names: Sequence[str], found: dict[str, int], where: str) -> _Layout:
    missing = [n for n in ARKIT_NAMES if n not in found and n != "tongueOut"]
    if missing:
        shown = ", ".join(missing[:3]) + (" and others" if len(missing) > 3 else "")
        raise EiferError(
            f"'{where}' lacks {len(missing)} of ARKit's 52 shapes ({shown}); export all of them."
        )
    live = any(name.casefold() == "timecode" for name in names)
    columns = [found.get(name, -1) for name in ARKIT_NAMES]
    return _Layout(ARKIT_52, columns, "Live Link Face" if live else "ARKit")


def _arkit_columns(names: Sequence[str]) -> dict[str, int]:
    """Column of each ARKit shape by any spelling: EyeBlinkLeft, eyeBlink_L, eye_blink_left."""
    shapes = {_plain(name): name for name in ARKIT_NAMES}
    found: dict[str, int] = {}
    for k, title in enumerate(names):
        plain = _plain(title)
        if plain not in shapes and (short := _SIDE.fullmatch(title.strip())):
            plain = _plain(short[1]) + ("left" if short[2] in "lL" else "right")
        if plain in shapes:
            if shapes[plain] in found:
                raise EiferError(f"The table has two columns for '{shapes[plain]}'; remove one.")
            found[shapes[plain]] = k
    return found


def _method_of(names: Sequence[str]) -> Method | None:
    """The method with as many coefficients of expression, of those that the columns fill."""
    folded = [name.casefold() for name in names]
    count = sum(bool(re.match(r"exp(r|ression)?([^a-z]|_|$)", name)) for name in folded)
    for method in METHODS.values():
        if method.target and count == dict(method.groups)["exp"]:
            try:
                target_columns(method, names, "")
            except EiferError:
                continue
            return method
    return None


def _plain(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


# --- values -----------------------------------------------------------------------------------------


def _plausible(values: np.ndarray, layout: _Layout, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """ARKit weights as shares of 1; EiferError if they can be no weights."""
    if layout.space.id != ARKIT_52.id:
        return values, ()
    highest = float(values.max(initial=0.0))
    if highest <= _PER_CENT[0]:
        return values, ()
    if highest <= _PER_CENT[1]:
        return values / np.float32(100), ("The weights were read as per cent.",)
    raise EiferError(f"'{where}' has a weight of {highest:.4g}; ARKit's weights lie between 0 and 1.")


def _confidence(table: Table) -> np.ndarray | None:
    """float32 [rows], 0..1: how sure a reconstruction is of each row; None if the table does not say."""
    folded = {name.casefold(): k for k, name in enumerate(table.names)}
    columns = [folded[name] for name in CONFIDENCE if name in folded]
    return as_confidence(table.numbers(columns)) if columns else None


def _extra(table: Table, layout: _Layout, clock: Clock) -> dict[str, np.ndarray]:
    folded = {_plain(name): k for k, name in enumerate(table.names)}
    if layout.space.id in (FLAME_55.id, FLAME_53.id):
        person = identity_columns(table.names)
        return {"identity": clock.place(table.numbers(person)).astype(np.float32)} if person else {}
    columns = [folded.get(_plain(name)) for name in ANGLES]
    if layout.space.id != ARKIT_52.id or None in columns:
        return {}
    angles = clock.place(np.nan_to_num(table.numbers([c for c in columns if c is not None])))
    return {"angles": angles.astype(np.float32)}


# --- times ------------------------------------------------------------------------------------------


def _clock(table: Table) -> Clock:
    """What the file says of its rows' times: timecodes, frames with their rate, or seconds."""
    folded = {name.casefold(): k for k, name in enumerate(table.names)}
    if {"frame", "fps_num"} <= folded.keys():
        return _counted(table, folded)
    titles = [name for name in folded if _TIME.fullmatch(name)]
    for title in titles:
        column = folded[title]
        cells = table.words(column)
        if any(":" in cell for cell in cells[:10]):
            return read_times(read_timecodes(cells))
        times = np.array([_float(cell) for cell in cells], np.float64)
        return read_times(seconds(times, title))
    return Clock(None)


def _counted(table: Table, folded: dict[str, int]) -> Clock:
    """Frames that are numbered at a rate written beside them, `frame, subframe, fps_num, fps_den`."""
    frame = np.array([_float(cell) for cell in table.words(folded["frame"])], np.float64)
    above = table.numbers([folded["fps_num"]])[:, 0]
    below = table.numbers([folded["fps_den"]])[:, 0] if "fps_den" in folded else np.ones_like(above)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = float(np.nanmedian(above / below)) if len(above) else np.nan
    if not RATES[0] <= rate <= RATES[1]:
        return Clock(None)
    steps = np.diff(frame[np.isfinite(frame)])
    usual = np.median(steps[steps > 0]) if (steps > 0).any() else 1.0
    # Rows may be every other frame; but where some lie between, all frames are meant.
    even = np.all(steps % usual == 0)
    return read_times(frame / rate, None if even else 1 / rate)


def _float(cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        return float("nan")
    return value if abs(value) < 1e15 else float("nan")
