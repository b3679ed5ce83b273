"""Named variables of any laboratory's script -> signals, rates, channel names and events.

MATLAB, NumPy and HDF5 files hold whatever somebody called `save` with. Known layouts (EEGLAB,
FieldTrip, LabChart, AcqKnowledge, EMGworks, Spike2) are read as their makers write them; otherwise
the largest matrices are the signals, and what lies beside them is asked for rate, time and names.

A variable is a real array, a text, a list (cells) or a dictionary (a structure).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from ..muscle_names import match_name
from .assemble import TIME_NAME, Signals, time_unit_of
from .binary import to_float32
from .clock import TIME_UNITS
from .options import is_rate
from .types import Annotation

Tree = dict[str, Any]

_RATE = re.compile(
    r"^(emg|signal|sig|raw|data)?(fs|fsamp|fsample|sr|srate|sfreq|rate|hz|freq|frequency|sampl(e|ing)?"
    r"(rate|freq|frequency)|f_?sampling|abtastrate|abtastfrequenz|fa)(emg|hz|inhz|signal|data)?$"
)
_INTERVAL = re.compile(
    r"^(dt|ts|si|isi|delta|deltat|period|interval|sampl(e|ing)?(interval|period|time)|xinc(rement)?|"
    r"abtastintervall|tinc)(s|ms|us|sec|inms|ins)?$"
)
_NAMES = re.compile(
    r"^((emg|data|eeg|sig|signal)?(label|labels|chan|chans|chanlabels|channel|channels|channames|"
    r"channelnames?|channellabels?|chlabels?|chnames?|names?|columns?|colnames?|columnnames|muscles?|"
    r"musclenames?|titles?|sensors?|sensornames?|electrodes?|electrodenames?|kan[aä]le|kanalnamen|"
    r"namen|muskeln?|chanlocs|var(iable)?names|header|legend))$"
)
_UNITS = re.compile(r"^(emg|data|signal|chan|channel)?(unit|units|einheit|einheiten|chanunits?|dimension)$")
_EVENTS = re.compile(
    r"marker|trigger|trig|event|onset|stim|annot|phase|condition|task|movement|repetition|state|cue|"
    r"block|bedingung|ereignis|aufgabe",
    re.IGNORECASE,
)
_NO_SIGNAL = re.compile(
    r"^(icaweights|icasphere|icawinv|icaact|icachansind|sampleinfo|trialinfo|cfg|weights|coeff?s?|filter.*|"
    r"sos|mask|idx|index|indices|positions?|coordinates?|elec|freqs?|psd|spectrum)$",
    re.IGNORECASE,
)
_MOST_SEGMENTS = 5000
_MOST_SIGNALS = 64
_DEEPEST = 24


@dataclass
class Found:
    """What the variables of a file hold."""

    signals: list[Signals] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    elsewhere: bool = False  # the samples are in another file
    rate: float | None = None  # what the caller says


def signals_of(tree: Tree, stem: str, rate: float | None = None) -> Found:
    """Signals, events and notes of a file's variables.

    `stem` names what has no name of its own; `rate` is the caller's word, for the times of marks.
    """
    found = Found(rate=rate)
    _visit(tree, "", (), found, stem, 0)
    found.signals = _merged(found.signals, stem)
    largest = max((s.samples.size for s in found.signals), default=0)
    few = [s for s in found.signals if s.samples.size * 50 < largest]
    found.signals = [s for s in found.signals if s.samples.size * 50 >= largest][:_MOST_SIGNALS]
    if few:
        names = ", ".join(f"'{s.name[:40]}'" for s in few[:6])
        found.notes.append(f"Left out because they are far smaller than the signals: {names}.")
    return found


def _merged(signals: list[Signals], stem: str) -> list[Signals]:
    """Signals with one column each on the same clock become one: a structure for each channel."""
    groups: dict[Any, list[Signals]] = {}
    for i, s in enumerate(signals):
        times = None if s.times is None else hash(s.times.tobytes())
        key = (len(s.samples), s.rate, s.start, times) if s.columns == 1 else i
        groups.setdefault(key, []).append(s)
    result = []
    for members in groups.values():
        first = members[0]
        if len(members) > 1:
            titles = tuple(s.names[0] if s.names else s.name for s in members)
            if len(set(titles)) < len(titles):
                titles = _distinct([s.name for s in members])
            units = tuple(s.units[0] if s.units else "" for s in members)
            columns = np.column_stack([s.samples for s in members])
            first = replace(first, name=stem, samples=columns, names=titles, units=units)
        result.append(first)
    return result


def _distinct(paths: Sequence[str]) -> tuple[str, ...]:
    """Names without the parts that all have in common: a.zyg.x, a.corr.x -> zyg, corr."""
    parts = [p.split(".") for p in paths]
    while min(map(len, parts)) > 1 and len({p[0] for p in parts}) == 1:
        parts = [p[1:] for p in parts]
    while min(map(len, parts)) > 1 and len({p[-1] for p in parts}) == 1:
        parts = [p[:-1] for p in parts]
    return tuple(" ".join(p) for p in parts)


def _visit(scope: Tree, name: str, above: tuple[Tree, ...], found: Found, stem: str, depth: int) -> None:
    """Signals of one structure and of those within."""
    if depth > _DEEPEST or len(found.signals) > 4 * _MOST_SIGNALS:
        return
    for layout in (_eeglab, _fieldtrip, _labchart, _acqknowledge, _spike):
        if layout(scope, name or stem, found):
            return
    _plain(scope, name, above, found, stem)
    for key, value in scope.items():
        inner = f"{name}.{key}" if name else key
        if isinstance(value, dict):
            _visit(value, inner, (scope, *above), found, stem, depth + 1)
        elif isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
            for i, one in enumerate(value[:_MOST_SIGNALS]):
                _visit(one, f"{inner} {i + 1}", (scope, *above), found, stem, depth + 1)


# --- any layout -----------------------------------------------------------------------------------


def _plain(scope: Tree, name: str, above: tuple[Tree, ...], found: Found, stem: str) -> None:
    """Matrices and equally long vectors of one structure."""
    scopes = (scope, *above)
    own = list(_matrices(scope))
    vectors = _vectors(scope)
    matrices = []
    for key, value in own:
        full = f"{name}.{key}" if name else key
        matrices += _matrix(full, key, value, scopes, found)
    lengths = {len(s.samples) for s in matrices}
    for length, keys in _by_length(vectors).items():
        data = {k: vectors[k] for k in keys}
        rate, start, times, unit = _clock(scopes, length, name.rsplit(".", 1)[-1], found)
        marks = {k: v for k, v in data.items() if _is_marks(k, v, length)}
        known = found.rate or rate
        seconds = np.arange(length) / known if known else None
        if times is not None:
            seconds = times * _seconds_each(times, unit)
        for key, marker in marks.items():
            _segments(key, marker, seconds, start, found)
        columns = {k: v for k, v in data.items() if k not in marks}
        if length in lengths or len(data) == len(marks):
            columns = {k: v for k, v in columns.items() if match_name(k).muscle}
        if not columns or (len(columns) == 1 and length < 16):
            continue
        single = len(columns) == 1 and not match_name(next(iter(columns))).muscle
        titles = tuple(columns)
        full = f"{name}.{titles[0]}" if name else titles[0]
        if single:
            texts = _texts(scopes, 1)
            titles = texts or titles
        found.signals.append(
            Signals(
                full if single else name or stem,
                np.column_stack(list(columns.values())),
                titles,
                _unit_texts(scopes, len(titles)),
                rate, start, times, unit,
            )
        )  # fmt: skip
    found.signals += matrices


def _matrices(scope: Tree) -> Iterator[tuple[str, Any]]:
    """(name, matrix or list of matrices with equal channels) that may be signals."""
    for key, value in scope.items():
        plain = _plainly(key)
        if _NO_SIGNAL.match(key) or TIME_NAME.match(key) or _UNITS.match(plain):
            continue
        cells = isinstance(value, list) and bool(value) and all(_is_matrix(v) for v in value)
        if isinstance(value, list) and len(value) > 1 and all(_is_long(v) for v in value):
            if len({v.size for v in value}) == 1:  # a cell for each channel
                yield key, np.column_stack([v.reshape(-1) for v in value])
        elif cells or (_is_matrix(value) and not (_RATE.match(plain) or _INTERVAL.match(plain))):
            yield key, value


def _is_long(value: Any) -> bool:  # noqa: ANN401
    return (
        isinstance(value, np.ndarray)
        and value.dtype.kind in "fiub"
        and max(value.shape, default=0) == value.size >= 16
    )


def _is_matrix(value: Any) -> bool:  # noqa: ANN401
    return (
        isinstance(value, np.ndarray)
        and value.ndim in (2, 3)
        and min(value.shape) > 0
        and (_flat(value).ndim == 2 or value.ndim == 3)
        and value.dtype.kind in "fiub"
    )


def _flat(value: np.ndarray) -> np.ndarray:
    """Without axes of length 1."""
    return value.reshape([n for n in value.shape if n != 1])


def _matrix(full: str, key: str, value: Any, scopes: tuple[Tree, ...], found: Found) -> list[Signals]:  # noqa: ANN401
    """Signals of one matrix, or of several that are trials of the same channels."""
    if isinstance(value, list):
        return _trials(full, key, value, scopes, found)
    value = _flat(value)
    if value.ndim == 3:
        found.notes.append(f"'{full}' has three dimensions and was left out; save it as samples × channels.")
        return []
    oriented = _time_first(value, scopes)
    length, columns = oriented.shape
    texts = _texts(scopes, columns)
    rates = _rates(scopes, columns)
    if rates is not None:
        return _several_rates(full, oriented, texts, rates, scopes)
    rate, start, times, unit = _clock(scopes, length, key, found)
    return [Signals(full, oriented, texts, _unit_texts(scopes, columns), rate, start, times, unit)]


def _time_first(value: np.ndarray, scopes: tuple[Tree, ...]) -> np.ndarray:
    """Time is the axis of the time vector, else not that of the names, else the longer one."""
    rows, columns = value.shape
    if rows == columns:
        return value
    lengths = {len(v) for s in scopes[:1] for k, v in _vectors(s, True).items() if TIME_NAME.match(k)}
    if (rows in lengths) != (columns in lengths):
        return value if rows in lengths else value.T
    by_names = [n for n in (rows, columns) if n > 1 and _texts(scopes, n)]
    if len(by_names) == 1:
        return value.T if by_names[0] == rows else value
    return value if rows > columns else value.T


def _trials(
    full: str, key: str, parts: list[np.ndarray], scopes: tuple[Tree, ...], found: Found
) -> list[Signals]:
    """Cells of matrices with the same channels, laid one after another."""
    parts = [_flat(p) for p in parts]
    if any(p.ndim != 2 for p in parts):
        return []
    oriented = [_time_first(p, scopes) for p in parts]
    counts = {p.shape[1] for p in oriented}
    if len(counts) > 1:  # a short trial may be wider than long
        common = set.intersection(*({*p.shape} for p in parts))
        if len(common) != 1:
            found.notes.append(f"The cells of '{full}' have different channels and were left out.")
            return []
        count = common.pop()
        oriented = [p if p.shape[1] == count else p.T for p in parts]
    rate, _, _, _ = _clock(scopes, -1, key, found)
    _mark_trials([len(p) for p in oriented], found.rate or rate, [""] * len(oriented), found)
    columns = oriented[0].shape[1]
    joined = np.concatenate([to_float32(p) for p in oriented])
    return [Signals(full, joined, _texts(scopes, columns), _unit_texts(scopes, columns), rate)]


def _mark_trials(lengths: Sequence[int], rate: float | None, words: Sequence[str], found: Found) -> None:
    """An annotation for each trial of a concatenation; one trial alone needs none."""
    if not rate or len(lengths) < 2:
        return
    edges = np.concatenate(([0], np.cumsum(lengths))) / rate
    for k, (a, b) in enumerate(pairwise(edges.tolist())):
        found.annotations.append(Annotation(a, b - a, words[k] or f"Trial {k + 1}"))
    found.notes.append(f"{len(lengths)} trials are laid one after another and marked by annotations.")


def _several_rates(
    full: str, value: np.ndarray, texts: tuple[str, ...] | None, rates: np.ndarray, scopes: tuple[Tree, ...]
) -> list[Signals]:
    """EMGworks: a matrix whose channels have rates of their own, the slower ones filled up at the end."""
    result = []
    units = _unit_texts(scopes, value.shape[1])
    for rate in dict.fromkeys(rates.tolist()):
        at = np.flatnonzero(rates == rate)
        rows = min(len(value), round(len(value) * rate / float(rates.max())))
        result.append(
            Signals(
                f"{full} {rate:g} Hz",
                value[:rows, at],
                None if texts is None else tuple(texts[i] for i in at),
                None if units is None else tuple(units[i] for i in at),
                float(rate),
            )
        )
    return result


def _vectors(scope: Tree, with_time: bool = False) -> dict[str, np.ndarray]:
    """Long vectors of a structure, but for time."""
    result = {}
    for key, value in scope.items():
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub" or value.size < 8:
            continue
        if max(value.shape, default=0) != value.size or _NO_SIGNAL.match(key):
            continue
        if with_time or not TIME_NAME.match(key):
            result[key] = value.reshape(-1)
    return result


def _by_length(vectors: dict[str, np.ndarray]) -> dict[int, list[str]]:
    result: dict[int, list[str]] = {}
    for key, value in vectors.items():
        result.setdefault(len(value), []).append(key)
    longest = max(result, default=0)
    return {n: keys for n, keys in result.items() if n * 50 >= longest}


# --- rate, names, units ---------------------------------------------------------------------------


def _clock(
    scopes: tuple[Tree, ...], length: int, key: str, found: Found
) -> tuple[float | None, float, np.ndarray | None, str]:
    """(rate, start, times or None, their unit) for signals of `length` rows."""
    rate = next((r for s in scopes if (r := _stated_rate(s, key)) is not None), None)
    for scope in scopes:
        for name, times in _vectors(scope, True).items():
            if not TIME_NAME.match(name) or len(times) != length:
                continue
            times = times.astype(np.float64)
            unit = time_unit_of(name) or _text_of(scope.get(f"{name}_units")) or ""
            rises = bool(np.all(np.isfinite(times)) and np.all(np.diff(times) > 0))
            if rate is None:
                return None, 0.0, times, unit
            start, agrees = _agreement(times, unit, rate) if rises else (0.0, False)
            if not agrees:
                found.notes.append(
                    f"The time in '{name}' does not agree with the rate of {rate:g} Hz; the rate is used."
                )
            return rate, start, None, ""
    return rate, 0.0, None, ""


def _seconds_each(times: np.ndarray, unit: str) -> float:
    """Seconds of one unit of a time vector, as `clock.even_clock` understands it."""
    steps = np.diff(times[np.isfinite(times)])
    step = float(np.median(steps[steps > 0])) if np.any(steps > 0) else 1.0
    return TIME_UNITS.get(unit.strip("[]() ").lower()) or (
        1.0 if step < 0.2 else 1e-3 if step < 100 else 1e-6
    )


def _agreement(times: np.ndarray, unit: str, rate: float) -> tuple[float, bool]:
    """(start in seconds, whether rising times are those of the rate)."""
    for factor in (TIME_UNITS.get(unit), 1.0, 1e-3, 1e-6):
        if factor and abs((times[-1] - times[0]) * factor * rate / (len(times) - 1) - 1) < 0.01:
            return float(times[0]) * factor, True
    return 0.0, False


def _stated_rate(scope: Tree, key: str) -> float | None:
    """Samples per second that a structure states."""
    for name, value in scope.items():
        plain = _plainly(name)
        number = _number(value)
        if number is None and isinstance(value, dict) and _RATE.match(plain):
            number = _number(value.get(key))  # fs.emg beside emg
        if number is None or not number > 0:
            continue
        if _RATE.match(plain) and is_rate(number):
            return number
    for name, value in scope.items():
        number = _number(value)
        if number and number > 0 and _INTERVAL.match(_plainly(name)):
            unit = _text_of(scope.get(f"{name}_units")) or time_unit_of(name)
            factor = TIME_UNITS.get(unit.strip().lower(), 1.0 if number <= 0.05 else 1e-3)
            if is_rate(1 / (number * factor)):
                return _tidy(1 / (number * factor))
    return None


def _tidy(rate: float) -> float:
    whole = round(rate)
    return float(whole) if whole and abs(rate - whole) < 1e-4 * whole else rate


def _rates(scopes: tuple[Tree, ...], columns: int) -> np.ndarray | None:
    """A rate for each channel where they differ, float64 [columns]."""
    for scope in scopes:
        for name, value in scope.items():
            if not (_RATE.match(_plainly(name)) and isinstance(value, np.ndarray)):
                continue
            if columns > 1 and value.size == columns and value.dtype.kind in "fiu":
                rates = value.reshape(-1).astype(np.float64)
                if np.all((rates >= 0.01) & (rates <= 1e6)) and np.ptp(rates) > 0:
                    return rates
    return None


def _texts(scopes: tuple[Tree, ...], count: int) -> tuple[str, ...] | None:
    """Channel names of the right number, from the nearest structure that has them."""
    for scope in scopes:
        for name, value in scope.items():
            if _NAMES.match(_plainly(name)) and (texts := texts_of(value)) and len(texts) == count:
                return texts
    return None


def _unit_texts(scopes: tuple[Tree, ...], count: int) -> tuple[str, ...] | None:
    for scope in scopes:
        for name, value in scope.items():
            if _UNITS.match(_plainly(name)) and (texts := texts_of(value)) and len(texts) in (1, count):
                return texts if len(texts) == count else texts * count
    return None


def texts_of(value: Any) -> tuple[str, ...] | None:  # noqa: ANN401
    """Texts of a list, of one text, or of the label field of structures; None if it is anything else."""
    if isinstance(value, str):
        parts = [p.strip() for p in re.split(r"[;,|\n\t]", value)]
        return tuple(p for p in parts if p) or None
    if isinstance(value, dict):
        inner = next((value[k] for k in ("labels", "label", "name", "names") if k in value), None)
        return texts_of(inner) if not isinstance(inner, dict) else None
    if isinstance(value, list) and any(isinstance(v, str) for v in value):
        empty = [isinstance(v, np.ndarray) and not v.size for v in value]
        if all(isinstance(v, str) or e for v, e in zip(value, empty, strict=True)):
            return tuple("" if e else v.strip() for v, e in zip(value, empty, strict=True))
    if isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
        key = next((k for k in ("labels", "label", "name", "title") if k in value[0]), None)
        texts = [v.get(key) for v in value] if key else []
        return tuple(t if isinstance(t, str) else "" for t in texts) or None
    return None


def _plainly(name: str) -> str:
    return re.sub(r"[^a-zäöü]", "", name.lower())


def _number(value: Any) -> float | None:  # noqa: ANN401
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "fiu":
        number = float(value.reshape(-1)[0])
        return number if np.isfinite(number) else None
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.size and np.ptp(value) == 0:
        return float(value.reshape(-1)[0]) if value.size <= 1024 else None  # the same rate for each channel
    if isinstance(value, str):
        try:
            return float(value.replace(",", "."))
        except ValueError:
            return None
    return None


def _text_of(value: Any) -> str:  # noqa: ANN401
    return value if isinstance(value, str) else ""


# --- events ---------------------------------------------------------------------------------------


def _is_marks(name: str, values: np.ndarray, length: int) -> bool:
    """Whether a vector says what happened rather than what was measured."""
    if match_name(name).muscle or length < 8 or not _EVENTS.search(name):
        return False
    known = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    some = known[:: max(1, len(known) // 100_000)]
    return len(some) > 0 and len(np.unique(some)) <= 256


def _segments(name: str, values: np.ndarray, seconds: np.ndarray | None, start: float, found: Found) -> None:
    """Stretches of equal marks that are not zero as annotations."""
    if seconds is None or len(seconds) < 2:
        found.notes.append(f"The marks in '{name}' were left out, because the file gives no time.")
        return
    values = np.nan_to_num(values.astype(np.float64))
    edges = np.concatenate(([0], np.flatnonzero(np.diff(values)) + 1, [len(values)]))
    if len(edges) > _MOST_SEGMENTS:
        found.notes.append(f"'{name}' changes too often to be marks and was left out.")
        return
    ends = np.append(seconds, 2 * seconds[-1] - seconds[-2]) + start
    for a, b in pairwise(edges.tolist()):
        if values[a] != 0:
            duration = float(ends[b] - ends[a]) if b - a > 1 else 0.0
            found.annotations.append(Annotation(float(ends[a]), duration, f"{name} {values[a]:g}"))


# --- layouts of known programs --------------------------------------------------------------------


def _eeglab(scope: Tree, name: str, found: Found) -> bool:
    """EEGLAB: data [channels, points(, epochs)], srate, chanlocs or chanlabels, event."""
    data, rate = scope.get("data"), _number(scope.get("srate"))
    if rate is None or not isinstance(data, (np.ndarray, str)):
        return False
    if isinstance(data, str):
        found.elsewhere = True
        return True
    if data.ndim not in (2, 3) or data.dtype.kind not in "fiub" or not is_rate(rate) or not data.size:
        return False
    channels = scope.get("nbchan")
    count = int(_number(channels) or data.shape[0])
    points, epochs = data.shape[1], data.shape[2] if data.ndim == 3 else 1
    if data.ndim == 3:
        data = data.transpose(2, 1, 0).reshape(points * epochs, -1)
        _mark_trials([points] * epochs, rate, [f"Epoch {i + 1}" for i in range(epochs)], found)
    else:
        data = data if data.shape[0] != count else data.T
    texts = None
    for key in ("chanlocs", "chanlabels"):
        listed = texts_of(scope.get(key))
        texts = texts or (listed if listed and len(listed) == data.shape[1] else None)
    found.signals.append(Signals(name, data, texts, ("uV",) * data.shape[1], rate))
    events = scope.get("event")
    for event in events if isinstance(events, list) else [events]:
        if isinstance(event, dict) and (latency := _number(event.get("latency"))) is not None:
            kind = event.get("type")
            text = kind.strip() if isinstance(kind, str) else f"{_number(kind) or 0:g}"
            duration = max(_number(event.get("duration")) or 0.0, 0.0) / rate
            if text and len(found.annotations) < _MOST_SEGMENTS:
                found.annotations.append(Annotation((latency - 1) / rate, duration, text[:200]))
    return True


def _fieldtrip(scope: Tree, name: str, found: Found) -> bool:
    """FieldTrip: cells `trial` of [channels, time], cells `time`, label, fsample."""
    trials, times, labels = scope.get("trial"), scope.get("time"), texts_of(scope.get("label"))
    trials = [trials] if isinstance(trials, np.ndarray) else trials
    times = [times] if isinstance(times, np.ndarray) else times
    if not (isinstance(trials, list) and isinstance(times, list) and labels and trials):
        return False
    if len(trials) != len(times) or not all(_is_cell(t, len(labels)) for t in trials):
        return False
    rate = _number(scope.get("fsample"))
    if rate is None:
        first = np.asarray(times[0], dtype=np.float64).reshape(-1)
        if len(first) < 2 or not first[-1] > first[0]:
            return False
        rate = _tidy((len(first) - 1) / float(first[-1] - first[0]))
    if not is_rate(rate):
        return False
    info = scope.get("trialinfo")
    words = [""] * len(trials)
    if isinstance(info, np.ndarray) and info.ndim == 2 and len(info) == len(trials) and info.size:
        words = [f"Trial {i + 1}: {v:g}" for i, v in enumerate(info[:, 0].astype(float))]
    _mark_trials([t.shape[1] for t in trials], rate, words, found)
    units = texts_of(scope.get("chanunit")) or _unit_texts((scope,), len(labels))
    units = units if units and len(units) == len(labels) else None
    start = 0.0
    if len(trials) == 1 and isinstance(times[0], np.ndarray) and times[0].size:
        start = float(times[0].reshape(-1)[0])
        start = start if np.isfinite(start) and abs(start) < 1e9 else 0.0
    data = np.concatenate([to_float32(t.T) for t in trials])
    found.signals.append(Signals(name, data, labels, units, rate, start))
    return True


def _is_cell(value: Any, channels: int) -> bool:  # noqa: ANN401
    return (
        isinstance(value, np.ndarray)
        and value.ndim == 2
        and value.shape[0] == channels
        and value.shape[1] > 0
        and value.dtype.kind in "fiub"
    )


def _labchart(scope: Tree, name: str, found: Found) -> bool:
    """LabChart: one long `data`, cut by datastart and dataend [channels, blocks], which count from 1."""
    data = scope.get("data")
    starts, ends, rates = (scope.get(k) for k in ("datastart", "dataend", "samplerate"))
    parts = (data, starts, ends, rates)
    if not all(isinstance(p, np.ndarray) and p.dtype.kind in "fiu" and p.size for p in parts):
        return False
    titles = texts_of(scope.get("titles")) or ()
    data, starts, ends = data.reshape(-1), np.atleast_2d(starts), np.atleast_2d(ends)
    if starts.shape != ends.shape or (titles and len(titles) != len(starts)):
        return False
    rates = np.broadcast_to(np.atleast_2d(rates), starts.shape) if rates.size in (1, starts.size) else None
    if rates is None or not np.all(
        (starts == -1) | ((starts >= 1) & (ends <= len(data)) & (starts <= ends + 1))
    ):
        return False
    texts, which = texts_of(scope.get("unittext")) or (), scope.get("unittextmap")
    groups: dict[tuple[float, int], list[tuple[int, np.ndarray]]] = {}
    for i in range(len(starts)):
        blocks = [data[int(a) - 1 : int(b)] for a, b in zip(starts[i], ends[i], strict=True) if a > 0]
        if blocks and is_rate(rates[i, 0]) and np.ptp(rates[i]) == 0:
            joined = np.concatenate(blocks)
            groups.setdefault((float(rates[i, 0]), len(joined)), []).append((i, joined))
    for (rate, _), members in groups.items():
        units = []
        for i, _ in members:
            at = (
                which.reshape(len(starts), -1)[i, 0]
                if isinstance(which, np.ndarray) and which.size == starts.size
                else 1
            )
            units.append(texts[int(at) - 1] if 1 <= at <= len(texts) else "")
        label = f"{name} {rate:g} Hz" if len(groups) > 1 else name
        names = tuple(titles[i] if titles else f"Channel {i + 1}" for i, _ in members)
        found.signals.append(
            Signals(label, np.column_stack([d for _, d in members]), names, tuple(units), rate)
        )
    _labchart_comments(scope, starts, ends, rates, found)
    return bool(groups)


def _labchart_comments(
    scope: Tree, starts: np.ndarray, ends: np.ndarray, rates: np.ndarray, found: Found
) -> None:
    """Rows of `com`: channel, block, position in ticks, type, number of the text."""
    marks, texts, ticks = scope.get("com"), texts_of(scope.get("comtext")), scope.get("tickrate")
    if not (isinstance(marks, np.ndarray) and marks.ndim == 2 and marks.shape[1] >= 5 and texts):
        return
    lengths = np.nan_to_num(((ends - starts + 1) / rates).max(axis=0))
    before = np.concatenate(([0.0], np.cumsum(lengths)))
    ticks = ticks.reshape(-1) if isinstance(ticks, np.ndarray) and ticks.size else np.array([rates.max()])
    for row in marks[:_MOST_SEGMENTS]:
        if not np.all(np.isfinite(row[:5])):
            continue
        block, text = int(row[1]) - 1, int(row[4]) - 1
        if 0 <= block < len(lengths) and 0 <= text < len(texts) and texts[text]:
            onset = before[block] + float(row[2]) / float(ticks[min(block, len(ticks) - 1)] or 1)
            if np.isfinite(onset):
                found.annotations.append(Annotation(float(onset), 0.0, texts[text][:200]))


def _acqknowledge(scope: Tree, name: str, found: Found) -> bool:
    """AcqKnowledge: data [samples, channels], isi with isi_units, labels, units."""
    data, interval = scope.get("data"), _number(scope.get("isi"))
    if not (isinstance(data, np.ndarray) and data.ndim == 2 and data.dtype.kind in "fiu" and interval):
        return False
    texts, units = texts_of(scope.get("labels")), texts_of(scope.get("units"))
    factor = TIME_UNITS.get(_text_of(scope.get("isi_units")).strip().lower(), 1e-3)
    if not data.size or interval <= 0 or not is_rate(1 / (interval * factor)):
        return False
    data = data if data.shape[0] >= data.shape[1] else data.T
    count = data.shape[1]
    found.signals.append(
        Signals(
            name, data,
            texts if texts and len(texts) == count else None,
            units if units and len(units) == count else None,
            _tidy(1 / (interval * factor)),
        )
    )  # fmt: skip
    return True


def _spike(scope: Tree, name: str, found: Found) -> bool:
    """Spike2: a structure for each channel, waveforms with values and interval, events with times."""
    waves, marks = [], []
    for key, one in scope.items():
        if not isinstance(one, dict):
            continue
        values, interval = one.get("values"), _number(one.get("interval"))
        title = _text_of(one.get("title")).strip() or key
        if isinstance(values, np.ndarray) and interval and interval > 0 and _is_line(values):
            waves.append(
                (title, values.reshape(-1), _text_of(one.get("units")), interval, _number(one.get("start")))
            )
        elif isinstance(one.get("times"), np.ndarray) and "values" not in one:
            marks.append((title, one["times"].reshape(-1), one.get("codes"), texts_of(one.get("text"))))
    if not waves:
        return False
    groups: dict[tuple[float, int, float], list[Any]] = {}
    for wave in waves:
        start = wave[4] if wave[4] is not None and abs(wave[4]) < 1e9 else 0.0
        groups.setdefault((wave[3], len(wave[1]), start), []).append(wave)
    for (interval, _, start), members in groups.items():
        if not is_rate(1 / interval):
            continue
        rate = _tidy(1 / interval)
        found.signals.append(
            Signals(
                f"{name} {rate:g} Hz" if len(groups) > 1 else name,
                np.column_stack([m[1] for m in members]),
                tuple(m[0] for m in members),
                tuple(m[2] for m in members),
                rate,
                start,
            )
        )
    for title, times, codes, texts in marks:
        if times.dtype.kind != "f" or len(times) > _MOST_SEGMENTS:
            continue
        coded = isinstance(codes, np.ndarray) and codes.size and len(np.atleast_2d(codes)) == len(times)
        for i, onset in enumerate(times[np.isfinite(times)].tolist()):
            text = texts[i] if texts and len(texts) == len(times) and texts[i] else title
            if coded and text == title:
                text = f"{title} {np.atleast_2d(codes)[i, 0]:g}"
            found.annotations.append(Annotation(float(onset), 0.0, text[:200]))
    return bool(found.signals)


def _is_line(values: np.ndarray) -> bool:
    return values.dtype.kind in "fiu" and values.size > 1 and max(values.shape) == values.size
