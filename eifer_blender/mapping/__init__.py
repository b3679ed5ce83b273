"""ONNX models that map muscle activity to expression parameters and back."""

from .calibration import Calibration, calibrated_expression
from .chain import check_chain, fitting, settings_for
from .metadata import EMG2EXP, EXP2EMG, ModelMetadata
from .model import (
    Activity,
    Expression,
    MappingModel,
    emg_to_expression,
    expression_to_emg,
    load_model,
    read_metadata,
)

__all__ = [
    "EMG2EXP",
    "EXP2EMG",
    "Activity",
    "Calibration",
    "Expression",
    "MappingModel",
    "ModelMetadata",
    "calibrated_expression",
    "check_chain",
    "emg_to_expression",
    "expression_to_emg",
    "fitting",
    "load_model",
    "read_metadata",
    "settings_for",
]
