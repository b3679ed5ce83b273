"""ONNX models that map muscle activity to expression parameters."""

from .metadata import ModelMetadata
from .model import ExpressionModel, emg_to_expression, load_model, read_metadata

__all__ = ["ExpressionModel", "ModelMetadata", "emg_to_expression", "load_model", "read_metadata"]
