"""The one exception that is meant for the user's eyes."""

from __future__ import annotations


class EiferError(Exception):
    """Something the user can act on.

    The message is one sentence that says what is wrong, where, and what to do. Operators report
    it and the command line prints it, both without a traceback; any other exception is a bug.
    """
