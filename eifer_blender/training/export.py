"""From a trained network to an ONNX file: a graph written out by hand, small and readable."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ..mapping import model as runtime
from ..mapping.metadata import EMG2EXP, ModelMetadata, to_props
from ..muscles import CHANNEL_COUNT
from .fit import Trainer
from .network import output_limits

OPSET = 17
_IR_VERSION = 8
_TO_THE_END = np.iinfo(np.int64).max

Node = tuple[str, tuple[str, ...], str, dict[str, object]]


def to_onnx(trainer: Trainer, metadata: ModelMetadata, features: np.ndarray | None) -> bytes:
    """The network as the bytes of an ONNX file, with its metadata.

    features: [H, F] of an EMG2Exp network, see `finish.calibration_features`.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    graph = _Graph()
    columns = trainer.network.shape.inputs
    count = len(trainer.space.names)
    if metadata.kind == EMG2EXP:
        _emg_to_expression(graph, trainer, metadata, features)
        inputs = {
            runtime.ACTIVATION: ("rows", columns),
            runtime.PRESENT: ("masks", CHANNEL_COUNT),
        }
        outputs = {
            runtime.EXPRESSION: count,
            runtime.EXPRESSION_SD: count,
            runtime.FEATURES: features.shape[1],
        }
    else:
        _expression_to_emg(graph, trainer, metadata)
        inputs = {runtime.EXPRESSION: ("rows", columns)}
        outputs = {runtime.ACTIVATION: CHANNEL_COUNT, runtime.ACTIVATION_SD: CHANNEL_COUNT}

    def tensor(name: str, rows: str, width: int) -> object:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, width])

    built = helper.make_graph(
        [helper.make_node(kind, list(given), [made], **more) for kind, given, made, more in graph.nodes],
        metadata.kind,
        [tensor(name, *size) for name, size in inputs.items()],
        [tensor(name, "frames", width) for name, width in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in graph.weights.items()],
    )
    model = helper.make_model(
        built,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="eifer_blender",
        producer_version=metadata.version,
    )
    helper.set_model_props(model, to_props(metadata))
    checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


class _Graph:
    """Nodes and weights that have been written so far."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.weights: dict[str, np.ndarray] = {}

    def add(self, kind: str, inputs: tuple[str, ...], output: str, **more: object) -> str:
        self.nodes.append((kind, inputs, output, more))
        return output

    def weight(self, name: str, value: np.ndarray) -> str:
        self.weights[name] = np.ascontiguousarray(value)
        return name


def _emg_to_expression(
    graph: _Graph, trainer: Trainer, metadata: ModelMetadata, features: np.ndarray
) -> None:
    network = trainer.network
    clipped = _limit(graph, runtime.ACTIVATION, "measured", np.float32([[0.0]]), np.float32([[1.0]]))
    seen = _window(graph, clipped, trainer, metadata)
    free, differences = _answer(
        graph, trainer, seen, _array(network.of_input.weight).T, runtime.EXPRESSION_SD, runtime.PRESENT
    )
    low, high = output_limits(trainer.space.names)
    _limit(graph, free, runtime.EXPRESSION, low[None], high[None])
    graph.add("MatMul", (differences, graph.weight("w_features", features)), runtime.FEATURES)


def _expression_to_emg(graph: _Graph, trainer: Trainer, metadata: ModelMetadata) -> None:
    seen = _window(graph, runtime.EXPRESSION, trainer, metadata)
    # The deviations that the inputs are divided by in training become part of the first weights.
    spread = np.tile(trainer.spread.numpy(), len(trainer.offsets))
    first = _array(trainer.network.of_input.weight).T / spread[:, None]
    free, _ = _answer(graph, trainer, seen, first, runtime.ACTIVATION_SD)
    above = graph.add("Sub", (free, graph.weight("floor", np.float32([[trainer.floor]]))), "above_floor")
    scale = graph.weight("scale", np.float32([[1.0 / (1.0 - trainer.floor)]]))
    scaled = graph.add("Mul", (above, scale), "scaled")
    _limit(graph, scaled, runtime.ACTIVATION, np.float32([[0.0]]), np.float32([[1.0]]))


def _answer(
    graph: _Graph, trainer: Trainer, seen: str, first: np.ndarray, sd: str, present: str = ""
) -> tuple[str, str]:
    """(answer without limits, last hidden layer's differences); writes the deviations to `sd`.

    first: weights [K columns, H] of the window. As `fit.Trainer.answer`: where the space has a mirror, the
    mirrored network, whose weights are the same in another order, answers too, and both are averaged.
    """
    count = len(trainer.offsets)
    masks = _array(trainer.network.of_present.weight).T
    differences = _layers(graph, trainer, seen, present, first, masks, "")
    out, weight = _array(trainer.network.out.weight).T, graph.weight
    if trainer.mirror is None:
        free = graph.add("MatMul", (differences, weight("w_out", out)), "free")
        graph.add("Sqrt", (_variance(graph, trainer, differences, ""),), sd)
        return free, differences
    given, made = trainer.mirrors()
    blocks = np.einsum("ij,kjh->kih", given, first.reshape(count, len(given), -1))
    turned = given @ masks if present else masks
    mirrored = _layers(graph, trainer, seen, present, blocks.reshape(first.shape), turned, "_m")
    plain = graph.add("MatMul", (differences, weight("w_out", out / 2)), "half")
    other = graph.add("MatMul", (mirrored, weight("w_out_m", out @ made / 2)), "half_m")
    own, turned_variance = (_variance(graph, trainer, d, k) for d, k in ((differences, ""), (mirrored, "_m")))
    spread = graph.add("MatMul", (turned_variance, weight("made", np.square(made))), "variance_back")
    total = graph.add("Add", (own, spread), "variance_sum")
    mean = graph.add("Mul", (total, weight("one_half", np.float32([[0.5]]))), "variance_mean")
    graph.add("Sqrt", (mean,), sd)
    return graph.add("Add", (plain, other), "free"), differences


def _window(graph: _Graph, rows: str, trainer: Trainer, metadata: ModelMetadata) -> str:
    """[frames, K columns]: the rows that each frame sees, side by side."""
    if len(trainer.offsets) == 1:
        return rows
    axis = graph.weight("axis", np.array([0], np.int64))
    parts = []
    for offset in trainer.offsets.tolist():
        end = offset - metadata.after
        start = graph.weight(f"start{offset}", np.array([metadata.before + offset], np.int64))
        stop = graph.weight(f"stop{offset}", np.array([end if end else _TO_THE_END], np.int64))
        parts.append(graph.add("Slice", (rows, start, stop, axis), f"frame{offset}"))
    return graph.add("Concat", tuple(parts), "window", axis=1)


def _layers(
    graph: _Graph,
    trainer: Trainer,
    seen: str,
    present: str,
    first: np.ndarray,
    masks: np.ndarray,
    suffix: str,
) -> str:
    """What the last hidden layer gives more than at rest; see `network.Network.differences`."""
    network, weight = trainer.network, graph.weight
    base = weight(f"b0{suffix}", _array(network.of_present.bias)[None])
    if present:
        product = graph.add("MatMul", (present, weight(f"w_present{suffix}", masks)), f"product0{suffix}")
        base = graph.add("Add", (product, base), f"base0{suffix}")
    change = graph.add("MatMul", (seen, weight(f"w_input{suffix}", first)), f"change0{suffix}")
    for k, layer in enumerate(network.middle, start=1):
        difference, rest = _difference(graph, base, change, f"{k}{suffix}")
        matrix, bias = weight(f"w{k}", _array(layer.weight).T), weight(f"b{k}", _array(layer.bias)[None])
        change = graph.add("MatMul", (difference, matrix), f"change{k}{suffix}")
        product = graph.add("MatMul", (rest, matrix), f"product{k}{suffix}")
        base = graph.add("Add", (product, bias), f"base{k}{suffix}")
    return _difference(graph, base, change, f"_last{suffix}")[0]


def _difference(graph: _Graph, base: str, change: str, name: str) -> tuple[str, str]:
    """(rectified base and change minus rectified base, rectified base)."""
    rest = graph.add("Relu", (base,), f"rest{name}")
    total = graph.add("Add", (base, change), f"sum{name}")
    active = graph.add("Relu", (total,), f"active{name}")
    return graph.add("Sub", (active, rest), f"difference{name}"), rest


def _variance(graph: _Graph, trainer: Trainer, differences: str, suffix: str) -> str:
    """exp(2 s) of the limited logarithm s of the standard deviations."""
    layer, (low, high) = trainer.network.log_sd, trainer.network.shape.log_sd
    if (own := trainer.network.sd_hidden) is not None:
        seen = graph.add(
            "MatMul", (differences, graph.weight("w_sd_own", _array(own.weight).T)), f"sd_seen{suffix}"
        )
        bias = graph.weight("b_sd_own", _array(own.bias)[None])
        shifted = graph.add("Add", (seen, bias), f"sd_own{suffix}")
        differences = graph.add("Relu", (shifted,), f"sd_active{suffix}")
    product = graph.add(
        "MatMul", (differences, graph.weight("w_sd", _array(layer.weight).T)), f"sd_product{suffix}"
    )
    free = graph.add("Add", (product, graph.weight("b_sd", _array(layer.bias)[None])), f"sd_free{suffix}")
    limited = _limit(graph, free, f"sd_log{suffix}", np.float32([[low]]), np.float32([[high]]))
    doubled = graph.add("Mul", (limited, graph.weight("two", np.float32([[2.0]]))), f"sd_twice{suffix}")
    return graph.add("Exp", (doubled,), f"variance{suffix}")


def _limit(graph: _Graph, value: str, output: str, low: np.ndarray, high: np.ndarray) -> str:
    above = graph.add("Max", (value, graph.weight(f"{output}_low", low)), f"{output}_above")
    return graph.add("Min", (above, graph.weight(f"{output}_high", high)), output)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().astype(np.float32)
