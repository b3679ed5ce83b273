"""Look at an ONNX file before any runtime sees it, and refuse what a mapping model never holds.

An ONNX file is a protobuf message; the few fields that matter are read here without a library, so
that neither reading a model's metadata nor refusing a hostile file needs onnxruntime. Field numbers
are those of ONNX's published `onnx.proto`. What passes is a plain feed-forward graph of known
operators, with every tensor inside the file, whose intermediate results stay within a memory
budget for `CHUNK_ROWS` frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import EiferError

MAXIMUM_BYTES = 64 * 2**20
CHUNK_ROWS = 2048
"""Frames that go through a model in one run; the memory budget below is reckoned with it."""

_MAXIMUM_ENTRIES = 4096  # protobuf fields looked at on one level
_MAXIMUM_BUDGET = 2 * 2**30  # bytes of all intermediate results together
_FLOAT, _EXTERNAL = 1, 1

# Each result is at most as large as its largest input, in every dimension.
_ELEMENTWISE_NAMES = """
    Abs Add Cast Clip Constant Div Dropout Elu Erf Exp Gelu HardSigmoid HardSwish Identity
    LayerNormalization LeakyRelu Log Max Min Mul Neg Pow PRelu Reciprocal ReduceMean Relu Selu
    Sigmoid Softmax Softplus Softsign Sqrt Sub Sum Tanh Where
"""
_ELEMENTWISE = frozenset(_ELEMENTWISE_NAMES.split())
_PRODUCTS = frozenset({"Gemm", "MatMul", "Gather", "Slice", "Transpose"})
_JOINING = frozenset({"Concat"})
_ALLOWED = _ELEMENTWISE | _PRODUCTS | _JOINING


class _Field(NamedTuple):
    number: int
    wire: int  # protobuf wire type: 0 varint, 1 eight bytes, 2 bytes, 5 four bytes
    value: int | memoryview


class _MalformedError(Exception):
    """The bytes are not a well-formed message."""


def inspect(data: bytes) -> dict[str, str]:
    """Check an ONNX file's bytes and return its `metadata_props`.

    Raises EiferError if the file is too large, damaged, no ONNX file, or asks for something that a
    mapping model does not need (tensors outside the file, control flow, operators of other domains).
    """
    if len(data) > MAXIMUM_BYTES:
        raise EiferError(f"The model file is larger than {MAXIMUM_BYTES // 2**20} MiB.")
    try:
        return _inspect_model(memoryview(data))
    except (_MalformedError, IndexError, UnicodeDecodeError):
        raise EiferError("The model file is damaged or not an ONNX file.") from None


def _inspect_model(data: memoryview) -> dict[str, str]:
    props: dict[str, str] = {}
    graphs = []
    for field in _fields(data):
        if field.number == 7:
            graphs.append(_bytes(field))
        elif field.number == 14:
            key, value = _entry(_bytes(field))
            props[key] = value
        elif field.number == 8:
            _check_operator_set(_bytes(field))
        elif field.number in (20, 25):
            raise EiferError("The model file holds training steps or functions, which are not allowed.")
        elif field.number > 30:
            raise _MalformedError
    if len(graphs) != 1:
        raise _MalformedError
    _check_graph(graphs[0])
    return props


def _check_operator_set(data: memoryview) -> None:
    for field in _fields(data):
        if field.number == 1 and _text(field) not in ("", "ai.onnx"):
            raise EiferError(
                f"The model file uses operators of the domain '{_text(field)[:40]}', not ONNX's own."
            )


def _check_graph(data: memoryview) -> None:
    sizes: dict[str, int] = {"": 1}  # name -> bound of the largest dimension
    nodes = []
    for field in _fields(data):
        if field.number == 1:
            nodes.append(_bytes(field))
        elif field.number == 5:
            name, size = _tensor(_bytes(field))
            sizes[name] = size
        elif field.number == 11:
            sizes.setdefault(_value_name(_bytes(field)), CHUNK_ROWS)
        elif field.number == 15:
            raise EiferError("The model file holds sparse tensors, which are not supported.")
    budget = 0
    for node in nodes:
        budget += _check_node(node, sizes)
        if budget > _MAXIMUM_BUDGET:
            raise EiferError("The model file would need too much memory; a mapping model is a small network.")


def _check_node(data: memoryview, sizes: dict[str, int]) -> int:
    """Bound of the bytes of a node's results; enters their names in `sizes`."""
    inputs, outputs, operator, constant = [], [], "", 1
    for field in _fields(data):
        if field.number == 1:
            inputs.append(_text(field))
        elif field.number == 2:
            outputs.append(_text(field))
        elif field.number == 4:
            operator = _text(field)
        elif field.number == 5:
            constant = max(constant, _attribute(_bytes(field)))
        elif field.number == 7 and _text(field) not in ("", "ai.onnx"):
            raise EiferError(
                f"The model file uses operators of the domain '{_text(field)[:40]}', not ONNX's own."
            )
    if operator not in _ALLOWED:
        raise EiferError(
            f"The model file uses the operator '{operator[:40]}', which a mapping model may not."
        )
    if any(name not in sizes for name in inputs):
        raise _MalformedError
    bounds = [sizes[name] for name in inputs] + [constant]
    bound = sum(bounds) if operator in _JOINING else max(bounds)
    for name in outputs:
        sizes[name] = bound
    return 4 * bound**2 * len(outputs)


def _attribute(data: memoryview) -> int:
    """Largest dimension of a tensor in an attribute, else 1; EiferError for a graph in it."""
    bound = 1
    for field in _fields(data):
        if field.number in (6, 11):
            raise EiferError("The model file holds branches or loops, which a mapping model may not.")
        if field.number in (22, 23):
            raise EiferError("The model file holds sparse tensors, which are not supported.")
        if field.number in (5, 10):
            bound = max(bound, _tensor(_bytes(field))[1])
        elif field.number in (7, 8) and field.wire == 2:
            bound = max(bound, len(_bytes(field)))
    return bound


def _tensor(data: memoryview) -> tuple[str, int]:
    """Name and largest dimension of a tensor that lies inside the file."""
    name, dims = "", []
    for field in _fields(data):
        if field.number == 1:
            dims += [field.value] if field.wire == 0 else _packed(_bytes(field))
        elif field.number == 8:
            name = _text(field)
        elif field.number == 13 or (field.number == 14 and field.value == _EXTERNAL):
            raise EiferError("The model file refers to weights outside itself; export it as a single file.")
    if len(dims) > 2:
        raise EiferError("The model file holds tensors of more than two dimensions, which are not supported.")
    if math.prod(dims) > MAXIMUM_BYTES:
        raise _MalformedError
    return name, max([1, *dims])


def _value_name(data: memoryview) -> str:
    return next((_text(field) for field in _fields(data) if field.number == 1), "")


def _entry(data: memoryview) -> tuple[str, str]:
    pair = {field.number: _text(field) for field in _fields(data) if field.number in (1, 2)}
    return pair.get(1, ""), pair.get(2, "")


def _fields(data: memoryview) -> Iterator[_Field]:
    """Fields of one protobuf message, in order."""
    at, count = 0, 0
    while at < len(data):
        count += 1
        if count > _MAXIMUM_ENTRIES:
            raise EiferError("The model file holds too many parts; a mapping model is a small network.")
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield _Field(number, wire, value)
            continue
        if wire == 2:
            length, at = _varint(data, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise _MalformedError
        if at + length > len(data):
            raise _MalformedError
        yield _Field(number, wire, data[at : at + length])
        at += length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _MalformedError


def _packed(data: memoryview) -> list[int]:
    values, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        values.append(value)
        if len(values) > 8:
            raise _MalformedError
    return values


def _bytes(field: _Field) -> memoryview:
    if isinstance(field.value, int):
        raise _MalformedError
    return field.value


def _text(field: _Field) -> str:
    return bytes(_bytes(field)).decode("utf-8")
