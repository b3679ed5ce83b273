"""Small XML texts inside of recordings, written by others."""

from __future__ import annotations

import re
from xml.etree import ElementTree

LONGEST_XML = 4 << 20  # bytes
_DEEPEST = 64


def parse_xml(xml: bytes) -> ElementTree.Element:
    """Root of a small XML text of little depth, without definitions of its own; ValueError if it is not.

    Texts are UTF-8, UTF-16 with its mark, or else Windows-1252.
    """
    if len(xml) > LONGEST_XML:
        raise ValueError("too long")
    codec = "utf-16" if xml[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = xml.decode(codec)
    except UnicodeDecodeError:
        text = xml.decode("cp1252", "replace")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("not plain")
    depth = 0
    for close, alone in re.findall(r"<(/?)[^\W\d][^<>]*?(/?)>", text):
        depth += -1 if close else 0 if alone else 1
        if depth > _DEEPEST:
            raise ValueError("too deep")
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text.strip("\x00 \r\n\t"))  # the text is decoded already
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError("no XML") from error


def text_of(node: ElementTree.Element, name: str) -> str:
    """Text of a child, without blanks around it; nothing where there is none."""
    found = node.find(name)
    return (found.text or "").strip() if found is not None else ""
