"""From trained networks to ONNX files with half-precision weights, and the check that they say the same."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import EiferError
from .detector import electrode_mask
from .networks import Code

OPSET = 17
_LEAST_HALVED = 256  # numbers; smaller tensors stay as they are
_MAXIMUM_ERROR = {"picture": 0.02, "electrodes": 0.05, "where": 0.1}
_OTHER_ERROR = 0.02


class EncoderGraph(nn.Module):
    """The encoder with named results."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        """`Code` as a plain tuple."""
        return tuple(self.encoder(picture))


class DetectorGraph(nn.Module):
    """The detector, as probabilities."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """([n] chance that electrodes are in the pictures, [n, 1, size, size] where, 0..1)."""
        _, odds = self.detector(picture)
        return torch.sigmoid(odds), electrode_mask(self.detector, picture)


INPUTS: dict[str, tuple[tuple[str, int], ...]] = {
    "encoder": (("picture", 3),),
    "remover": (("rendering", 3), ("masked", 4)),
    "detector": (("picture", 3),),
}
OUTPUTS: dict[str, tuple[str, ...]] = {
    "encoder": Code._fields,
    "remover": ("picture",),
    "detector": ("electrodes", "where"),
}
"""Names and channels of what the files take, and names of what they give."""


def to_onnx(kind: str, network: nn.Module, size: int, props: dict[str, str]) -> bytes:
    """A network as the bytes of an ONNX file for pictures of size x size pixels.

    kind: one of INPUTS. Raises EiferError if the file does not say what the network says.
    """
    import onnx

    graph = {"encoder": EncoderGraph, "detector": DetectorGraph}.get(kind, nn.Identity)
    network = network.cpu().float().eval()
    module = network if kind == "remover" else graph(network).eval()
    rng = np.random.default_rng(0)
    example = [
        torch.from_numpy(rng.random((2, channels, size, size), dtype=np.float32))
        for _, channels in INPUTS[kind]
    ]
    names = [name for name, _ in INPUTS[kind]]
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            tuple(example),
            buffer,
            input_names=names,
            output_names=list(OUTPUTS[kind]),
            dynamic_axes={name: {0: "n"} for name in (*names, *OUTPUTS[kind])},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    _halve(model.graph)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, props)
    model.producer_name = "eifer_blender"
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString(deterministic=True)
    _compare(kind, module, example, data)
    return data


def _halve(graph: object) -> None:
    """Store large weights in half precision; a cast brings them back when the file is loaded."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < _LEAST_HALVED or np.abs(values).max() > 6e4:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *(onnx.NodeProto.FromString(n.SerializeToString()) for n in graph.node)]
    del graph.node[:]
    graph.node.extend(nodes)


def _compare(kind: str, module: nn.Module, example: Sequence[Tensor], data: bytes) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    feed = {name: value.numpy() for (name, _), value in zip(INPUTS[kind], example, strict=True)}
    with torch.no_grad():
        own = module(*example)
    own = own if isinstance(own, tuple) else (own,)
    for name, mine, other in zip(OUTPUTS[kind], own, session.run(None, feed), strict=True):
        error = float(np.abs(mine.numpy() - other).max())
        if not error <= _MAXIMUM_ERROR.get(name, _OTHER_ERROR):
            raise EiferError(f"'{name}' of the {kind}'s ONNX file differs from the network by {error:.1e}.")
