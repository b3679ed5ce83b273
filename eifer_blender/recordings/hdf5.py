"""MATLAB 7.3 and other HDF5 files through h5py, which users install themselves."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import EiferError
from .binary import MOST_BYTES
from .variables import Tree

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_MOST_NODES = 20_000
_DEEPEST = 24
_RATIO = 1100  # no deflated data unfolds to more


def read_hdf5(path: Path, form: str, notes: list[str]) -> Tree:
    """Groups and data sets as plain arrays, texts, lists and dictionaries.

    Links into other files are never followed. Raises EiferError without h5py, or if the file is damaged.
    """
    h5py = _h5py(path, form)
    try:
        with h5py.File(path, "r") as file:
            return _Reader(h5py, file, path.name, notes).group(file, 0)
    except EiferError:
        raise
    except Exception as error:  # HDF5 raises whatever a damaged structure leads to
        raise EiferError(
            f"'{path.name}' is a damaged {form} file ({type(error).__name__}); copy or save it again."
        ) from None


def _h5py(path: Path, form: str) -> ModuleType:
    try:
        return importlib.import_module("h5py")
    except Exception:  # a compiled package that does not fit raises anything
        hint = (
            "in MATLAB, save it with the option '-v7'"
            if form.startswith("MATLAB")
            else "save the signals as NPY, MATLAB version 7 or EDF"
        )
        raise EiferError(
            f"'{path.name}' is a {form} file, which needs the Python package h5py; {hint}, or install h5py."
        ) from None


class _Reader:
    """Walks through one open file with a budget of memory and of nodes."""

    def __init__(self, h5py: ModuleType, file: Any, name: str, notes: list[str]) -> None:  # noqa: ANN401
        self.h5py, self.file, self.name, self.notes = h5py, file, name, notes
        self.bytes = self.nodes = 0

    def group(self, group: Any, depth: int) -> Tree:  # noqa: ANN401
        """Members of a group by name; MATLAB's own bookkeeping is left out."""
        tree: Tree = {}
        for key in list(group)[:_MOST_NODES]:
            if key.startswith("#") or not isinstance(group.get(key, getlink=True), self.h5py.HardLink):
                continue
            value = self.node(group[key], depth + 1)
            if value is not None:
                tree[key] = value
        return _struct_array(tree)

    def node(self, node: Any, depth: int) -> Any:  # noqa: ANN401
        """A group as a dictionary, a data set as what it holds; None for what cannot be used."""
        self.nodes += 1
        if self.nodes > _MOST_NODES or depth > _DEEPEST:
            return None
        if isinstance(node, self.h5py.Group):
            if "MATLAB_object_decode" in node.attrs:
                self._object()
                return None
            return self.group(node, depth)
        return self.dataset(node, depth) if isinstance(node, self.h5py.Dataset) else None

    def dataset(self, data: Any, depth: int) -> Any:  # noqa: ANN401
        """Numbers [as MATLAB shows them], text, list of cells, or a table's columns."""
        kind = data.attrs.get("MATLAB_class", b"")
        kind = kind.decode("latin-1") if isinstance(kind, bytes) else str(kind)
        if "MATLAB_object_decode" in data.attrs:
            self._object()
            return None
        if "MATLAB_empty" in data.attrs or data.shape is None or 0 in data.shape:
            return "" if kind == "char" else None
        self._budget(data)
        if data.dtype.kind == "O":
            return self._references_or_texts(data, depth)
        if data.dtype.names:
            table = data[()]
            return {n: table[n] for n in data.dtype.names if data.dtype[n].kind in "fiub"}
        if data.dtype.kind == "S":
            texts = [t.decode("utf-8", "replace") for t in np.atleast_1d(data[()]).reshape(-1).tolist()]
            return texts[0] if data.ndim == 0 else texts
        if data.dtype.kind not in "fiub":
            return None
        values = data[()]
        if kind == "char":
            return _text(values)
        # MATLAB writes its columns first, so h5py shows the axes turned round.
        return values.T if kind else np.asarray(values)

    def _object(self) -> None:
        note = "MATLAB tables, functions or objects were left out."
        if note not in self.notes:
            self.notes.append(note)

    def _budget(self, data: Any) -> None:  # noqa: ANN401
        count = int(np.prod(data.shape, dtype=object))
        needed = count * (max(data.dtype.itemsize, 8) + 4)
        if data.is_virtual or data.external:
            raise EiferError(f"'{self.name}' keeps its samples in other files; save them in one file.")
        if needed > 65_536 and needed > 4 * _RATIO * (data.id.get_storage_size() + 64):
            raise EiferError(f"'{self.name}' announces far more numbers than it holds; save it again.")
        self.bytes += needed
        if self.bytes > MOST_BYTES:
            raise EiferError(
                f"'{self.name}' needs more than {MOST_BYTES / 2**30:.0f} GiB of memory; save the signals "
                "as EDF, BrainVision or NPY, which are read in blocks."
            )

    def _references_or_texts(self, data: Any, depth: int) -> Any:  # noqa: ANN401
        if self.h5py.check_string_dtype(data.dtype) is not None:
            texts = [
                t.decode("utf-8", "replace") if isinstance(t, bytes) else str(t)
                for t in np.atleast_1d(data[()]).reshape(-1).tolist()
            ]
            return texts[0] if data.ndim == 0 else texts
        if self.h5py.check_ref_dtype(data.dtype) is not self.h5py.Reference:
            return None
        cells = []
        for reference in data[()].reshape(-1)[:_MOST_NODES]:
            if reference:
                value = self.node(self.file[reference], depth + 1)
                if value is not None:
                    cells.append(value)
        return cells


def _text(values: np.ndarray) -> Any:  # noqa: ANN401
    """Text of MATLAB characters [columns, rows], or a list of texts for several rows."""
    rows = np.atleast_2d(values).T
    texts = ["".join(map(chr, row.tolist())).rstrip("\x00 ") for row in rows[:4096].astype(np.uint16)]
    return texts[0] if len(texts) == 1 else texts


def _struct_array(tree: Tree) -> Any:  # noqa: ANN401
    """A structure array is a group whose fields are equally long lists: turned into a list of structures."""
    lists = [v for v in tree.values() if isinstance(v, list)]
    known = {"latency", "labels", "type", "label"}
    if tree and len(lists) == len(tree) and known & set(tree) and len({len(v) for v in lists}) == 1:
        return [dict(zip(tree, values, strict=True)) for values in zip(*tree.values(), strict=True)]
    return tree
