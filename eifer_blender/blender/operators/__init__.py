"""Operators, one module per panel."""

from . import (
    animation,
    asymmetry,
    calibration,
    characters,
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
    *characters.CLASSES,
    *asymmetry.CLASSES,
    *heat_map.CLASSES,
    *report.CLASSES,
)
