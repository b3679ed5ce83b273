"""The one exception that is meant for the user's eyes."""

from __future__ import annotations

from pathlib import Path


def plain(text: str) -> str:
    """Text of a file on one line: what cannot be shown (control characters, line ends) is a blank."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


class EiferError(Exception):
    """Something the user can act on.

    The message is one sentence that says what is wrong, where, and what to do. Operators report
    it and the command line prints it, both without a traceback; any other exception is a bug.
    What a sentence quotes from a file is made `plain`.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(plain(sentence))


def unreadable(path: Path, error: OSError) -> EiferError:
    """For a file that is missing, or that the system does not let us read."""
    return EiferError(f"'{path.name}' cannot be read: {error.strerror or 'unknown reason'}.")
