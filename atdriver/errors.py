"""What can go wrong between the host and a module, as OSError subclasses with attributes.

Nothing else leaves this package: a caller that catches OSError catches everything, one that wants
to know more reads the attributes. Socket-level errors live in the Socket API's own package.
"""

from __future__ import annotations

import errno
import os


class ATError(OSError):
    """Base of every error of the AT engine; `errno` is always set.

    `payload_written` tells whether payload of the command that failed had gone out."""

    default_errno = errno.EIO
    payload_written = False

    def __init__(self, message: str, *, number: int | None = None) -> None:
        super().__init__(number if number is not None else self.default_errno, message)

    def __str__(self) -> str:
        return str(self.strerror)


class EncodeError(ATError, ValueError):
    """A caller's string cannot be put on a command line safely; nothing was written."""

    default_errno = errno.EINVAL


class MalformedReply(ATError):
    """The module answered something that its own grammar does not allow."""


class CommandFailed(ATError):
    """The module ended a command with an error.

    `final` is the line that ended it, `reasons` the lines before it that explain it, `code` the
    number in a `+CME ERROR: <n>` or None.
    """

    def __init__(
        self,
        command: str,
        final: bytes,
        reasons: tuple[bytes, ...] = (),
        code: int | None = None,
    ) -> None:
        shown = ", ".join(os.fsdecode(line) for line in (*reasons, final))
        super().__init__(f"{command}: {shown}")
        self.command = command
        self.final = final
        self.reasons = reasons
        self.code = code


class CommandTimeout(ATError, TimeoutError):
    """No final result came within the command's own limit (`timeout`, seconds)."""

    default_errno = errno.ETIMEDOUT

    def __init__(self, command: str, timeout: float) -> None:
        super().__init__(f"{command}: no answer within {timeout:g} s")
        self.command = command
        self.timeout = timeout


class ReplyCorrupt(ATError):
    """A counted answer did not end where its length said, or an answer did not end at all: bytes
    were lost or added on the line."""


class CommandDropped(ATError):
    """What the command was for had ended before its turn came: nothing was written."""

    default_errno = errno.ECANCELED


class ModuleBusy(ATError):
    """The module kept answering "busy" to this command."""

    default_errno = errno.EBUSY


class RestartSeen(ATError, ConnectionResetError):
    """The module restarted while the command was under way."""

    default_errno = errno.ECONNRESET


class ModuleSilent(ATError, TimeoutError):
    """Nothing that looks like an AT module answers.

    `rates` are the baud rates tried, `sample` the first bytes that were seen (may be empty).
    """

    default_errno = errno.ETIMEDOUT

    def __init__(self, message: str, rates: tuple[int, ...] = (), sample: bytes = b"") -> None:
        super().__init__(message)
        self.rates = rates
        self.sample = sample


class PortLost(ATError, ConnectionError):
    """The port went away (unplugged, peer closed) or the channel was closed."""

    default_errno = errno.ENODEV

    def __init__(self, message: str, payload_written: bool = False) -> None:
        super().__init__(message)
        self.payload_written = payload_written


class WrongModule(ATError):
    """Another module answers where the one was that a reopened port belonged to; it was left alone.

    `expected` and `found` are the modules' own numbers (IMEI, MAC address)."""

    default_errno = errno.ENODEV

    def __init__(self, message: str, expected: str, found: str) -> None:
        super().__init__(message)
        self.expected = expected
        self.found = found


class PortMissing(ATError, FileNotFoundError):
    """There is no such port."""

    default_errno = errno.ENOENT


class PortDenied(ATError, PermissionError):
    """The port exists and this user may not open it."""

    default_errno = errno.EACCES


class PortBusy(ATError):
    """Another program holds the port; `holder` names it where the system tells."""

    default_errno = errno.EBUSY

    def __init__(self, message: str, holder: str = "") -> None:
        super().__init__(message)
        self.holder = holder


class SpecificationError(ATError, ValueError):
    """A modem specification or a setting is not valid; the message says what is."""

    default_errno = errno.EINVAL


class UnknownModule(SpecificationError):
    """No driver of that name is installed."""


class UnsupportedFirmware(ATError):
    """The module answers, but its firmware is not one this driver can drive."""

    default_errno = errno.EOPNOTSUPP
