"""Long work in a thread while Blender stays responsive; Esc cancels.

The thread never touches bpy: it works on arrays, and the operator's timer polls it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..pipeline import CancelledError, Progress


class Job:
    """A function running in a thread.

    function: called with a `Progress`; its return value is `result`. An exception it raises is kept
    in `error`; after `cancel`, the next progress call raises `CancelledError` in it.
    """

    def __init__(self, function: Callable[[Progress], object]) -> None:
        self.share = 0.0
        self.text = ""
        self.result: object = None
        self.error: BaseException | None = None
        self._function = function
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="EIFER job", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._function(self._progress)
        except BaseException as error:
            self.error = error

    def _progress(self, share: float, text: str) -> None:
        if self._cancelled.is_set():
            raise CancelledError
        self.share, self.text = share, text

    def cancel(self) -> None:
        """Ask the function to stop at its next progress call."""
        self._cancelled.set()

    @property
    def done(self) -> bool:
        """Whether the thread has ended."""
        return not self._thread.is_alive()

    def wait(self, seconds: float) -> bool:
        """Wait for the thread to end, for scripts; whether it has."""
        self._thread.join(seconds)
        return self.done
