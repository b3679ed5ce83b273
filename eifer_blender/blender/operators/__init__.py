"""Operators, one module per panel."""

from . import animation, head, marks, recording, reference, takes

CLASSES = (
    *head.CLASSES,
    *recording.CLASSES,
    *marks.CLASSES,
    *animation.CLASSES,
    *takes.CLASSES,
    *reference.CLASSES,
)
