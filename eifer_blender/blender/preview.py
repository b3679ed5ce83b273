"""Live preview while scrubbing, without baking and without leaving a trace.

What the preview changes on a head (key values, the jaw, muted curves) is recorded on the head
itself before it is changed. So stopping, saving, undo, loading an autosave and a crash all end the
same way: `restore` puts the record back. The computed frames are only a cache.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import bpy
import numpy as np
from bpy.app.handlers import persistent

from ..errors import EiferError
from ..pipeline import Progress, TakeData
from . import actions, bake, head_object, sources, takes

if TYPE_CHECKING:
    from . import session

_PAUSE = 0.1  # seconds from a changed setting to the new preview


class _Frames(NamedTuple):
    """What the preview shows, as Blender plays it."""

    object_name: str
    start_frame: int
    keys: np.ndarray  # float32 [frames, 52]
    jaw: np.ndarray  # float32 [frames, 4]
    key_indices: np.ndarray  # int [52], positions among the key blocks
    buffer: np.ndarray  # float32 [key blocks]


# session_uid of a head -> frames: a cache of computed arrays. A head without an entry simply has
# no preview; whether it is previewing at all is stored on the head.
_frames: dict[int, _Frames] = {}


def start(head: bpy.types.Object, take: TakeData, start_frame: int) -> None:
    """Show a take on the head without baking it.

    Raises EiferError if its action is linked, or if the head has lost keys or its armature.
    """
    from . import session

    takes.targets(head)
    take = session.translator(head)(take)
    if not head.eifer.previewing:
        _record(head)
    names = head.data.shape_keys.key_blocks.keys()
    face = bake.face_columns(take.parameters, take.jaw_locations)
    count = len(takes.KEY_NAMES)
    _frames[head.session_uid] = _Frames(
        head.name,
        start_frame,
        np.ascontiguousarray(face[:, :count]),
        np.ascontiguousarray(face[:, count:]),
        np.array([names.index(name) for name in takes.KEY_NAMES]),
        np.empty(len(names), dtype=np.float32),
    )
    head.eifer.previewing = True
    ensure_handlers()


def stop(head: bpy.types.Object) -> None:
    """End the preview and restore what it changed."""
    _frames.pop(head.session_uid, None)
    restore(head)


@contextmanager
def paused(head: bpy.types.Object) -> Iterator[None]:
    """The head as it is without its preview, which goes on afterwards."""
    shown = is_shown(head)
    if head.eifer.previewing:
        restore(head)
    try:
        yield
    finally:
        if shown:
            _resume_preview(head)


def stop_all() -> None:
    """End every preview."""
    for head in previewing_heads():
        stop(head)


def previewing_heads() -> list[bpy.types.Object]:
    """Heads whose data say that they show a preview."""
    return [obj for obj in bpy.data.objects if obj.eifer.previewing]


def is_shown(head: bpy.types.Object) -> bool:
    """Whether the head shows a preview right now."""
    return head.eifer.previewing and head.session_uid in _frames


def show(head: bpy.types.Object, frame: float) -> None:
    """Pose the head as the preview has it at a scene frame; the ends are held."""
    frames = _frames[head.session_uid]
    index = int(np.clip(round(frame) - frames.start_frame, 0, len(frames.keys) - 1))
    keys = head.data.shape_keys
    blocks = keys.key_blocks if keys else ()
    if len(blocks) != len(frames.buffer):
        raise EiferError(f"The shape keys of '{head.name}' changed; start the preview again.")
    blocks.foreach_get("value", frames.buffer)
    frames.buffer[frames.key_indices] = frames.keys[index]
    blocks.foreach_set("value", frames.buffer)
    # Blender 4.2 does not notice foreach_set on key values by itself.
    keys.update_tag()
    jaw, shown = _jaw_bone(head), frames.jaw[index].tolist()
    jaw.rotation_quaternion = shown[:4]
    if len(shown) > 4:
        jaw.location = shown[4:]


def computing(scene: bpy.types.Scene) -> Callable[[Progress], session.Measured]:
    """Reads the panel; what it returns computes the preview, and a thread may call it."""
    from . import session, work

    request, model = session.read_panel(scene), work.panel_model(scene, scene.eifer.head)
    return lambda progress: session.measure(request, model, progress)


def refresh(scene: bpy.types.Scene) -> bool:
    """Settings changed: compute the channels' quality and the previewing head's frames again.

    Returns whether that was possible; if not, the notes say why and the preview stays as it was.
    """
    try:
        return bool(scene.eifer.recording.filepath) and update(scene, measuring(scene)(_silent))
    except EiferError as error:
        scene.eifer.recording.notes = str(error)
        return False


def measuring(scene: bpy.types.Scene) -> Callable[[Progress], session.Measured]:
    """Reads the panel; what it returns computes quality and a running preview, and a thread may call it."""
    from . import session

    head = scene.eifer.head
    if head is not None and head.eifer.previewing:
        return computing(scene)
    request = session.read_panel(scene)
    return lambda progress: session.measure(request, None, progress)


def update(scene: bpy.types.Scene, measured: session.Measured) -> bool:
    """Show what `measuring` computed; whether that is all that was asked for."""
    from . import session

    head = scene.eifer.head
    if measured.take is not None and head is not None and head.eifer.previewing:
        start(head, measured.take, scene.eifer.animation.start_frame)
        show(head, scene.frame_current)
    session.show_quality(scene, measured)
    return measured.activation is not None


def _silent(_share: float, _text: str) -> None:
    pass


def refresh_soon(scene: bpy.types.Scene) -> None:
    """`refresh` once the user pauses, so that dragging a slider stays fluent.

    Without a window there is nobody to look at the quality, but a preview must be right at once.
    """
    if bpy.app.background:
        if scene.eifer.head is not None and scene.eifer.head.eifer.previewing:
            refresh(scene)
    elif not bpy.app.timers.is_registered(_refresh_open_scenes):
        bpy.app.timers.register(_refresh_open_scenes, first_interval=_PAUSE)


def refresh_shown(scene: bpy.types.Scene) -> None:
    """`refresh_soon` if there is a preview to refresh; the quality of channels is as it was."""
    if scene.eifer.head is not None and scene.eifer.head.eifer.previewing:
        refresh_soon(scene)


def _refresh_open_scenes() -> None:
    for scene, window in {w.scene: w for w in bpy.context.window_manager.windows}.items():
        if not sources.is_large(bpy.path.abspath(scene.eifer.recording.filepath)):
            refresh(scene)
            continue
        with bpy.context.temp_override(window=window):
            bpy.ops.eifer.refresh("INVOKE_DEFAULT")


def _parts(head: bpy.types.Object) -> dict[str, bpy.types.ID]:
    """What the preview changes, by role, as far as it is still there: users delete parts meanwhile."""
    parts = {takes.EXPRESSION: head.data.shape_keys} if head.data.shape_keys else {}
    with suppress(EiferError):
        parts[takes.RIG] = head_object.armature_of(head)
    return parts


def _own_curves(head: bpy.types.Object) -> dict[str, dict[actions.CurveId, bpy.types.FCurve]]:
    """Curves of the head's present actions that would hide the preview, by role."""
    own = {}
    for role, block in _parts(head).items():
        channels = actions.assigned(block)
        curves = actions.curve_map(channels) if channels else {}
        own[role] = {
            curve_id: c for curve_id, c in curves.items() if curve_id in takes.owned_curves(head, role)
        }
    return own


def _jaw_bone(head: bpy.types.Object) -> bpy.types.PoseBone:
    return head_object.armature_of(head).pose.bones[head_object.JAW_BONE]


def _record(head: bpy.types.Object) -> None:
    """Write down what the preview is about to change, and mute the curves that would hide it."""
    own = _own_curves(head)
    linked = [curve.id_data for curves in own.values() for curve in curves.values() if curve.id_data.library]
    if linked:
        raise EiferError(f"The action '{linked[0].name}' is linked from another file; unlink it to preview.")
    blocks = head.data.shape_keys.key_blocks
    record = {
        "keys": {name: blocks[name].value for name in takes.KEY_NAMES},
        "jaw": list(_jaw_bone(head).rotation_quaternion),
        "place": list(_jaw_bone(head).location),
        "muted": {
            role: [list(i) for i, curve in curves.items() if not curve.mute] for role, curves in own.items()
        },
    }
    head.eifer.preview_record = json.dumps(record)
    for curves in own.values():
        for curve in curves.values():
            curve.mute = True


def _read_record(text: str) -> dict:
    """The record; an empty one if somebody damaged it, since there is nothing better to restore."""
    try:
        record = json.loads(text)
        return {
            "keys": dict(record["keys"]),
            "jaw": list(record["jaw"]),
            "place": list(record.get("place", ())),
            "muted": dict(record["muted"]),
        }
    except (ValueError, KeyError, TypeError):
        return {"keys": {}, "jaw": [1.0, 0.0, 0.0, 0.0], "place": [], "muted": {}}


def restore(head: bpy.types.Object) -> None:
    """Put back what the head's record says and forget it; does nothing without a record.

    Never fails, because loading, saving and undo rely on it: parts that are gone are passed over.
    """
    text, head.eifer.preview_record, head.eifer.previewing = head.eifer.preview_record, "", False
    if not text:
        return
    record, parts = _read_record(text), _parts(head)
    own = _own_curves(head)
    for role, muted in record["muted"].items():
        for path, index in muted:
            if (path, index) in own.get(role, ()):
                own[role][path, index].mute = False
    if takes.EXPRESSION in parts:
        blocks = parts[takes.EXPRESSION].key_blocks
        for name, value in record["keys"].items():
            if name in blocks:
                blocks[name].value = value
    if takes.RIG in parts:
        _jaw_bone(head).rotation_quaternion = record["jaw"]
        if record["place"] and head_object.joints_move(head):
            _jaw_bone(head).location = record["place"]
    for block in (head, *parts.values()):
        block.update_tag(refresh={"TIME"})  # animated values are read from their curves again


@persistent
def _on_frame_change(scene: bpy.types.Scene, _depsgraph: object = None) -> None:
    for uid, frames in list(_frames.items()):
        head = scene.objects.get(frames.object_name)
        if head is None or head.session_uid != uid:
            head = next((obj for obj in scene.objects if obj.session_uid == uid), None)
        if head is not None and head.eifer.previewing:
            try:
                show(head, scene.frame_current_final)
            except EiferError:  # keys or the armature were changed meanwhile: the preview ends
                stop(head)


@persistent
def _restore_everything(*_args: object) -> None:
    """Loading, undo, redo and rendering: no preview survives them, and none leaves values behind."""
    _frames.clear()
    for head in bpy.data.objects:
        if head.eifer.preview_record or head.eifer.previewing:
            restore(head)


@persistent
def _before_save(*_args: object) -> None:
    for head in previewing_heads():
        text = head.eifer.preview_record
        restore(head)
        # Marks heads whose preview goes on after the save; not yet part of what is being written.
        if text and head.session_uid in _frames:
            _resume.add(head.session_uid)


@persistent
def _after_save(*_args: object) -> None:
    for head in [obj for obj in bpy.data.objects if obj.session_uid in _resume]:
        _resume_preview(head)
    _resume.clear()


def _resume_preview(head: bpy.types.Object) -> None:
    _record(head)
    head.eifer.previewing = True
    show(head, bpy.context.scene.frame_current)


_resume: set[int] = set()  # only filled between save_pre and save_post

_HANDLERS = {
    "frame_change_pre": _on_frame_change,
    "save_pre": _before_save,
    "save_post": _after_save,
    "save_post_fail": _after_save,
    "undo_post": _restore_everything,
    "redo_post": _restore_everything,
    "load_post": _restore_everything,
    "render_init": _restore_everything,
}


def ensure_handlers() -> None:
    """Add the handlers, each once."""
    for event, function in _HANDLERS.items():
        handlers = getattr(bpy.app.handlers, event)
        if function not in handlers:
            handlers.append(function)


def register() -> None:
    """Add the handlers."""
    ensure_handlers()


def unregister() -> None:
    """End every preview and take the handlers away."""
    stop_all()
    _frames.clear()
    if bpy.app.timers.is_registered(_refresh_open_scenes):
        bpy.app.timers.unregister(_refresh_open_scenes)
    for event, function in _HANDLERS.items():
        handlers = getattr(bpy.app.handlers, event)
        if function in handlers:
            handlers.remove(function)
