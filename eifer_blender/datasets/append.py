"""One session at a time: a new data set of it, or added to one that is there, whole or not at all.

Adding writes below a temporary folder inside the data set, renames the session's folders to their places and
then replaces the indices, which keep every row and column that they had. Whatever interrupts that takes back
what was renamed. Nothing that was there is opened for writing.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import EiferError
from .methods import Method, find_method
from .mmm import FACTS, ClipData, find_indices, new_folder, write_clip, write_index
from .tables import read_bytes, read_header, read_rows

_MOST_FACTS = 1 << 22


def write_session(
    folder: Path | str,
    clips: Sequence[ClipData],
    *,
    method: str,
    source: str,
    facts: Mapping[str, object],
    video: Path | None = None,
    append: bool = False,
) -> Path:
    """Write the clips of one session in the published layout. Returns the folder.

    source: a word for the index on where the clips come from. facts: how the session was made, for
    `dataset.json`. video: a file to copy to `video/`, whole, as the index's `video_no-cut`. append: add to a
    data set that is there, unless it has that session. Raises EiferError if the folder is in the way, the
    data set is of another kind, or something cannot be written; then all is as it was.
    """
    folder, chosen = Path(folder), find_method(method)
    sessions = {(clip.pid, clip.rec) for clip in clips}
    if len(sessions) != 1:
        raise EiferError("One session with at least one clip is written at a time.")
    facts = {"session": "_".join(*sessions), **facts}
    if append and folder.is_dir() and any(folder.iterdir()):
        _append(folder, clips, chosen, source, facts, video)
        return folder
    with new_folder(folder, replace=False) as unfinished:
        rows = _write_files(unfinished, clips, chosen, source, video)
        write_index(unfinished, rows, chosen, None, [facts])
    return folder


def _write_files(
    folder: Path, clips: Sequence[ClipData], method: Method, source: str, video: Path | None
) -> list[dict[str, object]]:
    """Rows of the index."""
    about = {"source": source}
    if video is not None:
        session = f"{clips[0].pid}_{clips[0].rec}"
        copy = f"video/{session}/{session}{video.suffix.lower()}"
        (folder / copy).parent.mkdir(parents=True)
        try:
            shutil.copyfile(video, folder / copy)
        except OSError as error:
            raise EiferError(f"'{video.name}' cannot be copied: {error.strerror or error}.") from None
        about["video_no-cut"] = copy
    return [write_clip(folder, clip, method) | about for clip in clips]


def _append(
    folder: Path,
    clips: Sequence[ClipData],
    method: Method,
    source: str,
    facts: Mapping[str, object],
    video: Path | None,
) -> None:
    about, faces = _index_of(folder, method)
    _check_session(folder, about, clips[0])
    old = {path: read_bytes(path) for path in dict.fromkeys((about, faces))}
    told = _facts(folder)
    try:
        unfinished = Path(tempfile.mkdtemp(prefix=".session-", suffix=".part", dir=folder))
    except OSError as error:
        raise EiferError(f"'{folder}' cannot be written: {error.strerror or error}.") from None
    moved: list[tuple[Path, Path]] = []
    replaced: list[Path] = []
    try:
        rows = _write_files(unfinished, clips, method, source, video)
        new = {path: _with_rows(data, rows) for path, data in old.items()}
        if told is not None:
            old[folder / FACTS], told["sessions"] = told.pop("text"), [*told.get("sessions", []), facts]
            new[folder / FACTS] = (json.dumps(told, indent=1) + "\n").encode()
        for path, data in new.items():
            (unfinished / path.name).write_bytes(data)
        for part in sorted(p for p in unfinished.rglob(f"{clips[0].pid}_{clips[0].rec}") if p.is_dir()):
            place = folder / part.relative_to(unfinished)
            place.parent.mkdir(parents=True, exist_ok=True)
            moved.append((part, place))
            part.rename(place)
        for path in new:
            if path.read_bytes() != old[path]:
                raise EiferError(f"'{path.name}' was changed meanwhile; add the session again.")
            replaced.append(path)
            (unfinished / path.name).replace(path)
    except BaseException as error:
        _take_back(unfinished, moved, replaced, old)
        if isinstance(error, OSError):
            raise EiferError(f"'{folder}' cannot be written: {error.strerror or error}.") from None
        raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _take_back(
    unfinished: Path, moved: Sequence[tuple[Path, Path]], replaced: Sequence[Path], old: dict[Path, bytes]
) -> None:
    """Indices first, so that no row ever names a file that is not there."""
    for path in replaced:
        again = unfinished / path.name
        again.write_bytes(old[path])
        again.replace(path)
    for part, place in moved:
        if not part.exists():
            shutil.rmtree(place, ignore_errors=True)


def _index_of(folder: Path, method: Method) -> tuple[Path, Path]:
    """(table of the clips, table of the parameters), which may be one; EiferError if rows cannot be added."""
    clips, faces = find_indices(folder)
    if len(clips) != 1 or len(faces) != 1:
        raise EiferError(
            f"'{folder.name}' needs one table of clips and one of parameters to be added to, as MMM.csv and "
            "MMM_3DMM.csv."
        )
    if method.name.casefold() not in read_header(faces[0]):
        raise EiferError(
            f"'{faces[0].name}' has no column '{method.name}': the data set holds parameters of another "
            "method; choose another folder."
        )
    return clips[0], faces[0]


def _check_session(folder: Path, index: Path, clip: ClipData) -> None:
    """EiferError if the session is there already, or a part of it."""
    session = f"{clip.pid}_{clip.rec}"
    for row in read_rows(index):
        # A spreadsheet may have taken the number's zeros.
        if row.get("pid", "").lstrip("0") == clip.pid.lstrip("0") and row.get("rec") == clip.rec:
            raise EiferError(
                f"'{folder.name}' has the session {session} already; give this one another number."
            )
    there = [p for top in ("emg", "video", "video_noelec_params") for p in folder.glob(f"{top}/**/{session}")]
    if there:
        where = there[0].relative_to(folder).as_posix()
        raise EiferError(f"'{where}' lies in '{folder.name}' though no row names it; remove it first.")


def _facts(folder: Path) -> dict[str, object] | None:
    """What the data set says about itself, with its `text`; None where it says nothing.

    EiferError if it is damaged, or the people are simulated.
    """
    try:
        text = (folder / FACTS).read_bytes()
        told = json.loads(text) if len(text) <= _MOST_FACTS else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or not isinstance(told.get("sessions", []), list):
        raise EiferError(f"'{FACTS}' in '{folder.name}' is damaged; nothing was added.")
    if told.get("simulation"):
        raise EiferError(f"'{folder.name}' holds simulated people; recordings need a data set of their own.")
    return {**told, "text": text}


def _header(data: bytes) -> list[str]:
    line = data.splitlines()[0] if data else b""
    return [name.strip() for name in next(csv.reader([line.decode("utf-8-sig", "replace")]), [])]


def _with_rows(data: bytes, rows: Sequence[Mapping[str, object]]) -> bytes:
    """An index with rows below those it has, byte for byte the same before."""
    end = b"\r\n" if b"\r\n" in data else b"\n"
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end.decode())
    header = [name.casefold() for name in _header(data)]
    for row in rows:
        cells = {name.casefold(): value for name, value in row.items()}
        writer.writerow([cells.get(name, "") for name in header])
    joint = b"" if data.endswith((b"\n", b"\r")) else end
    return data + joint + text.getvalue().encode()
