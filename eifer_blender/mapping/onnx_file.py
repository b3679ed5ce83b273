"""Look at an ONNX file before any runtime sees it, and refuse what a mapping model never holds.

An ONNX file is a protobuf message; the few fields that matter are read here without a library, so
that neither reading a model's metadata nor refusing a hostile file needs onnxruntime. Field numbers
are those of ONNX's published `onnx.proto`. What passes is a plain feed-forward graph of known
operators on tables, with every tensor inside the file, whose intermediate results and multiplications
stay within a budget for `CHUNK_ROWS` frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..errors import EiferError

MAXIMUM_BYTES = 64 * 2**20
CHUNK_ROWS = 2048
"""Frames that go through a model in one run; the memory budget below is reckoned with it."""

_MAXIMUM_ENTRIES = 4096  # protobuf fields looked at on one level
_MAXIMUM_CELLS = 2**28  # of all intermediate results together, up to eight bytes each
_MAXIMUM_PRODUCTS = 10**11  # multiplications in matrix products: some seconds
_INPUT_COLUMNS = 512  # at least what any input of a mapping model has
_FLOAT, _EXTERNAL = 1, 1

# Each result is at most as large as its largest input, in every dimension.
_ELEMENTWISE_NAMES = """
    Abs Add Cast Clip Constant Div Dropout Elu Erf Exp Gelu HardSigmoid HardSwish Identity
    LayerNormalization LeakyRelu Log Max Min Mul Neg Pow PRelu Reciprocal ReduceMean Relu Selu
    Sigmoid Slice Softmax Softplus Softsign Sqrt Sub Sum Tanh Where
"""
_ELEMENTWISE = frozenset(_ELEMENTWISE_NAMES.split())
_PRODUCTS = frozenset({"Gemm", "MatMul"})
_ALLOWED = _ELEMENTWISE | _PRODUCTS | {"Concat", "Gather", "Transpose"}


# Networks that look at pictures: their results grow with channels, which are bounded, and with enlargements.
_PICTURE_NAMES = """
    Add AveragePool BatchNormalization Cast Clip Concat Constant Conv Div Flatten Gather Gemm
    GlobalAveragePool Identity MatMul MaxPool Mul ReduceMean Relu Reshape Resize Shape Sigmoid Slice
    Squeeze Sub TopK Unsqueeze
"""
_PICTURE_OPERATORS = frozenset(_PICTURE_NAMES.split())
_MAXIMUM_CHANNELS = 2048
_MAXIMUM_ENLARGEMENTS = 5
_MAXIMUM_NODES = 1500


class _Bound(NamedTuple):
    """What a tensor has at most; a row of numbers lies along the columns."""

    rank: int
    rows: int
    columns: int


_NOTHING = _Bound(0, 1, 1)
_INPUT = _Bound(2, CHUNK_ROWS, _INPUT_COLUMNS)


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
        return _inspect_model(memoryview(data), _check_graph)
    except (_MalformedError, IndexError, UnicodeDecodeError):
        raise EiferError("The model file is damaged or not an ONNX file.") from None


def inspect_pictures(data: bytes) -> dict[str, str]:
    """As `inspect`, for a network that looks at pictures [n, channels, height, width].

    Raises EiferError if the file is too large, damaged, or asks for something that such a network does not
    need: other operators, very many channels or enlargements, weights outside the file.
    """
    if len(data) > MAXIMUM_BYTES:
        raise EiferError(f"The model file is larger than {MAXIMUM_BYTES // 2**20} MiB.")
    try:
        return _inspect_model(memoryview(data), _check_picture_graph)
    except (_MalformedError, IndexError, UnicodeDecodeError):
        raise EiferError("The model file is damaged or not an ONNX file.") from None


def _inspect_model(data: memoryview, check: Callable[[memoryview], None]) -> dict[str, str]:
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
    check(graphs[0])
    return props


def _check_operator_set(data: memoryview) -> None:
    for field in _fields(data):
        if field.number == 1 and _text(field) not in ("", "ai.onnx"):
            raise EiferError(
                f"The model file uses operators of the domain '{_text(field)[:40]}', not ONNX's own."
            )


def _check_graph(data: memoryview) -> None:
    bounds: dict[str, _Bound] = {"": _NOTHING}
    nodes = []
    for field in _fields(data):
        if field.number == 1:
            nodes.append(_bytes(field))
        elif field.number == 5:
            name, bound = _tensor(_bytes(field))
            bounds[name] = bound
        elif field.number == 11:
            bounds.setdefault(_value_name(_bytes(field)), _INPUT)
        elif field.number == 15:
            raise EiferError("The model file holds sparse tensors, which are not supported.")
    cells = products = 0
    for node in nodes:
        more_cells, more_products = _check_node(node, bounds)
        cells, products = cells + more_cells, products + more_products
        if cells > _MAXIMUM_CELLS or products > _MAXIMUM_PRODUCTS:
            raise EiferError(
                "The model file would need too much memory or time; a mapping model is a small network."
            )


def _check_picture_graph(data: memoryview) -> None:
    nodes = enlargements = 0
    for field in _fields(data):
        if field.number == 1:
            nodes += 1
            enlargements += _picture_operator(_bytes(field)) == "Resize"
        elif field.number == 5:
            _picture_weight(_bytes(field))
        elif field.number == 15:
            raise EiferError("The model file holds sparse tensors, which are not supported.")
    if nodes > _MAXIMUM_NODES or enlargements > _MAXIMUM_ENLARGEMENTS:
        raise EiferError("The model file would need too much memory or time for a network of Phase 1.")


def _picture_operator(data: memoryview) -> str:
    """What a node does; EiferError if a network of Phase 1 does no such thing."""
    operator = ""
    for field in _fields(data):
        if field.number == 4:
            operator = _text(field)
        elif field.number == 5:
            _picture_attribute(_bytes(field))
        elif field.number == 7 and _text(field) not in ("", "ai.onnx"):
            raise EiferError(
                f"The model file uses operators of the domain '{_text(field)[:40]}', not ONNX's own."
            )
    if operator not in _PICTURE_OPERATORS:
        raise EiferError(
            f"The model file uses the operator '{operator[:40]}', which no network of Phase 1 does."
        )
    return operator


def _picture_attribute(data: memoryview) -> None:
    for field in _fields(data):
        if field.number in (6, 11, 22, 23):
            raise EiferError("The model file holds branches, loops or sparse tensors, which are not allowed.")
        if field.number in (5, 10):
            _picture_weight(_bytes(field))


def _picture_weight(data: memoryview) -> None:
    """Refuse a tensor that lies outside the file or makes very many channels."""
    for field in _fields(data):
        if field.number == 13 or (field.number == 14 and field.value == _EXTERNAL):
            raise EiferError("The model file refers to weights outside itself; export it as a single file.")
        if field.number == 1:
            sizes = [field.value] if field.wire == 0 else _packed(_bytes(field))
            if max(sizes, default=0) > _MAXIMUM_CHANNELS:
                raise EiferError("The model file has more channels than a network of Phase 1.")


def _check_node(data: memoryview, bounds: dict[str, _Bound]) -> tuple[int, int]:
    """Bounds of the cells of a node's results and of its multiplications; enters the results in `bounds`."""
    inputs, outputs, operator = [], [], ""
    attributes: dict[str, _Attribute] = {}
    for field in _fields(data):
        if field.number == 1:
            inputs.append(_text(field))
        elif field.number == 2:
            outputs.append(_text(field))
        elif field.number == 4:
            operator = _text(field)
        elif field.number == 5:
            attribute = _attribute(_bytes(field))
            attributes[attribute.name] = attribute
        elif field.number == 7 and _text(field) not in ("", "ai.onnx"):
            raise EiferError(
                f"The model file uses operators of the domain '{_text(field)[:40]}', not ONNX's own."
            )
    if operator not in _ALLOWED:
        raise EiferError(
            f"The model file uses the operator '{operator[:40]}', which a mapping model may not."
        )
    if any(name not in bounds for name in inputs):
        raise _MalformedError
    bound, products = _result(operator, [bounds[name] for name in inputs], attributes)
    for name in outputs:
        bounds[name] = bound
    return bound.rows * bound.columns * len(outputs), products


def _result(operator: str, inputs: list[_Bound], attributes: dict[str, _Attribute]) -> tuple[_Bound, int]:
    """Bound of an operator's results, and of the multiplications that it takes."""
    if operator in _ELEMENTWISE:
        keeps = operator != "ReduceMean" or attributes.get("keepdims", _KEEPS).number == 1
        constants = [attribute.bound for attribute in attributes.values()] if operator == "Constant" else []
        sizes = [*inputs, *constants, _NOTHING]
        if keeps:
            return _Bound(*(max(size) for size in zip(*sizes, strict=True))), 0
    elif operator in _PRODUCTS and [part.rank for part in inputs[:2]] == [2, 2]:
        first, second = inputs[:2]
        if operator == "Gemm" and "transA" in attributes:
            first = _either_way(first)
        if operator == "Gemm" and "transB" in attributes:
            second = _either_way(second)
        inner = min(first.columns, second.rows)
        return _Bound(2, first.rows, second.columns), first.rows * inner * second.columns
    elif operator == "Concat" and {part.rank for part in inputs} == {2} and "axis" in attributes:
        rows, columns = ([part[k] for part in inputs] for k in (1, 2))
        if attributes["axis"].number == 0:
            return _Bound(2, sum(rows), max(columns)), 0
        if attributes["axis"].number == 1:
            return _Bound(2, max(rows), sum(columns)), 0
    elif operator == "Gather" and [part.rank for part in inputs] == [2, 1]:
        data, count = inputs[0], inputs[1].columns
        return _Bound(2, max(data.rows, count), max(data.columns, count)), 0
    elif operator == "Transpose" and [part.rank for part in inputs] == [2]:
        return _either_way(inputs[0]), 0
    raise EiferError(f"The model file uses the operator '{operator}' in a way that a mapping model may not.")


def _either_way(bound: _Bound) -> _Bound:
    longest = max(bound.rows, bound.columns)
    return _Bound(bound.rank, longest, longest)


class _Attribute(NamedTuple):
    name: str
    number: int  # of an integer
    bound: _Bound  # of a tensor or list


_KEEPS = _Attribute("keepdims", 1, _NOTHING)


def _attribute(data: memoryview) -> _Attribute:
    """An attribute of a node; EiferError for a graph in it."""
    name, number, bound, entries = "", 0, _NOTHING, 0
    for field in _fields(data):
        if field.number in (6, 11):
            raise EiferError("The model file holds branches or loops, which a mapping model may not.")
        if field.number in (22, 23):
            raise EiferError("The model file holds sparse tensors, which are not supported.")
        if field.number == 1:
            name = _text(field)
        elif field.number == 3 and isinstance(field.value, int):
            number = field.value
        elif field.number in (5, 10):
            bound = _tensor(_bytes(field))[1]
        elif field.number in (7, 8):
            entries += 1 if isinstance(field.value, int) else len(field.value)
    return _Attribute(name, number, _Bound(1, 1, entries) if entries else bound)


def _tensor(data: memoryview) -> tuple[str, _Bound]:
    """Name and size of a tensor that lies inside the file."""
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
    return name, _Bound(len(dims), *([1, 1] + [max(1, size) for size in dims])[-2:])


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
