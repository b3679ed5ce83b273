"""The layout of the MMM and MaM data sets: read, and written for simulated people.

`MMM.csv` has a row for each clip, `MMM_3DMM.csv` one for each clip with parameters of a face; the sEMG
envelopes lie in `emg/`, the parameters in `video_noelec_params/METHOD/`. `docs/datasets.md` describes it.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import EiferError
from ..muscle_names import match_names
from ..muscles import CHANNEL_COUNT, CHANNELS
from ..spaces import ExpressionSpace
from .methods import METHODS, Method, find_method, target_columns
from .tables import read_header, read_rows, read_table, rows_bytes, table_bytes

__all__ = ["METHODS", "RATE", "ClipData", "DataSet", "read_dataset", "write_dataset"]

RATE = 30.0  # frames a second
OWN = "eifer-head-1"

_INDEX, _PARAMETER_INDEX = "MMM.csv", "MMM_3DMM.csv"
FACTS = "dataset.json"
"""What a data set that was written here says about itself; the published ones have none."""

_COLUMNS = tuple(
    "source index pid rec mode task type sync_grade use video video_no-cut emg video_noelec".split()
)
# How the data set's description spells the muscles, in the order of `muscles.MUSCLES`.
_SPELLINGS = (
    "Corrugator Supercilii",
    "Depressor Ang. Oris",
    "Depressor Supercilii Procerus",
    "Lateraler Frontalis",
    "Levator Labii Superioris",
    "Masseter",
    "Medialer Frontalis",
    "Mentalis",
    "Orbicularis Oculi",
    "Orbicularis Oris",
    "Zygomaticus",
)
EMG_COLUMNS = tuple(f"{_SPELLINGS[i // 2]}_{name[-1]}" for i, name in enumerate(CHANNELS))

_CLIP_ID = re.compile(r"(?P<pid>[^_]+)_(?P<rec>[^_]+)_(?P<mode>[^_]+)_(?P<index>[0-9]{1,6})_(?P<task>.+)")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_NO = ("0", "0.0", "false", "no", "n")
_CUT = 2  # frames by which sEMG and parameters may differ
_MOST_LOST = 0.1  # share of frames without parameters that are bridged
_MOST_NOTES = 8
_MOST_FRAMES = 10_000_000  # of a data set: more than 90 hours, some gigabytes


@dataclass(frozen=True)
class ClipData:
    """One clip: sEMG envelopes and the face, frame by frame at `RATE`."""

    pid: str  # as written, with its zeros
    rec: str  # block of the session and S for electrodes: 1S, 2S
    mode: str  # "schaede", "emotion"
    task: str
    index: int  # of the task within the session
    envelope: np.ndarray  # float32 [n, 22] microvolts; NaN where unknown
    parameters: np.ndarray  # float32 [n, P] of the space
    sync_grade: str = ""

    @property
    def clip_id(self) -> str:
        """Name of the clip's files."""
        return f"{self.pid}_{self.rec}_{self.mode}_{self.index:02d}_{self.task}"


@dataclass(frozen=True)
class DataSet:
    """Clips with parameters of one method."""

    clips: tuple[ClipData, ...]
    space: ExpressionSpace
    folder: Path
    method: str
    notes: tuple[str, ...] = ()  # sentences about what was left out or changed
    simulation: Mapping[str, object] | None = None  # protocol, seed, window_ms ...; None if recorded


# --- reading ----------------------------------------------------------------------------------------


def read_dataset(folder: Path | str, method: str | None = None) -> DataSet:
    """All clips with electrodes and parameters of a method; without one, of the only method there is.

    A clip that cannot be used is left out and a note says why. Raises EiferError if there is no index,
    the method is unknown or not to be told, or no clip remains.
    """
    folder = Path(folder)
    clips, faces = _indices(folder)
    chosen = find_method(method) if method else _only_method(folder, faces)
    notes: list[str] = []
    read, headers, frames = [], {}, 0
    for row in _paired(clips, faces, chosen, notes):
        try:
            read.append(_read_clip(folder, row, chosen, headers, notes))
        except EiferError as error:
            notes.append(f"Left out a clip: {error}")
            continue
        frames += len(read[-1].envelope)
        if frames > _MOST_FRAMES:
            raise EiferError(f"'{folder.name}' has more than {_MOST_FRAMES} frames; read a part of it.")
    if not read:
        why = f" {notes[-1]}" if notes else ""
        raise EiferError(f"'{folder.name}' has no clip with sEMG and parameters of {chosen.name}.{why}")
    if len(notes) > _MOST_NOTES:
        notes[_MOST_NOTES - 1 :] = [f"{len(notes) - _MOST_NOTES + 1} more notes of this kind."]
    return DataSet(tuple(read), chosen.space, folder, chosen.name, tuple(notes), _simulation(folder))


def _indices(folder: Path) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """(rows about clips, rows about parameters); EiferError if no file at the top is an index."""
    clips, faces = find_indices(folder)
    return _rows(clips), _rows(faces)


def _rows(tables: Sequence[Path]) -> list[dict[str, str]]:
    return [row for path in tables for row in read_rows(path)]


def find_indices(folder: Path) -> tuple[list[Path], list[Path]]:
    """(tables about clips, tables about parameters); EiferError if no file at the top is an index."""
    if not folder.is_dir():
        raise EiferError(f"'{folder}' is no folder; give the one that holds MMM.csv.")
    methods = {name.casefold() for name in METHODS}
    headers = {path: set(read_header(path)) for path in sorted(folder.glob("*.csv")) if path.is_file()}
    tables = {path: header for path, header in headers.items() if "emg" in header}
    clips = [path for path, header in tables.items() if {"pid", "rec", "mode", "task"} <= header]
    faces = [path for path, header in tables.items() if header & methods]
    if not clips and not faces:
        raise EiferError(f"'{folder.name}' has no index such as MMM.csv; give the folder that holds it.")
    return clips, faces


def _only_method(folder: Path, faces: Sequence[dict[str, str]]) -> Method:
    """The method that has parameters; EiferError if it is not one."""
    there = [
        m
        for m in METHODS.values()
        if any(row.get(m.name.casefold()) for row in faces)
        and (folder / "video_noelec_params" / m.name).is_dir()
    ]
    if len(there) != 1:
        names = ", ".join(m.name for m in there) or "none"
        raise EiferError(f"Choose a method with --method; '{folder.name}' has parameters of: {names}.")
    return there[0]


def _paired(
    clips: Sequence[dict[str, str]], faces: Sequence[dict[str, str]], method: Method, notes: list[str]
) -> Iterator[dict[str, str]]:
    """A row for each clip with sEMG: what the indices say, `emg` and `parameters`.

    Where no index names the parameters, they are expected at their published place.
    """
    known = {_stem(row.get("emg", "")): row for row in faces if row.get("emg")}
    about = {_stem(row.get("emg", "")): row for row in clips if row.get("emg")}
    unpaired = 0
    for clip_id in dict.fromkeys((*about, *known)):
        row = about.get(clip_id, {})
        if row.get("use", "").casefold() in _NO:
            unpaired += 1
            continue
        face = known.get(clip_id, {})
        parameters = face.get(method.name.casefold())
        if not parameters:
            if any(r.get(method.name.casefold()) for r in faces):
                continue  # the index lists the method's clips, and this is none of them
            session = "_".join(clip_id.split("_")[:2])
            parameters = f"video_noelec_params/{method.name}/{session}/{clip_id}_params.csv.gz"
        yield {**row, "emg": row.get("emg") or face["emg"], "parameters": parameters, "clip_id": clip_id}
    if unpaired:
        notes.append(f"Left out {unpaired} clips whose 'use' says that they have no paired sEMG.")


def _read_clip(
    folder: Path,
    row: dict[str, str],
    method: Method,
    headers: dict[tuple[str, ...], list[tuple[int, int]]],
    notes: list[str],
) -> ClipData:
    """One clip; EiferError says why it cannot be used. `headers` keeps what column names mean."""
    clip_id = row["clip_id"]
    match = _CLIP_ID.fullmatch(clip_id)
    named = match.groupdict() if match else {}
    envelope = _read_envelope(_inside(folder, row["emg"]), headers)
    parameters = _read_parameters(_inside(folder, row["parameters"]), method, notes)
    rows = min(len(envelope), len(parameters))
    if abs(len(envelope) - len(parameters)) > _CUT:
        raise EiferError(
            f"'{clip_id}' has {len(envelope)} frames of sEMG but {len(parameters)} of parameters."
        )
    if rows == 0:
        raise EiferError(f"'{clip_id}' has no frames.")
    if len(envelope) != len(parameters):
        notes.append(f"'{clip_id}' was cut to the {rows} frames that sEMG and parameters share.")
    number = named.get("index") or row.get("index", "")
    return ClipData(
        pid=named.get("pid") or row.get("pid", "") or "1",  # a spreadsheet may have taken the index's zeros
        rec=row.get("rec") or named.get("rec", "1S"),
        mode=row.get("mode") or named.get("mode", ""),
        task=row.get("task") or named.get("task", clip_id),
        index=int(number) if number.isdecimal() and len(number) <= 6 else 0,
        envelope=envelope[:rows],
        parameters=parameters[:rows],
        sync_grade=row.get("sync_grade", ""),
    )


def _read_envelope(path: Path, headers: dict[tuple[str, ...], list[tuple[int, int]]]) -> np.ndarray:
    """float32 [n, 22] microvolts, at least 0."""
    header, values = read_table(path)
    key = tuple(header)
    if key not in headers:
        found = [match.channel for match in match_names(header)]
        headers[key] = [(k, CHANNELS.index(name)) for k, name in enumerate(found) if name]
    if not headers[key]:
        raise EiferError(f"No column of '{path.name}' has the name of a facial muscle.")
    envelope = np.full((len(values), CHANNEL_COUNT), np.nan, np.float32)
    for column, channel in headers[key]:
        envelope[:, channel] = np.maximum(values[:, column], 0.0)  # resampling rings below zero at the ends
    return envelope


def _read_parameters(path: Path, method: Method, notes: list[str]) -> np.ndarray:
    """float32 [n, P]; single frames without a value are bridged."""
    header, values = read_table(path)
    columns = np.array(target_columns(method, header, path.name))
    parameters = np.where(columns < 0, np.float32(0), values[:, columns]).astype(np.float32)
    lost = ~np.isfinite(parameters).all(1)
    if lost.mean() > _MOST_LOST if len(lost) else False:
        raise EiferError(f"'{path.name}' has no parameters in {lost.sum()} of {len(lost)} frames.")
    if lost.any():
        notes.append(f"'{path.name}' has no parameters in {lost.sum()} frames, which were bridged.")
        at = np.arange(len(lost))
        for k in range(parameters.shape[1]):
            parameters[lost, k] = np.interp(at[lost], at[~lost], parameters[~lost, k])
    return parameters


def _inside(folder: Path, text: str) -> Path:
    """A path that an index names; EiferError if it is not a file below the folder."""
    relative = PurePosixPath(text.replace("\\", "/"))
    outside = EiferError(f"The index names '{text[:80]}', which is not within the data set.")
    if relative.is_absolute() or ".." in relative.parts or ":" in text or "\0" in text:
        raise outside
    path = folder.joinpath(*relative.parts)
    try:
        if not path.is_file():
            raise EiferError(f"The file '{text[:120]}' is missing.")
        if not path.resolve().is_relative_to(folder.resolve()):
            raise outside
    except OSError:
        raise outside from None
    return path


def _stem(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).name.removesuffix(".csv")


def _simulation(folder: Path) -> dict[str, object] | None:
    """What a simulated data set says about itself; None for recordings."""
    try:
        with (folder / FACTS).open("rb") as file:
            facts = json.loads(file.read(1 << 16)).get("simulation")
        window = float(facts["window_ms"])
        if not 1 <= window <= 10_000 or not math.isfinite(window):
            return None
        return {**facts, "window_ms": window, "protocol": str(facts["protocol"])[:64]}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


# --- writing ----------------------------------------------------------------------------------------


def write_dataset(
    folder: Path | str,
    clips: Iterable[ClipData],
    *,
    method: str = OWN,
    simulation: Mapping[str, object] | None = None,
    replace: bool = False,
) -> Path:
    """Write clips as a new folder in the published layout, whole or not at all. Returns the folder.

    Columns of the method that are no expression are 0. `simulation` says how the clips were made: protocol,
    window_ms and whatever else helps to make them again. Raises EiferError if the folder is in the way
    (with `replace`, only a data set that was written here is replaced), or a clip cannot be written.
    """
    chosen = find_method(method)
    with new_folder(Path(folder), replace=replace) as unfinished:
        rows = [write_clip(unfinished, clip, chosen) for clip in clips]
        write_index(unfinished, rows, chosen, simulation)
    return Path(folder)


@contextmanager
def new_folder(folder: Path, *, replace: bool) -> Iterator[Path]:
    """A folder beside `folder` that takes its place once all is written; removed if that fails."""
    _check_free(folder, replace)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", suffix=".part", dir=folder.parent))
    except OSError as error:
        raise EiferError(f"'{folder}' cannot be written: {error.strerror or error}.") from None
    try:
        yield unfinished
        unfinished.chmod(0o755)  # a temporary folder is its owner's alone
        _check_free(folder, replace)
        old = unfinished.with_suffix(".old")
        if folder.exists():
            folder.rename(old)
        try:
            unfinished.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise EiferError(f"'{folder}' cannot be written: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _check_free(folder: Path, replace: bool) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not replace:
        raise EiferError(f"'{folder}' exists already; choose another name or add --replace.")
    if not (folder / FACTS).is_file():
        raise EiferError(f"'{folder}' was not written by this program; choose another name.")


def write_clip(folder: Path, clip: ClipData, method: Method) -> dict[str, object]:
    """Write the files of one clip below `folder` and return its row of the index.

    Raises EiferError if its names cannot be file names, its arrays do not fit, or it is there already.
    """
    n = len(clip.envelope)
    for word in (clip.pid, clip.rec, clip.mode, clip.task):
        if not _WORD.fullmatch(word):
            raise EiferError(f"'{word[:40]}' cannot be part of a clip's name; use letters, digits and '-'.")
    if clip.envelope.shape != (n, CHANNEL_COUNT) or clip.parameters.shape != (n, method.space.size):
        raise EiferError(
            f"'{clip.clip_id}' needs {CHANNEL_COUNT} channels and {method.space.size} parameters."
        )
    session = f"{clip.pid}_{clip.rec}"
    emg = f"emg/{session}/{clip.clip_id}.csv"
    face = f"video_noelec_params/{method.name}/{session}/{clip.clip_id}_params.csv.gz"
    header = method.columns
    values = np.zeros((n, len(header)), np.float32)
    values[:, target_columns(method, header, method.name)] = clip.parameters
    contents = (
        (folder / emg, table_bytes(EMG_COLUMNS, clip.envelope, index=True)),
        (folder / face, table_bytes(header, values, zipped=True)),
    )
    for path, data in contents:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:
                file.write(data)
        except FileExistsError:
            raise EiferError(f"There are two clips called '{clip.clip_id}'.") from None
    return {
        "index": clip.index,
        "pid": clip.pid,
        "rec": clip.rec,
        "mode": clip.mode,
        "task": clip.task,
        "sync_grade": clip.sync_grade,
        "use": True,
        "emg": emg,
        method.name: face,
    }


def write_index(
    folder: Path,
    rows: Sequence[dict[str, object]],
    method: Method,
    simulation: Mapping[str, object] | None,
    sessions: Sequence[Mapping[str, object]] = (),
) -> None:
    """Write both indices and what the data set says about itself, and how its sessions were made.

    EiferError if there is no clip.
    """
    if not rows:
        raise EiferError("A data set needs at least one clip.")
    source = {"source": "simulated"} if simulation else {}
    index = [{k: v for k, v in row.items() if k in _COLUMNS} | source for row in rows]
    faces = [{k: row[k] for k in (method.name, "emg")} for row in rows]
    (folder / _INDEX).write_bytes(rows_bytes(_COLUMNS, index))
    (folder / _PARAMETER_INDEX).write_bytes(rows_bytes((method.name, "video_noelec", "emg"), faces))
    facts = {"layout": "MMM", "method": method.name, "simulation": simulation}
    if sessions:
        facts["sessions"] = list(sessions)
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    (folder / "README.txt").write_text(_read_me(method, simulation), encoding="utf-8")


def _read_me(method: Method, simulation: Mapping[str, object] | None) -> str:
    text = (
        "Clips in the layout of the MMM data set, written by EIFER for Blender.\n"
        "MMM.csv lists the clips. emg/ holds sEMG envelopes in microvolts, 30 frames a second;\n"
        f"video_noelec_params/{method.name}/ holds the face's parameters of the same frames.\n"
    )
    if simulation:
        text += "\nSIMULATED: nobody was recorded for it.\n"
        text += "".join(f"{key}: {value}\n" for key, value in simulation.items())
    return text
