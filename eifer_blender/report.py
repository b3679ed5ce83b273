"""A take on one page: faces at the peaks, maps, strips, agreement, asymmetry, and where it all comes from.

The page is one HTML file that loads nothing and runs nothing.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import agreement, colours, drawing
from .agreement import Row, Side
from .drawing import Drawing, StripData
from .drawing.png import to_png
from .estimation import muscle_list
from .heads.face_picture import bar_drawing, face_drawing, face_picture
from .heads.head import ParametricHead
from .interchange.write import write_file
from .muscles import CHANNELS, MUSCLES, TOP_TO_BOTTOM, channel_label

_MAP = (360, 450)
_STRIPS = (1000.0, 430.0)
_THEME = drawing.LIGHT
_LEADING, _SHOWN = 3, 0.1  # muscles that are named at a peak, if they reach so much
PEAKS = 4
_APART_S, _APART_SHARE = 0.8, 0.06  # between two peaks: seconds, and share of the whole


class Peak(NamedTuple):
    """One moment; row counts from the first frame of the strips."""

    row: int
    picture: bytes | None = None  # PNG of the head


class ReportData(NamedTuple):
    """What a report shows."""

    title: str
    subtitle: str
    strips: StripData
    peaks: Sequence[Peak]
    rows: Sequence[Row]  # of `agreement.compare`; none without a recording
    notes: Sequence[str]
    provenance: Sequence[tuple[str, str]]


def find_peaks(strips: StripData, count: int = PEAKS) -> list[int]:
    """Rows of the strongest moments, apart from one another, in order of time.

    Strength is the sum over the channels of what was estimated, or of what was measured without it.
    """
    table = strips.estimated if strips.estimated is not None else strips.measured
    strength = np.nan_to_num(table).sum(1)
    apart = max(_APART_S * strips.fps, _APART_SHARE * len(strength))
    chosen: list[int] = []
    for row in np.argsort(-strength, kind="stable").tolist():
        if len(chosen) == count or strength[row] < _SHOWN:
            break
        if all(abs(row - other) >= apart for other in chosen):
            chosen.append(row)
    return sorted(chosen) or [int(strength.argmax())]


def write_report(path: Path | str, data: ReportData, head: ParametricHead, *, replace: bool = False) -> Path:
    """Write the page; EiferError if it cannot be written, or is there and `replace` is not asked for."""
    return write_file(path, report_html(data, head).encode(), replace=replace)


def report_html(data: ReportData, head: ParametricHead) -> str:
    """The page as text."""
    parts = [
        _header(data),
        _peaks(data, head),
        _section("Activity over time", _strips(data.strips)),
        _agreement(data.rows),
        _asymmetry(data.strips),
        _meaning(data),
        _provenance(data.provenance),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(data.title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


_STYLE = """
:root { color-scheme: light; --ink: #1b1c1e; --dim: #63666b; --line: #dfe0e2; }
* { box-sizing: border-box; }
body { margin: 0; background: #f3f3f1; color: var(--ink);
  font: 15px/1.5 system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 40px 44px 56px; background: #fff; }
h1 { font-size: 30px; line-height: 1.2; font-weight: 600; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 17px; font-weight: 600; margin: 38px 0 12px; padding-bottom: 6px;
  border-bottom: 1px solid var(--line); }
p { margin: 6px 0; max-width: 76ch; }
.dim, .sub { color: var(--dim); } .sub { margin-top: 4px; }
.figures { display: flex; gap: 16px 26px; margin: 22px 0 0; flex-wrap: wrap; }
.figures b { display: block; font-size: 23px; font-weight: 600; line-height: 1.2; }
.figures span { color: var(--dim); font-size: 13px; }
.peaks { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 16px; }
.peak { break-inside: avoid; }
.peak img, .peak svg { display: block; width: 100%; height: auto; border-radius: 4px; }
.peak h3 { margin: 0 0 6px; font-size: 14px; font-weight: 600; }
.peak figure { margin: 0 0 10px; } figcaption { color: var(--dim); font-size: 12.5px; margin-top: 3px;
  min-height: 6em; }
.bar { width: 96px; height: auto; }
.maps { display: flex; gap: 18px; align-items: flex-start; } .maps > .peaks { flex: 1; }
.strips svg { width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th { text-align: left; font-weight: 600; color: var(--dim); font-size: 12.5px; }
th, td { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; } td:first-child { white-space: nowrap; } tr { break-inside: avoid; }
.side { width: 40%; } .side svg { width: 100%; height: 15px; display: block; }
.code { white-space: normal; overflow-wrap: anywhere; font: 12.5px ui-monospace, Consolas, monospace; }
@media print { body { background: #fff; font-size: 11pt; } main { max-width: none; padding: 0; }
  @page { size: A4; margin: 15mm; } h2 { break-after: avoid; } }
"""


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>\n" if body else ""


def _figure(value: float, form: str = ".2f") -> str:
    return format(value, form).replace("-", "−") if math.isfinite(value) else "–"


# --- parts ----------------------------------------------------------------------------------------


def _header(data: ReportData) -> str:
    strips = data.strips
    told = 0 if strips.estimated is None else int(np.isfinite(strips.estimated).any(0).sum())
    recorded = 0 if strips.measured is None else int(np.isfinite(strips.measured).any(0).sum())
    figures = [(f"{strips.frames / strips.fps:.1f} s", f"{strips.frames} frames at {strips.fps:g} a second")]
    if recorded:
        figures.append((f"{recorded} of {len(CHANNELS)}", "channels measured"))
    if told:
        figures.append((f"{told} of {len(CHANNELS)}", "channels estimated from the face"))
    median = agreement.median_rho(data.rows)
    if math.isfinite(median):
        figures.append((_figure(median), "median rank correlation ρ"))
    for table, name in ((strips.measured, "measured"), (strips.estimated, "estimated")):
        lean = agreement.overall(agreement.asymmetry(table)) if table is not None else math.nan
        if math.isfinite(lean):
            figures.append((f"{lean:.0f} %", f"asymmetry, {name}"))
    items = "".join(f"<div><b>{escape(a)}</b><span>{escape(b)}</span></div>" for a, b in figures)
    return (
        f'<header><h1>{escape(data.title)}</h1><div class="sub">{escape(data.subtitle)}</div>'
        f'<div class="figures">{items}</div></header>\n'
    )


def _peaks(data: ReportData, head: ParametricHead) -> str:
    strips = data.strips
    cards = "".join(_peak(strips, peak, head) for peak in data.peaks)
    bar = bar_drawing(_MAP, _THEME, (0.0, 1.0), "Activity", colours.heat())
    side = f'<div class="bar">{drawing.to_svg(bar)}</div>'
    body = f'<div class="maps"><div class="peaks">{cards}</div>{side}</div>'
    return _section("Strongest moments", body)


def _peak(strips: StripData, peak: Peak, head: ParametricHead) -> str:
    seconds = peak.row / strips.fps
    figures = []
    if peak.picture:
        alt = f"The head in frame {strips.start_frame + peak.row}"
        figures.append(f"<figure>{_image(peak.picture, alt)}</figure>")
    for table, name in ((strips.measured, "Measured"), (strips.estimated, "Estimated")):
        if table is not None and np.isfinite(table[peak.row]).any():
            values = table[peak.row]
            caption = f"{name}: {leading(values)}"
            figures.append(f"<figure>{_map(head, values)}<figcaption>{escape(caption)}</figcaption></figure>")
    title = f"Frame {strips.start_frame + peak.row} ({seconds:.1f} s)"
    return f'<div class="peak"><h3>{title}</h3>{"".join(figures)}</div>'


def leading(values: np.ndarray) -> str:
    """The most active muscles of one moment [22], in words."""
    values = np.nan_to_num(values)
    order = [k for k in np.argsort(-values, kind="stable")[:_LEADING] if values[k] >= _SHOWN]
    return "; ".join(f"{channel_label(CHANNELS[k])} {100 * values[k]:.0f} %" for k in order) or "at rest"


def _map(head: ParametricHead, values: np.ndarray) -> str:
    picture = to_png(face_picture(head, values, _MAP))
    over = face_drawing(head, _MAP, _THEME, present=np.isfinite(values), labels=False)
    source = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    image = f'<image href="{source}" width="{_MAP[0]}" height="{_MAP[1]}"/>'
    svg = drawing.to_svg(over, "Map of the face")
    return svg.replace("</title>", f"</title>{image}", 1)


def _image(png: bytes, alt: str) -> str:
    return f'<img alt="{escape(alt)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _strips(strips: StripData) -> str:
    made = drawing.layout(strips, _STRIPS, _THEME)
    return f'<div class="strips">{drawing.to_svg(_plain(made), "Activity over time")}</div>'


def _plain(made: Drawing) -> Drawing:
    """Without the panel behind it: the page is white."""
    return made._replace(items=made.items[1:])


def _agreement(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    head = "".join(
        f'<th class="n">{title}</th>' for title in ("ρ", "RMSE", "SMAPE %", "Lag ms", "In 80 % band")
    )
    body = "".join(_agreement_row(rows[2 * k + side]) for k in TOP_TO_BOTTOM for side in (0, 1))
    told = (
        "<p>The estimate against the recording, frame by frame. ρ is Spearman's rank correlation, RMSE the "
        "root mean square difference (1 is the maximum of the session), SMAPE the symmetric mean absolute "
        "percentage error (0 to 200), lag the time by which the estimate follows; the band's share counts "
        "frames in which the muscle is active.</p>"
    )
    table = f"<table><thead><tr><th>Muscle</th>{head}</tr></thead><tbody>{body}</tbody></table>"
    return _section("Agreement with the recording", told + table)


def _agreement_row(row: Row) -> str:
    name = f"<td>{escape(channel_label(row.channel))}</td>"
    if row.reason and not math.isfinite(row.rho):
        return f'<tr>{name}<td class="dim" colspan="5">{escape(row.reason)}</td></tr>'
    texts = (
        _figure(row.rho),
        _figure(row.rmse, ".3f"),
        _figure(row.smape, ".0f"),
        _figure(1000 * row.lag_s, "+.0f"),
        f"{_figure(100 * row.within_band, '.0f')} %" if math.isfinite(row.within_band) else "–",
    )
    return f"<tr>{name}{''.join(f'<td class=n>{text}</td>' for text in texts)}</tr>"


def _asymmetry(strips: StripData) -> str:
    columns = [
        (name, agreement.asymmetry(table))
        for table, name in ((strips.measured, "Measured"), (strips.estimated, "Estimated"))
        if table is not None
    ]
    told = (
        "<p>100 (L − R) / (L + R) of the mean activity while either side is active: 100 is the left side "
        "alone, −100 the right side alone, 0 both alike. Left is the subject's left and drawn to the right, "
        "as a person looks at a person.</p>"
    )
    head = "".join(f'<th class="n">{name}</th><th class="side"></th>' for name, _sides in columns)
    body = "".join(
        f"<tr><td>{escape(MUSCLES[k].label)}</td>{''.join(_lean(sides[k]) for _n, sides in columns)}</tr>"
        for k in TOP_TO_BOTTOM
    )
    table = f"<table><thead><tr><th>Muscle</th>{head}</tr></thead><tbody>{body}</tbody></table>"
    return _section("Left and right", told + table)


def _lean(side: Side) -> str:
    if not math.isfinite(side.index):
        return '<td class="n dim">–</td><td></td>'
    x = 50 + side.index / 2
    bar = (
        '<svg viewBox="0 0 100 10" preserveAspectRatio="none">'
        '<rect x="0" y="4.6" width="100" height="0.8" fill="#dfe0e2"/>'
        f'<rect x="{min(x, 50):.1f}" y="2" width="{max(abs(x - 50), 0.4):.1f}" height="6" fill="#cc5705"/>'
        '<rect x="49.8" y="0" width="0.4" height="10" fill="#63666b"/></svg>'
    )
    return f'<td class="n">{_figure(side.index, "+.0f")}</td><td class="side">{bar}</td>'


def _meaning(data: ReportData) -> str:
    hidden = muscle_list(data.strips.hidden)
    sentences = [
        "Activity is 0 % at rest and 100 % at the strongest contraction of the session; it says nothing "
        "about microvolts.",
    ]
    if data.strips.estimated is not None:
        sentences.append(
            "Estimated activity is what a model reads from the face's movement. The bundled model learnt "
            "from simulated people. It is an estimate, no measurement, and no basis for a diagnosis."
        )
        sentences.append("Muscles that pull against each other hardly move the face, and are told too low.")
    if hidden:
        sentences.append(f"A face does not show the {hidden}; grey on the maps is unknown, not rest.")
    body = "".join(f"<p>{escape(sentence)}</p>" for sentence in (*sentences, *data.notes))
    return _section("How to read this", body)


def _provenance(pairs: Sequence[tuple[str, str]]) -> str:
    rows = "".join(
        f'<tr><td class="dim">{escape(name)}</td><td class="code">{escape(value)}</td></tr>'
        for name, value in pairs
    )
    return _section("Where it comes from", f"<table><tbody>{rows}</tbody></table>" if rows else "")
