"""The time between a video's clock and a recording's, from what muscles did and what the face shows.

The envelopes of all active channels are correlated with the muscle activity that the face shows, channel by
channel, and the lag wins at which most of them agree, as the MMM data set was aligned. Exp2EMG says when a
muscle *acted*, so the peak is where the clocks agree: the time from a muscle to the movement that it makes is
not in the offset and stays in the data, where a mapping model learns it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from ..errors import EiferError
from ..muscles import CHANNEL_COUNT, CHANNELS, MUSCLES
from . import correlation
from .traces import RATE, SHORTEST_S, ActivityTraces, moved

GRADES = ("A", "B", "C", "D")
"""A and B: use it. C: look at the picture first. D: do not trust it."""


class _Demands(NamedTuple):
    """What a grade asks for; what it is worth is measured in docs/alignment.md."""

    grade: str
    score: float  # at least
    second: float  # at most
    channels: int  # that agree, at least
    spread_s: float  # of their own offsets, at most
    carried_s: float  # at least
    parts: int  # at least
    steady: float  # at least


_DEMANDS = (
    _Demands("A", 4.0, 0.4, 5, 0.04, 8.0, 4, 0.9),
    _Demands("B", 3.5, 0.5, 3, 0.06, 5.0, 2, 0.85),
    _Demands("C", 2.5, 0.65, 2, 0.10, 3.0, 1, 0.5),
)

_FAR_S = 1.0  # a peak farther away than this is another one
_NEAR_S = 0.1  # channels that are closer than this to the offset agree with it
_STEADY_S = 0.06  # and parts of the clip; those of another take to the same beat are twice as far off
_CHANNEL_S = 0.4  # how far from the offset a channel's own peak is looked for
_AGREEING = (0.3, 3.0)  # r and z that a channel needs to agree
_WINDOW_S, _STEP_S = 10.0, 5.0  # parts of a clip that are aligned by themselves
_REACH_S = 2.5  # how far from the offset a part may lie; clocks that differ by 1000 ppm get there in an hour
_CLEAR = (2.5, 0.75)  # a part counts whose peak is so high, and whose second peak lower than this share
_DRIFT_S, _DRIFT_PARTS = 120.0, 8  # what a drift needs to be looked for
_DRIFT_SIGNIFICANT = 4.0  # standard errors
_MOST_DRIFT = 2e-3  # 29.97 taken for 30 is 0.001
_FEWEST_SIDES, _SWAPPED = 3, -0.25  # muscles whose sides differ, and the mean correlation of the differences
_MOST_POINTS = 1 << 19  # that are transformed at once
_PERSON_S = 0.012  # by which people's delays from muscle to movement differ; no clip tells it from an offset


@dataclass(frozen=True)
class ClockMap:
    """Seconds on a recording's clock and on a video's.

    offset_s: what is added to a recording's second to get the video's, exactly so at the recording's second
    `at_s`. drift_ppm: how many microseconds the video's clock gains on it in every second.
    """

    offset_s: float
    drift_ppm: float = 0.0
    at_s: float = 0.0

    def to_video(self, seconds: np.ndarray | float) -> np.ndarray | float:
        """The video's second at a recording's second."""
        return seconds + self.offset_s + 1e-6 * self.drift_ppm * (seconds - self.at_s)

    def to_recording(self, seconds: np.ndarray | float) -> np.ndarray | float:
        """The recording's second at a video's second."""
        return self.at_s + (seconds - self.offset_s - self.at_s) / (1.0 + 1e-6 * self.drift_ppm)


class ChannelMatch(NamedTuple):
    """How one channel agrees."""

    channel: str  # of muscles.CHANNELS
    offset_s: float  # where the channel alone would have it; NaN if it was not used
    r: float  # Pearson's correlation there
    agrees: bool
    reason: str = ""  # why it was not used


@dataclass(frozen=True, eq=False)
class Alignment:
    """What was found.

    clock: the offset, with a drift where one is sure. uncertainty_s: one standard deviation. grade: of
    `GRADES`. r: median correlation of the channels that agree. second: height of the second peak over the
    highest one's. score: mean over channels of the correlation in standard deviations of unrelated courses.
    carried_s: seconds that carry the agreement; one burst beside one burst is one second. parts: stretches of
    the clip that tell an offset by themselves; steady: the share of them that tell the same, 0 without any.
    drift_sd_ppm: standard error of the drift; NaN where it could not be looked for. lags_s, curve: offsets
    float32 [m] and their scores, for a picture.
    """

    clock: ClockMap
    uncertainty_s: float
    grade: str
    note: str
    r: float
    second: float
    score: float
    overlap_s: float
    carried_s: float
    parts: int
    steady: float
    drift_sd_ppm: float
    channels: tuple[ChannelMatch, ...]
    notes: tuple[str, ...] = ()
    lags_s: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32), repr=False)
    curve: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32), repr=False)

    @property
    def offset_s(self) -> float:
        """Seconds to add to a recording's time to get the video's."""
        return self.clock.offset_s

    @property
    def trusted(self) -> bool:
        """Whether the grade allows to use it without a look."""
        return self.grade in GRADES[:2]

    @property
    def offset_text(self) -> str:
        """The offset for people, with its uncertainty where it may be trusted."""
        return f"{self.offset_s:+.3f} s" + (f" ± {self.uncertainty_s:.3f} s" if self.trusted else "")

    @property
    def grade_text(self) -> str:
        """The grade for people."""
        warning = {"C": " (doubtful)", "D": " (do not trust it)"}.get(self.grade, "")
        return f"grade {self.grade}{warning}"

    @property
    def agreeing(self) -> int:
        """How many channels agree."""
        return sum(match.agrees for match in self.channels)


class _Stack(NamedTuple):
    """Curves of all channels over the same lags."""

    first: int
    r: np.ndarray  # float32 [channels, lags]
    z: np.ndarray
    rows: np.ndarray  # float32 [lags], of the channel that knows most
    score: np.ndarray  # float32 [lags], mean over channels of z where it is positive

    def offset(self, place: float, face: ActivityTraces, recorded: ActivityTraces) -> float:
        """Seconds between the clocks at a place among the lags."""
        return face.start_s - recorded.start_s + (self.first + place) / RATE


class _Parts(NamedTuple):
    """Offsets of parts of the clip that are clear by themselves."""

    seconds: np.ndarray  # float64 [k] on the recording's clock, the middle of each
    offsets: np.ndarray  # float64 [k]


class _Line(NamedTuple):
    """Offsets of parts over time."""

    drift: float
    drift_sd: float  # NaN where there are too few parts
    centre: float  # seconds
    offset: float  # there
    scatter: float  # standard deviation of the parts about it


def find_offset(face: ActivityTraces, recorded: ActivityTraces) -> Alignment:
    """The offset at which a face and a recording agree, with a grade that says how far to trust it.

    face, recorded: of `traces.face_traces` and `recorded_traces`. They may overlap in part. There is always
    an answer, also where both have nothing to do with each other: then the grade is D. Raises EiferError if
    they have no moving muscle in common.
    """
    used = [k for k in range(CHANNEL_COUNT) if not face.reasons[k] and not recorded.reasons[k]]
    if not used:
        raise EiferError(
            "The muscles that were recorded are none of those that the face moves; choose another clip, or "
            "give the channels their muscles."
        )
    stack = _correlate(face, recorded, used)
    best = int(stack.score.argmax())
    parts = _parts(face, recorded, used, stack.first + best)
    line = _fit(parts)
    if not _is_sure(line):
        return _judged(_Match(face, recorded, used, stack, best, parts, line, ClockMap(0.0)))
    # The whole is correlated again, with the recording on the video's clock; the parts are as they were.
    again = moved(recorded, line.drift, line.centre)
    stack = _correlate(face, again, used)
    best = _peak_near(stack, face, again, line.offset)
    return _judged(
        _Match(face, again, used, stack, best, parts, line, ClockMap(0.0, 1e6 * line.drift, line.centre))
    )


def _correlate(
    face: ActivityTraces, recorded: ActivityTraces, used: list[int], fewest_s: float = SHORTEST_S
) -> _Stack:
    size = correlation.size_of(len(face.values), len(recorded.values))
    block = max(1, _MOST_POINTS // size)
    r, z, rows = [], [], np.zeros(1, np.float32)
    for start in range(0, len(used), block):
        chosen = used[start : start + block]
        pair = (_courses(traces, chosen, size) for traces in (face, recorded))
        curves = correlation.correlate(*pair, size, fewest_s * RATE)
        r.append(curves.r)
        z.append(curves.z)
        rows = np.maximum(rows, curves.rows.max(0))
    z = np.concatenate(z)
    return _Stack(1 - len(recorded.values), np.concatenate(r), z, rows, np.maximum(z, 0.0).mean(0))


def _courses(traces: ActivityTraces, chosen: list[int], size: int) -> correlation.Courses:
    """Square roots of the activity: so that an artefact weighs less than a dozen contractions."""
    values = np.sqrt(np.maximum(traces.values[:, chosen].T, 0.0))
    return correlation.courses(values, traces.known[:, chosen].T, size, RATE)


def _peak_near(stack: _Stack, face: ActivityTraces, recorded: ActivityTraces, offset: float) -> int:
    """The highest place within reach of an offset."""
    middle = round((offset - face.start_s + recorded.start_s) * RATE) - stack.first
    low = int(np.clip(middle - _FAR_S * RATE, 0, len(stack.score) - 1))
    high = int(np.clip(middle + _FAR_S * RATE + 1, low + 1, len(stack.score)))
    return low + int(stack.score[low:high].argmax())


# --- parts of the clip ------------------------------------------------------------------------------


def _parts(face: ActivityTraces, recorded: ActivityTraces, used: list[int], lag: int) -> _Parts:
    """Offsets of windows of the face, each looked for near `lag` alone."""
    window, step, reach = (round(s * RATE) for s in (_WINDOW_S, _STEP_S, _REACH_S))
    seconds, offsets = [], []
    for start in range(0, len(face.values) - window // 2, step):
        stop = min(start + window, len(face.values))
        low, high = max(start - lag - reach, 0), min(stop - lag + reach, len(recorded.values))
        if high - low < window // 2:
            continue
        one, other = _cut(face, start, stop), _cut(recorded, low, high)
        stack = _correlate(one, other, used, _WINDOW_S / 2)
        places = np.arange(len(stack.score)) + stack.first + start - low - lag
        score = np.where(np.abs(places) <= reach, stack.score, 0.0)
        best = int(score.argmax())
        far = np.abs(places - places[best]) > _FAR_S * RATE
        clear = score[best] >= _CLEAR[0] and score[far].max(initial=0.0) <= _CLEAR[1] * score[best]
        if clear and 0 < best < len(score) - 1:
            offset = stack.offset(correlation.summit(score, best), one, other)
            offsets.append(offset)
            seconds.append(one.start_s + (stop - start) / RATE / 2 - offset)
    return _Parts(np.array(seconds), np.array(offsets))


def _cut(traces: ActivityTraces, start: int, stop: int) -> ActivityTraces:
    rows = slice(start, stop)
    return replace(
        traces, values=traces.values[rows], known=traces.known[rows], start_s=traces.start_s + start / RATE
    )


def _fit(parts: _Parts) -> _Line:
    """The line through most parts (Theil 1950; Sen 1968), then by least squares through those near it."""
    t, y = parts
    nothing = float("nan")
    if len(t) < 2:
        return _Line(
            0.0, nothing, float(t[0]) if len(t) else 0.0, float(y[0]) if len(t) else nothing, nothing
        )
    enough = len(t) >= _DRIFT_PARTS and np.ptp(t) >= _DRIFT_S
    slope = _median_slope(t, y) if enough else 0.0
    rest = y - slope * t
    near = np.abs(rest - np.median(rest)) <= max(3.0 * _spread(rest), 1.0 / RATE)
    t, y = t[near], y[near]
    centre = float(t.mean())
    if not enough or len(t) < _DRIFT_PARTS or np.ptp(t) < _DRIFT_S:
        return _Line(0.0, nothing, centre, float(np.median(y)), _spread(y))
    slope = float(((t - centre) @ y) / ((t - centre) @ (t - centre)))
    rest = y - y.mean() - slope * (t - centre)
    scatter = float(np.sqrt((rest @ rest) / (len(t) - 2)))
    # Parts overlap by half, so two of them count as one.
    return _Line(
        slope, scatter * float(np.sqrt(2.0 / ((t - centre) @ (t - centre)))), centre, float(y.mean()), scatter
    )


def _median_slope(t: np.ndarray, y: np.ndarray) -> float:
    i, k = np.triu_indices(len(t), 1)
    apart = np.abs(t[k] - t[i]) > _WINDOW_S
    return float(np.median((y[k] - y[i])[apart] / (t[k] - t[i])[apart]))


def _spread(values: np.ndarray) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _is_sure(line: _Line) -> bool:
    return abs(line.drift) > _DRIFT_SIGNIFICANT * line.drift_sd and abs(line.drift) <= _MOST_DRIFT


# --- the verdict ------------------------------------------------------------------------------------


class _Match(NamedTuple):
    """All that the verdict rests on."""

    face: ActivityTraces
    recorded: ActivityTraces  # without its drift
    used: list[int]
    stack: _Stack
    best: int  # of its lags
    parts: _Parts
    line: _Line
    clock: ClockMap  # whose offset is still to be filled in

    @property
    def offset_s(self) -> float:
        return self.stack.offset(correlation.summit(self.stack.score, self.best), self.face, self.recorded)

    def beside(self, columns: slice | list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(face, recorded, both known), [n, columns], row beside row at the offset."""
        lag = self.stack.first + self.best
        first, last = max(lag, 0), max(min(len(self.face.values), len(self.recorded.values) + lag), 0)
        here, there = slice(first, last), slice(first - lag, last - lag)
        known = self.face.known[here][:, columns] & self.recorded.known[there][:, columns]
        return self.face.values[here][:, columns], self.recorded.values[there][:, columns], known


def _judged(match: _Match) -> Alignment:
    stack, best = match.stack, match.best
    clock = replace(match.clock, offset_s=match.offset_s)
    channels = _channels(match, clock.offset_s)
    agreeing = [channel for channel in channels if channel.agrees]
    score = float(stack.score[best])
    far = np.abs(np.arange(len(stack.score)) - best) > _FAR_S * RATE
    rest = match.parts.offsets - (clock.to_video(match.parts.seconds) - match.parts.seconds)
    near = np.abs(rest) <= _STEADY_S
    found = Alignment(
        clock=clock,
        uncertainty_s=_uncertainty(rest[near], agreeing),
        grade="",
        note="",
        r=float(np.median([channel.r for channel in agreeing])) if agreeing else 0.0,
        second=float(stack.score[far].max(initial=0.0)) / score if score > 0 else 1.0,
        score=score,
        overlap_s=float(stack.rows[best]) / RATE,
        carried_s=_carried_s(match),
        parts=len(near),
        steady=float(near.mean()) if len(near) else 0.0,
        drift_sd_ppm=1e6 * match.line.drift_sd,
        channels=channels,
        notes=(*match.face.notes, *match.recorded.notes),
        lags_s=(stack.offset(0.0, match.face, match.recorded) + np.arange(len(stack.score)) / RATE).astype(
            np.float32
        ),
        curve=stack.score,
    )
    found = replace(found, grade=_grade(found))
    return replace(found, note=_sentence(found), notes=(*found.notes, *_remarks(found, match)))


def _channels(match: _Match, offset: float) -> tuple[ChannelMatch, ...]:
    """Each channel's own peak near the offset."""
    stack, reach = match.stack, round(_CHANNEL_S * RATE)
    low, high = max(match.best - reach, 0), match.best + reach + 1
    found = []
    for k, name in enumerate(CHANNELS):
        if k not in match.used:
            reason = match.face.reasons[k] or match.recorded.reasons[k]
            found.append(ChannelMatch(name, float("nan"), float("nan"), False, reason))
            continue
        row = match.used.index(k)
        top = low + int(stack.z[row, low:high].argmax())
        own = stack.offset(correlation.summit(stack.z[row], top), match.face, match.recorded)
        r, z = float(stack.r[row, top]), float(stack.z[row, top])
        agrees = r >= _AGREEING[0] and z >= _AGREEING[1] and abs(own - offset) <= _NEAR_S
        found.append(ChannelMatch(name, own, r, agrees))
    return tuple(found)


def _carried_s(match: _Match) -> float:
    """Seconds that carry the agreement: (sum)² / (sum of squares) of what each adds to the correlation.

    Two strangers who both smile once agree perfectly where the smiles lie beside each other, for one second.
    """
    one, other, known = match.beside(match.used)
    count = np.maximum(known.sum(0), 1)

    def standard(values: np.ndarray) -> np.ndarray:
        x = np.where(known, np.sqrt(np.maximum(values, 0.0)), 0.0)
        x = np.where(known, x - x.sum(0) / count, 0.0)
        return x / np.maximum(np.sqrt((x * x).sum(0) / count), 1e-6)

    product = (standard(one) * standard(other)).mean(1)
    seconds = len(product) // round(RATE)
    added = product[: seconds * round(RATE)].reshape(seconds, -1).sum(1)
    return float(added.sum() ** 2 / (added @ added)) if added.any() and added.sum() > 0 else 0.0


def _grade(found: Alignment) -> str:
    """The best grade whose demands are all met."""
    offsets = np.array([channel.offset_s for channel in found.channels if channel.agrees])
    spread = _spread(offsets) if len(offsets) else 0.0
    for demand in _DEMANDS:
        if (
            found.score >= demand.score
            and found.second <= demand.second
            and found.agreeing >= demand.channels
            and spread <= demand.spread_s
            and found.carried_s >= demand.carried_s
            and found.parts >= demand.parts
            and found.steady >= demand.steady
        ):
            return demand.grade
    return GRADES[-1]


def _uncertainty(rest: np.ndarray, agreeing: list[ChannelMatch]) -> float:
    """One standard deviation: what the clip's parts or the channels scatter, and what people differ in."""
    if len(rest) < 3:
        rest = np.array([channel.offset_s for channel in agreeing])
    # Parts overlap by half and neighbouring channels are alike, so two of them count as one.
    own = _spread(rest) / np.sqrt(len(rest) / 2) if len(rest) >= 3 else _NEAR_S
    return float(np.hypot(own, _PERSON_S))


def _sentence(found: Alignment) -> str:
    used = sum(not channel.reason for channel in found.channels)
    told = (
        f"{found.agreeing} of {used} channels agree, and the next best offset fits "
        f"{100 * found.second:.0f} % as well"
    )
    if found.parts:
        told += (
            f"; of {found.parts} parts of the clip {round(found.steady * found.parts)} tell the same offset"
        )
    return {
        "A": f"A clear match: {told}.",
        "B": f"A match: {told}.",
        "C": f"A doubtful match: {told}; look at the picture before you use it.",
        "D": f"Do not trust this offset, the recording may be of another clip: {told}.",
    }[found.grade]


def _remarks(found: Alignment, match: _Match) -> list[str]:
    remarks = []
    if found.clock.drift_ppm:
        remarks.append(
            f"The clocks drift apart by {found.clock.drift_ppm:+.0f} ± {found.drift_sd_ppm:.0f} ppm, which "
            "is taken into account."
        )
    if found.trusted and _sides_swapped(match):
        remarks.append(
            "Left and right of the recording look swapped: its asymmetries are the mirror image of the "
            "face's."
        )
    return remarks


def _sides_swapped(match: _Match) -> bool:
    """Whether the sides of most muscles differ the other way round than those of the face."""
    told = []
    for k in range(len(MUSCLES)):
        sides = [2 * k, 2 * k + 1]
        if not set(sides) <= set(match.used):
            continue
        one, other, known = match.beside(sides)
        known = known.all(1)
        pair = np.stack([x[known, 0] - x[known, 1] for x in (one, other)])
        if known.sum() > SHORTEST_S * RATE and (pair.std(1) > 0).all():
            told.append(np.corrcoef(pair)[0, 1])
    return len(told) >= _FEWEST_SIDES and float(np.mean(told)) < _SWAPPED
