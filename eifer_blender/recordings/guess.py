"""What a column of numbers is: its unit, its kind, and the muscle it belongs to.

Everything here is a guess from names and numbers; readers show it and callers may override it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..muscle_names import Match, is_half, match_name, match_names
from .blocks import LOOK
from .types import Channel, Kind

LOWEST_RAW_RATE = 400.0  # below this a raw channel is aliased, an envelope serves better
HIGHEST_UV = 5_000.0  # no surface EMG has a larger RMS; more means that the unit is wrong
_HIGHEST_DOUBTED_UV = 1_000.0
_SPARE = "Left without a muscle, because another channel serves it better: {}."
_STRETCH = 256  # rows without an own offset


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_UNITS = {
    1e-3: "nv nanovolt nanovolts",
    1.0: "uv µv μv microv microvolt microvolts mikrovolt",
    1e3: "mv millivolt millivolts",
    1e6: "v volt volts",
}
_TO_UV = {name: factor for factor, names in _UNITS.items() for name in names.split()}
_OTHER_UNITS = _split(
    "s sec secs seconds sekunden ms msec us µs μs min hr hz khz % %mvc mvc a.u. au arb n/a none mmhg umho "
    "µmho microsiemens us/cm µs/cm °c degc deg rad g m/s² m/s^2 bpm n nm mm cm adc counts bits"
)

_EVENT_NAME = re.compile(
    r"marker|marke\b|markierung|digital|trigger|\btrig|(\b|_)event|onset|stim|\bttl\b|annot|status|\bsync|"
    r"\bmarks?\b|ereignis|\bcues?\b|\bcode\b|\bd(i|in|io)\d{0,2}\b|button|taste\b|\bphase\b|\btrial|"
    r"\bcondition|bedingung|\breiz|\bport\s?code",
    re.I,
)
_OTHER_NAME = re.compile(
    r"\b(ecg|ekg|eeg|eog|gsr|eda|scr|scl|ppg|bvp|hr|acc|gyro?|mag|imu|resp)\b|skin|conduct|temper|breath|"
    r"atem|respir|puls|heart|herz|accel|gyro|pupil|gaze|pressure|battery|counter|packet|time.?stamp|zeitstempel|"
    r"\bnseq\b|sample.?(index|count|number)",
    re.I,
)
# A sensor that is named after its muscle measures other things too.
_MOTION_NAME = re.compile(r"\b(acc|gyro?|imu|quat|orientation)\b|accelero|gyrosc|magnetom", re.I)
_RAW_NAME = re.compile(r"\braw\b|\broh\b|unprocessed|ungefiltert", re.I)
_ENVELOPE_NAME = re.compile(
    r"\brms\b|envel|h[uü]llkurve|smooth|gegl|integrat|processed|\barv\b|average|\blpf?\b", re.I
)
_ACTIVATION_NAME = re.compile(r"activation|aktivierung|normali[sz]|\bnorm\b|%\s*mvc|\bmvc\b", re.I)


class Guess(NamedTuple):
    """Kind of one channel and whether that is sure."""

    kind: Kind
    doubtful: bool


def voltage_factor(unit: str) -> float | None:
    """Microvolts per unit (``mV`` -> 1000), or None if the unit is no voltage."""
    return _TO_UV.get(unit.strip().strip("[]()").lower())


def is_unit(text: str) -> bool:
    """Whether a header cell is a unit, such as ``mV`` or ``[s]``."""
    plain = text.strip().strip("[]()").lower()
    return plain in _TO_UV or plain in _OTHER_UNITS


def split_unit(name: str) -> tuple[str, str]:
    """``Zyg li (mV)`` -> (``Zyg li``, ``mV``); without a known unit the name comes back whole."""
    found = re.fullmatch(r"(.*?)\s*[\[(/,]\s*([^\[\]()]+?)\s*[\])]?", name.strip())
    if found and found.group(1) and is_unit(found.group(2)):
        return found.group(1), found.group(2)
    return name.strip(), ""


def excerpt(column: np.ndarray) -> np.ndarray:
    """Finite values of up to `LOOK` samples: three stretches, so that neighbours stay neighbours."""
    third = LOOK // 3
    if len(column) > LOOK:
        middle = len(column) // 2
        column = np.concatenate([column[:third], column[middle : middle + third], column[-third:]])
    return column[np.isfinite(column)].astype(np.float64)


def hugs_zero(x: np.ndarray) -> bool:
    """Whether non-negative samples look rectified or enveloped and not like an offset raw signal.

    A rectified signal is skewed away from zero; raw sEMG above an amplifier offset is symmetric.
    """
    if len(x) == 0 or x.min() < 0:
        return False
    low, middle, high = np.quantile(x, [0.01, 0.5, 0.99])
    spread = float(np.abs(x - middle).mean())
    if len(x) < 64 or spread == 0:
        return True
    rough = float(np.abs(np.diff(x)).mean()) / spread > 0.12
    symmetric = 0.6 < (high - middle) / max(middle - low, 1e-30) < 1.6
    return not (symmetric and rough and x.min() > 0.6 * middle)


def guess_kind(name: str, unit: str, column: np.ndarray, rate: float | None) -> Guess:
    """Kind of one channel from its name, its unit, its numbers [n] and its rate in Hz."""
    x = excerpt(column)
    match = match_name(name)
    muscle = match.muscle or match.site
    if _EVENT_NAME.search(name) and (muscle is None or _is_switch(x)):
        return Guess(Kind.EVENT, False)
    if (_OTHER_NAME.search(name) and muscle is None) or _MOTION_NAME.search(name):
        return Guess(Kind.OTHER, False)
    if len(x) == 0 or np.ptp(x) == 0:
        if muscle and unit.strip() == "%":
            return Guess(Kind.ACTIVATION, False)
        return Guess(Kind.RAW if muscle and _is_fast(rate) else Kind.ENVELOPE if muscle else Kind.OTHER, True)
    if muscle is None and len(x) > 100 and (len(np.unique(x)) <= 8 or _holds_codes(x)):
        return Guess(Kind.EVENT, not name)
    if unit and muscle is None and voltage_factor(unit) is None:
        return Guess(Kind.OTHER, True)
    negative = float(np.mean(x < 0))
    if (
        (_ACTIVATION_NAME.search(f"{name} {unit}") or unit.strip() == "%")
        and negative < 0.02
        and x.max() <= (150 if "%" in unit else 1.5)
    ):
        return Guess(Kind.ACTIVATION, False)
    if negative < 0.05 and (negative == 0 or x.min() > -0.05 * x.max()):
        return _positive_kind(name, muscle, x, rate)
    if not _is_fast(rate) and muscle:
        return Guess(Kind.ENVELOPE, True)
    centred = abs(np.median(x)) < 1.5 * x.std()
    if centred or muscle:
        return Guess(Kind.RAW, muscle is None)
    return Guess(Kind.OTHER, True)


def _is_switch(x: np.ndarray) -> bool:
    """Whether finite samples take a few values only (an onset mark that is named after its muscle)."""
    return len(x) > 0 and len(np.unique(x)) <= 8


def _holds_codes(x: np.ndarray) -> bool:
    """Whether finite samples are whole numbers that mostly stay what they are, at one value above all."""
    if np.any(x != np.round(x)) or np.mean(np.diff(x) != 0) > 0.05:
        return False
    codes, counts = np.unique(x, return_counts=True)
    return len(codes) <= 256 and bool(counts.max() > 0.6 * len(x))


def _positive_kind(name: str, muscle: str | None, x: np.ndarray, rate: float | None) -> Guess:
    """Kind of a channel (almost) without negative values."""
    smoothed = _ENVELOPE_NAME.search(name)
    if _is_fast(rate) and not smoothed and not hugs_zero(x) and (muscle or _RAW_NAME.search(name)):
        return Guess(Kind.RAW, True)
    if muscle is None and np.median(x) > 5 * x.std():  # far from zero and slow: temperature, skin, ...
        return Guess(Kind.OTHER, True)
    if not _is_fast(rate) or _depth(x) > 0.3 or smoothed:
        return Guess(Kind.ENVELOPE, muscle is None)
    return Guess(Kind.RECTIFIED, muscle is None)


def _is_fast(rate: float | None) -> bool:
    """Whether single muscle potentials fit the rate; an unknown rate gets the benefit."""
    return rate is None or rate > 70.0


def _depth(x: np.ndarray) -> float:
    """How deep non-negative samples dip: minimum over median in short stretches, typically.

    A rectified signal touches zero at every crossing (0.02), an envelope stays up (0.6 or more).
    """
    width = min(64, max(4, len(x) // 8))
    if len(x) < width:
        return 1.0
    stretches = x[: len(x) // width * width].reshape(-1, width)
    middle = np.median(stretches, axis=1)
    active = middle > 0
    return float(np.median(stretches.min(1)[active] / middle[active])) if active.any() else 0.0


def suitability(kind: Kind, rate: float | None) -> int:
    """Order in which channels that claim the same muscle get it; negative: never."""
    if kind in (Kind.EVENT, Kind.OTHER):
        return -1
    aliased = kind in (Kind.RAW, Kind.RECTIFIED) and rate is not None and rate < LOWEST_RAW_RATE
    order = (Kind.RAW, Kind.ENVELOPE, Kind.RECTIFIED, Kind.ACTIVATION)
    return order.index(kind) + (len(order) if aliased else 0)


def assign_muscles(
    channels: Sequence[Channel], rates: Sequence[float | None]
) -> tuple[list[Channel], list[str]]:
    """Channels with muscle or electrode site set by name, and notes on what was doubtful or left over.

    Two raw channels that name the electrodes of one bipolar pair both get the muscle. A muscle that
    is already set (by the caller) stays and is not given to another channel.
    """
    taken = {c.muscle for c in channels if c.muscle}
    ranks = [-1 if c.muscle else suitability(c.kind, rate) for c, rate in zip(channels, rates, strict=True)]
    names = [c.name for c in channels]
    matches = match_names(names, ranks, [c.kind is Kind.RAW for c in channels])
    result = []
    for channel, match in zip(channels, matches, strict=True):
        if match.channel and match.channel not in taken:
            channel = replace(channel, muscle=match.channel, doubtful=channel.doubtful or match.doubtful)
        elif match.site and channel.kind is not Kind.ACTIVATION:
            channel = replace(channel, site=match.site, doubtful=channel.doubtful or match.doubtful)
        result.append(channel)
    return result, _naming_notes(result, matches, ranks)


def _naming_notes(channels: Sequence[Channel], matches: Sequence[Match], ranks: Sequence[int]) -> list[str]:
    """What the user should know about how names became muscles."""
    mine = [
        (c, m, match_name(c.name)) for c, m, rank in zip(channels, matches, ranks, strict=True) if rank >= 0
    ]
    owners: dict[str, list[str]] = {}
    for c, m, _ in mine:
        if c.muscle and m.channel == c.muscle:
            owners.setdefault(c.muscle, []).append(c.name)
    pairs = [" \u2212 ".join(names) for names in owners.values() if len(names) == 2]
    alone = [names[0] for names in owners.values() if len(names) == 1]
    halves = [c.name for c, m, _ in mine if c.name in alone and m.channel and is_half(m, bool(pairs))]
    sideless = [c.name for c, m, _ in mine if c.muscle and m.channel == c.muscle and m.side is None]
    spare = [c.name for c, m, own in mine if own.muscle and not c.muscle and not m.remark]
    owned = {c.name for c, m, _ in mine if c.muscle}
    again = list(dict.fromkeys(n for n in spare if n in owned))
    spare = [n for n in spare if n not in owned]
    sites = [c for c, _, _ in mine if c.site]
    unsure = [c.name for c in sites if c.doubtful]
    told = {
        "No side is named for {}: taken as left, please check.": sideless,
        "Read as the two electrodes of bipolar channels: {}.": pairs,
        "One electrode of a pair, used alone because the other is missing: {}.": halves,
        "Several channels have the same name, and one of them is used; please check: {}.": again,
        _SPARE: spare,
        "None of the eleven muscles, so it drives nothing: {}.": [
            c.name for c, m, _ in mine if m.remark == "other"
        ],
        "This could be several muscles, please choose: {}.": [
            c.name for c, m, _ in mine if m.remark == "open"
        ],
        "Taken for Kuramoto positions, although they could be counted electrodes; please check: {}.": unsure,
        "Not taken for Kuramoto positions, because the numbers do not fit; if they are, call them K1 to K24: "
        "{}.": [c.name for c, m, _ in mine if m.remark == "numbered"],
    }
    return [sentence.format(listed(names)) for sentence, names in told.items() if names]


def spare_note(names: Sequence[str]) -> str:
    """The sentence for channels whose muscle another one has."""
    return _SPARE.format(listed(names))


def to_microvolts(
    channels: Sequence[Channel], samples: np.ndarray, given: Sequence[bool]
) -> tuple[list[Channel], np.ndarray, list[str]]:
    """(channels in microvolts, factors float32 [channels], notes) for muscle channels of `samples`.

    `samples` [n, channels] may be an excerpt; nothing is scaled here.

    `given[i]` says that the caller stated the unit, which is then believed. A stated voltage that
    would be absurd for surface EMG (AcqKnowledge writes Volts for processed channels) is replaced
    by the largest voltage unit that is not, for all channels of the same unit and kind together.
    """
    result, notes = list(channels), []
    factors = np.ones(len(result), dtype=np.float32)
    groups: dict[tuple[str, Kind], list[int]] = {}
    for i, channel in enumerate(channels):
        if is_muscle_signal(channel):
            groups.setdefault((channel.unit, channel.kind), []).append(i)
    for (unit, _), members in groups.items():
        loudness = sorted(_loudness(samples[:, i], channels[i].kind) for i in members)
        factor, note = _scale(unit, loudness, all(given[i] for i in members))
        # An unknown unit is no reason to doubt each channel; a stated one that is wrong is.
        wrong = bool(note) and voltage_factor(unit) is not None
        for i in members:
            result[i] = replace(channels[i], unit="uV", doubtful=channels[i].doubtful or wrong)
            factors[i] = factor
        if note:
            notes.append(f"{note}: {listed([channels[i].name for i in members])}.")
    return result, factors, notes


def is_muscle_signal(channel: Channel) -> bool:
    """Whether a channel holds muscle activity as an amplitude (microvolts inside)."""
    return channel.kind in (Kind.RAW, Kind.RECTIFIED, Kind.ENVELOPE)


def _loudness(column: np.ndarray, kind: Kind) -> float:
    """RMS; of raw sEMG without the offset and the drift of its electrodes."""
    x = excerpt(column)
    if len(x) == 0:
        return 0.0
    if kind is not Kind.RAW:
        return float(np.sqrt(np.mean(x**2)))
    stretches = x[: len(x) // _STRETCH * _STRETCH].reshape(-1, _STRETCH) if len(x) >= _STRETCH else x[None]
    # Not the loudest stretches: an electrode that is touched jumps by more than any muscle can do.
    return float(np.quantile(stretches.std(1), 0.9))


def _scale(unit: str, loudness: Sequence[float], given: bool) -> tuple[float, str]:
    """(microvolts per unit, sentence without its full stop or nothing) of channels, the quietest first."""
    stated = voltage_factor(unit)
    # One electrode that hangs in the air is no reason to doubt the others.
    heard = [v for v in loudness if v > 0] or [0.0]
    typical = heard[(len(heard) - 1) // 2]
    if stated is not None and (given or typical * stated <= HIGHEST_UV):
        return stated, ""
    if stated is not None:
        smaller = [f for f in (1e6, 1e3, 1.0) if f < stated]
        factor = next((f for f in smaller if typical * f <= _HIGHEST_DOUBTED_UV), min(1.0, stated))
        if factor == stated:
            return factor, (
                f"{typical * stated / 1e3:.3g} mV RMS is more than surface EMG can have; check the unit "
                f"'{unit}', the gain and the electrodes"
            )
        return factor, f"The unit '{unit}' cannot be true for surface EMG and was read as {_name(factor)}"
    # The smallest unit under which the signal is louder than an amplifier's own noise.
    factor = next((f for f in (1.0, 1e3, 1e6) if loudness[-1] * f >= 0.2), 1.0)
    if given and unit:
        return factor, f"The unit '{unit}' is no voltage; the numbers were read as {_name(factor)}"
    return factor, f"The file names no voltage unit; read as {_name(factor)}"


def _name(factor: float) -> str:
    return {1e-3: "nV", 1.0: "µV", 1e3: "mV", 1e6: "V"}[factor]


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names in quotes, the first few of them."""
    shown = ", ".join(f"'{n[:40]}'" for n in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
