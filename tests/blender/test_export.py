"""Animation that leaves Blender plays elsewhere as it plays here, and the scene stays as it was."""

import dataclasses

import bpy
import flame_files
import numpy as np
import pytest
from gltf_file import Gltf
from mathutils import Matrix
from scipy.spatial import cKDTree

from eifer_blender import interchange, spaces
from eifer_blender.blender import bake, exporting, head_object, identity, performance
from eifer_blender.blender.exporting import formats, sampling, verify

VERTICES = list(exporting.FORMATS)
FRAMES = (7, 36)


@pytest.fixture
def animated(scene, head, make_take):
    """The default head with a signed performance, jaw and all, keyed shapes and a moving neck."""
    animate(scene, head, make_take)
    return head


@pytest.fixture(scope="module")
def flame_file(tmp_path_factory):
    return flame_files.write_npz(tmp_path_factory.mktemp("flame") / "flame.npz")


@pytest.fixture
def flame_of_somebody(scene, flame_file):
    """A FLAME head and whom it shows."""
    bpy.ops.eifer.add_flame_head(filepath=str(flame_file), identity_keys=8)
    person = np.linspace(-2, 2, 8).astype(np.float32)
    identity.set_identity(scene.eifer.head, person)
    return scene.eifer.head, person


def animate(scene, head, make_take):
    scene.render.fps, scene.render.fps_base = 30, 1.001
    take = dataclasses.replace(make_take(frames=40), space=head_object.space_of(head))
    take.parameters[:, spaces.JAW.start] = np.linspace(0.0, 0.4, 40)
    take.parameters[:, 7] = np.linspace(-2.0, 2.5, 40)
    bake.bake_take(head, take, name="Take", start_frame=1, stamp={})
    rig = head_object.armature_of(head)
    neck = rig.pose.bones["neck"]
    neck.rotation_mode = "XYZ"
    for frame, angle in ((1, -0.3), (30, 0.4)):
        neck.rotation_euler = (angle, 0.1, angle / 2)
        neck.keyframe_insert("rotation_euler", frame=frame)
    for frame, x in ((1, 0.0), (40, 0.25)):
        rig.location.x = x
        rig.keyframe_insert("location", frame=frame)
    scene.frame_set(1)


def contents():
    """Everything in the file, and what is seen of it."""
    kinds = ("objects", "meshes", "armatures", "actions", "materials", "images", "collections", "scenes")
    kinds += ("node_groups", "shape_keys", "cache_files", "texts")
    names = {kind: sorted(one.name for one in getattr(bpy.data, kind)) for kind in kinds}
    scene = bpy.context.scene
    shown = [(o.name, o.select_get(), o.hide_get()) for o in scene.objects]
    modifiers = [(m.name, m.show_viewport) for o in scene.objects for m in o.modifiers]
    values = [round(b.value, 6) for o in bpy.data.meshes if o.shape_keys for b in o.shape_keys.key_blocks]
    return names, shown, modifiers, values, scene.name, scene.frame_current, scene.render.fps


def export(head, path, kind, frames=FRAMES, **options):
    return exporting.export(bpy.context.scene, [head], path, kind, frames, **options)


@pytest.mark.parametrize("kind", VERTICES)
def test_every_format_plays_as_the_scene_does(animated, tmp_path, kind):
    before = contents()
    done = export(animated, tmp_path / "face", kind)
    assert done.checked.error_mm < exporting.LIMIT_MM
    assert len(done.checked.frames) >= 10 and done.checked.frames[0] == 7 and done.checked.frames[-1] == 36
    assert contents() == before
    assert any("Subdivision" in note for note in done.notes)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == (["face.bin", "face.gltf"] if kind == "GLTF" else [f"face{exporting.ending(kind)}"])


@pytest.mark.parametrize("kind", VERTICES)
def test_flame_heads_leave_with_their_joints_and_person(scene, flame_of_somebody, make_take, tmp_path, kind):
    head, _ = flame_of_somebody
    animate(scene, head, make_take)
    assert export(head, tmp_path / "face", kind).checked.error_mm < exporting.LIMIT_MM


@pytest.mark.parametrize("kind", VERTICES)
def test_the_check_sees_what_is_wrong(animated, tmp_path, kind, monkeypatch):
    """An exporter that loses the second half of the movement."""
    form = exporting.FORMATS[kind]

    def lossy(path, frames):
        stage = bpy.context.scene
        for obj in stage.objects:
            blocks = (obj, obj.data.shape_keys if obj.type == "MESH" else None)
            for block in filter(None, blocks):
                channels = block.animation_data and block.animation_data.action
                if channels:
                    block.animation_data_clear()
        return form.write(path, frames)

    monkeypatch.setitem(exporting.FORMATS, kind, form._replace(write=lossy))
    before = contents()
    with pytest.raises(exporting.EiferError, match=r"does not play as the scene does.*kept as"):
        export(animated, tmp_path / "face", kind)
    assert contents() == before
    kept = {path.name for path in tmp_path.iterdir()}
    assert f"face.unverified{form.ending}" in kept and f"face{form.ending}" not in kept


def imported(path, kind):
    """Meshes of a file in the scene, read by Blender."""
    known = set(bpy.data.objects)
    formats.run(lambda: exporting.FORMATS[kind].read(str(path)), "read")
    return [obj for obj in bpy.data.objects if obj not in known and obj.type == "MESH"]


@pytest.mark.parametrize("kind", ["FBX", "GLB", "USD"])
def test_signed_weights_become_keys_within_0_to_1(animated, tmp_path, kind):
    export(animated, tmp_path / "face", kind)
    mesh = imported(tmp_path / f"face{exporting.ending(kind)}", kind)[0]
    names = {block.name for block in mesh.data.shape_keys.key_blocks}
    assert {"exp007_pos", "exp007_neg"} <= names and "exp007" not in names
    assert mesh.name.startswith("EIFER")


def test_rate_and_first_frame_are_right_in_the_file(animated, tmp_path):
    export(animated, tmp_path / "face", "GLB")
    first, last = Gltf(tmp_path / "face.glb").times()
    assert first == pytest.approx(7 * 1.001 / 30, abs=1e-5)
    assert last == pytest.approx(36 * 1.001 / 30, abs=1e-5)


def test_gltf_plays_the_same_after_its_specification(animated, scene, tmp_path):
    """Read by a reader that is not Blender's: morph targets, joints and their times."""
    export(animated, tmp_path / "face", "GLB")
    file = Gltf(tmp_path / "face.glb")
    for modifier in animated.modifiers:
        modifier.show_viewport = modifier.type == "ARMATURE"
    for frame in range(*FRAMES, 3):
        scene.frame_set(frame)
        wanted = sampling.world_vertices(animated, bpy.context.evaluated_depsgraph_get())
        x, y, z = file.vertices(frame * 1.001 / 30).T
        apart, _ = cKDTree(np.c_[x, -z, y]).query(wanted)
        assert len(x) >= len(wanted) and apart.max() < 1e-4


def test_any_meshes_with_shape_keys_leave(scene, tmp_path):
    """Two meshes that share data, one moved by the other, a driver, a mask and keys beyond 0 to 1."""
    bpy.ops.mesh.primitive_uv_sphere_add(segments=16, ring_count=8)
    ball = bpy.context.object
    ball.shape_key_add(name="Basis")
    big, masked = ball.shape_key_add(name="Grow"), ball.shape_key_add(name="Mask ü")
    for block in (big, masked):
        block.slider_min, block.slider_max = -2.0, 2.0
        for point in block.data:
            point.co *= 1.5
    group = ball.vertex_groups.new(name="upper")
    group.add([v.index for v in ball.data.vertices if v.co.z > 0], 0.5, "REPLACE")
    masked.vertex_group = "upper"
    for frame, value in ((1, -1.5), (20, 2.0)):
        big.value = value
        big.keyframe_insert("value", frame=frame)
    driver = masked.driver_add("value").driver
    driver.expression = "-frame / 20"
    second = bpy.data.objects.new("Second", ball.data)
    scene.collection.objects.link(second)
    second.parent = ball
    second.matrix_local = Matrix.Translation((3, 0, 0)) @ Matrix.Rotation(0.5, 4, "Z")
    for frame, angle in ((1, 0.0), (20, 2.0)):
        ball.rotation_euler.z = angle
        ball.keyframe_insert("rotation_euler", frame=frame)
    scene.frame_set(1)
    for kind in VERTICES:
        before = contents()
        done = exporting.export(scene, [ball, second], tmp_path / "two", kind, (1, 20))
        assert done.checked.error_mm < exporting.LIMIT_MM, kind
        assert contents() == before


@pytest.mark.parametrize("kind", VERTICES)
def test_what_does_not_move_leaves_alone(animated, scene, tmp_path, kind):
    """Other objects and scenes of the file stay out of it."""
    bpy.data.scenes.new("Other").collection.objects.link(animated)
    bpy.ops.mesh.primitive_cube_add()
    still = bpy.context.object
    still.shape_key_add(name="Basis")
    still.shape_key_add(name="Up").points[0].co.z += 1.0
    before = contents()
    done = exporting.export(scene, [still], tmp_path / "still", kind, FRAMES)
    assert done.checked.error_mm < exporting.LIMIT_MM and contents() == before
    assert [obj.name for obj in imported(done.path, kind)] == ["Cube.001"]


@pytest.mark.parametrize("kind", list(exporting.TABLES))
def test_numbers_come_back(animated, scene, tmp_path, kind):
    done = export(animated, tmp_path / "face", kind, (1, 40))
    clip = interchange.read_expressions(done.path)
    played = performance.sample(animated, scene, np.arange(1, 41))
    if kind == "LIVE_LINK_FACE":
        assert any("mm" in note for note in done.notes) and len(clip.values) == 40
    else:
        np.testing.assert_allclose(clip.values, played.parameters, rtol=1e-5, atol=1e-6)
    if kind != "PARAMETERS_CSV":
        assert clip.fps == pytest.approx(30 / 1.001)


def test_numbers_of_a_flame_head_are_flames(scene, flame_of_somebody, make_take, tmp_path):
    head, person = flame_of_somebody
    animate(scene, head, make_take)
    for kind in ("PARAMETERS_CSV", "PARAMETERS_NPZ"):
        clip = interchange.read_expressions(export(head, tmp_path / "face", kind).path)
        assert clip.space.id == "flame-55"
        np.testing.assert_allclose(clip.extra["identity"][3, :8], person, atol=1e-4)


def test_the_operator_writes_what_its_dialog_says(animated, scene, tmp_path):
    path = tmp_path / "face.fbx"
    scene.frame_start, scene.frame_end = 3, 12
    assert bpy.ops.eifer.export_animation(filepath=str(path), format="FBX") == {"FINISHED"}
    with pytest.raises(RuntimeError, match="exists already"):
        bpy.ops.eifer.export_animation(filepath=str(path), format="FBX")
    written = path.read_bytes()
    with pytest.raises(RuntimeError, match="last frame lies before"):
        bpy.ops.eifer.export_animation(
            filepath=str(path), format="FBX", replace=True, extent="RANGE", frame_from=5, frame_to=4
        )
    with pytest.raises(RuntimeError, match="folder"):
        bpy.ops.eifer.export_animation(filepath=str(tmp_path / "no" / "face.glb"), format="GLB")
    assert path.read_bytes() == written and list(tmp_path.iterdir()) == [path]
    bpy.ops.eifer.export_animation(filepath=str(tmp_path / "keys.fbx"), format="GLB", extent="KEYS")
    assert Gltf(tmp_path / "keys.glb").times()[1] == pytest.approx(40 * 1.001 / 30, abs=1e-4)


def test_cancelling_leaves_nothing(animated, scene, tmp_path):
    before = contents()
    for count in (1, 15, 30, 31):
        working = exporting.steps(scene, [animated], tmp_path / "face", "GLB", FRAMES)
        for _ in range(count):
            next(working)
        working.close()
        assert contents() == before and not list(tmp_path.iterdir())


def test_a_failing_exporter_leaves_nothing(animated, tmp_path, monkeypatch):
    def broken(_path, _frames):
        raise RuntimeError("Error: the disk is full\n")

    form = exporting.FORMATS["GLB"]
    monkeypatch.setitem(exporting.FORMATS, "GLB", form._replace(write=broken))
    before = contents()
    with pytest.raises(exporting.EiferError, match=r"could not write glTF Binary: .*the disk is full"):
        export(animated, tmp_path / "face", "GLB")
    assert contents() == before and not list(tmp_path.iterdir())


def test_what_cannot_be_exported_gets_a_sentence(scene, tmp_path):
    bpy.ops.object.empty_add()
    assert not bpy.ops.eifer.export_animation.poll()
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    with pytest.raises(RuntimeError, match="No head is chosen"):
        bpy.ops.eifer.export_animation(filepath=str(tmp_path / "a.fbx"), format="FBX")
    with pytest.raises(RuntimeError, match="has keys"):
        bpy.ops.eifer.export_animation(
            filepath=str(tmp_path / "a.fbx"), format="FBX", what="SELECTED", extent="KEYS"
        )
    cube.shape_key_add(name="Basis")
    cube.data.shape_keys.use_relative = False
    with pytest.raises(RuntimeError, match="absolute"):
        bpy.ops.eifer.export_animation(filepath=str(tmp_path / "a.fbx"), format="FBX", what="SELECTED")
    assert not list(tmp_path.iterdir())


def test_a_vertex_that_is_off_in_one_frame_is_found():
    """The comparison itself, also where vertices were split and shuffled."""
    random = np.random.default_rng(0)
    still = random.normal(size=(200, 3))
    wanted = {f: still + 0.01 * f for f in range(12)}
    order = random.permutation(np.r_[0:200, 0:200])
    shown = {f: v[order].copy() for f, v in wanted.items()}
    assert max(verify.errors(wanted, shown, same_order=False).values()) < 1e-12
    shown[5][np.flatnonzero(order == 17)] += 0.001
    found = verify.errors(wanted, shown, same_order=False)
    assert max(found, key=found.get) == 5 and found[5] == pytest.approx(0.001 * 3**0.5)
