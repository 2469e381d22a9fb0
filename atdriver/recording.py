"""What a channel shows of its traffic: a trace, if one is kept, and no secret anywhere."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable

from atdriver.exchange import Command, mask
from atdriver.trace import Trace

log = logging.getLogger("atdriver.channel")


class Recording:
    """The trace of one channel, from opening to closing, and the secrets of all its commands.

    A disk that is full ends the trace and nothing else.
    """

    def __init__(self, name: str, make: Callable[[], Trace] | None) -> None:
        self.make = make
        """What makes the next trace, None for none."""
        self.trace: Trace | None = None
        """The one that is being written. Who has much to say looks first whether there is one."""
        self._name = name
        self._secrets: set[bytes] = set()

    def open(self) -> None:
        """Begin a trace, if one is wanted. Raises OSError where its file cannot be written."""
        if self.make is not None:
            self.trace = self.make()

    def close(self) -> None:
        """End it. Idempotent."""
        trace, self.trace = self.trace, None
        if trace is not None:
            with contextlib.suppress(OSError):
                trace.close()

    def begin(self, command: Command) -> None:
        """This command is about to be written: its secrets are known from now on."""
        if command.secrets:
            self._secrets.update(command.hidden)
        if self.trace is not None:
            self._call(self.trace.begin, command)

    def passed(self, direction: str, data: bytes) -> None:
        """Bytes to the module (">") or from it ("<")."""
        if self.trace is not None:
            self._call(self.trace.record, direction, data)

    def note(self, text: str) -> None:
        """A remark beside the bytes."""
        if self.trace is not None:
            self._call(self.trace.note, text.encode("ascii", "backslashreplace").decode())

    def flush(self) -> None:
        """Put it into its file, for who reads it meanwhile."""
        if self.trace is not None:
            self._call(self.trace.flush)

    def masked(self, data: bytes) -> bytes:
        """Bytes as they may be shown to people."""
        return mask(data, self._secrets)

    def _call(self, call: Callable[..., None], *arguments: object) -> None:
        try:
            call(*arguments)
        except OSError as error:
            log.warning("%s: the trace ends here: %s", self._name, error)
            self.close()
