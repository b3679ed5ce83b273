"""The EMG2Exp network and its ONNX file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from ..mapping.metadata import ModelMetadata, to_props
from ..mapping.model import INPUTS, OUTPUT
from ..muscles import CHANNEL_COUNT
from ..spaces import DEFAULT_SPACE, EYELIDS, JAW, JAW_LIMITS

OPSET = 17
_IR_VERSION = 8
_FREE = 8.0  # standard deviations: beyond what any face of the head needs


class Emg2Exp(nn.Module):
    """A perceptron per frame whose answer to rest is exactly the neutral face.

    It is N(activation, present) - N(0, present) for a perceptron N with rectified units. Both
    terms are carried through the layers as a base and a difference, so that the result for zero
    activation is zero by arithmetic, not by training, whatever channels are present.
    """

    def __init__(self, outputs: int = DEFAULT_SPACE.size, hidden: tuple[int, ...] = (160, 160)) -> None:
        super().__init__()
        self.of_activation = nn.Linear(CHANNEL_COUNT, hidden[0], bias=False)
        self.of_present = nn.Linear(CHANNEL_COUNT, hidden[0])
        self.middle = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(hidden))
        self.out = nn.Linear(hidden[-1], outputs, bias=False)
        low, high = output_limits(outputs)
        self.register_buffer("low", torch.from_numpy(low))
        self.register_buffer("high", torch.from_numpy(high))

    def unlimited(self, activation: Tensor, present: Tensor) -> Tensor:
        """Parameters [n, P] before the limits; for training, where limits would stop the gradient."""
        base = self.of_present(present)
        change = self.of_activation(activation.clamp(0.0, 1.0) * present)
        for layer in self.middle:
            rest = torch.relu(base)
            change = nn.functional.linear(torch.relu(base + change) - rest, layer.weight)
            base = layer(rest)
        return self.out(torch.relu(base + change) - torch.relu(base))

    def forward(self, activation: Tensor, present: Tensor) -> Tensor:
        """activation [n, 22] in 0..1 and present [n or 1, 22] of 0 and 1 -> parameters [n, P]."""
        return self.unlimited(activation, present).clamp(self.low, self.high)


def output_limits(outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value of each parameter, as FLAME's encoders limit them."""
    low, high = np.full((2, outputs), _FREE, np.float32)
    low *= -1
    low[EYELIDS], high[EYELIDS] = 0.0, 1.0
    low[JAW], high[JAW] = zip(*JAW_LIMITS, strict=True)
    return low, high


def to_onnx(network: Emg2Exp, metadata: ModelMetadata) -> bytes:
    """The network as the bytes of an ONNX file, with its metadata.

    The graph is written out by hand: it stays as small and readable as the network.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    weights: dict[str, np.ndarray] = {"zero": np.float32(0), "one": np.float32(1)}
    nodes = list(_graph(network, weights))
    graph = helper.make_graph(
        [helper.make_node(kind, list(inputs), [output]) for kind, inputs, output in nodes],
        "emg2exp",
        [
            helper.make_tensor_value_info(INPUTS[0], TensorProto.FLOAT, ["frames", CHANNEL_COUNT]),
            helper.make_tensor_value_info(INPUTS[1], TensorProto.FLOAT, ["masks", CHANNEL_COUNT]),
        ],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["frames", len(metadata.parameters)])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="eifer_blender",
        producer_version=metadata.version,
    )
    helper.set_model_props(model, to_props(metadata))
    checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def _graph(network: Emg2Exp, weights: dict[str, np.ndarray]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Nodes (operator, inputs, output) of the network; enters the weights they use."""

    def array(tensor: Tensor) -> np.ndarray:
        return tensor.detach().numpy().astype(np.float32)

    weights["w_activation"] = array(network.of_activation.weight.T)
    weights["w_present"] = array(network.of_present.weight.T)
    weights["b_present"] = array(network.of_present.bias)
    weights["low"], weights["high"] = array(network.low)[None], array(network.high)[None]
    yield "Clip", (INPUTS[0], "zero", "one"), "clipped"
    yield "Mul", ("clipped", INPUTS[1]), "measured"
    yield "MatMul", ("measured", "w_activation"), "change0"
    yield "MatMul", (INPUTS[1], "w_present"), "product0"
    yield "Add", ("product0", "b_present"), "base0"
    for k, layer in enumerate([*network.middle, network.out], start=1):
        weights[f"w{k}"] = array(layer.weight.T)
        yield "Relu", (f"base{k - 1}",), f"rest{k}"
        yield "Add", (f"base{k - 1}", f"change{k - 1}"), f"sum{k}"
        yield "Relu", (f"sum{k}",), f"active{k}"
        yield "Sub", (f"active{k}", f"rest{k}"), f"difference{k}"
        yield "MatMul", (f"difference{k}", f"w{k}"), f"change{k}"
        if layer is not network.out:
            weights[f"b{k}"] = array(layer.bias)
            yield "MatMul", (f"rest{k}", f"w{k}"), f"product{k}"
            yield "Add", (f"product{k}", f"b{k}"), f"base{k}"
    last = f"change{len(network.middle) + 1}"
    yield "Max", (last, "low"), "above"
    yield "Min", ("above", "high"), OUTPUT
