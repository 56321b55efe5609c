"""Progress of a command on stderr: one line rewritten on a terminal, at most one line every five seconds elsewhere."""

from __future__ import annotations

import sys
from time import monotonic


class ProgressLine:
    """Progress on stderr: one line rewritten on a terminal, at most one line every five seconds elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._drawn = quiet, False
        self._terminal = sys.stderr.isatty()
        self._pause = 0.1 if self._terminal else 5.0
        self._next = monotonic() + (0.3 if self._terminal else self._pause)

    def __call__(self, fraction: float, message: str = "", *_partial: object) -> None:
        """Show a fraction between 0 and 1 with its message, if the last line is old enough."""
        if self._quiet or monotonic() < self._next:
            return
        self._next = monotonic() + self._pause
        line = f"{100 * min(max(fraction, 0.0), 1.0):3.0f} %  {message}"
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{line[:110]}")
            self._drawn = True
        else:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Wipe the line."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
