"""Pictures of simulated takes: raw sEMG under the faces it belongs to, single bursts, spectra, crosstalk."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..muscles import CHANNELS, MUSCLES, short_label
from ..recordings.types import Annotation
from ..spaces import EYELIDS
from .strips import BACKGROUND, FAINT_TEXT, LEFT, LINE, RIGHT, TEXT, Colour, font, movement_at

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

SUBJECT = 20_031
SEED = 3
RATE = 2000.0
_PLOT = (190, 1560)  # left and right end of the traces, pixels of the finished picture
_WIDTH = 1600
_ROW = 66
_SCALE = 2  # drawn this much larger, then reduced
_ENVELOPE: Colour = (246, 214, 120)
_TASKS = ("Forehead", "Eye-Tight", "Smile-Open", "Lip-Pucker", "Snarl", "Depress-Lip", "angry", "surprised")
_NATURAL = ("smile", "blink", "speech", "chewing")
_TASK_ROWS = (
    "medial_frontalis_l",
    "corrugator_supercilii_l",
    "orbicularis_oculi_l",
    "levator_labii_superioris_r",
    "zygomaticus_l",
    "zygomaticus_r",
    "orbicularis_oris_l",
    "mentalis_l",
)
_NATURAL_ROWS = (
    "orbicularis_oculi_l",
    "levator_labii_superioris_l",
    "zygomaticus_l",
    "zygomaticus_r",
    "orbicularis_oris_l",
    "mentalis_l",
    "masseter_l",
    "masseter_r",
)


@dataclass(frozen=True)
class Take:
    """A simulated recording and what the face did."""

    samples: np.ndarray  # float32 [n, 22] microvolts
    envelope: np.ndarray  # float32 [frames, 22] microvolts at 30 Hz
    notes: tuple[Annotation, ...]
    peaks: tuple[tuple[float, np.ndarray], ...]  # (seconds, parameters [55]) of the faces to show
    snr_db: float

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return len(self.samples) / RATE


def write_pictures(folder: Path) -> list[Path]:
    """Write the three pictures of `docs/simulation.md` into a folder; needs bpy and Pillow."""
    folder.mkdir(parents=True, exist_ok=True)
    tasks = simulate_take("protocol", _TASKS, seconds=78.0, faces=1)
    natural = simulate_take("free", _NATURAL, seconds=58.0, faces=2)
    pictures = {
        "simulated_tasks.png": draw_take(
            tasks, _TASK_ROWS, _faces(tasks), "Movements and emotions on demand"
        ),
        "simulated_natural.png": draw_take(
            natural, _NATURAL_ROWS, _faces(natural), "Smiling, blinking, speaking, chewing"
        ),
        "simulated_signals.png": draw_signals(tasks),
    }
    paths = []
    for name, picture in pictures.items():
        paths.append(folder / name)
        picture.quantize(160, dither=0).save(paths[-1], optimize=True)
    return paths


def simulate_take(kind: str, chosen: Sequence[str], *, seconds: float, faces: int) -> Take:
    """The chosen tasks or modes of a session, in that order, recorded raw; `faces` faces of each."""
    from ..simulation.amplitude import FINE_RATE
    from ..simulation.laboratory import laboratory_recording
    from ..simulation.population import make_subject
    from ..simulation.session import make_performances

    subject = make_subject(SUBJECT)
    whole = make_performances(subject, kind=kind, seconds=seconds, seed=SEED)
    named = {name: p for p in whole for name in (p.task, p.mode) if name in chosen}
    performances = [named[name] for name in chosen]
    recording = laboratory_recording(subject, performances, rate=RATE, seed=SEED)
    samples = np.asarray(recording.streams[0].samples)
    starts = np.cumsum([0, *(len(p.activity) for p in performances[:-1])]) / FINE_RATE
    peaks = [
        (start + at / 30.0, p.expression[at])
        for start, p in zip(starts, performances, strict=True)
        for at in _peak_frames(p.expression, faces, lids=p.mode == "blink")
    ]
    return Take(samples, _envelope(samples), recording.annotations, tuple(peaks), subject.snr_db)


def _peak_frames(expression: np.ndarray, count: int, *, lids: bool) -> list[int]:
    """Frames in which the face is farthest from rest, one in each of `count` equal parts of a clip.

    lids: whether they count as movement; else open eyes are preferred, for a blink hides most of a face.
    """
    from ..heads.default import load_default_head
    from ..heads.metric import vertex_metric

    counted = np.ones(expression.shape[1])
    counted[EYELIDS] = float(lids)
    moved = np.linalg.norm((expression * counted) @ vertex_metric(load_default_head()), axis=1)
    if not lids:
        moved -= expression[:, EYELIDS].sum(1)
    edges = np.linspace(0, len(moved), count + 1).astype(int)
    return [int(a + moved[a:b].argmax()) for a, b in pairwise(edges)]


def _envelope(samples: np.ndarray) -> np.ndarray:
    from ..signals import PRESETS, envelopes

    return envelopes(samples, RATE, PRESETS["Animation"], np.arange(0, len(samples) / RATE, 1 / 30))


def _faces(take: Take, side: int = 200) -> list[Image]:
    """The default head at the peaks of a take."""
    import bpy
    from PIL import Image

    from ..blender import head_object, render
    from ..heads.default import load_default_head

    scene = bpy.data.scenes.new("EIFER simulated take")
    try:
        obj = head_object.add_head(scene, load_default_head())
        render.setup_portrait(scene, obj, resolution=(side, side), centre=(0, -0.05, 0.112), height=0.215)
        faces = []
        with tempfile.TemporaryDirectory() as folder:
            for _, row in take.peaks:
                head_object.set_expression(obj, row)
                (picture,) = render.render_frames(scene, [1], Path(folder))
                with Image.open(picture) as image:
                    faces.append(image.convert("RGB"))
    finally:
        bpy.data.scenes.remove(scene)
    return faces


# --- traces under faces ---------------------------------------------------------------------------


def draw_take(take: Take, rows: Sequence[str], faces: Sequence[Image], title: str) -> Image:
    """Faces at the peaks over the raw traces of some channels, each with its envelope and its own scale."""
    from PIL import Image, ImageDraw

    left, right = _PLOT
    spacing = (right - left) / len(faces)
    side = min(round(spacing) - 6, 172)
    top = 64 + side + 52
    height = top + len(rows) * _ROW + 62
    picture = Image.new("RGB", (_WIDTH * _SCALE, height * _SCALE), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    _text(draw, 28, 32, title, TEXT, 22, "lm")
    note = f"raw sEMG in \u00b5V, {RATE:.0f} Hz, {take.snr_db:.0f} dB; envelope: RMS of 100 ms"
    _text(draw, right, 32, note, FAINT_TEXT, 15, "rm")
    x = np.interp(np.arange(len(take.samples)) / RATE, [0, take.seconds], _PLOT)
    _draw_tasks(draw, take, top, top + len(rows) * _ROW)
    for number, name in enumerate(rows):
        channel = CHANNELS.index(name)
        _draw_row(draw, take, channel, top + (number + 0.5) * _ROW, x)
    _draw_seconds(draw, take.seconds, top + len(rows) * _ROW)
    for number, (face, (at, _)) in enumerate(zip(faces, take.peaks, strict=True)):
        centre = left + spacing * (number + 0.5)
        _text(draw, centre, 62 + side + 13, movement_at(take.notes, at), TEXT, 14, "mm")
        sized = face.resize((side * _SCALE, side * _SCALE), Image.Resampling.LANCZOS)
        picture.paste(sized, (round((centre - side / 2) * _SCALE), 60 * _SCALE))
        here = float(np.interp(at, [0, take.seconds], _PLOT))
        _line(draw, centre, 62 + side + 24, here, top, FAINT_TEXT)
        _line(draw, here, top, here, top + 8, FAINT_TEXT)
    return picture.resize((_WIDTH, height), Image.Resampling.LANCZOS)


def _draw_tasks(draw: ImageDraw, take: Take, top: float, bottom: float) -> None:
    for number, note in enumerate(take.notes):
        ends = (note.onset, note.onset + note.duration)
        a, b = np.interp(ends, [0, take.seconds], _PLOT)
        if number % 2 == 0:
            shade = tuple(c + 6 for c in BACKGROUND)
            draw.rectangle([v * _SCALE for v in (a, top, b, bottom)], fill=shade)


def _draw_row(draw: ImageDraw, take: Take, channel: int, base: float, x: np.ndarray) -> None:
    samples, envelope = take.samples[:, channel], take.envelope[:, channel]
    samples = samples - _slow(samples)
    limit = _round_up(float(np.quantile(np.abs(samples), 0.9995)))
    colour = (LEFT, RIGHT)[channel % 2]
    reach = 0.47 * _ROW / limit
    _text(draw, _PLOT[0] - 14, base - 9, short_label(CHANNELS[channel]), TEXT, 13, "rm")
    _text(draw, _PLOT[0] - 14, base + 9, f"\u00b1{limit:g} \u00b5V", FAINT_TEXT, 12, "rm")
    column = (x * _SCALE).astype(int)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    low = np.minimum.reduceat(samples, starts)
    high = np.maximum.reduceat(samples, starts)
    for at, a, b in zip(column[starts], low, high, strict=True):
        span = [(base - np.clip(v, -limit, limit) * reach) * _SCALE for v in (b, a)]
        draw.line((at, span[0], at, span[1]), fill=colour)
    where = np.interp(np.arange(len(envelope)) / 30.0, [0, take.seconds], _PLOT)
    points = [(px * _SCALE, (base - v * reach) * _SCALE) for px, v in zip(where, envelope, strict=True)]
    draw.line(points, fill=_ENVELOPE, width=2 * _SCALE - 1, joint="curve")


def _slow(samples: np.ndarray) -> np.ndarray:
    """The baseline: what a screen's high-pass at 10 Hz or so hides."""
    width = round(0.1 * RATE)
    return np.convolve(np.pad(samples, width, mode="edge"), np.full(width, 1 / width), "same")[width:-width]


def _draw_seconds(draw: ImageDraw, seconds: float, y: float) -> None:
    for second in range(0, int(seconds) + 1, 5):
        x = float(np.interp(second, [0, seconds], _PLOT))
        _line(draw, x, y, x, y + 6, FAINT_TEXT)
        _text(draw, x, y + 18, f"{second} s", FAINT_TEXT, 13, "mm")


# --- single signals -------------------------------------------------------------------------------


def draw_signals(take: Take) -> Image:
    """A burst's beginning, a spectrum, what goes wrong with electrodes, and the crosstalk matrix."""
    from PIL import Image, ImageDraw

    size = (_WIDTH, 960)
    picture = Image.new("RGB", (size[0] * _SCALE, size[1] * _SCALE), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    _draw_onset(draw, take, (190, 70, 1000, 330))
    _draw_spectra(draw, take, (1110, 70, 1560, 330))
    _draw_defects(draw, (190, 420, 1000, 910))
    _draw_crosstalk(draw, (1240, 440, 1560, 940))
    return picture.resize(size, Image.Resampling.LANCZOS)


Box = tuple[float, float, float, float]


def _draw_onset(draw: ImageDraw, take: Take, box: Box) -> None:
    """Three channels where a smile begins, half a second before and after."""
    _text(draw, box[0], box[1] - 34, "A smile begins: 0.8 s of raw sEMG", TEXT, 17, "lm")
    smile = next(n for n in take.notes if n.text == "Smile-Open")
    within = slice(round(smile.onset * 30), round((smile.onset + smile.duration) * 30))
    rise = take.envelope[within, CHANNELS.index("zygomaticus_l")]
    middle = smile.onset + np.flatnonzero(rise > 0.35 * rise.max())[0] / 30.0
    rows = slice(round((middle - 0.45) * RATE), round((middle + 0.35) * RATE))
    names = ("zygomaticus_l", "zygomaticus_r", "orbicularis_oculi_l")
    for number, name in enumerate(names):
        channel = CHANNELS.index(name)
        row = _row_of(box, number, len(names))
        _trace(draw, take.samples[rows, channel], short_label(name), row, (LEFT, RIGHT)[channel % 2])
    _time_axis(draw, box, 0.8, 0.1)


def _draw_spectra(draw: ImageDraw, take: Take, box: Box) -> None:
    """Power density of one channel contracting and at rest."""
    _text(draw, box[0], box[1] - 34, "Spectrum, zygomaticus left", TEXT, 17, "lm")
    x = take.samples[:, CHANNELS.index("zygomaticus_l")]
    loud = np.repeat(take.envelope[:, CHANNELS.index("zygomaticus_l")], round(RATE / 30))
    length = 1024
    pieces = x[: len(x) // length * length].reshape(-1, length) * np.hanning(length)
    level = np.resize(loud, len(x))[: len(x) // length * length].reshape(-1, length).mean(1)
    order = np.argsort(level)
    frequency = np.fft.rfftfreq(length, 1 / RATE)
    shown = (frequency >= 2) & (frequency <= 600)
    at = np.interp(frequency[shown], [0, 600], [box[0], box[2]]) * _SCALE
    for part, colour, text in ((order[-8:], LEFT, "contracting"), (order[:20], RIGHT, "at rest")):
        power = (np.abs(np.fft.rfft(pieces[part], axis=1)) ** 2).mean(0) / (RATE * 0.375 * length / 2)
        decibel = 10 * np.log10(power[shown] + 1e-9)
        y = np.interp(decibel, [-25, 25], [box[3], box[1]]) * _SCALE
        draw.line(list(zip(at, y, strict=True)), fill=colour, width=2 * _SCALE - 1, joint="curve")
        _text(draw, box[2], box[1] + (8 if colour == LEFT else 30), text, colour, 14, "rm")
    for hertz in range(0, 601, 100):
        px = float(np.interp(hertz, [0, 600], [box[0], box[2]]))
        _line(draw, px, box[3], px, box[3] + 5, FAINT_TEXT)
        _text(draw, px, box[3] + 18, f"{hertz} Hz" if hertz == 600 else str(hertz), FAINT_TEXT, 12, "mm")
    for decibel in (-20, -10, 0, 10, 20):
        py = float(np.interp(decibel, [-25, 25], [box[3], box[1]]))
        _line(draw, box[0], py, box[2], py, LINE)
        _text(draw, box[0] - 8, py, f"{decibel} dB", FAINT_TEXT, 12, "rm")


def _draw_defects(draw: ImageDraw, box: Box) -> None:
    """What electrodes and cables do, on one contraction of one muscle."""
    from ..simulation.plans import smooth_step
    from ..simulation.semg import Lost, Settings, simulate_semg

    _text(draw, box[0], box[1] - 34, "One contraction, as electrodes report it: 4 s", TEXT, 17, "lm")
    seconds = np.arange(round(4 * RATE)) / RATE
    channel = CHANNELS.index("zygomaticus_l")
    activity = np.zeros((len(seconds), len(CHANNELS)), np.float32)
    activity[:, channel] = 0.7 * (smooth_step((seconds - 1.2) / 0.4) - smooth_step((seconds - 2.6) / 0.5))
    quiet = {"rate": RATE, "mains_uv": 0.5, "drift_uv": 4.0}
    near = CHANNELS.index("orbicularis_oris_l")
    shown = (
        ("Bipolar pair, 30 dB", Settings(**quiet, snr_db=30.0), channel),
        ("10 dB", Settings(**quiet, snr_db=10.0), channel),
        ("Strong mains, drift", Settings(rate=RATE, mains_uv=12.0, drift_uv=80.0), channel),
        ("One electrode alone", Settings(**(quiet | {"mains_uv": 2.5}), montage="electrodes"), 2 * channel),
        ("Jerks of the cable", Settings(**quiet, artefacts_per_minute=1500.0), channel),
        ("Comes off at 2 s", Settings(rate=RATE, lost=(Lost(channel, 2.0),)), channel),
        ("Orbicularis oris beside it", Settings(**quiet, snr_db=30.0, crosstalk=1.4), near),
    )
    for number, (label, settings, column) in enumerate(shown):
        samples = simulate_semg(activity, 5, settings)[:, column]
        _trace(draw, samples, label, _row_of(box, number, len(shown)), LEFT)
    _time_axis(draw, box, 4.0, 0.5)


def _draw_crosstalk(draw: ImageDraw, box: Box) -> None:
    """Share of each left source in each left pair."""
    from ..simulation.sources import SOURCES
    from ..simulation.volume import session_leak

    share = session_leak()
    columns = [i for i, name in enumerate(SOURCES) if not name.endswith("_r")]
    labels = [short_label(SOURCES[i])[:-2] if i < len(CHANNELS) else _spoken(SOURCES[i]) for i in columns]
    left = box[0] + 20
    wide, high = (box[2] - left) / len(columns), (box[3] - box[1] - 130) / len(MUSCLES)
    _text(draw, left - 160, box[1] - 42, "What each pair sees of each source, left side, %", TEXT, 17, "lm")
    for row in range(len(MUSCLES)):
        y = box[1] + row * high
        _text(draw, left - 8, y + high / 2, MUSCLES[row].label.split(" / ")[0], TEXT, 12, "rm")
        for k, column in enumerate(columns):
            value = float(share[2 * row, column])
            shade = tuple(
                round(b + (c - b) * min(value, 0.5) / 0.5) for b, c in zip(BACKGROUND, LEFT, strict=True)
            )
            corner = (left + k * wide, y)
            draw.rectangle(
                [v * _SCALE for v in (*corner, corner[0] + wide - 1, corner[1] + high - 1)], fill=shade
            )
            if 0.03 <= value < 1:
                ink = BACKGROUND if value > 0.3 else TEXT
                middle = (corner[0] + wide / 2, corner[1] + high / 2)
                _text(draw, *middle, f"{100 * value:.0f}", ink, 10, "mm")
    _turned(draw, labels, left, box[1] + len(MUSCLES) * high + 8, wide)


def _turned(draw: ImageDraw, labels: Sequence[str], left: float, top: float, wide: float) -> None:
    """Labels read from below, one under each column."""
    from PIL import Image, ImageDraw

    for k, label in enumerate(labels):
        strip = Image.new("RGB", (130 * _SCALE, 16 * _SCALE), BACKGROUND)
        _text(ImageDraw.Draw(strip), 130, 8, label, FAINT_TEXT, 11, "rm")
        at = (round((left + (k + 0.5) * wide - 8) * _SCALE), round(top * _SCALE))
        draw._image.paste(strip.rotate(90, expand=True), at)


def _spoken(source: str) -> str:
    name = source.removesuffix("_l").replace("_", " ")
    return name[0].upper() + name[1:]


# --- drawing --------------------------------------------------------------------------------------


def _row_of(box: Box, number: int, count: int) -> Box:
    step = (box[3] - box[1]) / count
    return (box[0], box[1] + number * step, box[2], box[1] + (number + 1) * step)


def _trace(draw: ImageDraw, samples: np.ndarray, label: str, box: Box, colour: Colour) -> None:
    """One trace with its name and scale, in a box of the finished picture."""
    middle, limit = (box[1] + box[3]) / 2, _round_up(float(np.abs(samples).max()))
    reach = 0.45 * (box[3] - box[1]) / limit
    x = np.linspace(box[0], box[2], len(samples)) * _SCALE
    y = (middle - samples * reach) * _SCALE
    draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=colour, width=_SCALE)
    _text(draw, box[0] - 14, middle - 9, label, TEXT, 13, "rm")
    _text(draw, box[0] - 14, middle + 9, f"\u00b1{limit:g} \u00b5V", FAINT_TEXT, 12, "rm")


def _time_axis(draw: ImageDraw, box: Box, seconds: float, step: float) -> None:
    for k in range(round(seconds / step) + 1):
        x = box[0] + (box[2] - box[0]) * k * step / seconds
        _line(draw, x, box[3] + 4, x, box[3] + 9, FAINT_TEXT)
        _text(draw, x, box[3] + 20, f"{k * step:g} s" if k == 0 else f"{k * step:g}", FAINT_TEXT, 12, "mm")


def _round_up(value: float) -> float:
    """The next round number: 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10 ..."""
    power = 10 ** np.floor(np.log10(max(value, 1e-3)))
    return float(next(m * power for m in (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if m * power >= value))


def _text(draw: ImageDraw, x: float, y: float, text: str, colour: Colour, size: float, anchor: str) -> None:
    """Text at a place of the finished picture. Pillow's font has no micro sign: it is a u with a leg."""
    face = font(size * _SCALE)
    spelt = text.replace("\u00b5", "u")
    draw.text((x * _SCALE, y * _SCALE), spelt, colour, face, anchor=anchor)
    if "\u00b5" in text:
        left, _, _, _ = draw.textbbox((x * _SCALE, y * _SCALE), spelt, face, anchor=anchor)
        stem = left + face.getlength(spelt[: text.index("\u00b5")]) + 0.09 * size * _SCALE
        _, _, _, base = draw.textbbox((x * _SCALE, y * _SCALE), "u", face, anchor="l" + anchor[1])
        width = 0.085 * size * _SCALE
        draw.rectangle(
            (stem, base - 0.2 * size * _SCALE, stem + width, base + 0.2 * size * _SCALE), fill=colour
        )


def _line(draw: ImageDraw, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
    draw.line([v * _SCALE for v in (x0, y0, x1, y1)], fill=colour, width=_SCALE)
