"""The report and the flat map: all is on the page, nothing is loaded, nothing breaks out of its text."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from eifer_blender import agreement, drawing, report
from eifer_blender.drawing import raster
from eifer_blender.drawing.png import to_png
from eifer_blender.drawing.raster import hit_triangles, paint
from eifer_blender.drawing.shapes import Box, Drawing, Line, Text
from eifer_blender.errors import EiferError
from eifer_blender.estimation import Estimate
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.face_picture import face_drawing, face_picture
from eifer_blender.muscles import CHANNELS, channel_index

FPS = 30.0
SIZE = (120, 150)


@pytest.fixture(scope="module")
def head():
    return load_default_head()


def smile(frames=180, peak=90):
    """Activity [n, 22] with one smile, the left side stronger; the masseters unknown in the estimate."""
    course = np.exp(-0.5 * ((np.arange(frames) - peak) / 12) ** 2)
    values = np.zeros((frames, 22), np.float32)
    values[:, channel_index("zygomaticus_l")] = 0.8 * course
    values[:, channel_index("zygomaticus_r")] = 0.4 * course
    return values


def strips_of(measured, told):
    return drawing.StripData(
        FPS, 1, measured, told, np.full_like(told, 0.05), hidden=("masseter_l", "masseter_r")
    )


def data_of(title="A take", **change):
    measured = smile()
    told = 0.9 * measured
    told[:, [channel_index("masseter_l"), channel_index("masseter_r")]] = np.nan
    estimate = Estimate(told, np.full_like(told, 0.05), FPS, ("masseter_l", "masseter_r"))
    strips = strips_of(measured, told)
    rows = agreement.compare(measured, np.ones(22, bool), estimate)
    peaks = [report.Peak(row) for row in report.find_peaks(strips)]
    data = report.ReportData(title, "from a file", strips, peaks, rows, ["A note."], [("Recording", "x.edf")])
    return data._replace(**change)


class _Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(head):
    return _Page(report.report_html(data_of(), head))


def test_the_page_loads_nothing_and_runs_nothing(page):
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    assert page.sources and all(source.startswith("data:image/png;base64,") for source in page.sources)


def test_the_page_has_what_a_reader_looks_for(page):
    text = " ".join(page.text)
    for words in ("A take", "Strongest moments", "Activity over time", "Agreement with the recording",
                  "Left and right", "Where it comes from", "x.edf", "A note.", "not visible on a face",
                  "no basis for a diagnosis", "Frame 91"):  # fmt: skip
        assert words in text, words
    assert text.count("Zygomaticus major, left") >= 2  # at the peak and in the table


def test_text_from_outside_stays_text(head):
    bad = '<script>alert("x")</script>'
    data = data_of(bad, subtitle=bad, notes=[bad], provenance=[(bad, bad)])
    page = _Page(report.report_html(data, head))
    assert "script" not in page.tags and any(bad in text for text in page.text)


def test_an_estimate_alone_has_no_table_of_agreement(head):
    data = data_of(rows=[])
    strips = data.strips._replace(measured=None)
    text = " ".join(_Page(report.report_html(data._replace(strips=strips), head)).text)
    assert "Agreement" not in text and "Estimated" in text and "Measured" not in text


def test_the_page_is_written_whole_and_never_over_another(head, tmp_path):
    path = tmp_path / "page.html"
    report.write_report(path, data_of(), head)
    before = path.read_bytes()
    with pytest.raises(EiferError, match="exists"):
        report.write_report(path, data_of("Another"), head)
    assert path.read_bytes() == before
    report.write_report(path, data_of("Another"), head, replace=True)
    assert "Another" in path.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_peaks_are_the_strongest_moments_apart_from_one_another():
    values = smile(400, 80) + 0.7 * smile(400, 300) + 0.6 * smile(400, 90)
    rows = report.find_peaks(strips_of(values, values))
    assert any(abs(row - 83) < 8 for row in rows) and any(abs(row - 300) < 3 for row in rows)
    assert all(b - a >= 24 for a, b in pairwise(rows))
    still = np.zeros((50, 22), np.float32)
    assert len(report.find_peaks(strips_of(still, still))) == 1


# --- the flat map ---------------------------------------------------------------------------------


def at_electrode(head, picture, channel):
    """Mean colour of a few pixels about an electrode."""
    made = face_drawing(head, SIZE, drawing.LIGHT, labels=True)
    labels = [item for item in made.items if isinstance(item, Text)]
    k = CHANNELS.index(channel)
    circle = [item for item in made.items if isinstance(item, Line)][2 * k]
    x, y = np.rint(circle.points.mean(0)).astype(int)
    assert len(labels) == len(CHANNELS)
    return picture[y - 1 : y + 2, x - 1 : x + 2, :3].mean((0, 1))


def test_the_flat_map_is_hot_where_the_muscle_is(head):
    rest, active = np.zeros(22), np.zeros(22)
    active[channel_index("zygomaticus_l")] = 1.0
    cold, hot = (face_picture(head, values, SIZE) for values in (rest, active))
    change = {
        name: np.abs(at_electrode(head, hot, name) - at_electrode(head, cold, name)).max()
        for name in CHANNELS
    }
    assert change["zygomaticus_l"] > 0.4
    assert change["zygomaticus_r"] == 0 and change["corrugator_supercilii_l"] == 0
    assert hot.shape == (150, 120, 4) and hot[0, 0, 3] == 0 and hot[75, 60, 3] == 1


def test_the_subjects_left_is_on_the_right_of_the_picture(head):
    active = np.zeros(22)
    active[channel_index("zygomaticus_l")] = 1.0
    change = np.abs(face_picture(head, active, SIZE) - face_picture(head, np.zeros(22), SIZE)).sum((0, 2))
    assert change[60:].sum() > 20 * change[:60].sum()


def test_the_map_does_not_depend_on_its_size(head):
    values = np.random.default_rng(0).random(22)
    small = face_picture(head, values, SIZE)
    large = face_picture(head, values, (240, 300)).reshape(150, 2, 120, 2, 4).mean((1, 3))
    inside = (small[..., 3] == 1) & (large[..., 3] == 1)
    assert np.abs(small - large)[inside].mean() < 0.01


def test_unknown_is_grey_on_the_map(head):
    values = np.full(22, 0.6)
    values[channel_index("mentalis_l")] = values[channel_index("mentalis_r")] = np.nan
    red, green, blue = at_electrode(head, face_picture(head, values, SIZE), "mentalis_l")
    assert max(red, green, blue) - min(red, green, blue) < 0.12
    red, green, blue = at_electrode(head, face_picture(head, values, SIZE), "zygomaticus_l")
    assert red - blue > 0.25


# --- pixels ---------------------------------------------------------------------------------------


def test_png_is_what_other_software_reads():
    from PIL import Image

    rng = np.random.default_rng(0)
    image = rng.random((7, 5, 4)).astype(np.float32)
    read = np.asarray(Image.open(io.BytesIO(to_png(image))))
    np.testing.assert_array_equal(read, np.rint(image * 255).astype(np.uint8))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("chunk", [1, 2_000_000])
def test_whatever_comes_first_the_nearest_triangle_is_seen(monkeypatch, order, chunk):
    monkeypatch.setattr(raster, "_CHUNK", chunk)
    corners = np.array([[[0, 0], [10, 0], [0, 10]]] * 2, float)
    hit, _weights = hit_triangles(corners, np.array([[1.0] * 3, [2.0] * 3])[list(order)], (12, 12))
    assert set(hit[hit >= 0]) == {order.index(1)}


def test_the_nearest_triangle_is_seen():
    corners = np.array([[[0, 0], [10, 0], [0, 10]], [[0, 0], [10, 0], [0, 10]]], float)
    depth = np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]])
    hit, weights = hit_triangles(corners, depth, (12, 12))
    assert set(hit[hit >= 0]) == {1} and hit[11, 11] == -1
    np.testing.assert_allclose(weights[2, 3], [1 - 0.35 - 0.25, 0.35, 0.25], atol=1e-6)


def test_shapes_cover_their_pixels():
    def word(_text):
        return np.array([[[0, 0], [1, 0], [0, 1]]], float), 1.0

    blank = np.zeros((40, 60, 4), np.float32)
    shapes = (
        Box(10, 5, 20, 10, (1, 0, 0, 1)),
        Line(np.array([[5, 30], [55, 30]], float), (0, 1, 0, 1), 4.0),
        Text(50, 20, "x", 10.0, (0, 0, 1, 1), "right"),
    )
    image = paint(blank, Drawing(60, 40, shapes), word)
    image[..., :3] *= image[..., 3:]
    assert image[..., 0].sum() == pytest.approx(200) and image[10, 15, 3] == 1
    assert image[..., 1].sum() == pytest.approx(200, rel=0.05)
    assert image[..., 2].sum() == pytest.approx(50, rel=0.05) and image[18, 42, 2] > 0
    assert not blank.any()


def test_maps_in_the_page_are_whole_svg(head):
    page = report.report_html(data_of(), head)
    start = page.index("<svg")
    root = ET.fromstring(page[start : page.index("</svg>", start) + 6])
    assert root.tag.endswith("svg")
