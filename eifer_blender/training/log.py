"""The log of a training: a CSV for any program, and a picture of its curves."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_HEAD = "step,seconds,loss,validation\n"
_WIDTH, _HEIGHT, _MARGIN = 640, 320, 52
_COLOURS = {"loss": "#7a8aa0", "validation": "#d9772b"}


class Log:
    """Rows of step, seconds, training loss and validation loss; written to disk as they come."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, step: int) -> None:
        """Start anew at step 0, or keep the rows up to a step that a checkpoint goes on from."""
        rows = [row for row in self.rows() if row[0] <= step] if step else []
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(_HEAD + "".join(_line(row) for row in rows), encoding="utf-8")

    def add(self, step: int, seconds: float, loss: float, validation: float) -> None:
        """One more row."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line((step, seconds, loss, validation)))

    def rows(self) -> list[tuple[float, ...]]:
        """All rows; none if there is no log."""
        if not self.path.is_file():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines()[1:]
        return [tuple(map(float, line.split(","))) for line in lines if line.count(",") == 3]

    def plot(self) -> Path | None:
        """An SVG of both curves beside the log; None if there is nothing to draw."""
        rows = np.array(self.rows())
        if len(rows) < 2:
            return None
        path = self.path.with_suffix(".svg")
        path.write_text(_picture(rows), encoding="utf-8")
        return path


def _line(row: tuple[float, ...]) -> str:
    step, seconds, loss, validation = row
    return f"{int(step)},{seconds:.1f},{loss:.6g},{validation:.6g}\n"


def _picture(rows: np.ndarray) -> str:
    """Both losses over the steps, on a logarithmic scale."""
    values = np.log10(np.maximum(rows[:, 2:], 1e-9))
    low, high = values.min(), values.max() + 1e-6
    x = _MARGIN + rows[:, 0] / rows[-1, 0] * (_WIDTH - 1.5 * _MARGIN)
    y = _HEIGHT - _MARGIN - (values - low) / (high - low) * (_HEIGHT - 1.7 * _MARGIN)
    lines = []
    for k, (name, colour) in enumerate(_COLOURS.items()):
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y[:, k], strict=True))
        lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{points}"/>')
        lines.append(f'<text x="{_MARGIN + 120 * k}" y="24" fill="{colour}">{name}</text>')
    marks = [
        f'<text x="8" y="{_HEIGHT - _MARGIN:.0f}">{10**low:.3g}</text>',
        f'<text x="8" y="{0.7 * _MARGIN + 4:.0f}">{10**high:.3g}</text>',
        f'<text x="{_WIDTH - _MARGIN}" y="{_HEIGHT - 20}" text-anchor="end">{int(rows[-1, 0])} steps</text>',
        f'<path d="M{_MARGIN} 26V{_HEIGHT - _MARGIN + 6}H{_WIDTH - 20}" stroke="#999" fill="none"/>',
    ]
    body = "\n".join([*marks, *lines])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif" font-size="13" fill="#555">\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>\n{body}\n</svg>\n'
    )
