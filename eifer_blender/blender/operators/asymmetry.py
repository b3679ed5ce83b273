"""Left against right: the operator of the panel "Left and Right"."""

import math

import bpy

from ... import agreement
from ...errors import EiferError
from .. import conditions, estimates, estimating, takes
from .base import report_errors


class EIFER_OT_measure_asymmetry(conditions.Checked, bpy.types.Operator):
    """Compare the left and the right side of each muscle, over the whole estimate and the whole take"""

    bl_idname = "eifer.measure_asymmetry"
    bl_label = "Measure Asymmetry"
    bl_options = {"REGISTER", "UNDO"}
    needs = (conditions.needs_head,)

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Fill the list of the head."""
        head = context.scene.eifer.head
        estimated, measured = _estimated(head), _measured(head)
        if estimated is None and measured is None:
            raise EiferError("There is no muscle activity yet: estimate it, or bake a recording.")
        head.eifer.sides.clear()
        for own, other in zip(estimated or measured, measured or estimated, strict=True):
            item = head.eifer.sides.add()
            item.name = own.muscle
            item.estimated = own.index if estimated else math.nan
            item.measured = other.index if measured else math.nan
        texts = [
            f"{name} {agreement.overall(sides):.0f}"
            for name, sides in (("estimated", estimated), ("measured", measured))
            if sides and math.isfinite(agreement.overall(sides))
        ]
        told = ", ".join(texts) if texts else "no muscle is active"
        self.report({"INFO"}, f"Asymmetry of 100: {told}")
        return {"FINISHED"}


def _estimated(head: bpy.types.Object) -> list[agreement.Side] | None:
    found = estimates.read(head)
    return agreement.asymmetry(found.estimate.values) if found else None


def _measured(head: bpy.types.Object) -> list[agreement.Side] | None:
    try:
        return agreement.asymmetry(*takes.read_activity(head, estimating.measured_take(head)))
    except EiferError:  # no take, or one from a file of expressions
        return None


CLASSES = (EIFER_OT_measure_asymmetry,)
