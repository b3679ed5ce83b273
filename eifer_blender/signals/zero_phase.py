"""Zero-phase recursive filters over recordings of any length, block by block and exactly.

A filter H run forward and backward has the symmetric impulse response g[n] = g[-n], the
autocorrelation of h. With a state-space realisation (A, B, C, D) of H and P = A P A' + B B' it is

    g[0] = C P C' + D D',    g[n] = C A^(n-1) N,    N = A P C' + B D       (n > 0)

(Anderson & Moore, Optimal Filtering, 1979, on spectral factorisation). So the output is a
short symmetric convolution within a block, plus what a state of A's few dimensions carries in from the
past and one carries in from the future. All three are matrix products over many short blocks at
once, which is several times as fast as a recursion sample by sample.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

_STEP = 64  # samples in a short block: products within it and states at its edges cost about the same
_GROUP = 16  # short blocks whose states are computed side by side
_DOUBLINGS = 60  # more than any stable filter in double precision needs
_FORGOTTEN = 1e-8  # the future is left out where its influence has fallen to this
_MOST_AHEAD = 8_000_000  # samples of all channels that may wait for their future

Read = Callable[[int, int], tuple[np.ndarray, np.ndarray | None]]
"""(first row, row after the last) -> (float64 [rows, channels], valid bool or None for all)."""


class Design(NamedTuple):
    """Matrices of a zero-phase filter for blocks of `_STEP` samples; r is its order."""

    outputs: np.ndarray  # [step, step + 2 r]: of the block's samples, and of the states before and after it
    inputs: np.ndarray  # [2 r, step]: what the block adds to both states
    powers: np.ndarray  # [group + 1, r, r]: transitions over 0, 1, 2 ... blocks
    settled: np.ndarray  # [r, 1]: the state after a constant 1
    reach: int  # samples after which the response is forgotten

    @property
    def order(self) -> int:
        """Number of states."""
        return len(self.inputs) // 2

    def cast(self, dtype: type) -> Design:
        """The same in another precision."""
        return Design(*(part.astype(dtype) for part in self[:4]), self.reach)


def design(sos: np.ndarray) -> Design:
    """Block form of the second-order sections [k, 6] run forward and backward."""
    a, b, c, d = _state_space(sos)
    gramian = _gramian(a, b)
    n = a @ gramian @ c.T + b @ d
    order = len(a)
    response, outputs, inputs = np.empty(_STEP), np.empty((_STEP, order)), np.empty((order, _STEP))
    response[0] = (c @ gramian @ c.T + d @ d.T)[0, 0]
    power = np.eye(order)
    for i in range(_STEP):
        outputs[i] = (c @ power)[0]
        inputs[:, _STEP - 1 - i] = (power @ n)[:, 0]
        power = a @ power
    response[1:] = outputs[:-1] @ n[:, 0]
    within = response[np.abs(np.subtract.outer(np.arange(_STEP), np.arange(_STEP)))]
    radius = min(float(np.abs(np.linalg.eigvals(a)).max()), 1.0 - 1e-9)
    return Design(
        np.hstack([within, outputs, outputs[::-1]]),
        np.vstack([inputs, inputs[:, ::-1]]),
        _powers(power, _GROUP),
        np.linalg.solve(np.eye(order) - a, n),
        int(np.ceil(np.log(_FORGOTTEN) / np.log(radius))),
    )


def _gramian(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """P = A P A' + B B' by doubling (Smith 1968), which stays exact where poles crowd at 1."""
    p, power = b @ b.T, a
    for _ in range(_DOUBLINGS):
        if np.abs(power).max() < 1e-150:
            break
        p = p + power @ p @ power.T
        power = power @ power
    return p


def _powers(matrix: np.ndarray, most: int) -> np.ndarray:
    """Powers 0 ... `most` of a matrix [r, r], as [most + 1, r, r]."""
    powers = [np.eye(len(matrix))]
    for _ in range(most):
        powers.append(matrix @ powers[-1])
    return np.stack(powers)


def _state_space(sos: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(A, B, C, D) of sections one after another, each with its states in rotation form.

    A pair of poles close to each other, as low band edges give, stays well conditioned as a rotation.
    """
    a, b = np.zeros((0, 0)), np.zeros((0, 1))
    c, d = np.zeros((1, 0)), np.ones((1, 1))
    for b0, b1, b2, _, a1, a2 in sos / sos[:, 3:4]:
        block, drive = np.array([[-a1, -a2], [1.0, 0.0]]), np.array([[1.0], [0.0]])
        read = np.array([[b1 - a1 * b0, b2 - a2 * b0]])
        root = np.sqrt(complex(a1 * a1 / 4 - a2))
        if abs(root.imag) > 1e-12:
            # Columns: real and imaginary part of an eigenvector.
            turn = np.array([[-a1 / 2, root.imag], [1.0, 0.0]])
            inverse = np.linalg.inv(turn)
            block, drive, read = inverse @ block @ turn, inverse @ drive, read @ turn
        a = np.block([[a, np.zeros((len(a), 2))], [drive @ c, block]])
        b = np.vstack([b, drive @ d])
        c, d = np.hstack([b0 * c, read]), b0 * d
    return a, b, c, d


class _Ends(NamedTuple):
    """What is needed to go on beyond the ends of a recording."""

    rows: int
    pad: int  # rows of reflection
    first: np.ndarray  # [1, channels]
    last: np.ndarray


class _Waiting(NamedTuple):
    """A block whose past is in, and whose future is still to come."""

    start: int
    stack: np.ndarray  # [short blocks, step + 2 r, channels]: samples, state before, state after
    valid: np.ndarray | None
    carry: np.ndarray  # [r, channels]: what the block adds to the state of the future before it


def filter_blocks(
    read: Read,
    rows: int,
    offset: np.ndarray,
    form: Design,
    size: int,
    dtype: type = np.float64,
) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
    """(first row, filtered [rows, channels], valid) from beginning to end.

    `read` gives samples, which are not changed and may be a view; `offset` [channels], about their mean,
    is taken off, which changes nothing but rounding. `size` is the rows read at once, a multiple of 64.
    In float32 the error is about 1e-7 of what goes in, so drift and hum must not be much larger
    than what is left.

    At both ends the signal goes on as its own reflection in the last point, as far as the filter
    reaches or the signal lasts, and is constant from there on. Equal to `scipy.signal.sosfiltfilt`
    with so much padding.
    """
    form, channels = form.cast(dtype), len(offset)
    pad = min(form.reach, max(rows - 1, 0))
    ahead = max(1, min(-(-form.reach // size), _MOST_AHEAD // (size * channels)))
    ends = _Ends(rows, pad, read(0, 1)[0], read(rows - 1, rows)[0])
    starts = range(-pad, rows + pad, size)
    powers = _powers(form.powers[1], size // _STEP)
    before = form.settled * _level(_extended(read, -pad, 1 - pad, ends)[0][0], offset, dtype)
    waiting: deque[_Waiting] = deque()
    for start in starts:
        x, valid = _extended(read, start, start + size, ends)
        block, before = _arrive(form, start, x, offset, valid, before)
        waiting.append(block)
        at_end = start == starts[-1]
        future = form.settled * _level(x[-1], offset, dtype) if at_end else np.zeros_like(before)
        while len(waiting) > (0 if at_end else ahead):
            after = future
            for later in list(waiting)[:0:-1]:
                after = later.carry + powers[-1] @ after
            done = waiting.popleft()
            low, high = max(0, -done.start), min(size, rows - done.start)
            if low < high:
                yield done.start + low, _finish(form, done, after, powers)[low:high], done.valid


def _extended(read: Read, start: int, stop: int, ends: _Ends) -> tuple[np.ndarray, np.ndarray | None]:
    """Samples [stop - start, channels] of the recording and its reflections; `valid` of those inside."""
    rows = ends.rows
    if start >= 0 and stop <= rows:
        return read(start, stop)
    parts, valid = [], None
    if start < 0:
        distance = np.minimum(-np.arange(start, min(stop, 0)), ends.pad)
        mirrored = read(distance[-1], distance[0] + 1)[0]
        parts.append(2 * ends.first - mirrored[distance - distance[-1]])
    if start < rows and stop > 0:
        inside, valid = read(max(start, 0), min(stop, rows))
        parts.append(inside)
    if stop > rows:
        distance = np.minimum(np.arange(max(start, rows), stop) - (rows - 1), ends.pad)
        mirrored = read(rows - 1 - distance[-1], rows - distance[0])[0]
        parts.append(2 * ends.last - mirrored[distance[-1] - distance])
    return np.concatenate(parts), valid


def _level(x: np.ndarray, offset: np.ndarray, dtype: type) -> np.ndarray:
    return (x - offset).astype(dtype)


def _arrive(
    form: Design,
    start: int,
    x: np.ndarray,
    offset: np.ndarray,
    valid: np.ndarray | None,
    before: np.ndarray,
) -> tuple[_Waiting, np.ndarray]:
    """(block with its past, state of the past after it)."""
    r, channels = form.order, x.shape[1]
    stack = np.empty((len(x) // _STEP, _STEP + 2 * r, channels), before.dtype)
    short = x.reshape(-1, _STEP, channels)
    np.subtract(short, offset.astype(x.dtype), out=stack[:, :_STEP], casting="same_kind")
    driven = form.inputs @ stack[:, :_STEP]
    both = np.stack([driven[:, :r], driven[::-1, r:]])
    states, (after, carry) = _states(form, both, np.stack([before, np.zeros_like(before)]))
    stack[:, _STEP : _STEP + r] = states[0]
    stack[:, _STEP + r :] = states[1, ::-1]
    return _Waiting(start, stack, valid, carry), after


def _states(form: Design, driven: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(states before each of the short blocks [2, k, r, channels], states after the last one).

    Groups of blocks start from nothing, all at once; then each gets what the group before left.
    """
    both, count, r, channels = driven.shape
    groups = -(-count // _GROUP)
    if groups * _GROUP > count:
        driven = np.concatenate(
            [driven, np.zeros((both, groups * _GROUP - count, r, channels), state.dtype)], axis=1
        )
    driven = driven.reshape(both, groups, _GROUP, r, channels)
    states = np.empty_like(driven)
    left = np.zeros((both, groups, r, channels), state.dtype)
    for j in range(_GROUP):
        states[:, :, j] = left
        left = form.powers[1] @ left
        left += driven[:, :, j]
    entering = np.empty_like(left)
    for g in range(groups):
        entering[:, g] = state
        state = form.powers[_GROUP] @ state + left[:, g]
    states += form.powers[:_GROUP] @ entering[:, :, None]
    states = states.reshape(both, -1, r, channels)[:, :count]
    return states, form.powers[1] @ states[:, -1] + driven.reshape(both, -1, r, channels)[:, count - 1]


def _finish(form: Design, done: _Waiting, after: np.ndarray, powers: np.ndarray) -> np.ndarray:
    """The block's output [size, channels], once the state after it is known."""
    done.stack[:, _STEP + form.order :] += powers[len(done.stack) - 1 :: -1] @ after
    y = form.outputs @ done.stack
    return y.reshape(-1, y.shape[-1])
