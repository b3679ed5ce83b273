"""A TensorFlow Lite model as an ONNX file, for the operators that Google's face models use.

The extension brings onnxruntime already, for every system and Python; TensorFlow Lite's own runtime is not
made for all of them. Field and operator numbers are those of TensorFlow Lite's published schema. Pictures are
channels-last there and here: convolutions are wrapped in transpositions, which onnxruntime merges.
"""

from __future__ import annotations

import struct

import numpy as np

from ..errors import EiferError
from .flatbuffer import Table
from .onnx_graph import Graph

_TENSOR_TYPES = {0: np.float32, 1: np.float16, 2: np.int32, 4: np.int64}
_ACTIVATIONS = {0: "", 1: "Relu"}
_PLAIN = {0: "Add", 41: "Sub", 18: "Mul", 42: "Div"}
_SIMPLE = {19: "Relu", 14: "Sigmoid", 59: "Neg", 75: "Sqrt"}
_ADD, _CONCATENATION, _CONVOLUTION, _DEPTHWISE, _DEQUANTIZE = 0, 2, 3, 4, 6
_POOL, _RESHAPE, _PAD, _TRANSPOSE, _MEAN, _SLICE, _PRELU = 17, 22, 34, 39, 40, 45, 54
_SUM, _RSQRT, _SQUARED_DIFFERENCE = 74, 76, 99
_TO_CHANNELS_FIRST, _TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def to_onnx(data: bytes) -> bytes:
    """The ONNX file of a TensorFlow Lite file; inputs and outputs are called in0, in1 ..., out0, out1 ...

    Raises EiferError if the file is damaged or uses an operator that is not known here.
    """
    try:
        return _Converter(data).run()
    except (struct.error, ValueError, IndexError, KeyError) as error:
        raise EiferError("The face tracking model is damaged; install the extension again.") from error


class _Converter:
    def __init__(self, data: bytes) -> None:
        model = Table.root(data)
        self.codes = [max(c.number(0, "b"), c.number(3, "i")) for c in model.tables(1)]
        part = model.tables(2)[0]
        self.tensors = part.tables(0)
        self.buffers = model.tables(4)
        self.inputs, self.outputs = part.array(1, "<i4").tolist(), part.array(2, "<i4").tolist()
        self.operators = part.tables(3)
        self.graph = Graph()
        self.names: dict[int, str] = {}
        self.constants: dict[int, np.ndarray] = {}

    def run(self) -> bytes:
        for i, tensor in enumerate(self.inputs):
            self.names[tensor] = f"in{i}"
        for operator in self.operators:
            self._operator(operator)
        for i, tensor in enumerate(self.outputs):
            self.graph.add("Identity", [self._name(tensor)], f"out{i}")
        return self.graph.to_bytes(
            {f"in{i}": self._shape(t) for i, t in enumerate(self.inputs)},
            {f"out{i}": self._shape(t) for i, t in enumerate(self.outputs)},
        )

    def _shape(self, tensor: int) -> list[int]:
        return self.tensors[tensor].array(0, "<i4").tolist()

    def _constant(self, tensor: int) -> np.ndarray | None:
        """Values of a constant tensor."""
        if tensor not in self.constants:
            table = self.tensors[tensor]
            raw = self.buffers[table.number(2, "I")].array(0, "u1")
            if not len(raw):
                return None
            kind = _TENSOR_TYPES[table.number(1, "b")]
            self.constants[tensor] = raw.view(np.dtype(kind).newbyteorder("<")).reshape(self._shape(tensor))
        return self.constants[tensor]

    def _name(self, tensor: int) -> str:
        """What a tensor is called in the graph; a constant becomes a weight when it is first used."""
        if tensor not in self.names:
            values = self._constant(tensor)
            if values is None:
                raise ValueError("a tensor is used before it is made")
            self.names[tensor] = self.graph.weight(values.astype(np.float32))
        return self.names[tensor]

    def _operator(self, operator: Table) -> None:
        code = self.codes[operator.number(0, "I")]
        taken, given = operator.array(1, "<i4").tolist(), operator.array(2, "<i4").tolist()
        options = operator.table(4)
        if code == _DEQUANTIZE:  # weights that are stored in half precision
            values = self._constant(taken[0])
            if values is None:
                raise ValueError("only constants are dequantized")
            self.constants[given[0]] = values.astype(np.float32)
            return
        add = self.graph.add
        if code in _PLAIN:
            name = add(_PLAIN[code], [self._name(t) for t in taken])
            name = self._activated(name, options.number(0, "b") if options else 0)
        elif code in _SIMPLE:
            name = add(_SIMPLE[code], [self._name(taken[0])])
        elif code in (_CONVOLUTION, _DEPTHWISE):
            name = self._convolution(taken, given[0], options, depthwise=code == _DEPTHWISE)
        elif code == _POOL:
            name = self._pool(taken[0], given[0], options)
        elif code == _PRELU:
            slope = np.asarray(self._constant(taken[1]), np.float32)
            name = add("PRelu", [self._name(taken[0]), self.graph.weight(slope)])
        elif code == _PAD:
            pads = np.asarray(self._constant(taken[1]), np.int64)
            name = add("Pad", [self._name(taken[0]), self.graph.weight(pads.T.reshape(-1))])
        elif code == _RESHAPE:
            name = self._reshaped(self._name(taken[0]), self._shape(given[0]))
        elif code == _TRANSPOSE:
            name = add("Transpose", [self._name(taken[0])], perm=self._constant(taken[1]).tolist())
        elif code == _CONCATENATION:
            name = add("Concat", [self._name(t) for t in taken], axis=int(options.number(0, "i")))
        elif code in (_MEAN, _SUM):
            axes = np.asarray(self._constant(taken[1])).reshape(-1).tolist()
            keep = bool(options.number(0, "b")) if options else False
            name = self._reduced("ReduceMean" if code == _MEAN else "ReduceSum", taken[0], axes, keep)
        elif code == _RSQRT:
            name = add("Reciprocal", [add("Sqrt", [self._name(taken[0])])])
        elif code == _SQUARED_DIFFERENCE:
            gap = add("Sub", [self._name(t) for t in taken])
            name = add("Mul", [gap, gap])
        elif code == _SLICE:
            name = self._sliced(taken, given[0], options)
        else:
            raise ValueError(f"operator {code} is not known")
        self.names[given[0]] = name

    def _activated(self, name: str, activation: int) -> str:
        kind = _ACTIVATIONS[activation]
        return self.graph.add(kind, [name]) if kind else name

    def _first(self, name: str) -> str:
        return self.graph.add("Transpose", [name], perm=_TO_CHANNELS_FIRST)

    def _last(self, name: str) -> str:
        return self.graph.add("Transpose", [name], perm=_TO_CHANNELS_LAST)

    def _convolution(self, taken: list[int], given: int, options: Table, *, depthwise: bool) -> str:
        weights = np.asarray(self._constant(taken[1]), np.float32)
        # Schema: padding, stride across and down, (multiplier,) activation, dilation across and down.
        strides = [int(options.number(2, "i", 1)), int(options.number(1, "i", 1))]
        activation = options.number(4 if depthwise else 3, "b")
        first = 5 if depthwise else 4
        dilations = [int(options.number(first + 1, "i", 1)), int(options.number(first, "i", 1))]
        kernel = list(weights.shape[1:3])
        weights = weights.transpose(3, 0, 1, 2) if depthwise else weights.transpose(0, 3, 1, 2)
        more: dict[str, object] = {}
        if depthwise:
            more["group"] = int(self._shape(taken[0])[3])
        pads = self._pads(taken[0], given, kernel, strides, dilations, options.number(0, "b"))
        inputs = [self._first(self._name(taken[0])), self.graph.weight(weights)]
        if len(taken) > 2 and taken[2] >= 0:
            inputs.append(self.graph.weight(np.asarray(self._constant(taken[2]), np.float32)))
        name = self.graph.add(
            "Conv", inputs, strides=strides, dilations=dilations, pads=pads, kernel_shape=kernel, **more
        )
        return self._last(self._activated(name, activation))

    def _pool(self, tensor: int, given: int, options: Table) -> str:
        # Schema: padding, stride across and down, filter across and down, activation.
        strides = [int(options.number(2, "i", 1)), int(options.number(1, "i", 1))]
        kernel = [int(options.number(4, "i", 1)), int(options.number(3, "i", 1))]
        pads = self._pads(tensor, given, kernel, strides, [1, 1], options.number(0, "b"))
        name = self.graph.add(
            "MaxPool", [self._first(self._name(tensor))], kernel_shape=kernel, strides=strides, pads=pads
        )
        return self._last(self._activated(name, options.number(5, "b")))

    def _pads(
        self, tensor: int, given: int, kernel: list[int], strides: list[int], dilations: list[int], valid: int
    ) -> list[int]:
        """ONNX's pads of TensorFlow's paddings: VALID is none, SAME puts the odd one after."""
        if valid:
            return [0, 0, 0, 0]
        size, made = self._shape(tensor)[1:3], self._shape(given)[1:3]
        before, after = [], []
        for k in range(2):
            reach = (kernel[k] - 1) * dilations[k] + 1
            total = max((made[k] - 1) * strides[k] + reach - size[k], 0)
            before.append(total // 2)
            after.append(total - total // 2)
        return [*before, *after]

    def _reshaped(self, name: str, shape: list[int]) -> str:
        return self.graph.add("Reshape", [name, self.graph.weight(np.array(shape, np.int64))])

    def _reduced(self, kind: str, tensor: int, axes: list[int], keep: bool) -> str:
        if kind == "ReduceSum":  # takes its axes as a tensor from operator set 13 on
            names = [self._name(tensor), self.graph.weight(np.array(axes, np.int64))]
            return self.graph.add(kind, names, keepdims=int(keep))
        return self.graph.add(kind, [self._name(tensor)], axes=axes, keepdims=int(keep))

    def _sliced(self, taken: list[int], given: int, options: Table) -> str:
        """Strided slices whose shape is known: what begin, end and stride say, cut to that shape."""
        begin, end, step = (np.asarray(self._constant(t), np.int64).copy() for t in taken[1:4])
        shape = np.array(self._shape(taken[0]))
        open_begin, open_end = int(options.number(0, "i")), int(options.number(1, "i"))
        single = int(options.number(4, "i"))
        for k in range(len(begin)):
            if open_begin >> k & 1:
                begin[k] = 0
            if open_end >> k & 1:
                end[k] = shape[k]
            if single >> k & 1:
                end[k] = begin[k] + 1 if begin[k] != -1 else shape[k]
        axes = np.arange(len(begin))
        names = [
            self._name(taken[0]),
            *(self.graph.weight(v.astype(np.int64)) for v in (begin, end, axes, step)),
        ]
        return self._reshaped(self.graph.add("Slice", names), self._shape(given))
