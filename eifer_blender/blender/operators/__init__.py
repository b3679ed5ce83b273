"""Operators, one module per panel."""

from . import (
    animation,
    asymmetry,
    calibration,
    estimate,
    export,
    flame,
    head,
    heat_map,
    interchange,
    marks,
    recording,
    reference,
    report,
    takes,
)

CLASSES = (
    *head.CLASSES,
    *flame.CLASSES,
    *recording.CLASSES,
    *marks.CLASSES,
    *animation.CLASSES,
    *calibration.CLASSES,
    *takes.CLASSES,
    *reference.CLASSES,
    *estimate.CLASSES,
    *interchange.CLASSES,
    *export.CLASSES,
    *asymmetry.CLASSES,
    *heat_map.CLASSES,
    *report.CLASSES,
)
