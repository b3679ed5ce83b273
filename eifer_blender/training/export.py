"""From a trained network to an ONNX file: a graph written out by hand, small and readable."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ..mapping import model as runtime
from ..mapping.metadata import EMG2EXP, ModelMetadata, to_props
from ..muscles import CHANNEL_COUNT
from .fit import Trainer
from .network import _LOG_SD, output_limits

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
    weight = graph.weight("w_present", _array(network.of_present.weight).T)
    product = graph.add("MatMul", (runtime.PRESENT, weight), "product0")
    base = graph.add(
        "Add", (product, graph.weight("b_present", _array(network.of_present.bias)[None])), "base0"
    )
    differences = _layers(graph, trainer, seen, base, _array(network.of_input.weight))
    out = graph.add("MatMul", (differences, graph.weight("w_out", _array(network.out.weight).T)), "free")
    low, high = output_limits(trainer.space.names)
    _limit(graph, out, runtime.EXPRESSION, low[None], high[None])
    _deviation(graph, trainer, differences, runtime.EXPRESSION_SD)
    graph.add("MatMul", (differences, graph.weight("w_features", features)), runtime.FEATURES)


def _expression_to_emg(graph: _Graph, trainer: Trainer, metadata: ModelMetadata) -> None:
    network = trainer.network
    seen = _window(graph, runtime.EXPRESSION, trainer, metadata)
    base = graph.weight("base0", _array(network.of_present.bias)[None])
    # The deviations that the inputs are divided by in training become part of the first weights.
    spread = np.tile(trainer.spread.numpy(), len(trainer.offsets))
    differences = _layers(graph, trainer, seen, base, _array(network.of_input.weight) / spread)
    out = graph.add("MatMul", (differences, graph.weight("w_out", _array(network.out.weight).T)), "free")
    above = graph.add("Sub", (out, graph.weight("floor", np.float32([[trainer.floor]]))), "above_floor")
    scale = graph.weight("scale", np.float32([[1.0 / (1.0 - trainer.floor)]]))
    scaled = graph.add("Mul", (above, scale), "scaled")
    _limit(graph, scaled, runtime.ACTIVATION, np.float32([[0.0]]), np.float32([[1.0]]))
    _deviation(graph, trainer, differences, runtime.ACTIVATION_SD)


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


def _layers(graph: _Graph, trainer: Trainer, seen: str, base: str, first: np.ndarray) -> str:
    """What the last hidden layer gives more than at rest; see `network.Network.differences`."""
    change = graph.add("MatMul", (seen, graph.weight("w_input", first.T)), "change0")
    for k, layer in enumerate(trainer.network.middle, start=1):
        difference, rest = _difference(graph, base, change, k)
        weight = graph.weight(f"w{k}", _array(layer.weight).T)
        change = graph.add("MatMul", (difference, weight), f"change{k}")
        product = graph.add("MatMul", (rest, weight), f"product{k}")
        base = graph.add("Add", (product, graph.weight(f"b{k}", _array(layer.bias)[None])), f"base{k}")
    return _difference(graph, base, change, len(trainer.network.middle) + 1)[0]


def _difference(graph: _Graph, base: str, change: str, k: int) -> tuple[str, str]:
    """(rectified base and change minus rectified base, rectified base)."""
    rest = graph.add("Relu", (base,), f"rest{k}")
    total = graph.add("Add", (base, change), f"sum{k}")
    active = graph.add("Relu", (total,), f"active{k}")
    return graph.add("Sub", (active, rest), f"difference{k}"), rest


def _deviation(graph: _Graph, trainer: Trainer, differences: str, output: str) -> None:
    layer = trainer.network.log_sd
    product = graph.add("MatMul", (differences, graph.weight("w_sd", _array(layer.weight).T)), "sd_product")
    logarithm = graph.add("Add", (product, graph.weight("b_sd", _array(layer.bias)[None])), "sd_free")
    limited = _limit(graph, logarithm, "sd_log", np.float32([[_LOG_SD[0]]]), np.float32([[_LOG_SD[1]]]))
    graph.add("Exp", (limited,), output)


def _limit(graph: _Graph, value: str, output: str, low: np.ndarray, high: np.ndarray) -> str:
    above = graph.add("Max", (value, graph.weight(f"{output}_low", low)), f"{output}_above")
    return graph.add("Min", (above, graph.weight(f"{output}_high", high)), output)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().astype(np.float32)
