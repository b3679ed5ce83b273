"""The command `align-table`: offsets found between simulated videos and recordings whose offset is known.

Faces get what a reconstruction adds to them (smoothing, noise with a memory, a resting face that is not zero,
frames without a face) and the frame rates of cameras; recordings are raw sEMG through the usual chain.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import EiferError

if TYPE_CHECKING:
    from ..alignment import ActivityTraces, Alignment, ClockMap
    from ..mapping import MappingModel
    from ..simulation.population import Subject
    from ..simulation.session import Performance

_FPS = (25.0, 30000 / 1001, 30.0, 60.0)  # cameras
_SESSION_S = 150.0
_LONG_S = 600.0
_RIGHT_S = 0.1
_PARTNERS = 3  # strangers whose recordings each clip is tried with
_DRIFTS = (-100.0, -50.0, 0.0, 50.0, 100.0, 1000.0)
_LIDS, _JAW = 0.1, 0.03  # noise of lids and of the jaw's radians, relative to that of a coefficient


class VideoFace(NamedTuple):
    """What a reconstruction gives."""

    parameters: np.ndarray  # float32 [n, 55]
    fps: float
    usable: np.ndarray  # bool [n]


class _Result(NamedTuple):
    error: float  # seconds
    found: Alignment


@dataclass(frozen=True)
class _Person:
    subject: Subject
    expression: np.ndarray  # float32 [frames, 55] at the simulation's rate
    recorded: ActivityTraces  # raw sEMG
    slow: ActivityTraces  # envelopes of half a second, as in MMM
    again: ActivityTraces  # another take of the same tasks, to the same beat


@dataclass(frozen=True)
class _Condition:
    name: str
    seconds: float = 60.0
    clips: int = 3  # of each person
    noise: float = 1.0  # factor
    lost: float = 0.03  # share of the frames
    change: Callable[[ActivityTraces, float, np.random.Generator], ActivityTraces] | None = None
    of: str = "recorded"  # or "slow", "again", "stranger"


def run(args: argparse.Namespace) -> int:
    """Simulate, align, print. Returns 0."""
    if args.people < _PARTNERS + 1 or args.long < 0:
        raise EiferError(f"At least {_PARTNERS + 1} people are needed.")
    from .. import mapping
    from ..heads.default import load_default_head
    from ..simulation.population import HELD_OUT

    model = mapping.load_model(None, head=load_default_head(), kind=mapping.EXP2EMG)
    people = [_person(number) for number in _told(HELD_OUT[: args.people], "Simulating people")]
    rows = {c: _measure(c, people, model) for c in _told(_CONDITIONS, "Aligning")}
    print("\n".join(_table(rows)))
    print()
    print(_sides_sentence(rows))
    print()
    print("\n".join(_ways_table(rows, people)))
    if args.long:
        print()
        print("\n".join(_drift_table(HELD_OUT[args.people : args.people + args.long], model)))
    return 0


def reconstructed(
    expression: np.ndarray,
    seconds: np.ndarray,
    fps: float,
    rng: np.random.Generator,
    *,
    noise: float = 1.0,
    lost: float = 0.03,
) -> VideoFace:
    """What a reconstruction would make of a simulated face.

    expression: float32 [n, 55] at the simulation's rate. seconds: float64 [m], where the video's frames lie
    in it. noise: factor on 0.1 to 0.3 standard deviations of a coefficient. lost: share of frames without a
    face, bridged by lines.
    """
    from scipy.interpolate import PchipInterpolator
    from scipy.ndimage import gaussian_filter1d

    from ..mapping.rates import bridged
    from ..simulation.amplitude import RATE
    from ..spaces import EYELIDS, JAW

    curve = PchipInterpolator(np.arange(len(expression)) / RATE, expression, axis=0)
    values = curve(np.clip(seconds, 0.0, (len(expression) - 1) / RATE))
    scale = np.full(values.shape[1], noise * rng.uniform(0.1, 0.3))
    scale[EYELIDS] *= _LIDS
    scale[JAW] *= _JAW
    jitter = gaussian_filter1d(rng.standard_normal(values.shape), rng.uniform(0.5, 2.0), axis=0)
    values = gaussian_filter1d(values, rng.uniform(0.5, 1.5) * fps / RATE, axis=0)
    values = values + scale * (jitter / jitter.std() + rng.standard_normal(values.shape[1]))
    usable = np.ones(len(values), bool)
    while np.mean(~usable) < lost:
        at = int(rng.integers(len(values)))
        usable[at : at + int(rng.integers(3, 1.5 * fps))] = False
    values = bridged(values.astype(np.float32), np.repeat(usable[:, None], values.shape[1], 1))
    return VideoFace(values, fps, usable)


# --- people -----------------------------------------------------------------------------------------


def _person(number: int) -> _Person:
    from ..alignment import recorded_traces
    from ..simulation.laboratory import laboratory_recording
    from ..simulation.population import make_subject
    from ..simulation.session import make_performances

    subject = make_subject(number)
    played = make_performances(subject, seconds=_SESSION_S)
    other = make_performances(subject, seconds=_SESSION_S, seed=1)
    return _Person(
        subject,
        np.concatenate([p.expression for p in played]),
        recorded_traces(laboratory_recording(subject, played)),
        _envelope_traces(subject, played, window_ms=500.0),
        _envelope_traces(subject, _in_order_of(played, other), seed=1),
    )


def _in_order_of(played: Sequence[Performance], other: Sequence[Performance]) -> list[Performance]:
    """The other performances in the order of the first: the same tasks at the same times, done again."""
    left, ordered = list(other), []
    for p in played:
        same = next(o for o in left if (o.mode, o.task, len(o.activity)) == (p.mode, p.task, len(p.activity)))
        ordered.append(same)
        left = [o for o in left if o is not same]
    return ordered


def _envelope_traces(
    subject: Subject, played: Sequence[Performance], *, window_ms: float = 100.0, seed: int = 0
) -> ActivityTraces:
    """Traces of a recording that holds envelopes, 30 rows a second."""
    from ..alignment import recorded_traces
    from ..muscles import CHANNELS
    from ..recordings import Channel, Kind, Recording, Stream
    from ..simulation.amplitude import RATE, Electrodes
    from ..simulation.session import record

    clips = record(subject, played, Electrodes(window_ms=window_ms), seed=seed)
    channels = tuple(Channel(name, "uV", Kind.ENVELOPE, name) for name in CHANNELS)
    samples = np.concatenate([clip.envelope_uv for clip in clips])
    return recorded_traces(Recording((Stream(channels, samples, RATE),)))


# --- changes of a recording -------------------------------------------------------------------------


def _late(traces: ActivityTraces, start: float, _rng: np.random.Generator) -> ActivityTraces:
    """Only from 40 s after the video's beginning on."""
    from ..alignment import RATE

    first = round((start + 40.0) * RATE)
    return replace(
        traces,
        values=traces.values[first:],
        known=traces.known[first:],
        start_s=traces.start_s + first / RATE,
    )


def _spoilt(traces: ActivityTraces, _start: float, rng: np.random.Generator) -> ActivityTraces:
    """Half of the channels: noise, bursts of a loose cable, or another channel's signal at another time."""
    values = traces.values.copy()
    rows, columns = values.shape
    for number, k in enumerate(rng.permutation(columns)[: columns // 2]):
        if number % 3 == 0:
            values[:, k] = np.repeat(rng.random(rows // 20 + 1), 20)[:rows]
        elif number % 3 == 1:
            for at in rng.integers(0, rows - 60, rows // 300):
                values[at : at + int(rng.integers(5, 60)), k] = 1.0
        else:
            values[:, k] = np.roll(values[:, rng.integers(columns)], int(rng.integers(600, rows - 600)))
    return replace(traces, values=values)


def _few(traces: ActivityTraces, _start: float, rng: np.random.Generator) -> ActivityTraces:
    """Three channels, chosen among those that a face shows."""
    from ..muscles import CHANNELS

    shown = [k for k, name in enumerate(CHANNELS) if not name.startswith("masseter")]
    kept = set(rng.choice(shown, 3, replace=False).tolist())
    reasons = tuple(r if k in kept else "not recorded" for k, r in enumerate(traces.reasons))
    return replace(traces, reasons=reasons)


def _swapped(traces: ActivityTraces, _start: float, _rng: np.random.Generator) -> ActivityTraces:
    from ..muscles import OTHER_SIDE

    return replace(
        traces,
        values=traces.values[:, OTHER_SIDE],
        known=traces.known[:, OTHER_SIDE],
        reasons=tuple(traces.reasons[k] for k in OTHER_SIDE),
    )


_WHOLE, _SHORT = _Condition("60 s", clips=8), _Condition("20 s", 20.0)
_SWAPPED = _Condition("60 s, sides swapped", change=_swapped)
_CONDITIONS = (
    _WHOLE,
    _Condition("30 s", 30.0),
    _SHORT,
    _Condition("12 s", 12.0),
    _Condition("60 s, the first 40 not recorded", change=_late),
    _Condition("60 s, half of the channels spoilt", change=_spoilt),
    _Condition("60 s, three channels recorded", change=_few),
    _SWAPPED,
    _Condition("60 s, face lost in a third of the frames", lost=0.33),
    _Condition("60 s, three times the noise on the face", noise=3.0),
    _Condition("60 s, envelopes of 500 ms", of="slow"),
    _Condition("60 s, **another person's recording**", of="stranger"),
    _Condition("20 s, **another person's recording**", 20.0, of="stranger"),
    _Condition("12 s, **another person's recording**", 12.0, of="stranger"),
    _Condition("60 s, **another take to the same beat**", of="again"),
)


# --- measuring --------------------------------------------------------------------------------------


def _measure(condition: _Condition, people: Sequence[_Person], model: MappingModel) -> list[_Result]:
    from ..alignment import find_offset

    results = []
    for face, recorded, true in _pairs(condition, people, model):
        found = find_offset(face, recorded)
        results.append(_Result(found.offset_s - true, found))
    return results


def _pairs(
    condition: _Condition, people: Sequence[_Person], model: MappingModel
) -> Iterable[tuple[ActivityTraces, ActivityTraces, float]]:
    """(face, recording, true offset) of all clips of a condition."""
    from ..alignment import face_traces

    for number, person in enumerate(people):
        for k in range(condition.clips):
            rng = np.random.default_rng([person.subject.number, k, 29])
            fps = _FPS[(number + k) % len(_FPS)]
            start = rng.uniform(2.0, _SESSION_S - condition.seconds - 2.0)
            seconds = start + np.arange(round(condition.seconds * fps)) / fps
            video = reconstructed(
                person.expression, seconds, fps, rng, noise=condition.noise, lost=condition.lost
            )
            face = face_traces(model, video.parameters, fps, usable=video.usable)
            if condition.of == "stranger":
                for step in range(1, _PARTNERS + 1):
                    yield face, people[(number + step + k) % len(people)].recorded, np.nan
                continue
            recorded = getattr(person, condition.of)
            yield face, condition.change(recorded, start, rng) if condition.change else recorded, -start


def _table(rows: dict[_Condition, list[_Result]]) -> list[str]:
    from ..alignment import GRADES

    lines = [
        f"| clip | clips | within {1000 * _RIGHT_S:.0f} ms | error, median | 95 % | within 2 sd | "
        + " | ".join(GRADES)
        + " |",
        "|---|" + "---:|" * (5 + len(GRADES)),
    ]
    for condition, results in rows.items():
        error = np.abs([r.error for r in results])
        sd = np.array([r.found.uncertainty_s for r in results])
        counts = [sum(r.found.grade == grade for r in results) for grade in GRADES]
        told = ["", "", "", ""]
        if condition.of in ("recorded", "slow"):
            told = [
                f"{100 * np.mean(error <= _RIGHT_S):.1f} %",
                f"{1000 * np.median(error):.0f} ms",
                f"{1000 * np.quantile(error, 0.95):.0f} ms",
                f"{100 * np.mean(error <= 2 * sd):.0f} %",
            ]
        lines.append("| " + " | ".join([condition.name, str(len(results)), *told, *map(str, counts)]) + " |")
    return lines


def _sides_sentence(rows: dict[_Condition, list[_Result]]) -> str:
    """How often the sentence about swapped sides is said."""
    right, wrong = (
        100 * np.mean([any("swapped" in note for note in r.found.notes) for r in rows[c]])
        for c in (_WHOLE, _SWAPPED)
    )
    return f"Sides look swapped in {wrong:.0f} % of the clips that are, and in {right:.0f} % of the others."


# --- the face's side: muscles, or parameters themselves ---------------------------------------------


def _ways_table(rows: dict[_Condition, list[_Result]], people: Sequence[_Person]) -> list[str]:
    """Estimated muscle activity against the parameters themselves."""
    lines = [
        f"| face as | clip | within {1000 * _RIGHT_S:.0f} ms | error, median | mean of the errors |",
        "|---|---|---:|---:|---:|",
    ]
    for condition in (_WHOLE, _SHORT):
        ways = {
            "muscle activity (Exp2EMG)": [r.error for r in rows[condition]],
            "parameters": _direct(condition, people),
        }
        for name, errors in ways.items():
            error = np.array(errors)
            near = np.abs(error - np.median(error)) <= _RIGHT_S
            lines.append(
                f"| {name} | {condition.name} | {100 * np.mean(np.abs(error) <= _RIGHT_S):.1f} % "
                f"| {1000 * np.median(np.abs(error)):.0f} ms | {1000 * error[near].mean():+.0f} ms |"
            )
    return lines


def _direct(condition: _Condition, people: Sequence[_Person]) -> list[float]:
    """Errors of the lags at which most channels have their highest correlation with any parameter.

    Parameters are the eight directions in which the face of the clip moves most.
    """
    from ..alignment import RATE, SHORTEST_S
    from ..alignment.correlation import correlate, courses, size_of, summit
    from ..heads.default import default_metric

    errors = []
    for number, person in enumerate(people):
        for k in range(condition.clips):
            rng = np.random.default_rng([person.subject.number, k, 29])
            fps = _FPS[(number + k) % len(_FPS)]
            start = rng.uniform(2.0, _SESSION_S - condition.seconds - 2.0)
            video = reconstructed(
                person.expression, start + np.arange(round(condition.seconds * fps)) / fps, fps, rng
            )
            moved = (video.parameters - np.median(video.parameters, 0)) @ default_metric()
            most = np.linalg.svd(moved, full_matrices=False)
            at = np.arange(int(len(moved) / fps * RATE)) / RATE * fps
            faces = [np.abs(np.interp(at, np.arange(len(moved)), c)) for c in (most[0] * most[1]).T[:8]]
            known = video.usable[np.minimum(np.rint(at).astype(int), len(moved) - 1)]
            recorded = person.recorded
            size = size_of(len(at), len(recorded.values))
            sides = courses(np.sqrt(faces), np.repeat(known[None], len(faces), 0), size, RATE)
            lags = []
            for c in range(recorded.values.shape[1]):
                if recorded.reasons[c]:
                    continue
                own = courses(np.sqrt(recorded.values[:, [c]].T), recorded.known[:, [c]].T, size, RATE)
                curves = correlate(sides, own, size, SHORTEST_S * RATE)
                best = curves.z[curves.z.max(1).argmax()]
                lags.append((curves.first + summit(best, int(best.argmax()))) / RATE)
            near = np.abs(np.subtract.outer(lags, lags)) <= _RIGHT_S
            cluster = np.array(lags)[near[near.sum(1).argmax()]]
            errors.append(float(np.median(cluster)) + start)
    return errors


# --- drift ------------------------------------------------------------------------------------------


def _drift_table(numbers: Sequence[int], model: MappingModel) -> list[str]:
    """Ten minutes whose clocks differ."""
    from ..alignment import ClockMap, face_traces, find_offset
    from ..simulation.population import make_subject
    from ..simulation.session import make_performances

    found: dict[float, list[tuple[Alignment, ClockMap]]] = {ppm: [] for ppm in _DRIFTS}
    for number in _told(numbers, "Ten minutes each"):
        subject = make_subject(number)
        played = make_performances(subject, seconds=_LONG_S)
        expression = np.concatenate([p.expression for p in played])
        recorded = _envelope_traces(subject, played)
        for ppm in _DRIFTS:
            rng = np.random.default_rng([number, 31])
            fps = _FPS[number % len(_FPS)]
            true = ClockMap(-rng.uniform(1.0, 5.0), ppm)
            video = np.arange(int((recorded.seconds - 8.0) * fps)) / fps
            faces = reconstructed(expression, true.to_recording(video), fps, rng)
            face = face_traces(model, faces.parameters, fps, usable=faces.usable)
            found[ppm].append((find_offset(face, recorded), true))
    lines = [
        "| drift | clips | told | found, mean ± sd | its standard error | worst error in the clip, median "
        "| the drift alone, ignored |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for ppm, results in found.items():
        told = [a for a, _ in results if a.clock.drift_ppm]
        ends = np.array([5.0, _LONG_S - 10.0])
        worst = [np.abs(a.clock.to_video(ends) - t.to_video(ends)).max() for a, t in results]
        middle = ends.mean()
        flat = [np.abs(1e-6 * ppm * (ends - middle)).max()] * len(results)
        values = [a.clock.drift_ppm for a in told]
        shown = f"{np.mean(values):+.0f} ± {np.std(values):.0f} ppm" if told else ""
        lines.append(
            f"| {ppm:+.0f} ppm | {len(results)} | {len(told)} | {shown} "
            f"| {np.nanmedian([a.drift_sd_ppm for a, _ in results]):.0f} ppm "
            f"| {1000 * np.median(worst):.0f} ms | {1000 * np.median(flat):.0f} ms |"
        )
    return lines


def _told(items: Sequence, what: str) -> Iterable:
    """The items, with progress on the error stream."""
    for number, item in enumerate(items, 1):
        print(f"\r{what}: {number} of {len(items)} ", end="", file=sys.stderr, flush=True)
        yield item
    print(file=sys.stderr)
