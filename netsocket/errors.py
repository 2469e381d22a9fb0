"""Errors of the Socket API.

Every error is an `OSError` with the errno that a program written for the operating system's
sockets expects, and inherits from the matching built-in class as well, so that
`except ConnectionRefusedError` works. Beyond that it carries

- `nsapi`: name and number of the common Socket API (Mbed OS `nsapi_types.h`),
- `reason`: the sentence alone, without numbers,
- `module_code`: what the module itself said, as text, or None,
- `accepted`, `unknown`: for failed sends, bytes surely taken and bytes of which nobody can know.

All can be pickled.
"""

from __future__ import annotations

import errno as _errno
import socket
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from netsocket.capability.model import Capability


class Nsapi(IntEnum):
    """Result codes of the common Socket API (complete; codes below -3020 do not exist)."""

    OK = 0
    WOULD_BLOCK = -3001
    UNSUPPORTED = -3002
    PARAMETER = -3003
    NO_CONNECTION = -3004
    NO_SOCKET = -3005
    NO_ADDRESS = -3006
    NO_MEMORY = -3007
    NO_SSID = -3008
    DNS_FAILURE = -3009
    DHCP_FAILURE = -3010
    AUTH_FAILURE = -3011
    DEVICE_ERROR = -3012
    IN_PROGRESS = -3013
    ALREADY = -3014
    IS_CONNECTED = -3015
    CONNECTION_LOST = -3016
    CONNECTION_TIMEOUT = -3017
    ADDRESS_IN_USE = -3018
    TIMEOUT = -3019
    BUSY = -3020


def _rebuild(
    kind: type[NetsocketError], args: tuple[Any, ...], state: dict[str, Any]
) -> NetsocketError:
    error = kind.__new__(kind)
    OSError.__init__(error, *args)
    error.__dict__.update(state)
    return error


class NetsocketError(OSError):
    """Base of all errors raised by sockets and interfaces of this package."""

    nsapi: Nsapi
    module_code: str | None
    reason: str
    accepted: int = 0
    unknown: int = 0

    def __init__(
        self, message: str, *, errno: int, nsapi: Nsapi, module_code: str | None = None
    ) -> None:
        text = message if module_code is None else f"{message} (module: {module_code})"
        super().__init__(errno, text)
        self.reason = message
        self.nsapi = nsapi
        self.module_code = module_code

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self.args, dict(self.__dict__))


class _FixedError(NetsocketError):
    """An error whose errno and code belong to its class."""

    ERRNO: ClassVar[int]
    NSAPI: ClassVar[Nsapi]

    def __init__(self, message: str, *, module_code: str | None = None) -> None:
        super().__init__(message, errno=self.ERRNO, nsapi=self.NSAPI, module_code=module_code)


class NotSupported(NetsocketError):
    """The stack cannot do this; `capability` is the record that says why."""

    capability: Capability

    def __init__(
        self,
        capability: Capability,
        message: str | None = None,
        *,
        errno: int = _errno.EOPNOTSUPP,
        module_code: str | None = None,
    ) -> None:
        if message is None:
            message = capability.id + " is not supported"
            if capability.because:
                message += f": {capability.because}"
        super().__init__(message, errno=errno, nsapi=Nsapi.UNSUPPORTED, module_code=module_code)
        self.capability = capability


class WouldBlock(_FixedError, BlockingIOError):
    """Nothing could be done now, and the socket does not wait."""

    ERRNO = _errno.EAGAIN
    NSAPI = Nsapi.WOULD_BLOCK


class CallTimeout(_FixedError, TimeoutError):
    """The socket's time-out ran out before the call could finish."""

    ERRNO = _errno.ETIMEDOUT
    NSAPI = Nsapi.WOULD_BLOCK


class InProgress(_FixedError, BlockingIOError):
    """A non-blocking connect was started."""

    ERRNO = _errno.EINPROGRESS
    NSAPI = Nsapi.IN_PROGRESS


class AlreadyInProgress(_FixedError, BlockingIOError):
    """A non-blocking connect is still under way."""

    ERRNO = _errno.EALREADY
    NSAPI = Nsapi.ALREADY


class AlreadyConnected(_FixedError):
    """Connect on a connected socket."""

    ERRNO = _errno.EISCONN
    NSAPI = Nsapi.IS_CONNECTED


class NotConnected(_FixedError):
    """Send, receive or shutdown on a stream without a connection."""

    ERRNO = _errno.ENOTCONN
    NSAPI = Nsapi.NO_CONNECTION


class ConnectionRefused(_FixedError, ConnectionRefusedError):
    """The peer refused, and the stack told so."""

    ERRNO = _errno.ECONNREFUSED
    NSAPI = Nsapi.NO_CONNECTION


class ConnectTimeout(_FixedError, TimeoutError):
    """No answer to a connection attempt in time."""

    ERRNO = _errno.ETIMEDOUT
    NSAPI = Nsapi.CONNECTION_TIMEOUT


class HostUnreachable(_FixedError):
    """Connecting failed and the stack does not tell the cause."""

    ERRNO = _errno.EHOSTUNREACH
    NSAPI = Nsapi.NO_CONNECTION


class ConnectionReset(_FixedError, ConnectionResetError):
    """The connection broke without an orderly end."""

    ERRNO = _errno.ECONNRESET
    NSAPI = Nsapi.CONNECTION_LOST


class BrokenPipe(_FixedError, BrokenPipeError):
    """Send after the peer closed, or after shutdown of the sending side."""

    ERRNO = _errno.EPIPE
    NSAPI = Nsapi.NO_CONNECTION


class ModuleRestarted(_FixedError, ConnectionResetError):
    """The module restarted; every socket it had is gone."""

    ERRNO = _errno.ECONNRESET
    NSAPI = Nsapi.DEVICE_ERROR


class SendUnknown(NetsocketError, ConnectionResetError):
    """Nobody can know how much of a send arrived; the connection is broken, nothing is resent.

    `accepted` bytes were surely taken, of the next `unknown` bytes any prefix may have been.
    """

    def __init__(
        self,
        message: str,
        *,
        accepted: int = 0,
        unknown: int = 0,
        module_code: str | None = None,
    ) -> None:
        super().__init__(
            message,
            errno=_errno.ECONNRESET,
            nsapi=Nsapi.CONNECTION_LOST,
            module_code=module_code,
        )
        self.accepted = accepted
        self.unknown = unknown


class NameNotFound(_FixedError, socket.gaierror):
    """The name does not exist, as far as the stack's resolver can tell."""

    ERRNO = socket.EAI_NONAME
    NSAPI = Nsapi.DNS_FAILURE


class NameTryAgain(_FixedError, socket.gaierror):
    """The resolver did not answer; a later attempt may succeed."""

    ERRNO = socket.EAI_AGAIN
    NSAPI = Nsapi.DNS_FAILURE


class NetworkDown(_FixedError):
    """The interface is not attached."""

    ERRNO = _errno.ENETDOWN
    NSAPI = Nsapi.NO_CONNECTION


class NetworkNotFound(_FixedError):
    """The wanted network (SSID, operator) is not in reach."""

    ERRNO = _errno.ENETUNREACH
    NSAPI = Nsapi.NO_SSID


class NetworkTimeout(_FixedError, TimeoutError):
    """The interface could not attach in time."""

    ERRNO = _errno.ETIMEDOUT
    NSAPI = Nsapi.CONNECTION_TIMEOUT


class AuthenticationFailed(_FixedError, PermissionError):
    """Password, PIN or APN credentials were refused."""

    ERRNO = _errno.EACCES
    NSAPI = Nsapi.AUTH_FAILURE


class DhcpFailed(_FixedError):
    """Joined the network but got no address."""

    ERRNO = _errno.EADDRNOTAVAIL
    NSAPI = Nsapi.DHCP_FAILURE


class NoSocket(_FixedError):
    """The stack has no free socket."""

    ERRNO = _errno.EMFILE
    NSAPI = Nsapi.NO_SOCKET


class BadHandle(_FixedError):
    """The socket is closed, or belongs to an earlier life of the module."""

    ERRNO = _errno.EBADF
    NSAPI = Nsapi.NO_SOCKET


class MessageTooLong(_FixedError):
    """The datagram is longer than this stack can send; nothing was sent."""

    ERRNO = _errno.EMSGSIZE
    NSAPI = Nsapi.PARAMETER


class PayloadIncomplete(NetsocketError):
    """A datagram came, but the stack lost a part of it; the socket goes on with the next.

    `text` are the bytes that came, `count` how many there were (errno EBADMSG)."""

    def __init__(
        self,
        message: str,
        *,
        text: bytes = b"",
        count: int = 0,
        module_code: str | None = None,
    ) -> None:
        super().__init__(
            message,
            errno=_errno.EBADMSG,
            nsapi=Nsapi.DEVICE_ERROR,
            module_code=module_code,
        )
        self.text = text
        self.count = count


class DestinationRequired(_FixedError):
    """A datagram without destination on a socket without a fixed peer."""

    ERRNO = _errno.EDESTADDRREQ
    NSAPI = Nsapi.NO_ADDRESS


class AddressInUse(_FixedError):
    """The local port is taken."""

    ERRNO = _errno.EADDRINUSE
    NSAPI = Nsapi.PARAMETER


class AddressNotAvailable(_FixedError):
    """The local address is not one of this interface."""

    ERRNO = _errno.EADDRNOTAVAIL
    NSAPI = Nsapi.PARAMETER


class AddressFamilyNotSupported(_FixedError):
    """The address is of a family that this stack does not speak."""

    ERRNO = _errno.EAFNOSUPPORT
    NSAPI = Nsapi.PARAMETER


class NoBuffers(_FixedError):
    """The stack is out of memory for this operation."""

    ERRNO = _errno.ENOBUFS
    NSAPI = Nsapi.NO_MEMORY


class DeviceError(_FixedError):
    """The module refused or failed without a cause that has a better name."""

    ERRNO = _errno.EIO
    NSAPI = Nsapi.DEVICE_ERROR


class ModuleBusy(_FixedError):
    """The module cannot take another operation now; a later attempt may succeed."""

    ERRNO = _errno.EBUSY
    NSAPI = Nsapi.BUSY


class InvalidArgument(_FixedError):
    """An argument, or the socket's state, does not fit the call."""

    ERRNO = _errno.EINVAL
    NSAPI = Nsapi.PARAMETER


_BY_ERRNO: dict[int, type[_FixedError]] = {
    kind.ERRNO: kind
    for kind in (
        WouldBlock,
        AlreadyConnected,
        NotConnected,
        ConnectionRefused,
        ConnectTimeout,
        HostUnreachable,
        ConnectionReset,
        BrokenPipe,
        NetworkDown,
        NetworkNotFound,
        AuthenticationFailed,
        NoSocket,
        BadHandle,
        MessageTooLong,
        DestinationRequired,
        AddressInUse,
        AddressNotAvailable,
        AddressFamilyNotSupported,
        NoBuffers,
        ModuleBusy,
        InvalidArgument,
    )
}


def from_os_error(error: OSError) -> NetsocketError:
    """The error of this package for one of the operating system; EIO becomes DeviceError."""
    if isinstance(error, NetsocketError):
        return error
    text = error.strerror or str(error)
    if isinstance(error, socket.gaierror):
        again = error.errno == socket.EAI_AGAIN
        return NameTryAgain(text) if again else NameNotFound(text)
    number = error.errno or _errno.EIO
    kind = _BY_ERRNO.get(number)
    if kind is not None:
        return kind(text)
    return NetsocketError(text, errno=number, nsapi=Nsapi.DEVICE_ERROR)
