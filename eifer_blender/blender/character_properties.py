"""Properties of characters: which of their properties a performance moves."""

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ..rigs import SOURCES


def _sources(_self: bpy.types.ID, _context: bpy.types.Context, text: str) -> list[str]:
    """Sources to choose from, those that hold the text."""
    return [name for name in SOURCES if text.casefold() in name.casefold()]


class EIFER_PG_link(bpy.types.PropertyGroup):
    """One source on one property."""

    use: BoolProperty(name="Use", description="Whether this link counts", default=True)
    source: StringProperty(
        name="Source",
        description="What moves it: an ARKit shape, a muscle, or a parameter of the head",
        search=_sources,
    )
    object: PointerProperty(name="Object", description="Whose property it is", type=bpy.types.Object)
    path: StringProperty(
        name="Path",
        description="Data path of the property as Copy Data Path gives it; of shape keys, from key_blocks on",
    )
    index: IntProperty(name="Index", description="Component of an array property", min=0, max=63)
    scale: FloatProperty(name="Scale", description="Factor on the source", default=1.0)
    offset: FloatProperty(name="Offset", description="Value at rest", default=0.0)
    low: FloatProperty(name="Min", description="The property never goes below", default=0.0)
    high: FloatProperty(name="Max", description="The property never goes above", default=1.0)


class EIFER_PG_character(bpy.types.PropertyGroup):
    """A character: links under a name."""

    name: StringProperty(name="Name", description="Name of the character")
    links: CollectionProperty(type=EIFER_PG_link)
    active_link: IntProperty()
    notes: StringProperty(description="What was found, a line each")


CLASSES = (EIFER_PG_link, EIFER_PG_character)
