"""Model files made by hand, field by field as in ONNX's published `onnx.proto`."""

from __future__ import annotations

import numpy as np

from eifer_blender.mapping import metadata as meta
from eifer_blender.mapping import model as names
from eifer_blender.muscles import CHANNEL_COUNT, CHANNELS
from eifer_blender.spaces import DEFAULT_SPACE

SIZE = DEFAULT_SPACE.size
FEATURES = 3
_END = np.iinfo(np.int64).max


def field(number, content):
    """A protobuf field: its number and wire type, then its content."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value):
    """A number in seven bits a byte."""
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def node(operator, inputs, outputs, *more):
    """An operator of a graph."""
    texts = [field(1, name.encode()) for name in inputs] + [field(2, name.encode()) for name in outputs]
    return field(1, b"".join([*texts, field(4, operator.encode()), *more]))


def integer(name, value):
    """An attribute of an operator."""
    return field(5, field(1, name.encode()) + field(3, value) + field(20, 2))


def weight(name, values):
    """A constant of a graph: float32 or int64."""
    values = np.asarray(values)
    values = values.astype(np.int64 if values.dtype.kind == "i" else np.float32)
    kind = 7 if values.dtype == np.int64 else 1
    dims = b"".join(field(1, size) for size in values.shape)
    return field(5, dims + field(2, kind) + field(8, name.encode()) + field(9, values.tobytes()))


def port(number, name, columns, rows="n"):
    """An input (number 11) or output (12) of a graph: float32 [rows, columns]."""
    sizes = field(1, field(2, rows.encode())) + field(1, field(1, columns))
    return field(number, field(1, name.encode()) + field(2, field(1, field(1, 1) + field(2, sizes))))


def model_file(graph, metadata, *more):
    """The bytes of a model file."""
    props = meta.to_props(metadata)
    entries = [field(14, field(1, k.encode()) + field(2, v.encode())) for k, v in props.items()]
    graph = graph + field(2, b"made by hand")
    return b"".join([field(1, 8), field(8, field(2, 17)), field(7, graph), *entries, *more])


def metadata(**change):
    """What a small model says about itself."""
    fields = {
        "kind": meta.EMG2EXP,
        "id": "by-hand",
        "version": "1",
        "channels": CHANNELS,
        "space": DEFAULT_SPACE.id,
        "parameters": DEFAULT_SPACE.names,
        "head": "any head",
        "head_hash": meta.ANY_HEAD,
        "envelope": "rms",
        "window_ms": 100.0,
        "preset": "Animation",
        "normalisation": "rest_maximum",
        "dynamics": "inside",
        "frame_rate": 30.0,
        "training": "none",
        "seed": 0,
        "data": "none",
        "licence": "CC0-1.0",
    }
    return meta.ModelMetadata(**(fields | change))


def window(name, columns, taps, before, after):
    """(graph, result) of a weighted sum over rows: taps is {offset: matrix [columns, k]}."""
    parts, seen = [weight("axis", np.array([0]))], []
    for offset in taps:
        stop = offset - after or _END
        parts += [weight(f"a{offset}", np.array([before + offset])), weight(f"b{offset}", np.array([stop]))]
        parts.append(node("Slice", [name, f"a{offset}", f"b{offset}", "axis"], [f"row{offset}"]))
        seen.append(f"row{offset}")
    parts.append(node("Concat", seen, ["window"], integer("axis", 1)))
    parts.append(weight("taps", np.concatenate(list(taps.values())).reshape(len(taps) * columns, -1)))
    return b"".join([*parts, node("MatMul", ["window", "taps"], ["sum"])])


def emg2exp(weights, before=0, after=0, **change):
    """A linear model: each parameter is the weighted sum of the channel with its number, over offsets.

    weights: {offset in frames: weight}. Values are limited to 0..1 and multiplied by the share of channels
    that are present; the standard deviation is a tenth of them, the features are the first three of them.
    """
    same = np.eye(CHANNEL_COUNT, SIZE)
    graph = b"".join(
        [
            port(11, names.ACTIVATION, CHANNEL_COUNT),
            port(11, names.PRESENT, CHANNEL_COUNT, "m"),
            window(names.ACTIVATION, CHANNEL_COUNT, {k: w * same for k, w in weights.items()}, before, after),
            weight("zero", np.zeros((1, 1))),
            weight("one", np.ones((1, 1))),
            weight("tenth", np.full((1, 1), 0.1)),
            weight("ones", np.ones((CHANNEL_COUNT, 1))),
            weight("count", np.full((1, 1), float(CHANNEL_COUNT))),
            weight("first", np.eye(SIZE, FEATURES)),
            node("Max", ["sum", "zero"], ["above"]),
            node("Min", ["above", "one"], ["limited"]),
            node("MatMul", [names.PRESENT, "ones"], ["number"]),
            node("Div", ["number", "count"], ["known"]),
            node("Mul", ["limited", "known"], [names.EXPRESSION]),
            node("Mul", [names.EXPRESSION, "tenth"], [names.EXPRESSION_SD]),
            node("MatMul", [names.EXPRESSION, "first"], [names.FEATURES]),
            port(12, names.EXPRESSION, SIZE),
            port(12, names.EXPRESSION_SD, SIZE),
            port(12, names.FEATURES, FEATURES),
        ]
    )
    return model_file(graph, metadata(before=before, after=after, **change))


def exp2emg(weights, before=0, after=0, **change):
    """The same the other way round, without uncertainty."""
    same = np.eye(SIZE, CHANNEL_COUNT)
    graph = b"".join(
        [
            port(11, names.EXPRESSION, SIZE),
            window(names.EXPRESSION, SIZE, {k: w * same for k, w in weights.items()}, before, after),
            weight("zero", np.zeros((1, 1))),
            weight("one", np.ones((1, 1))),
            node("Max", ["sum", "zero"], ["above"]),
            node("Min", ["above", "one"], [names.ACTIVATION]),
            port(12, names.ACTIVATION, CHANNEL_COUNT),
        ]
    )
    return model_file(graph, metadata(kind=meta.EXP2EMG, before=before, after=after, **change))
