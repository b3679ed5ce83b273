"""From what the head shows, or what a recording says of it, to estimates and their agreement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import bpy
import numpy as np

from .. import agreement, estimation, mapping
from ..errors import EiferError
from ..estimation import Estimate
from ..pipeline import Progress
from . import actions, estimates, performance, session, takes, work
from .performance import Performance

_KEPT_ACTIONS = 10  # names of actions in a stamp: a long list says no more


class Plan(NamedTuple):
    """What shall be estimated, read from the panel once."""

    head: bpy.types.Object
    fitted: session.FittedModel
    model_path: str
    frames: np.ndarray  # int [n] that get an estimate
    margin: int  # frames before and after them that the model also looks at
    fps: float
    include_hidden: bool

    @property
    def sampled(self) -> np.ndarray:
        """int [n + 2 margin]: the frames whose faces are needed."""
        return np.arange(self.frames[0] - self.margin, self.frames[-1] + self.margin + 1)


def prepare(scene: bpy.types.Scene) -> Plan:
    """The panel's frames of the panel's head; EiferError says what stands against it."""
    head, activity = scene.eifer.head, scene.eifer.activity
    performance.check(head)
    estimates.check_writable(head)
    fitted, fps = model_of(scene), frame_rate(scene)
    frames = performance.frames_of(scene, head)
    margin = _margin(fitted.model.metadata, fps)
    return Plan(head, fitted, activity.model, frames, margin, fps, activity.include_hidden)


def frame_rate(scene: bpy.types.Scene) -> float:
    """Frames per second of a scene."""
    return scene.render.fps / scene.render.fps_base


def model_of(scene: bpy.types.Scene) -> session.FittedModel:
    """The panel's Exp2EMG model; EiferError unless it fits the panel's head."""
    return session.fitted_model(scene.eifer.activity.model, scene.eifer.head, mapping.EXP2EMG)


def _margin(metadata: mapping.ModelMetadata, fps: float) -> int:
    if not metadata.temporal:
        return 0
    return int(np.ceil(max(metadata.before, metadata.after) * fps / (metadata.frame_rate or fps))) + 1


def compute(plan: Plan, played: Performance, progress: Progress) -> Estimate:
    """The estimate of a plan; a thread may do this."""
    progress(0.1, "Estimating the activity")
    faces = plan.fitted.face(played.parameters)
    made = estimation.estimate(plan.fitted.model, faces, plan.fps, include_hidden=plan.include_hidden)
    inner = slice(plan.margin, plan.margin + len(plan.frames))
    return made._replace(values=made.values[inner], sd=made.sd[inner])


def finish(scene: bpy.types.Scene, plan: Plan, played: Performance, made: Estimate) -> list[str]:
    """Key the estimate on the head; returns notes, which the panel shows as well."""
    head = plan.head
    names = [c.action.name for block in takes.targets(head).values() if (c := actions.assigned(block))]
    made_from = {"kind": "animation", "actions": list(dict.fromkeys(names))[:_KEPT_ACTIONS]}
    stamp = _stamp(plan.fitted.model, plan.model_path, plan.include_hidden) | {"from": made_from}
    estimates.write(head, made, int(plan.frames[0]), stamp)
    return _tell(scene, [*played.notes, *made.notes])


def _stamp(model: mapping.MappingModel, path: str, include_hidden: bool) -> dict:
    metadata = model.metadata
    made_with = {"id": metadata.id, "version": metadata.version, "sha256": model.sha256, "path": path}
    return {"version": 1, "model": made_with, "guessed": include_hidden}


def _tell(scene: bpy.types.Scene, notes: list[str]) -> list[str]:
    """Show notes of an estimate in the panel; what was found about an older one is no longer true."""
    estimates.forget_findings(scene.eifer.head)
    scene.eifer.activity.notes = "\n".join(notes)
    return notes


def estimate_pose(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> list[str]:
    """Set the head's properties to the activity of the pose that it shows, without keys; returns notes."""
    head = scene.eifer.head
    played = performance.pose(head, depsgraph)
    fitted = model_of(scene)
    made = estimation.estimate(
        fitted.model,
        fitted.face(played.parameters),
        frame_rate(scene),
        include_hidden=scene.eifer.activity.include_hidden,
    )
    estimates.set_properties(head, made)
    notes = [*played.notes, *made.notes]
    if estimates.stamp_of(head):
        notes.append("The keys of the estimate are as they were, and show again with the next frame.")
    scene.eifer.activity.notes = "\n".join(notes)
    return notes


@dataclass
class FromFile:
    """An estimate from a file of expressions; `work.compute` completes it."""

    work: work.BakeWork
    stamp: dict
    notes: tuple[str, ...] = ()
    estimate: Estimate | None = None


def from_file(scene: bpy.types.Scene, path: str, fps: float | None) -> FromFile:
    """Estimate what made the expressions in a file, at the scene's rate from the panel's start frame on.

    The `work` bakes the expressions as a take; `finish_file` keys the estimate. Raises EiferError.
    """
    head, activity = scene.eifer.head, scene.eifer.activity
    performance.check(head)
    fitted, include_hidden = model_of(scene), activity.include_hidden
    expressions = work.expression_work(scene, path, fps)

    def compute(progress: Progress) -> work.Computed:
        computed = expressions.compute(progress)
        take = computed[0]
        faces = fitted.face(take.parameters)
        made.estimate = estimation.estimate(fitted.model, faces, take.fps, include_hidden=include_hidden)
        made.notes = (*take.notes, *made.estimate.notes)
        source = expressions.options["stamp"]
        made.stamp["from"] = {"kind": "file", "source": source["source"], "sha256": source["sha256"]}
        return computed

    stamp = _stamp(fitted.model, activity.model, include_hidden)
    made = FromFile(work.BakeWork(head, compute, expressions.options), stamp)
    return made


def finish_file(scene: bpy.types.Scene, made: FromFile) -> list[str]:
    """Key the estimate on the head; returns notes, which the panel shows as well."""
    estimates.write(made.work.head, made.estimate, made.work.options["start_frame"], made.stamp)
    return _tell(scene, list(made.notes))


def clear(scene: bpy.types.Scene) -> None:
    """Take the estimate off the panel's head, and what was found about it."""
    estimates.clear(scene.eifer.head)
    _tell(scene, [])


# --- against a recording --------------------------------------------------------------------------


def measured_take(head: bpy.types.Object) -> bpy.types.PropertyGroup:
    """The take whose recording counts as measured: the one that plays, else the selected one."""
    playing = [take for take in head.eifer.takes if takes.is_playing(head, take)]
    take = playing[0] if playing else takes.selected(head)
    if take is None:
        raise EiferError(f"'{head.name}' has no take with measured activity; bake a recording first.")
    return take


def compare(head: bpy.types.Object) -> tuple[list[agreement.Row], list[str]]:
    """Agreement of the head's estimate with the take that plays, over the frames of both; and notes.

    Raises EiferError if one of them is missing, or they have no frame in common.
    """
    found = estimates.read(head)
    if found is None:
        raise EiferError(f"'{head.name}' has no estimate to compare; estimate its activity first.")
    take = measured_take(head)
    values, present = takes.read_activity(head, take)
    stamp = takes.read_stamp(take)
    start, count = stamp["start_frame"], len(found.estimate.values)
    first, last = max(start, found.start_frame), min(start + len(values), found.start_frame + count) - 1
    if first > last:
        raise EiferError(
            f"The estimate covers frames {found.start_frame} to {found.start_frame + count - 1}, the take "
            f"'{take.name}' frames {start} to {start + len(values) - 1}; estimate the frames of the take."
        )
    measured, own = (slice(first - origin, last + 1 - origin) for origin in (start, found.start_frame))
    cut = found.estimate._replace(values=found.estimate.values[own], sd=found.estimate.sd[own])
    rows = agreement.compare(values[measured], present[measured], cut)
    return rows, _comparison_notes(head, take, found, (first, last))


def _comparison_notes(
    head: bpy.types.Object,
    take: bpy.types.PropertyGroup,
    found: estimates.Read,
    common: tuple[int, int],
) -> list[str]:
    stamp, notes = takes.read_stamp(take), []
    covers = {
        (stamp["start_frame"], stamp["start_frame"] + stamp["frames"] - 1),
        (found.start_frame, found.start_frame + len(found.estimate.values) - 1),
    }
    if covers != {common}:
        notes.append(f"Compared in frames {common[0]} to {common[1]}, which estimate and take both cover.")
    if not takes.is_playing(head, take):
        notes.append(f"The take '{take.name}' does not play; the estimate may be of another animation.")
    if abs(stamp["fps"] - found.estimate.fps) > 1e-3:
        notes.append(
            f"The take was baked for {stamp['fps']:g} fps and the estimate made at {found.estimate.fps:g}; "
            "bake it again to compare the same moments."
        )
    return notes


def store_agreement(head: bpy.types.Object, rows: list[agreement.Row]) -> None:
    """Keep rows of `compare` on the head."""
    head.eifer.agreement.clear()
    for row in rows:
        item = head.eifer.agreement.add()
        item.name = row.channel
        for name in agreement.Row._fields[1:]:
            setattr(item, name, getattr(row, name))


def stored_agreement(head: bpy.types.Object) -> list[agreement.Row]:
    """The rows that the head keeps."""
    fields = agreement.Row._fields[1:]
    return [agreement.Row(item.name, *(getattr(item, f) for f in fields)) for item in head.eifer.agreement]
