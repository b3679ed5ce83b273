"""Files that other programs read and write: expressions in, expressions and muscle activity out."""

from .clip import ExpressionClip, resample
from .expressions import read_expressions, to_head
from .write import (
    write_activity_csv,
    write_activity_edf,
    write_live_link_face,
    write_parameter_arrays,
    write_parameters,
)

__all__ = [
    "ExpressionClip",
    "read_expressions",
    "resample",
    "to_head",
    "write_activity_csv",
    "write_activity_edf",
    "write_live_link_face",
    "write_parameter_arrays",
    "write_parameters",
]
