"""Sessions: what a subject does, what electrodes report of it, and how the face moves.

Clips of one session share electrodes, amplifier and fatigue, as the clips of one recording do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..heads.default import load_default_head
from ..movements import EMOTIONS, SCHAEDE
from ..muscles import CHANNEL_COUNT, MUSCLE_OF_CHANNEL, MUSCLES
from .amplitude import FINE_RATE, OVERSAMPLING, RATE, Electrodes, band_share, envelopes, frames_of
from .muscle_face import LEVATORS, expression_of_activity, part_parameters, usual_levator
from .plans import smooth_step
from .population import Subject
from .protocol import PROTOCOL, Protocol
from .semg import default_source_uv
from .sources import HIDDEN, SOURCES
from .tasks import activity_of
from .volume import session_leak

__all__ = ["HIDDEN", "RATE", "Clip", "Performance", "make_performances", "make_session", "record"]

_COUNT = len(SOURCES)
_FACE_DECAY_S = 0.35  # a clip begins and ends at rest for at least so long


@dataclass(frozen=True)
class Performance:
    """What a subject's muscles do in one clip, before any electrode."""

    mode: str  # "schaede", "emotion", or what else is done
    task: str
    activity: np.ndarray  # float32 [bins, 32] of all sources at FINE_RATE
    expression: np.ndarray  # float32 [frames, 55] at RATE
    moving: np.ndarray  # bool [frames]: within movements, not in the pauses between


@dataclass(frozen=True)
class Clip:
    """One clip of a session at `RATE` frames a second."""

    mode: str
    task: str
    muscles: np.ndarray  # float32 [n, 22] what contracts, 0..1
    hidden: np.ndarray  # float32 [n, 10] what else moves the face, see `HIDDEN`
    envelope_uv: np.ndarray  # float32 [n, 22] RMS microvolts
    expression: np.ndarray  # float32 [n, 55]
    moving: np.ndarray  # bool [n]


@dataclass(frozen=True)
class _Bout:
    """One contraction of a set of sources."""

    goal: np.ndarray  # [32]
    onset: float
    attack: float
    hold: float
    release: float

    @property
    def end(self) -> float:
        return self.onset + self.attack + self.hold + self.release


def make_session(
    subject: Subject,
    *,
    kind: str = "mixed",
    seconds: float = 150.0,
    seed: int = 0,
    electrodes: Electrodes | None = None,
    protocol: Protocol = PROTOCOL,
) -> list[Clip]:
    """A session of one subject as a laboratory would have it; the same arguments give the same session.

    kind: "protocol" (the Schaede movements and the emotions), "free" (smiles, blinks, speech, chewing, any
    combination), or "mixed" (both). The electrodes change nothing about what the face does.
    """
    performances = make_performances(subject, kind=kind, seconds=seconds, seed=seed, protocol=protocol)
    return record(subject, performances, electrodes or Electrodes(), seed=seed, protocol=protocol)


def make_performances(
    subject: Subject,
    *,
    kind: str = "mixed",
    seconds: float = 150.0,
    seed: int = 0,
    protocol: Protocol = PROTOCOL,
) -> list[Performance]:
    """What the subject does; see `make_session`."""
    rng = np.random.default_rng([subject.number, seed, 11])
    tasks = _tasks(kind, seconds, rng)
    result = []
    parts = _default_parts()
    tired = np.zeros(_COUNT)
    for mode, task, length in tasks:
        bouts = _bouts(subject, mode, task, length, rng, protocol)
        activity = _play(bouts, length, subject, rng, protocol)
        moving = _moving(bouts, activity.shape[0])
        tired, fatigue = _fatigue(tired, activity, protocol)
        face = _face(subject, activity, fatigue, protocol, parts)
        result.append(Performance(mode, task, activity, face, moving))
    return result


def record(
    subject: Subject,
    performances: Sequence[Performance],
    electrodes: Electrodes,
    *,
    seed: int = 0,
    protocol: Protocol = PROTOCOL,
) -> list[Clip]:
    """What electrodes of the given quality report of performances."""
    rng = np.random.default_rng([subject.number, seed, 13])
    bandwidth, share = band_share(electrodes.band_hz, subject.bandwidth_hz)
    snr = subject.snr_db if electrodes.snr_db is None else electrodes.snr_db
    noise = 0.5 * subject.maximum_uv * 10 ** (-snr / 20)
    drift_sd = protocol.gain_drift_sd if electrodes.gain_drift is None else electrodes.gain_drift
    end = np.exp(rng.normal(0.0, drift_sd, CHANNEL_COUNT))
    leak = crosstalk(subject, electrodes)
    bins = np.array([len(p.activity) for p in performances])
    starts = np.cumsum(bins) - bins
    clips = []
    for p, start in zip(performances, starts, strict=True):
        time = (start + np.arange(len(p.activity)))[:, None] / bins.sum()
        sources = np.maximum(p.activity, 0.0)
        signal = np.sqrt(np.square(sources, dtype=np.float64) @ np.square(leak).T) * end**time
        artefact = _artefacts(len(p.activity), rng, protocol) * subject.maximum_uv
        signal = np.hypot(signal * share, artefact)
        envelope = envelopes(signal, noise, bandwidth, electrodes.window_ms, rng)
        fine = p.activity[::OVERSAMPLING]
        muscles, hidden = fine[:, :CHANNEL_COUNT].copy(), fine[:, CHANNEL_COUNT:].copy()
        clips.append(Clip(p.mode, p.task, muscles, hidden, envelope, p.expression, p.moving))
    return clips


def crosstalk(subject: Subject, electrodes: Electrodes) -> np.ndarray:
    """float64 [22, 32] microvolts at every electrode pair per unit of activity of every source."""
    share, source_uv = session_leak(subject.crosstalk * electrodes.crosstalk), default_source_uv()
    # An electrode's gain (skin, fat, contact) scales all that it sees.
    return share * source_uv * (subject.maximum_uv / source_uv[:CHANNEL_COUNT])[:, None]


@lru_cache(maxsize=1)
def _default_parts() -> np.ndarray:
    """`part_parameters` of the default head: the same for every subject."""
    parts = part_parameters(load_default_head())
    parts.setflags(write=False)
    return parts


def _tasks(kind: str, seconds: float, rng: np.random.Generator) -> list[tuple[str, str, float]]:
    """(mode, task, seconds) of every clip."""
    protocol = [("schaede", t, 4.2) for t in SCHAEDE] + [("emotion", t, 3.2) for t in EMOTIONS]
    free = [
        ("smile", "natural", 8.0),
        ("blink", "natural", 4.0),
        ("speech", "natural", 7.0),
        ("chewing", "natural", 4.0),
    ]
    free += [("free", "single", 9.0), ("free", "few", 9.0), ("free", "blend", 12.0), ("free", "few", 9.0)]
    chosen = {"protocol": protocol, "free": free, "mixed": protocol + free}.get(kind)
    if chosen is None:
        raise ValueError(f"unknown kind of session: {kind}")
    scale = seconds / sum(length for *_, length in chosen)
    tasks = [(mode, task, max(length * scale, 2.5)) for mode, task, length in chosen]
    order = rng.permutation(len(tasks))
    return [tasks[i] for i in order]


def _bouts(
    subject: Subject, mode: str, task: str, length: float, rng: np.random.Generator, protocol: Protocol
) -> list[_Bout]:
    """Contractions that fill a clip, and blinks in between."""
    if mode == "speech":
        bouts = _speech(length, rng)
    elif mode == "chewing":
        bouts = _chewing(length, rng)
    elif mode == "blink" or task == "Face-At-Rest":
        bouts = []
    else:
        maker = {"smile": _smile, "free": _free}.get(mode, _movement)
        bouts, at = [], _FACE_DECAY_S + rng.uniform(0, 0.3)
        while True:
            bout = maker(task, at, rng, protocol)
            if bout.end > length - _FACE_DECAY_S and bouts:
                break
            if bout.end > length - _FACE_DECAY_S:
                spare = length - _FACE_DECAY_S - at - bout.attack - bout.release
                bout = _Bout(bout.goal, at, bout.attack, max(spare, 0.1), bout.release)
            bouts.append(bout)
            at = bout.end + rng.uniform(*protocol.pause_s)
            if mode == "free" and rng.random() < 0.35:  # flows into the next without a rest
                at = bout.end - 0.6 * bout.release
    return [_own(bout, subject, rng, protocol) for bout in bouts] + _blinks(mode, length, rng, protocol)


def _course(rng: np.random.Generator, protocol: Protocol) -> tuple[float, float, float]:
    return tuple(rng.uniform(*limits) for limits in (protocol.attack_s, protocol.hold_s, protocol.release_s))


def _movement(task: str, at: float, rng: np.random.Generator, protocol: Protocol) -> _Bout:
    # The Schaede movements are done as strongly as one can, emotions are acted.
    height = rng.uniform(*(protocol.strongest if task in SCHAEDE else protocol.height))
    goal = activity_of(task) * height
    goal[CHANNEL_COUNT:] *= np.exp(rng.normal(0, protocol.hidden_sd, len(HIDDEN)))
    if task in ("Eye-Gentle", "Eye-Tight"):
        goal[LEVATORS] = -1.0  # closed is closed, however strongly
    return _Bout(goal, at, *_course(rng, protocol))


def _smile(task: str, at: float, rng: np.random.Generator, protocol: Protocol) -> _Bout:
    """Slow and symmetric, eyes smiling with it, between closed and open."""
    share = rng.uniform()
    goal = (activity_of("Smile-Closed") * (1 - share) + activity_of("Smile-Open") * share) * rng.uniform(
        0.3, 0.9
    )
    goal[CHANNEL_COUNT:] *= np.exp(rng.normal(0, protocol.hidden_sd, len(HIDDEN)))
    return _Bout(goal, at, rng.uniform(0.4, 0.9), rng.uniform(0.5, 1.8), rng.uniform(0.6, 1.4))


def _free(task: str, at: float, rng: np.random.Generator, protocol: Protocol) -> _Bout:
    """One muscle, a few, or two movements blended; on both sides or on one."""
    goal = np.zeros(_COUNT)
    if task == "blend":
        names = rng.choice(SCHAEDE[1:] + EMOTIONS, 2, replace=False)
        share = rng.uniform()
        goal = np.maximum(activity_of(names[0]) * (1 - share), activity_of(names[1]) * share)
        goal *= rng.uniform(*protocol.height)
    else:
        count = 1 if task == "single" else int(rng.integers(2, 6))
        chosen = rng.choice(len(MUSCLES), count, replace=False)
        amounts = np.zeros(len(MUSCLES))
        amounts[chosen] = rng.uniform(0.2, 1.0, count)
        goal[:CHANNEL_COUNT] = amounts[MUSCLE_OF_CHANNEL]
    side = rng.choice(4, p=(0.6, 0.15, 0.15, 0.1))
    if side in (1, 2):
        goal[:CHANNEL_COUNT][side - 1 :: 2] *= rng.uniform(0.0, 0.25)
    elif side == 3 and task != "blend":
        goal[:CHANNEL_COUNT] *= rng.uniform(0.2, 1.0, CHANNEL_COUNT)
    if task != "blend" or side:
        goal[LEVATORS] = usual_levator(goal[None, :CHANNEL_COUNT])[0]
    return _Bout(goal, at, *_course(rng, protocol))


def _own(bout: _Bout, subject: Subject, rng: np.random.Generator, protocol: Protocol) -> _Bout:
    """A bout as this subject does it this time."""
    goal = bout.goal.copy()
    again = np.exp(rng.normal(0, protocol.repetition_sd, len(MUSCLES)))
    muscles = goal[:CHANNEL_COUNT]
    # What a movement is about is done by everyone; what goes along with it is a person's own.
    own = subject.pattern[MUSCLE_OF_CHANNEL] ** (1 - muscles)
    muscles = muscles * own * again[MUSCLE_OF_CHANNEL]
    muscles = np.minimum(subject.synergy.T @ muscles, 1.0) * subject.effort
    goal[:CHANNEL_COUNT] = muscles
    return _Bout(np.clip(goal, -1.0, 1.0), bout.onset, bout.attack, bout.hold, bout.release)


def _blinks(mode: str, length: float, rng: np.random.Generator, protocol: Protocol) -> list[_Bout]:
    often = 4.0 if mode == "blink" else 1.0
    count = rng.poisson(protocol.blinks_per_minute * often * length / 60)
    columns = [SOURCES.index(f"orbicularis_oculi_{s}") for s in "lr"]
    bouts = []
    for onset in rng.uniform(0.2, length - 0.6, count):
        goal = np.zeros(_COUNT)
        goal[columns] = rng.uniform(0.25, 0.5)
        goal[LEVATORS] = -1.0
        bouts.append(_Bout(goal, float(onset), 0.07, 0.04, 0.14))
    return bouts


def _speech(length: float, rng: np.random.Generator) -> list[_Bout]:
    """Three to six syllables a second: lips and jaw in turns, pauses for breath."""
    bouts, at = [], _FACE_DECAY_S
    names = (
        "orbicularis_oris",
        "mentalis",
        "levator_labii_superioris",
        "zygomaticus",
        "depressor_anguli_oris",
    )
    columns = {n: [SOURCES.index(f"{n}_{s}") for s in "lr"] for n in names}
    labii = [SOURCES.index(f"depressor_labii_{s}") for s in "lr"]
    while at < length - 1.0:
        goal = np.zeros(_COUNT)
        vowel = rng.uniform(0.05, 0.35)
        goal[SOURCES.index("jaw_opener")] = vowel
        goal[labii] = 1.5 * vowel * rng.uniform(0.85, 1.15)
        for name, low, high in zip(
            names, (0.05, 0.0, 0.0, 0.0, 0.0), (0.5, 0.3, 0.15, 0.2, 0.15), strict=True
        ):
            goal[columns[name]] = rng.uniform(low, high) * (1 - vowel if name == names[0] else 1.0)
        bouts.append(
            _Bout(goal, at, rng.uniform(0.06, 0.11), rng.uniform(0.02, 0.1), rng.uniform(0.08, 0.14))
        )
        at += rng.uniform(0.16, 0.32) if rng.random() < 0.9 else rng.uniform(0.5, 1.0)
    return bouts


def _chewing(length: float, rng: np.random.Generator) -> list[_Bout]:
    """A bite or two a second: the jaw opens, then the masseters close it, one side leading."""
    bouts, at, lead = [], _FACE_DECAY_S, int(rng.integers(2))
    period = rng.uniform(0.6, 0.9)
    while at < length - 1.2:
        opening, closing = np.zeros(_COUNT), np.zeros(_COUNT)
        opening[SOURCES.index("jaw_opener")] = rng.uniform(0.25, 0.5)
        for k, side in enumerate("lr"):
            closing[SOURCES.index(f"masseter_{side}")] = rng.uniform(0.4, 0.9) * (1.0 if k == lead else 0.7)
            closing[SOURCES.index(f"orbicularis_oris_{side}")] = rng.uniform(0.05, 0.15)
            closing[SOURCES.index(f"buccinator_{side}")] = rng.uniform(0.1, 0.3)
        bouts.append(_Bout(opening, at, 0.16 * period / 0.75, 0.04, 0.18))
        bouts.append(_Bout(closing, at + 0.42 * period, 0.12, 0.06, 0.16))
        at += period * rng.uniform(0.92, 1.08)
    return bouts


def _play(
    bouts: Sequence[_Bout], length: float, subject: Subject, rng: np.random.Generator, protocol: Protocol
) -> np.ndarray:
    """Activity float32 [bins, 32] at FINE_RATE; overlapping bouts take the larger value of each source."""
    bins = round(length * RATE) * OVERSAMPLING
    seconds = np.arange(bins) / FINE_RATE
    top, low = np.zeros((bins, _COUNT)), np.zeros((bins, _COUNT))
    right = np.array([name.endswith("_r") for name in SOURCES])
    for bout in bouts:
        # Only the bins that the bout touches: a clip has many short ones.
        first = max(0, int((bout.onset - 0.2) * FINE_RATE))
        last = min(bins, int((bout.end + 0.2) * FINE_RATE) + 1)
        if first >= last:
            continue
        here = slice(first, last)
        for columns, lag in ((~right, 0.0), (right, subject.lag)):
            since = seconds[here] - bout.onset - lag
            height = smooth_step(since / bout.attack) - smooth_step(
                (since - bout.attack - bout.hold) / bout.release
            )
            values = height[:, None] * bout.goal[columns]
            top[here, columns] = np.maximum(top[here, columns], values)
            low[here, columns] = np.minimum(low[here, columns], values)
    waver = np.exp(protocol.tremor_sd * _slow_noise(bins, CHANNEL_COUNT, 3.0, rng))
    activity = np.where(-low > top, low, top)
    activity[:, :CHANNEL_COUNT] *= waver
    return np.clip(activity, -1.0, 1.0).astype(np.float32)


def _slow_noise(bins: int, columns: int, hertz: float, rng: np.random.Generator) -> np.ndarray:
    """[bins, columns] of unit variance, smoothed to about `hertz`."""
    knots = max(4, int(bins / FINE_RATE * hertz) + 3)
    values = rng.standard_normal((knots, columns))
    at = np.linspace(1, knots - 2, bins)
    lower = at.astype(int)
    share = smooth_step(at - lower)[:, None]
    return values[lower] * (1 - share) + values[np.minimum(lower + 1, knots - 1)] * share


def _moving(bouts: Sequence[_Bout], bins: int) -> np.ndarray:
    """bool [frames]: within a bout (blinks among them) or 0.3 s after it."""
    seconds = np.arange(frames_of(bins)) / RATE
    moving = np.zeros(len(seconds), bool)
    for bout in bouts:
        moving |= (seconds >= bout.onset) & (seconds <= bout.end + 0.3)
    return moving


def _fatigue(state: np.ndarray, activity: np.ndarray, protocol: Protocol) -> tuple[np.ndarray, np.ndarray]:
    """(state at the clip's end [32], share of force that is left [bins, 32]).

    A first-order state that rises towards the activity and falls at rest with the same time constant.
    """
    from scipy.signal import lfilter

    keep = np.exp(-1.0 / (FINE_RATE * protocol.fatigue_s))
    drive = np.maximum(activity, 0.0).astype(np.float64)
    levels, _ = lfilter([1 - keep], [1, -keep], drive, axis=0, zi=(keep * state)[None])
    return levels[-1], 1.0 - protocol.fatigue / (1 - np.exp(-60.0 / protocol.fatigue_s)) * levels


def _face(
    subject: Subject, activity: np.ndarray, left: np.ndarray, protocol: Protocol, parts: np.ndarray
) -> np.ndarray:
    """float32 [frames, 55]: the face that follows the activity.

    Delay, then the larger of two critically damped second-order responses, one with the muscle's time of
    contraction and one with that of relaxation: a quick rise and a slow fall.
    """
    force = np.where(activity > 0, activity * left, activity)
    late = delayed(force, subject.delay_s)
    slow, fast = subject.relaxation_s, subject.contraction_s
    moved = follow(late, fast, slow)[::OVERSAMPLING]
    lids = follow(late, fast * protocol.lid_share, slow * protocol.lid_share)[::OVERSAMPLING]
    return expression_of_activity(moved, subject.face, parts, lids)


def delayed(x: np.ndarray, delay_s: np.ndarray) -> np.ndarray:
    """x [bins, sources] later by `delay_s` [sources], by linear interpolation, the first value before it."""
    shift = delay_s * FINE_RATE
    whole = np.floor(shift).astype(int)
    share = shift - whole
    rows = np.arange(len(x))[:, None]
    columns = np.arange(x.shape[1])
    near = x[np.maximum(rows - whole, 0), columns]
    far = x[np.maximum(rows - whole - 1, 0), columns]
    return near * (1 - share) + far * share


def follow(x: np.ndarray, rise_s: float, fall_s: float) -> np.ndarray:
    """float32 [bins, sources]: further from zero of the quick and the slow response."""
    quick, slow = _second_order(x, rise_s), _second_order(x, fall_s)
    return np.where(np.abs(quick) > np.abs(slow), quick, slow).astype(np.float32)


def _second_order(x: np.ndarray, time_constant: float) -> np.ndarray:
    """Two equal one-pole low-passes in a row, from rest at the first value."""
    from scipy.signal import lfilter

    keep = np.exp(-1.0 / (FINE_RATE * time_constant))
    for _ in range(2):
        x, _ = lfilter([1 - keep], [1, -keep], x, axis=0, zi=(keep * x[:1]).astype(np.float64))
    return x


def _artefacts(bins: int, rng: np.random.Generator, protocol: Protocol) -> np.ndarray:
    """[bins, 22] short bumps where a cable or an electrode moved, relative to the maximum."""
    result = np.zeros((bins, CHANNEL_COUNT))
    for _ in range(rng.poisson(protocol.artefacts_per_minute * bins / FINE_RATE / 60)):
        centre, width = rng.uniform(0, bins), rng.uniform(3, 12)
        shape = np.exp(-0.5 * ((np.arange(bins) - centre) / width) ** 2)
        result[:, rng.integers(CHANNEL_COUNT)] += rng.uniform(0.05, 0.4) * shape
    return result
