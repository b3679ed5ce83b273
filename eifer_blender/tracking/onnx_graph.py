"""Writes an ONNX file without the package `onnx`, which Blender does not have.

Field numbers are those of ONNX's published `onnx.proto`; what is written is what `convert` needs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_IR_VERSION, _OPSET = 8, 17
_TYPES = {np.dtype(np.float32): 1, np.dtype(np.int64): 7, np.dtype(np.float16): 10}
_FLOAT, _INT, _TEXT, _INTS = 1, 2, 3, 7  # types of attributes
Attribute = int | float | str | Sequence[int]


class Graph:
    """Nodes and weights that have been added so far."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._weights: list[bytes] = []
        self._count = 0

    def add(self, kind: str, inputs: Sequence[str], output: str = "", **attributes: Attribute) -> str:
        """One node; the name of what it gives."""
        self._count += 1
        output = output or f"_{self._count}"
        node = b"".join(_bytes(1, name.encode()) for name in inputs) + _bytes(2, output.encode())
        node += _bytes(4, kind.encode())
        node += b"".join(_bytes(5, _attribute(name, value)) for name, value in attributes.items())
        self._nodes.append(node)
        return output

    def weight(self, values: np.ndarray) -> str:
        """One constant tensor; its name."""
        self._count += 1
        name = f"w{self._count}"
        values = np.ascontiguousarray(values)
        tensor = b"".join(_number(1, n) for n in values.shape) + _number(2, _TYPES[values.dtype])
        self._weights.append(tensor + _bytes(8, name.encode()) + _bytes(9, values.tobytes()))
        return name

    def to_bytes(self, inputs: dict[str, Sequence[int]], outputs: dict[str, Sequence[int]]) -> bytes:
        """The file; inputs and outputs: name -> shape, of float32."""
        graph = b"".join(_bytes(1, node) for node in self._nodes) + _bytes(2, b"graph")
        graph += b"".join(_bytes(5, weight) for weight in self._weights)
        for number, values in ((11, inputs), (12, outputs)):
            graph += b"".join(_bytes(number, _value(name, shape)) for name, shape in values.items())
        return _number(1, _IR_VERSION) + _bytes(7, graph) + _bytes(8, _bytes(1, b"") + _number(2, _OPSET))


def _value(name: str, shape: Sequence[int]) -> bytes:
    dimensions = b"".join(_bytes(1, _number(1, n)) for n in shape)
    tensor = _number(1, _FLOAT) + _bytes(2, dimensions)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor))


def _attribute(name: str, value: Attribute) -> bytes:
    start = _bytes(1, name.encode())
    if isinstance(value, str):
        return start + _bytes(4, value.encode()) + _number(20, _TEXT)
    if isinstance(value, float):
        return start + _key(2, 5) + np.float32(value).tobytes() + _number(20, _FLOAT)
    if isinstance(value, int):
        return start + _number(3, value) + _number(20, _INT)
    return start + b"".join(_number(8, int(v)) for v in value) + _number(20, _INTS)


def _key(field: int, wire: int) -> bytes:
    return _varint(field << 3 | wire)


def _number(field: int, value: int) -> bytes:
    return _key(field, 0) + _varint(int(value) & (2**64 - 1))


def _bytes(field: int, value: bytes) -> bytes:
    return _key(field, 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)
