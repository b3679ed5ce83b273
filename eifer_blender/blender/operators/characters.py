"""Operators of the panel "Characters"."""

from pathlib import Path

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty

from ...errors import EiferError
from .. import characters, conditions
from .base import FileSaver, redraw, report_errors


def needs_character(context: bpy.types.Context) -> str:
    """A character is in the list."""
    return "" if active(context) is not None else "Find a character first: select its meshes or its armature"


def needs_selection(context: bpy.types.Context) -> str:
    """Something is selected."""
    return "" if context.selected_objects else "Select the character's meshes or its armature"


def active(context: bpy.types.Context) -> bpy.types.PropertyGroup | None:
    """The chosen character."""
    stored = context.scene.eifer
    rows = stored.characters
    return rows[stored.active_character] if 0 <= stored.active_character < len(rows) else None


class _Character(conditions.Checked):
    """An operator that works on the chosen character and says what it found."""

    needs = (needs_character,)

    def tell(self, notes: list[str] | tuple[str, ...]) -> None:
        """Report notes."""
        for note in notes:
            self.report({"INFO"}, note)


class EIFER_OT_find_character(_Character, bpy.types.Operator):
    """Find shape keys and jaw of the selected character by their names, on all meshes that belong to it"""

    bl_idname = "eifer.find_character"
    bl_label = "Find Character"
    bl_options = {"REGISTER", "UNDO"}
    needs = (needs_selection,)

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add it to the list, or find its links anew."""
        stored = context.scene.eifer
        objects = characters.family(context.selected_objects)
        if not objects:
            raise EiferError("Heads of this extension need no mapping; select another character.")
        name = characters.name_of(objects)
        number = next((k for k, one in enumerate(stored.characters) if one.name == name), None)
        row = stored.characters.add() if number is None else stored.characters[number]
        row.name = name
        try:
            notes = characters.find(row, context.selected_objects)
        except EiferError:
            if number is None:
                stored.characters.remove(len(stored.characters) - 1)
            raise
        stored.active_character = len(stored.characters) - 1 if number is None else number
        self.tell(notes)
        redraw(context)
        return {"FINISHED"}


class EIFER_OT_remove_character(_Character, bpy.types.Operator):
    """Remove the character from the list; its objects and their animation stay"""

    bl_idname = "eifer.remove_character"
    bl_label = "Remove Character"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove it."""
        stored = context.scene.eifer
        stored.characters.remove(stored.active_character)
        stored.active_character = max(0, stored.active_character - 1)
        return {"FINISHED"}


class EIFER_OT_edit_links(_Character, bpy.types.Operator):
    """Add a link, or remove the chosen one"""

    bl_idname = "eifer.edit_links"
    bl_label = "Edit Links"
    bl_options = {"REGISTER", "UNDO"}

    do: EnumProperty(items=[("ADD", "Add", "Add a link"), ("REMOVE", "Remove", "Remove the chosen link")])

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Change the rows."""
        row = active(context)
        if self.do == "ADD":
            link = row.links.add()
            link.object = context.object
            row.active_link = len(row.links) - 1
        elif 0 <= row.active_link < len(row.links):
            row.links.remove(row.active_link)
            row.active_link = max(0, row.active_link - 1)
        return {"FINISHED"}


class EIFER_OT_drive_character(_Character, bpy.types.Operator):
    """Let the character play what the head plays, as new actions; other curves of the character stay"""

    bl_idname = "eifer.drive_character"
    bl_label = "Drive"
    bl_options = {"REGISTER", "UNDO"}
    needs = (needs_character, conditions.needs_head, conditions.needs_editable_animation)

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Bake it."""
        scene = context.scene
        return _drive(self, context, characters.from_head(scene, scene.eifer.head))


class EIFER_OT_drive_character_from_file(_Character, bpy.types.Operator):
    """Let the character play a file of expressions: Live Link Face, an ARKit table, or parameters"""

    bl_idname = "eifer.drive_character_from_file"
    bl_label = "Drive from File"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.csv;*.csv.gz;*.npz", options={"HIDDEN"})
    start: IntProperty(name="Start Frame", description="Frame of the file's first row", default=1)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Choose a file."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Bake it."""
        path = Path(bpy.path.abspath(self.filepath))
        return _drive(self, context, characters.from_file(context.scene, path, self.start))


def _drive(operator: _Character, context: bpy.types.Context, source: characters.Source) -> set[str]:
    row = active(context)
    done = characters.drive(row, source)
    row.notes = "\n".join(done.notes)
    operator.tell(done.notes)
    text = f"'{row.name}' plays '{source.name}': {done.properties} properties in {done.frames} frames"
    operator.report({"INFO"}, text)
    redraw(context)
    return {"FINISHED"}


class EIFER_OT_save_mapping(FileSaver, _Character, bpy.types.Operator):
    """Save the character's links to a file that others can load"""

    bl_idname = "eifer.save_mapping"
    bl_label = "Save Mapping"
    bl_options = {"REGISTER"}
    suggested_name = "character.json"

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write it."""
        path = Path(bpy.path.ensure_ext(bpy.path.abspath(self.filepath), ".json"))
        characters.save(active(context), path, replace=self.replace)
        self.report({"INFO"}, f"Saved '{path.name}': {len(active(context).links)} links")
        return {"FINISHED"}


class EIFER_OT_load_mapping(_Character, bpy.types.Operator):
    """Add a character with the links in a file; its objects are found by their names"""

    bl_idname = "eifer.load_mapping"
    bl_label = "Load Mapping"
    bl_options = {"REGISTER", "UNDO"}
    needs = ()

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Choose a file."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read it."""
        stored = context.scene.eifer
        mapping = characters.load(Path(bpy.path.abspath(self.filepath)))
        row = stored.characters.add()
        row.name = mapping.name or Path(self.filepath).stem
        stored.active_character = len(stored.characters) - 1
        notes = characters.fill(row, mapping)
        row.notes = "\n".join(notes)
        self.tell(notes)
        redraw(context)
        return {"FINISHED"}


CLASSES = (
    EIFER_OT_find_character,
    EIFER_OT_remove_character,
    EIFER_OT_edit_links,
    EIFER_OT_drive_character,
    EIFER_OT_drive_character_from_file,
    EIFER_OT_save_mapping,
    EIFER_OT_load_mapping,
)
