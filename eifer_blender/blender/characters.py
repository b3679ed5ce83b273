"""Characters of any origin: found by the names of their shape keys, driven by a head or a file.

A performance becomes new actions on the character; the animator's other curves are copied into them, and the
actions that played before are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import bpy
import numpy as np

from .. import interchange, muscles, rigs
from ..errors import EiferError, unreadable
from ..heads.arkit import to_arkit
from ..heads.default import load_default_head
from ..interchange.write import write_file
from ..rigs.guesses import JAW_RADIANS, guess_bone
from ..spaces import ARKIT_NAMES
from . import actions, estimates, head_object, performance, takes
from .actions import CurveId

MARK = "eifer_character"  # on actions that a performance was baked into
_FEW = 10  # of ARKit's shapes, which make a character that has them
_SURE = 0.4  # below this a guess is not worth a row
_NARROW = 0.02  # of a value beyond a slider's range, before it is worth a sentence
_NAMES_SHOWN = 3


class Source(NamedTuple):
    """A performance over frames, as links read it."""

    name: str
    start: int  # first frame
    arkit: np.ndarray  # float32 [n, 52]
    muscles: np.ndarray | None  # float32 [n, 22], NaN where unknown
    parameters: np.ndarray | None  # float32 [n, 55]
    notes: tuple[str, ...]


class Driven(NamedTuple):
    """What driving a character did."""

    properties: int
    frames: int
    notes: tuple[str, ...]


# --- finding --------------------------------------------------------------------------------------


def family(chosen: Iterable[bpy.types.Object]) -> list[bpy.types.Object]:
    """Objects that belong together: hierarchies and the meshes of their armatures; no heads of ours."""
    roots = {_root(obj) for obj in chosen}
    for obj in list(roots):
        rigs_of = [m.object for one in (obj, *obj.children_recursive) for m in _armatures(one)]
        roots |= {_root(rig) for rig in rigs_of}
    found = {one for root in roots for one in (root, *root.children_recursive)}
    found |= {obj for obj in bpy.context.scene.objects if any(m.object in found for m in _armatures(obj))}
    ours = {obj for obj in found if head_object.is_head(obj)}
    ours |= {m.object for obj in ours for m in _armatures(obj)}
    return sorted(found - ours, key=lambda obj: obj.name)


def name_of(objects: list[bpy.types.Object]) -> str:
    """What a character is called: after its armature, else its first mesh."""
    return min(objects, key=lambda obj: (obj.type != "ARMATURE", obj.type != "MESH", obj.name)).name


def find(character: bpy.types.PropertyGroup, chosen: Iterable[bpy.types.Object]) -> list[str]:
    """Fill a character's links by the names of shape keys and bones; returns notes.

    Where ARKit's shapes are there, they are the links, on every mesh that has some; else names are guessed.
    Raises EiferError if nothing is understood.
    """
    objects = family(chosen)
    links, notes = _links(objects)
    if not links:
        raise EiferError(
            "None of these objects has a shape key or a jaw bone whose name is known; add links by hand, or "
            "load a mapping."
        )
    fill(character, rigs.Mapping(character.name, tuple(links)))
    character.notes = "\n".join(notes)
    return notes


def _links(objects: list[bpy.types.Object]) -> tuple[list[rigs.Link], list[str]]:
    keyed = [(obj, block, rigs.guess(block.name)) for obj in objects for block in _key_blocks(obj)]
    known = {made.sources[0][0] for _, _, made in keyed if made and made.sure == 1.0}
    least = 1.0 if len(known) >= _FEW else _SURE
    used = [(obj, block, made) for obj, block, made in keyed if made and made.sure >= least]
    notes = _notes(used, known if least == 1.0 else set())
    driven = [block.name for _, block, _ in used if _is_driven(block)]
    if driven:
        notes.append(f"Left to their drivers: {_some(driven)}.")
    links = [
        rigs.Link(f"arkit:{shape}", obj.name, _key_path(block), scale=scale)
        for obj, block, made in used
        if not _is_driven(block)
        for shape, scale in made.sources
    ]
    if not any(link.source == "arkit:jawOpen" for link in links):
        links += _jaw_links(objects)
    return links, notes


def _notes(used: list[tuple[bpy.types.Object, bpy.types.ShapeKey, rigs.Guess]], known: set[str]) -> list[str]:
    meshes = len({obj for obj, _, _ in used})
    where = f"on {meshes} mesh{'es' * (meshes != 1)}"
    if known:
        notes = [f"{len(known)} of ARKit's 52 shapes {where}."]
        missing = [name for name in ARKIT_NAMES if name not in known and name != "tongueOut"]
        return notes + ([f"Not there: {_some(missing)}."] if missing else [])
    return [f"{len(used)} keys guessed by their names {where}; please look at them."] if used else []


def _jaw_links(objects: list[bpy.types.Object]) -> list[rigs.Link]:
    bones = [(obj, bone) for obj in objects if obj.pose for bone in obj.pose.bones]
    sure = [(guess_bone(bone.name), obj, bone) for obj, bone in bones]
    sure = [one for one in sure if one[0] is not None]
    if not sure:
        return []
    _, obj, bone = max(sure, key=lambda one: one[0])
    path = f'pose.bones["{bpy.utils.escape_identifier(bone.name)}"].'
    if bone.rotation_mode == "QUATERNION":  # x of a small turn; Blender normalises the rest
        half = JAW_RADIANS / 2
        return [rigs.Link("arkit:jawOpen", obj.name, path + "rotation_quaternion", 1, half, 0.0, -half, half)]
    if bone.rotation_mode == "AXIS_ANGLE":
        return []
    turn = JAW_RADIANS
    return [rigs.Link("arkit:jawOpen", obj.name, path + "rotation_euler", 0, turn, 0.0, -turn, turn)]


def _root(obj: bpy.types.Object) -> bpy.types.Object:
    while obj.parent is not None:
        obj = obj.parent
    return obj


def _armatures(obj: bpy.types.Object) -> list[bpy.types.Modifier]:
    return [m for m in obj.modifiers if m.type == "ARMATURE" and m.object]


def _key_blocks(obj: bpy.types.Object) -> list[bpy.types.ShapeKey]:
    keys = obj.data.shape_keys if obj.type == "MESH" else None
    return list(keys.key_blocks[1:]) if keys and keys.use_relative else []


def _key_path(block: bpy.types.ShapeKey) -> str:
    return f'key_blocks["{bpy.utils.escape_identifier(block.name)}"].value'


def _is_driven(block: bpy.types.ShapeKey) -> bool:
    data = block.id_data.animation_data
    return data is not None and any(driver.data_path == _key_path(block) for driver in data.drivers)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return shown + (f" and {more} more" if more > 0 else "")


# --- mappings -------------------------------------------------------------------------------------


def fill(character: bpy.types.PropertyGroup, mapping: rigs.Mapping) -> list[str]:
    """Replace a character's links; returns notes about objects that are not in the file."""
    character.links.clear()
    missing = []
    for link in mapping.links:
        row = character.links.add()
        for name in ("source", "path", "index", "scale", "offset", "low", "high"):
            setattr(row, name, getattr(link, name))
        row.object = bpy.context.scene.objects.get(link.object)
        if row.object is None:
            row.use = False
            missing.append(link.object)
    character.active_link = 0
    missing = list(dict.fromkeys(missing))
    return [f"Not in this scene, and their links switched off: {_some(missing)}."] if missing else []


def mapping_of(character: bpy.types.PropertyGroup, *, used: bool = False) -> rigs.Mapping:
    """A character's links, all of them or those that count."""
    rows = [row for row in character.links if row.object is not None and (row.use or not used)]
    links = tuple(
        rigs.Link(row.source, row.object.name, row.path, row.index, row.scale, row.offset, row.low, row.high)
        for row in rows
    )
    return rigs.Mapping(character.name, links)


def save(character: bpy.types.PropertyGroup, path: Path, *, replace: bool) -> None:
    """Write the links to a file. Raises EiferError if it exists and is not to be replaced."""
    write_file(path, rigs.to_json(mapping_of(character)).encode(), replace=replace)


def load(path: Path) -> rigs.Mapping:
    """Links from a file. Raises EiferError if it cannot be read or is none."""
    try:
        with path.open("rb") as file:
            text = file.read(rigs.mapping.MOST_BYTES + 1).decode("utf-8")
    except OSError as error:
        raise unreadable(path, error) from None
    except UnicodeDecodeError:
        raise EiferError(f"'{path.name}' is no mapping of a character.") from None
    return rigs.from_json(text, path.name)


# --- performances ---------------------------------------------------------------------------------


def from_head(scene: bpy.types.Scene, head: bpy.types.Object) -> Source:
    """What a head plays from its first to its last key. Raises EiferError if nothing animates it."""
    geometry = performance.check(head)
    first, last = performance.key_range(head)
    frames = np.arange(first, last + 1)
    played = performance.sample(head, scene, frames)
    # ARKit keys are handed on as they were keyed; only the rest has to be fitted.
    fitted = to_arkit(geometry, played.own)
    weights = np.clip(fitted.weights + played.arkit, 0.0, 1.0)
    left = float(fitted.residual_mm.max(initial=0.0))
    notes = (*played.notes, f"ARKit's shapes leave up to {left:.1f} mm of the face unsaid.")
    take = next((take.name for take in head.eifer.takes if takes.is_playing(head, take)), head.name)
    return Source(take, first, weights, _activity(head, frames), played.parameters, notes)


def _activity(head: bpy.types.Object, frames: np.ndarray) -> np.ndarray | None:
    """Measured activity where it is keyed on the head, else estimated; None without either."""
    channels = actions.assigned(head)
    curves = actions.curve_map(channels) if channels else {}
    values = np.full((len(frames), muscles.CHANNEL_COUNT), np.nan, np.float32)
    for column, name in enumerate(muscles.CHANNELS):
        for prefix in (takes.EMG_PREFIX, estimates.EST_PREFIX):
            curve = curves.get((f'["{prefix}{name}"]', 0))
            if curve is not None:
                values[:, column] = actions.sample(curve, frames)
                break
    return values if np.isfinite(values).any() else None


def from_file(scene: bpy.types.Scene, path: Path, start: int) -> Source:
    """Expressions of a file at the scene's rate: ARKit weights as they are, other parameters fitted.

    Raises EiferError if the file cannot be read, does not say its rate, or belongs to another head.
    """
    fps = scene.render.fps / scene.render.fps_base
    clip = interchange.resample(interchange.read_expressions(path), fps)
    if clip.space.id == "arkit-52":
        return Source(path.stem, start, np.clip(clip.values, 0.0, 1.0), None, None, clip.notes)
    head = load_default_head()
    parameters, notes = interchange.to_head(clip, head)
    return Source(path.stem, start, to_arkit(head, parameters).weights, None, parameters, notes)


# --- driving --------------------------------------------------------------------------------------


def drive(character: bpy.types.PropertyGroup, source: Source) -> Driven:
    """Bake a performance onto a character, as new actions.

    Raises EiferError before anything changes: for links that lead nowhere, linked objects, drivers in the
    way, and NLA strips that are being edited.
    """
    links = mapping_of(character, used=True).links
    if not links:
        raise EiferError(f"'{character.name}' has no links; find them, load a mapping, or add some by hand.")
    targets, values = rigs.evaluate(links, source.arkit, source.muscles, source.parameters)
    places = [_place(*target) for target in targets]
    notes = list(source.notes) + _range_notes(places, values)
    found: dict[bpy.types.ID, dict[CurveId, np.ndarray]] = {}
    for (block, path, index), column in zip(places, values.T, strict=True):
        found.setdefault(block, {}).setdefault((path, index), column)
    for block in found:
        _check_writable(block, found[block])
    frames = np.arange(source.start, source.start + len(values), dtype=np.float32)
    _write(f"{character.name} {source.name}", character.name, found, frames)
    return Driven(len(targets), len(values), tuple(dict.fromkeys(notes)))


def _place(name: str, path: str, index: int) -> tuple[bpy.types.ID, str, int]:
    """The data-block, path and index of a target; EiferError if there is no such number."""
    obj = bpy.data.objects[name]
    block = obj
    if path.startswith("key_blocks["):
        block = obj.data.shape_keys if obj.type == "MESH" else None
    nowhere = EiferError(f"The link to '{path}' of '{name}' leads nowhere; correct it or switch it off.")
    if block is None:
        raise nowhere
    try:
        value = block.path_resolve(path)
    except ValueError:
        raise nowhere from None
    if hasattr(value, "__len__") and not isinstance(value, str):
        if index >= len(value):
            raise nowhere
        return block, path, index
    if not isinstance(value, (int, float)) or index:
        raise nowhere
    return block, path, 0


def _range_notes(places: list[tuple[bpy.types.ID, str, int]], values: np.ndarray) -> list[str]:
    """Sliders that clip what they are given, and keys that are muted."""
    clipped, muted = [], []
    for (block, path, _), column in zip(places, values.T, strict=True):
        if not isinstance(block, bpy.types.Key):
            continue
        key = block.path_resolve(path.removesuffix(".value"))
        if column.max() > key.slider_max + _NARROW or column.min() < key.slider_min - _NARROW:
            clipped.append(key.name)
        if key.mute:
            muted.append(key.name)
    notes = [f"Sliders too narrow for what they are given: {_some(clipped)}."] if clipped else []
    return notes + ([f"Muted: {_some(muted)}."] if muted else [])


def _check_writable(block: bpy.types.ID, wanted: dict[CurveId, np.ndarray]) -> None:
    if block.library is not None:
        raise EiferError(
            f"'{block.name}' is linked from another file and cannot be animated here; use Object > Library "
            "Override > Make, or append it."
        )
    data = block.animation_data
    if data is None:
        return
    if data.use_tweak_mode:
        raise EiferError(
            f"An NLA strip of '{block.name}' is being edited; leave tweak mode (Tab in the NLA editor)."
        )
    for driver in data.drivers:
        if (driver.data_path, driver.array_index) in wanted and not driver.mute:
            raise EiferError(
                f"'{driver.data_path}' of '{block.name}' has a driver; link to what drives it, or switch "
                "that link off."
            )


def _write(
    name: str, owner: str, wanted: dict[bpy.types.ID, dict[CurveId, np.ndarray]], frames: np.ndarray
) -> None:
    blocks = {f"{block.name} ({actions.id_type(block).title()})": block for block in wanted}
    made = actions.new_channels(name, blocks)
    before = {block: actions.assigned(block) for block in wanted}
    for role, block in blocks.items():
        channels, playing = made[role], before[block]
        channels.action[MARK] = owner
        for curve_id, curve in (actions.curve_map(playing) if playing else {}).items():
            if curve_id not in wanted[block]:
                actions.copy_curve(curve, channels)
        for curve_id, values in wanted[block].items():
            actions.write_curve(channels, curve_id, actions.Keys(frames, values), owner)
    for role, block in blocks.items():
        actions.assign(block, made[role])
    for action in {channels.action for channels in before.values() if channels}:
        if action.get(MARK) and not action.users:
            bpy.data.actions.remove(action)
        else:
            action.use_fake_user = True  # what the animator made is not lost when the file is saved
