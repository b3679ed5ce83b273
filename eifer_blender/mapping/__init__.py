"""ONNX models that map muscle activity to expression parameters."""

from .calibration import Calibration, calibrated_expression
from .chain import check_chain, settings_for
from .metadata import ModelMetadata
from .model import ExpressionModel, emg_to_expression, load_model, read_metadata

__all__ = [
    "Calibration",
    "ExpressionModel",
    "ModelMetadata",
    "calibrated_expression",
    "check_chain",
    "emg_to_expression",
    "load_model",
    "read_metadata",
    "settings_for",
]
