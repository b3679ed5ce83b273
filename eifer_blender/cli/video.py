"""Face and strips side by side, as pictures and as an H.264 video."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .strips import BACKGROUND, FAINT_TEXT, TEXT, Strips, draw_strips, font

if TYPE_CHECKING:
    from PIL.Image import Image


def compose(face: Image, strips: Strips, frame: float) -> Image:
    """One video frame: the face on the left, the strips on the right, equally high."""
    from PIL import Image

    panel = draw_strips(strips, frame)
    height = panel.height
    face = face.convert("RGB").resize(
        (round(face.width * height / face.height), height), Image.Resampling.LANCZOS
    )
    picture = Image.new("RGB", (face.width + panel.width, height), BACKGROUND)
    picture.paste(face, (0, 0))
    picture.paste(panel, (face.width, 0))
    return picture


def write_video(
    pictures: Iterable[Image],
    output: Path,
    fps: float,
    progress: Callable[[int], None] = lambda frame: None,
) -> None:
    """Encode RGB pictures of one even size as H.264 in an MP4 file that any player shows.

    Takes the place of a video of that name. Raises EiferError if PyAV is not installed.
    """
    from ..video import writer

    def arrays() -> Iterator[np.ndarray]:
        for number, picture in enumerate(pictures):
            yield np.asarray(picture.convert("RGB"))
            progress(number)

    writer.write_video(output, arrays(), fps, replace=True)


def contact_sheet(
    faces: Sequence[Image], labels: Sequence[tuple[str, str]], columns: int, title: str
) -> Image:
    """Labelled pictures in a grid.

    faces: pictures of one size; labels: for each a name and a smaller second line.
    """
    from PIL import Image, ImageDraw

    width, height = faces[0].size
    gap, head, foot = round(width * 0.035), round(width * 0.26), round(width * 0.17)
    rows = -(-len(faces) // columns)
    size = (columns * (width + gap) + gap, head + rows * (height + foot) + gap)
    sheet = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((gap, head / 2), title, TEXT, font(width * 0.075), anchor="lm")
    for number, (face, (name, note)) in enumerate(zip(faces, labels, strict=True)):
        x = gap + number % columns * (width + gap)
        y = head + number // columns * (height + foot)
        sheet.paste(face.convert("RGB"), (x, y))
        draw.text((x + 2, y + height + foot * 0.30), name, TEXT, font(width * 0.055), anchor="lm")
        draw.text(
            (x + width - 2, y + height + foot * 0.30), note, FAINT_TEXT, font(width * 0.045), anchor="rm"
        )
    return sheet
