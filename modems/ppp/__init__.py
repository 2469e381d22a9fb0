"""An IP stack of this computer, the module as its modem: dialling, PPP. See docs/ppp.md.

`line` is one call, `carrier` where it gets its bytes, `backends` what makes a stack of packets,
`forwarding` and `stack` the netsocket Stack of it all. A vendor's driver adds `SETTINGS` to its
own, and wraps its stack in `PppStack` when `data=ppp` was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

from atdriver.errors import EncodeError
from atdriver.ppp import Credentials, PppSettings
from atdriver.registry import Setting
from netsocket.cellular import AccessPointName, Authentication
from netsocket.errors import InvalidArgument

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "data",
        "module",
        "which IP stack: the module's own, or one of this computer over PPP",
        choices=("module", "ppp"),
    ),
    Setting(
        "ip",
        "auto",
        "with data=ppp: lwIP in a process of its own, or the kernel's through a TUN interface",
        choices=("auto", "lwip", "tun"),
    ),
)


@dataclass(frozen=True, slots=True)
class Dial:
    """How a module is told to carry PPP, and how to end that."""

    command: bytes = b"ATD*99***1#"
    """3GPP TS 27.007, 10.2.1.1: dial the packet service, context 1."""
    patience: float = 75.0
    """Seconds until CONNECT: the network may take its time to give a context."""
    guard: float = 1.1
    """Seconds of silence around `escape`."""
    escape: bytes = b"+++"
    hang_up: bytes = b"ATH"


def session_settings(name: AccessPointName) -> PppSettings:
    """How to log in: as the access point name says. With `chap` the password is never sent in the
    clear; with `pap` it may be, and a module that asks for CHAP gets that. Without either, a module
    that asks for a login all the same gets an empty one, as it expects. Raises InvalidArgument."""
    logins = ("pap", "chap") if name.authentication is Authentication.PAP else ("chap",)
    if name.authentication is Authentication.NONE:
        logins = ("chap", "pap")
    try:
        return PppSettings(Credentials(name.user, name.password), logins)
    except EncodeError as error:
        raise InvalidArgument(str(error)) from None


__all__ = ["SETTINGS", "Dial", "session_settings"]
