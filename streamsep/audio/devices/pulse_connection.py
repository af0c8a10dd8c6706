"""A connection of pulsectl's, but for what it leaves in memory that isn't its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulsectl


class PulseConnection(pulsectl.Pulse):  # type: ignore[misc]
    """Gives objects whose sample specifications stay what they were.

    pulsectl copies an object's texts and numbers, and keeps a view of its ``sample_spec``: of
    libpulse's memory, which is used for something else once the answer has been taken in.
    """

    def _pulse_info_cb(self, info_cls: Callable[[Any], Any], *arguments: Any) -> None:
        def copied(struct: Any) -> Any:
            found = info_cls(struct)
            if hasattr(found, "sample_spec"):
                spec = found.sample_spec
                found.sample_spec = type(spec).from_buffer_copy(spec)
            return found

        super()._pulse_info_cb(copied, *arguments)

    def _pulse_state_cb(self, *arguments: Any) -> None:
        """Have a connection within a time return as soon as it is there, not at the time's end."""
        super()._pulse_state_cb(*arguments)
        if self.connected:
            self._loop_stop = True
