"""Operators, one module per panel."""

from . import animation, head, recording, reference, takes

CLASSES = (*head.CLASSES, *recording.CLASSES, *animation.CLASSES, *takes.CLASSES, *reference.CLASSES)
