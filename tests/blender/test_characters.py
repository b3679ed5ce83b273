"""Characters of any origin play what a head or a file plays."""

import json

import bpy
import numpy as np
import pytest

from eifer_blender import interchange, muscles, spaces
from eifer_blender.blender import actions, characters

ARKIT = spaces.ARKIT_NAMES
COUNT = len(ARKIT)


def cap(name):
    return name.replace("Left", "_L").replace("Right", "_R")


def mesh(scene, name, keys, parent=None, rig=None):
    data = bpy.data.meshes.new(name)
    data.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    obj = bpy.data.objects.new(name, data)
    scene.collection.objects.link(obj)
    obj.parent = parent
    if keys:
        obj.shape_key_add(name="Basis")
    for key in keys:
        obj.shape_key_add(name=key).points[0].co.z = 1.0
    if rig:
        obj.modifiers.new("Armature", "ARMATURE").object = rig
    return obj


def armature(scene, bones):
    rig = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
    scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for name in bones:
        rig.data.edit_bones.new(name).tail = (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    return rig


@pytest.fixture
def hero(scene):
    """A rig with a face, teeth and lashes; the lashes hang on the armature by their modifier alone."""
    rig = armature(scene, ["head", "jaw"])
    mesh(scene, "Face", [cap(name) for name in ARKIT] + ["corrective_jawOpen", "fat"], parent=rig)
    mesh(scene, "Teeth", ["jawOpen", "TongueOut"], parent=rig)
    mesh(scene, "Lashes", ["eyeBlinkLeft", "eyeBlinkRight"], rig=rig)
    mesh(scene, "Stranger", ["jawOpen"])
    return rig


@pytest.fixture
def performed(scene, head, recording):
    """The head plays the sample recording."""
    bpy.ops.eifer.bake_take()
    return head


def select(*objects):
    bpy.ops.object.select_all(action="DESELECT")
    for obj in objects:
        obj.select_set(True)
    bpy.context.view_layer.objects.active = objects[0]


def find(*objects):
    select(*objects)
    assert bpy.ops.eifer.find_character() == {"FINISHED"}
    stored = bpy.context.scene.eifer
    return stored.characters[stored.active_character]


def at(frame, obj, key):
    bpy.context.scene.frame_set(frame)
    return obj.data.shape_keys.key_blocks[key].value


def write_face(path, **shapes):
    weights = np.zeros((61, COUNT), np.float32)
    for name, values in shapes.items():
        weights[:, ARKIT.index(name)] = values
    return interchange.write_live_link_face(path, weights, 30.0)


WAVE = np.sin(np.linspace(0, np.pi, 61))


def test_all_meshes_of_a_character_are_found_from_any_of_its_objects(hero):
    objects = bpy.data.objects
    for chosen in (hero, objects["Face"], objects["Lashes"]):
        row = find(chosen)
        assert row.name == "Rig" and len(bpy.context.scene.eifer.characters) == 1
        links = characters.mapping_of(row).links
        assert {link.object for link in links} == {"Face", "Teeth", "Lashes"}
        assert len(links) == COUNT + 2 + 2
        moved = {link.path for link in links if link.object == "Face"}
        assert not any("fat" in path or "corrective" in path for path in moved)
        assert "52 of ARKit's 52 shapes on 3 meshes" in row.notes


def test_a_recording_drives_it_as_its_head(scene, hero, performed):
    row = find(hero)
    assert bpy.ops.eifer.drive_character() == {"FINISHED"}
    source = characters.from_head(scene, performed)
    face, teeth = bpy.data.objects["Face"], bpy.data.objects["Teeth"]
    peak = int(source.arkit[:, ARKIT.index("mouthSmileLeft")].argmax())
    for name in ("mouthSmileLeft", "jawOpen", "eyeBlinkRight"):
        wanted = source.arkit[peak, ARKIT.index(name)]
        assert at(source.start + peak, face, cap(name)) == pytest.approx(wanted, abs=1e-5)
    assert source.arkit[peak, ARKIT.index("mouthSmileLeft")] > 0.3
    frame = source.start + int(source.arkit[:, ARKIT.index("jawOpen")].argmax())
    assert at(frame, teeth, "jawOpen") == pytest.approx(at(frame, face, "jawOpen"))
    assert at(frame, teeth, "jawOpen") > 0.05
    assert "mm of the face unsaid" in row.notes
    assert bpy.data.objects["Stranger"].data.shape_keys.animation_data is None


def test_live_link_face_drives_it_without_a_head_left_as_left(scene, hero, tmp_path):
    scene.render.fps = 30
    find(hero)
    path = write_face(tmp_path / "a.csv", mouthSmileLeft=WAVE, eyeBlinkRight=WAVE / 2)
    assert bpy.ops.eifer.drive_character_from_file(filepath=str(path), start=11) == {"FINISHED"}
    face = bpy.data.objects["Face"]
    assert at(41, face, "mouthSmile_L") == pytest.approx(1.0, abs=1e-4)
    assert at(41, face, "mouthSmile_R") == 0.0
    assert at(41, bpy.data.objects["Lashes"], "eyeBlinkRight") == pytest.approx(0.5, abs=1e-4)
    assert at(11, face, "mouthSmile_L") == pytest.approx(0.0, abs=1e-4)


def test_the_animators_curves_and_actions_stay(scene, hero, tmp_path):
    scene.render.fps = 30
    face = bpy.data.objects["Face"]
    blocks = face.data.shape_keys.key_blocks
    for frame, value in ((1, 0.2), (50, 0.8)):
        blocks["fat"].value = value
        blocks["fat"].keyframe_insert("value", frame=frame)
        blocks["jawOpen"].keyframe_insert("value", frame=frame)
    mine = actions.assigned(face.data.shape_keys).action
    mine_count = len(actions.curves(actions.assigned(face.data.shape_keys)))
    find(hero)
    for peak in (1.0, 0.5):
        path = write_face(tmp_path / f"{peak}.csv", mouthSmileLeft=peak * WAVE)
        bpy.ops.eifer.drive_character_from_file(filepath=str(path))
        assert at(31, face, "mouthSmile_L") == pytest.approx(peak, abs=1e-4)
        assert [at(frame, face, "fat") for frame in (1, 50)] == pytest.approx([0.2, 0.8])
    assert mine.name in bpy.data.actions and mine.use_fake_user and mine_count == 2
    ours = [action for action in bpy.data.actions if action.get(characters.MARK)]
    assert len(ours) == (1 if actions.SLOTTED else 3)


def test_a_jaw_bone_stands_in_for_a_key(scene, tmp_path):
    scene.render.fps = 30
    rig = armature(scene, ["head", "DEF-jaw", "jaw_end"])
    mesh(scene, "Face", ["smile.L", "smile.R", "blink", "belly"], parent=rig)
    row = find(rig)
    assert "guessed" in row.notes and len(row.links) == 1 + 1 + 2 + 1
    path = write_face(tmp_path / "a.csv", jawOpen=WAVE, eyeBlinkLeft=WAVE)
    bpy.ops.eifer.drive_character_from_file(filepath=str(path))
    scene.frame_set(31)
    angle = rig.pose.bones["DEF-jaw"].matrix_basis.to_euler().x
    assert angle == pytest.approx(0.35, abs=0.01)
    assert at(31, bpy.data.objects["Face"], "blink") == pytest.approx(0.5, abs=1e-4)


def test_muscles_move_any_property(scene, hero, performed):
    row = find(hero)
    hero["bulge"] = 0.0
    bpy.ops.eifer.edit_links(do="ADD")
    link = row.links[row.active_link]
    link.source, link.object, link.path, link.scale = "muscle:zygomaticus_l", hero, '["bulge"]', 2.0
    link.high = 2.0
    bpy.ops.eifer.drive_character()
    source = characters.from_head(scene, performed)
    column = source.muscles[:, muscles.channel_index("zygomaticus_l")]
    peak = int(np.nanargmax(column))
    scene.frame_set(source.start + peak)
    assert hero["bulge"] == pytest.approx(2 * column[peak], abs=1e-4) and column[peak] > 0.2


def test_mappings_are_shared(scene, hero, tmp_path):
    row = find(hero)
    row.links[3].scale, row.links[3].use = 0.25, True
    wanted = characters.mapping_of(row)
    path = tmp_path / "hero.json"
    bpy.ops.eifer.save_mapping(filepath=str(path))
    with pytest.raises(RuntimeError, match="exists already"):
        bpy.ops.eifer.save_mapping(filepath=str(path))
    bpy.ops.eifer.remove_character()
    bpy.data.objects.remove(bpy.data.objects["Teeth"])
    bpy.ops.eifer.load_mapping(filepath=str(path))
    row = scene.eifer.characters[0]
    kept = tuple(link for link in wanted.links if link.object != "Teeth")
    assert characters.mapping_of(row, used=True).links == kept
    assert "Teeth" in row.notes
    path.write_text(json.dumps({"format": "other"}))
    with pytest.raises(RuntimeError, match="no mapping"):
        bpy.ops.eifer.load_mapping(filepath=str(path))
    path.unlink()
    with pytest.raises(RuntimeError, match=r"'hero.json' cannot be read"):
        bpy.ops.eifer.load_mapping(filepath=str(path))
    assert len(scene.eifer.characters) == 1


def test_what_stands_in_the_way_is_said_and_changes_nothing(scene, hero, tmp_path):
    row = find(hero)
    face = bpy.data.objects["Face"]
    path = str(write_face(tmp_path / "a.csv", jawOpen=WAVE))
    link = row.links[0]

    def refused(match):
        with pytest.raises(RuntimeError, match=match):
            bpy.ops.eifer.drive_character_from_file(filepath=path)
        assert not bpy.data.actions

    old = link.path
    link.path = 'key_blocks["gone"].value'
    refused("leads nowhere")
    link.path = old
    driver = face.data.shape_keys.key_blocks["jawOpen"].driver_add("value")
    refused("has a driver")
    face.data.shape_keys.key_blocks["jawOpen"].driver_remove("value")
    assert driver
    link.source = "muscle:masseter_l"
    refused("activity of muscles")
    for one in row.links:
        one.use = False
    refused("has no links")
    mesh(scene, "Plain", [])
    select(bpy.data.objects["Plain"])
    with pytest.raises(RuntimeError, match="whose name is known"):
        bpy.ops.eifer.find_character()
    assert len(scene.eifer.characters) == 1


def test_clipping_sliders_and_muted_keys_are_told(scene, hero, tmp_path):
    scene.render.fps = 30
    blocks = bpy.data.objects["Face"].data.shape_keys.key_blocks
    blocks["jawOpen"].slider_max = 0.5
    blocks["eyeBlink_L"].mute = True
    row = find(hero)
    path = str(write_face(tmp_path / "a.csv", jawOpen=WAVE))
    bpy.ops.eifer.drive_character_from_file(filepath=path)
    assert "Sliders too narrow for what they are given: jawOpen." in row.notes
    assert "Muted: eyeBlink_L." in row.notes


def test_undo_takes_it_back(scene, hero, tmp_path):
    scene.render.fps = 30
    find(hero)
    bpy.ops.ed.undo_push(message="before")
    path = write_face(tmp_path / "a.csv", jawOpen=WAVE)
    bpy.ops.eifer.drive_character_from_file(filepath=str(path))
    bpy.ops.ed.undo_push(message="after")
    assert bpy.data.actions
    bpy.ops.ed.undo()
    assert not bpy.data.actions and len(bpy.context.scene.eifer.characters) == 1
