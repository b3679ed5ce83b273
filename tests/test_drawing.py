"""Strips, colour bar and SVG: what is drawn is what the data say, gaps and doubts included."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest

from eifer_blender import colours, drawing
from eifer_blender.drawing import Area, Box, Drawing, Line, StripData, Text
from eifer_blender.drawing.strips import chosen_muscles
from eifer_blender.muscles import MUSCLES, TOP_TO_BOTTOM, channel_index

SIZE = (800.0, 330.0)
THEME = drawing.DARK


def quiet(frames=100):
    return np.zeros((frames, 22), np.float32)


def data(measured=None, estimated=None, **more):
    sd = None if estimated is None else np.full_like(estimated, 0.05)
    return StripData(24.0, 1, measured, estimated, sd, **more)


def texts(made):
    return [item.text for item in made.items if isinstance(item, Text)]


def areas(made, colour):
    return [item for item in made.items if isinstance(item, Area) and item.colour == colour]


def lines(made, colour):
    return [item for item in made.items if isinstance(item, Line) and item.colour == colour]


def test_every_muscle_has_its_strip_from_the_forehead_down():
    made = drawing.layout(data(quiet()), SIZE, THEME)
    found = [text for text in texts(made) if text in {m.short for m in MUSCLES}]
    assert found == [MUSCLES[k].short for k in TOP_TO_BOTTOM] and found[0] == "medF" and found[-1] == "Mass"


def test_left_goes_up_and_right_goes_down():
    values = quiet()
    values[40:60, channel_index("zygomaticus_l")] = 0.8
    values[40:60, channel_index("mentalis_r")] = 0.8
    row = (MUSCLES.index(next(m for m in MUSCLES if m.name == "zygomaticus")),)
    left, right = areas(drawing.layout(data(values), SIZE, THEME, rows=row), THEME.measured)
    middle = left.bottom.max()
    assert left.top.min() < middle - 50 and np.ptp(right.bottom) == 0
    row = (MUSCLES.index(next(m for m in MUSCLES if m.name == "mentalis")),)
    left, right = areas(drawing.layout(data(values), SIZE, THEME, rows=row), THEME.measured)
    assert right.bottom.max() > right.top.max() + 50 and np.ptp(left.top) == 0


def test_a_burst_of_one_frame_is_seen_among_thousands():
    values = quiet(18_000)
    values[9123, channel_index("zygomaticus_l")] = 1.0
    rows = (MUSCLES.index(next(m for m in MUSCLES if m.name == "zygomaticus")),)
    made = drawing.layout(data(values), SIZE, THEME, rows=rows)
    left = areas(made, THEME.measured)[0]
    assert len(left.x) < SIZE[0] and left.top.min() < left.bottom.max() - 100
    peak = left.x[left.top.argmin()]
    assert peak == pytest.approx(64 + (9123 / 17_999) * (SIZE[0] - 76), abs=2)


def test_what_is_not_known_is_a_gap_and_never_rest():
    values = quiet()
    values[:, 0] = 0.5
    values[30:60, 0] = np.nan
    rows = (0,)
    area = areas(drawing.layout(data(values), SIZE, THEME, rows=rows), THEME.measured)[0]
    assert np.isnan(area.top[30:60]).all() and np.isfinite(area.top[:30]).all()
    svg = drawing.to_svg(Drawing(*SIZE, (area,)))
    assert svg.count("M") == 2  # two pieces
    values[:, 0] = np.nan
    assert len(areas(drawing.layout(data(values), SIZE, THEME, rows=rows), THEME.measured)) == 1


def test_notes_say_why_a_strip_is_empty():
    measured, estimated = quiet(), quiet()
    masseters = [channel_index("masseter_l"), channel_index("masseter_r")]
    estimated[:, masseters] = np.nan
    measured[:, channel_index("zygomaticus_r")] = np.nan
    measured[:, channel_index("mentalis_l")] = measured[:, channel_index("mentalis_r")] = np.nan
    shown = data(
        measured,
        estimated,
        hidden=("masseter_l", "masseter_r"),
        muted=("mentalis_l",),
        doubtful=("corrugator_supercilii_l",),
    )
    found = texts(drawing.layout(shown, SIZE, THEME))
    assert "not visible on a face" in found and "right side not recorded" in found
    assert any("muted" in text for text in found)
    assert "Corr ?" in found and "Zyg" in found
    guessed = shown._replace(estimated=quiet())
    assert any("guessed" in text for text in texts(drawing.layout(guessed, SIZE, THEME)))


def test_the_band_lies_about_the_estimate_and_within_the_scale():
    estimated = quiet()
    estimated[:, 0] = 0.98
    made = drawing.layout(data(None, estimated), SIZE, THEME, rows=(0,))
    band = areas(made, THEME.band)[0]
    line = lines(made, THEME.estimated)[1]  # the first is the legend's
    assert np.all(band.top <= line.points[:, 1]) and np.all(band.bottom >= line.points[:, 1])
    reach = 0.47 * (SIZE[1] - 40)
    # 0.98 + 1.28 x 0.05 is cut at 1, 0.98 - 1.28 x 0.05 is not.
    np.testing.assert_allclose(line.points[:, 1] - band.top, 0.02 * reach, rtol=0.02)
    np.testing.assert_allclose(band.bottom - line.points[:, 1], 1.2816 * 0.05 * reach, rtol=0.02)


def test_only_active_muscles_if_that_is_wanted():
    values = quiet()
    values[10, channel_index("zygomaticus_r")] = 0.5
    (only,) = chosen_muscles(data(values), only_active=True)
    assert MUSCLES[only].name == "zygomaticus"
    assert chosen_muscles(data(quiet()), only_active=True) == ()
    drawing.layout(data(quiet()), SIZE, THEME, rows=())  # does not fail


def test_the_playhead_is_where_its_frame_is():
    shown = data(quiet(101))
    (line,) = drawing.playhead(shown, SIZE, THEME, 51.0).items
    assert line.points[0, 0] == pytest.approx((64 + SIZE[0] - 12) / 2)
    assert drawing.playhead(shown, SIZE, THEME, 500.0).items == ()


def test_the_time_axis_has_round_numbers_that_do_not_collide():
    for last in (10, 384, 18_000, 1_000_000):
        made = drawing.layout(data(quiet(50)), SIZE, THEME, frames=(1, last))
        ticks = [t for t in made.items if isinstance(t, Text) and t.align == "middle" and t.text.isdigit()]
        places = [t.x for t in ticks]
        assert len(ticks) >= 3 and min(np.diff(places)) >= 60
        assert len({int(b.text) - int(a.text) for a, b in pairwise(ticks)}) == 1


@pytest.mark.parametrize("theme", [drawing.DARK, drawing.LIGHT])
def test_text_can_be_read_on_its_panel(theme):
    def luminance(colour):
        return float(colours.linear(np.array(colour[:3])) @ [0.2126, 0.7152, 0.0722])

    for colour in (theme.text, theme.dim, theme.warning):
        light, dark = sorted((luminance(colour), luminance(theme.panel)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 4.5  # WCAG 2, level AA


def test_a_colour_bar_shows_its_ends_and_unknown():
    made = drawing.colour_bar(colours.difference(), -0.5, 0.5, "Estimated − measured", (130, 260), THEME)
    assert {"−50 %", "0 %", "50 %", "unknown", "Estimated − measured"} <= set(texts(made))
    boxes = [item for item in made.items if isinstance(item, Box)][1:-1]
    lowest, highest = max(boxes, key=lambda b: b.y), min(boxes, key=lambda b: b.y)
    np.testing.assert_allclose(lowest.colour[:3], colours.difference()[2], atol=0.02)
    np.testing.assert_allclose(highest.colour[:3], colours.difference()[-2], atol=0.02)


def test_svg_is_well_formed_and_texts_stay_texts():
    rng = np.random.default_rng(0)
    values = rng.random((60, 22)).astype(np.float32)
    svg = drawing.to_svg(drawing.layout(data(values, values), SIZE, THEME), '<b>"title"&')
    root = ET.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    assert root.find(f"{space}title").text == '<b>"title"&'
    assert root.get("viewBox") == "0 0 800 330"
    word = Text(1.0, 2.0, '<tspan>&"', 10.0, THEME.text)
    (text,) = ET.fromstring(drawing.to_svg(Drawing(9, 9, (word,)))).findall(f"{space}text")
    assert text.text == '<tspan>&"' and len(text) == 0
    assert len(root.findall(f"{space}path")) > 3 * 22
    assert "NaN" not in svg.replace("nan", "NaN")
