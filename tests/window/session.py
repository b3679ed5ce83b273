"""The main job in a real window, clicked with a real mouse. Run by `python -m eifer_blender window`.

Buttons are found as a person finds them, by moving the mouse over the sidebar: Blender tells which
operator the button under the mouse calls. Each `yield` gives Blender time to handle events and draw.
"""

from __future__ import annotations

import os
import subprocess
import traceback
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import bpy

HERE = Path(__file__).parent
RECORDING = HERE / "recordings" / "sample_recording.edf"
MODULE = "bl_ext.user_default.eifer_blender"
LAST_FRAME = 384  # of the sample recording, 16 s at 24 frames per second
PICTURES = 4
FAR = 36  # frames between pictures
TICK = 0.1  # seconds for Blender to handle an event
LONGEST = 60.0  # seconds that a step may take on a slow machine
SIDEBAR_PIXELS = 400
SCREENFULS = 4  # that the sidebar may be long
UP, DOWN, WHEEL_STEPS = 4, 5, 10  # buttons of the mouse wheel
HEADER_PIXELS = 27  # from one closed panel to the next
EDGE_PIXELS = 7  # from the region's left end to where its edge can be grabbed

Steps = Iterator[float]


def say(text: str) -> None:
    """A line that the command shows."""
    print(f"window: {text}", flush=True)


# --- the window -----------------------------------------------------------------------------------


def window() -> bpy.types.Window:
    """The only window."""
    return bpy.context.window_manager.windows[0]


def viewport() -> bpy.types.Area:
    """The 3D viewport."""
    return next(area for area in window().screen.areas if area.type == "VIEW_3D")


def region(area: bpy.types.Area, kind: str) -> bpy.types.Region:
    """A region of an area."""
    return next(one for one in area.regions if one.type == kind)


def sidebar() -> bpy.types.Region:
    """The viewport's sidebar."""
    return region(viewport(), "UI")


def xdotool(*arguments: object) -> None:
    """Real mouse and keyboard."""
    subprocess.run(["xdotool", *map(str, arguments)], check=True)


def point(x: float, y: float) -> tuple[int, int]:
    """Blender's window coordinates (from the lower left) as the screen's (from the upper left)."""
    return int(x), int(window().height - 1 - y)


def rest_mouse() -> None:
    """Put the mouse where it highlights nothing: low in the largest area."""
    area = max(window().screen.areas, key=lambda one: one.width * one.height)
    xdotool("mousemove", *point(area.x + 0.3 * area.width, area.y + 0.1 * area.height))


def screenshot(name: str) -> Steps:
    """Save what the screen shows."""
    rest_mouse()
    for area in window().screen.areas:
        area.tag_redraw()
    yield 1.0
    # Blender's own screenshot operator writes black pictures here.
    subprocess.run(["import", "-window", "root", str(HERE / f"{name}.png")], check=True)
    say(f"saved {name}.png")


def wait_for(reached: Callable[[], object], what: str) -> Steps:
    """Wait until a state is reached."""
    waited = 0.0
    while not reached():
        if waited > LONGEST:
            raise AssertionError(f"not reached: {what}")
        yield TICK
        waited += TICK
    say(what)


def command_under_mouse(area: bpy.types.Area, where: bpy.types.Region) -> str:
    """Python call of the button under the mouse; empty if there is none."""
    manager = bpy.context.window_manager
    manager.clipboard = ""
    with bpy.context.temp_override(window=window(), area=area, region=where):
        if not bpy.ops.ui.copy_python_command_button.poll():
            return ""
        bpy.ops.ui.copy_python_command_button()
    return manager.clipboard


def find(operator: str, *, across: float = 0.5) -> Generator[float, None, list[int]]:
    """Heights of an operator's button in the sidebar, the topmost first; `across`: 0 left to 1 right.

    Looks where the sidebar stands, then from its top downwards.
    """
    where = sidebar()
    x = where.x + across * (where.width - 20)
    for screenful in range(-1, SCREENFULS):
        rest_mouse()  # or Blender still names the button that was clicked last
        yield TICK
        heights = []
        for y in range(where.y + where.height - 12, where.y, -9):
            xdotool("mousemove", *point(x, y))
            yield TICK / 2
            if command_under_mouse(viewport(), where).startswith(f"bpy.ops.{operator}("):
                heights.append(y)
            elif heights:
                return heights
        if heights:
            return heights
        if screenful < 0:
            yield from scroll(UP, SCREENFULS)
        else:
            yield from scroll(DOWN)
    raise AssertionError(f"the sidebar has no button for {operator}")


def click(operator: str, *, across: float = 0.5) -> Steps:
    """Click the button of an operator in the sidebar."""
    heights = yield from find(operator, across=across)
    xdotool("mousemove", *point(sidebar().x + across * (sidebar().width - 20), heights[0]))
    yield TICK
    xdotool("click", 1)
    say(f"clicked {operator}")
    yield TICK


def scroll(button: int, screenfuls: int = 1) -> Steps:
    """Turn the mouse wheel over the sidebar, most of a screenful each time."""
    where = sidebar()
    xdotool("mousemove", *point(where.x + where.width / 2, where.y + where.height / 2))
    yield TICK
    for _ in range(screenfuls):
        xdotool("click", "--repeat", WHEEL_STEPS, "--delay", 20, button)
        yield 1.0


def widen_sidebar() -> Steps:
    """Drag the sidebar's edge, which can be grabbed beside a panel only."""
    where = sidebar()
    width = where.width  # `where` itself changes with the window
    x, y = point(where.x + EDGE_PIXELS, where.y + where.height - 40)
    for approach in (-30, -10, -3, 0):
        xdotool("mousemove", x + approach, y)
        yield TICK
    xdotool("mousedown", 1)
    for moved in range(0, SIDEBAR_PIXELS - width + 10, 10):
        xdotool("mousemove", x - moved, y)
        yield TICK
    xdotool("mouseup", 1)
    yield from wait_for(lambda: sidebar().width > width, "the sidebar is wider")


def frame_head() -> None:
    """Look at the head from the front, slightly from its left, filling the viewport."""
    with bpy.context.temp_override(window=window(), area=viewport(), region=region(viewport(), "WINDOW")):
        bpy.ops.view3d.view_axis(type="FRONT")
        bpy.ops.view3d.view_orbit(angle=0.2, type="ORBITLEFT")
        bpy.ops.view3d.view_selected(use_all_regions=True)


# --- the session ----------------------------------------------------------------------------------


def head() -> bpy.types.Object | None:
    """The head that the panel drives."""
    return bpy.context.scene.eifer.head


def key_values() -> list[float]:
    """The face as numbers."""
    return [round(block.value, 4) for block in head().data.shape_keys.key_blocks]


def strongest_frames(count: int) -> list[int]:
    """Scrub through the scene: the frames with the strongest expressions, far from each other."""
    scene = bpy.context.scene
    strength = {}
    faces = set()
    for frame in range(1, LAST_FRAME + 1, 6):
        scene.frame_set(frame)
        values = key_values()
        faces.add(tuple(values))
        strength[frame] = sum(abs(value) for value in values)
    if len(faces) < len(strength) / 4:
        raise AssertionError(f"the face hardly moves: {len(faces)} faces in {len(strength)} frames")
    chosen: list[int] = []
    for frame in sorted(strength, key=strength.__getitem__, reverse=True):
        if all(abs(frame - other) > FAR for other in chosen):
            chosen.append(frame)
    return sorted(chosen[:count])


def session() -> Steps:
    """Everything a first-time user does."""
    say(f"Blender {bpy.app.version_string}, {window().width} x {window().height} pixels")
    for obj in list(bpy.data.objects):
        bpy.data.objects.remove(obj)
    space = viewport().spaces.active
    for shown in ("show_floor", "show_axis_x", "show_axis_y", "show_cursor", "show_outline_selected"):
        setattr(space.overlay, shown, False)
    space.show_region_ui = True
    yield 1.0
    sidebar().active_panel_category = "EIFER"
    yield 1.0
    yield from widen_sidebar()
    yield from screenshot("1_tab")

    yield from click("eifer.add_head")
    yield from wait_for(head, "the head is there")
    frame_head()
    yield 0.5
    yield from screenshot("2_head")

    yield from open_recording()
    yield from screenshot("4_recording")
    yield from preview()
    yield from cancel_bake()
    yield from bake()
    yield from calibrate()
    yield from play()
    yield from activity()
    yield from trials()
    yield from export()
    yield from disable()


def open_recording() -> Steps:
    """Through the file browser."""
    yield from click("eifer.open_recording")
    yield from name_file(RECORDING)
    yield from screenshot("3_file_browser")
    yield from accept_file()
    yield from wait_for(lambda: bpy.context.scene.eifer.recording.filepath, "the recording is open")
    yield 1.0


def file_browser() -> bpy.types.Area | None:
    """The file browser, if one is open."""
    return next((area for area in window().screen.areas if area.type == "FILE_BROWSER"), None)


def name_file(file: Path) -> Steps:
    """Enter folder and name of a file when the file browser has opened."""
    yield from wait_for(file_browser, "the file browser is open")
    yield 1.0
    parameters = file_browser().spaces.active.params
    parameters.directory = os.fsencode(str(file.parent))
    parameters.filename = file.name
    yield 1.0


def accept_file() -> Steps:
    """Press the file browser's button, and see it close."""
    browser = file_browser()
    with bpy.context.temp_override(window=window(), area=browser, region=region(browser, "WINDOW")):
        bpy.ops.file.execute("INVOKE_DEFAULT")
    yield from wait_for(lambda: not file_browser(), "the file browser is closed")


def preview() -> Steps:
    """The live preview moves the face and leaves no trace."""
    rest = key_values()
    yield from click("eifer.preview", across=0.3)
    yield from wait_for(lambda: head().eifer.previewing, "the live preview runs")
    frame = strongest_frames(1)[0]
    bpy.context.scene.frame_set(frame)
    yield from wait_for(lambda: key_values() != rest, "the preview moves the face")
    yield from screenshot("5_preview")
    yield from click("eifer.preview", across=0.3)
    yield from wait_for(lambda: not head().eifer.previewing, "the live preview is stopped")
    # Keys that the jaw drives follow with the next redraw.
    yield from wait_for(lambda: key_values() == rest, "the preview has left nothing on the face")
    bpy.context.scene.frame_set(1)


def animation() -> bpy.types.PropertyGroup:
    """The settings of the panel "Animation"."""
    return bpy.context.scene.eifer.animation


def cancel_bake() -> Steps:
    """Start a long bake with a click and stop it with a real Esc: nothing may be left of it."""
    scene, actions = bpy.context.scene, len(bpy.data.actions)
    fps = scene.render.fps
    scene.render.fps, animation().keys, animation().tolerance_mm = 240, "REDUCED", 0.002
    yield from click("eifer.bake_take")
    yield from wait_for(lambda: animation().progress > 0.0, "the bake shows its progress")
    xdotool("key", "Escape")
    yield from wait_for(lambda: animation().progress == 0.0, "Esc ended the bake")
    if len(head().eifer.takes) or len(bpy.data.actions) != actions:
        raise AssertionError("the cancelled bake left something")
    bpy.context.scene.render.fps = fps
    animation().property_unset("keys")
    animation().property_unset("tolerance_mm")


def bake() -> Steps:
    """Bake with a click."""
    yield from click("eifer.bake_take")
    yield from wait_for(lambda: len(head().eifer.takes) == 1, "the take is baked")
    yield 1.0
    yield from screenshot("6_baked")


def calibrate() -> Steps:
    """Move sliders at two moments, say that the face shall look like that, and map the take again."""
    scene, blocks = bpy.context.scene, head().data.shape_keys.key_blocks
    stored = head().eifer.calibration
    yield from open_panel_below("eifer.preview", further=1)
    for number, frame in enumerate(strongest_frames(2)):
        scene.frame_set(frame)
        blocks["exp000"].value += 1.0
        blocks["exp002"].value -= 0.8
        yield 1.0
        yield from click("eifer.use_pose", across=0.3)
        yield from wait_for(lambda count=number + 1: len(stored.poses) == count, "the pose is listed")
    changed = key_values()
    yield from click("eifer.calibrate")
    yield from wait_for(lambda: stored.data, "the head is calibrated")
    viewport().tag_redraw()  # a panel that grew shows all of itself at the second drawing
    yield 1.0
    yield from screenshot("6_calibration")
    yield from click("eifer.remap_take")
    yield from wait_for(lambda: takes_calibrated(), "the take is mapped again")
    scene.frame_set(1)
    scene.frame_set(frame)
    if max(abs(a - b) for a, b in zip(key_values(), changed, strict=True)) > 0.5:
        raise AssertionError("the calibrated take does not look like the pose")
    yield from screenshot("6_calibrated")
    yield from open_panel_below("eifer.preview", further=1)  # closes it again


def takes_calibrated() -> bool:
    """Whether the take's actions keep a calibration."""
    return any("eifer_calibration" in action for action in bpy.data.actions)


def play() -> Steps:
    """Play with the space bar, then scrub."""
    rest_mouse()
    yield TICK
    xdotool("key", "space")
    yield from wait_for(lambda: bpy.context.scene.frame_current > 30, "the animation plays")
    xdotool("key", "space")
    yield from wait_for(lambda: not window().screen.is_animation_playing, "the animation is stopped")
    for frame in strongest_frames(PICTURES):
        bpy.context.scene.frame_set(frame)
        yield from screenshot(f"7_frame_{frame:03d}")


def activity() -> Steps:
    """Estimate the muscles from the face, colour it, see the strips, compare with the recording."""
    scene = bpy.context.scene
    yield from scroll(DOWN)
    yield from open_panel_below("eifer.load_reference")
    yield from scroll(DOWN)
    yield from click("eifer.estimate_activity", across=0.3)
    yield from wait_for(lambda: "est_zygomaticus_l" in head(), "the activity is estimated")
    yield from click("eifer.heat_map", across=0.3)
    yield from wait_for(lambda: head().eifer.heat.show, "the face wears the heat map")
    scene.eifer.activity.strips = True
    bpy.ops.eifer.compare_activity()
    bpy.ops.eifer.measure_asymmetry()
    for frame in strongest_frames(2):
        scene.frame_set(frame)
        yield from screenshot(f"8_activity_{frame:03d}")
    viewport().spaces.active.shading.type = "MATERIAL"
    yield 3.0
    yield from screenshot("8_activity_material")
    viewport().spaces.active.shading.type = "SOLID"
    yield from click("eifer.heat_map", across=0.3)
    yield from wait_for(lambda: not head().eifer.heat.show, "the heat map is gone")
    scene.eifer.activity.strips = False
    yield from scroll(UP)


def trials() -> Steps:
    """Check marks of the recording, bake them one after another, see the markers."""
    scene, marks = bpy.context.scene, bpy.context.scene.eifer.recording.marks
    yield from open_panel_below("eifer.reset_channels")
    bpy.context.scene.eifer.recording.active_mark = marks.find("Smile-Closed")
    yield from click("eifer.check_marks", across=0.15)
    yield from wait_for(lambda: marks["Smile-Closed"].use, "the mark is checked")
    for text in ("angry", "Lip-Pucker"):
        marks[text].use = True
    yield from screenshot("8_marks")
    yield from click("eifer.bake_take")
    yield from wait_for(lambda: len(head().eifer.takes) == 2, "the trials are baked")
    if [marker.name for marker in scene.timeline_markers] != ["angry", "Smile-Closed", "Lip-Pucker"]:
        raise AssertionError("the marks are not on the timeline")
    yield from raise_timeline()
    scene.frame_set(strongest_frames(1)[0])
    yield from screenshot("9_trials")


def export() -> Steps:
    """Export between the window's events: Esc leaves no file, the second time it is written and checked."""
    scene, objects, file = bpy.context.scene, len(bpy.data.objects), HERE / "exported" / "take.fbx"
    file.parent.mkdir()
    yield from start_export(file)
    yield from wait_for(lambda: animation().progress > 0.0, "the export shows its progress")
    xdotool("key", "Escape")
    yield from wait_for(lambda: animation().progress == 0.0, "Esc ended the export")
    if any(file.parent.iterdir()):
        raise AssertionError("the cancelled export left something")
    yield from start_export(file)
    yield from screenshot("10_exporting")
    yield from wait_for(lambda: file.exists() and animation().progress == 0.0, "the animation is exported")
    if [one.name for one in file.parent.iterdir()] != [file.name]:
        raise AssertionError("the export left more than its file")
    if list(bpy.data.scenes) != [scene] or len(bpy.data.objects) != objects:
        raise AssertionError("the export left something in the scene")


def start_export(file: Path) -> Steps:
    """Choose format and file as in the dialog."""
    with bpy.context.temp_override(window=window(), area=viewport(), region=region(viewport(), "WINDOW")):
        bpy.ops.eifer.export_animation("INVOKE_DEFAULT")
    yield from name_file(file)
    yield from accept_file()


def open_panel_below(operator: str, further: int = 0) -> Steps:
    """Click the header of the panel that follows the last button of another one, or of one further below."""
    heights = yield from find(operator, across=0.15)
    x, height = sidebar().x + 0.15 * (sidebar().width - 20), heights[-1]
    xdotool("mousemove", *point(x, height - 30 - further * HEADER_PIXELS))
    yield TICK
    xdotool("click", 1)
    yield 1.0


def raise_timeline() -> Steps:
    """Drag the timeline's upper edge until its markers have room, and show all frames of the scene."""
    area = next(one for one in window().screen.areas if one.type == "DOPESHEET_EDITOR")
    height = area.height
    x, y = point(area.x + area.width / 2, area.y + area.height)
    xdotool("mousemove", x, y)
    yield TICK
    xdotool("mousedown", 1)
    for moved in range(0, 90, 10):
        xdotool("mousemove", x, y - moved)
        yield TICK
    xdotool("mouseup", 1)
    yield from wait_for(lambda: area.height > height, "the timeline is higher")
    with bpy.context.temp_override(window=window(), area=area, region=region(area, "WINDOW")):
        bpy.ops.action.view_all()


def disable() -> Steps:
    """Switch the extension off, as the preferences do."""
    bpy.ops.preferences.addon_disable(module=MODULE)
    yield 1.0
    if hasattr(bpy.types.Scene, "eifer"):
        raise AssertionError("the extension left its properties behind")
    say("the extension is disabled")


# --- running --------------------------------------------------------------------------------------


def main() -> None:
    """Run the session in a timer and close Blender with its result."""
    preferences = bpy.context.preferences
    preferences.view.show_splash = False  # before the first drawing
    preferences.view.filebrowser_display_type = "SCREEN"
    preferences.view.show_developer_ui = True  # lets Blender tell which operator a button calls
    steps = session()

    def advance() -> float | None:
        try:
            return next(steps)
        except StopIteration:
            bpy.ops.wm.quit_blender()
        except BaseException as error:
            traceback.print_exc()
            say(f"FAILED: {error}")
            subprocess.run(["import", "-window", "root", str(HERE / "failed.png")])
            os._exit(1)
        return None

    bpy.app.timers.register(advance, first_interval=2.0)


main()
