"""What can go wrong with a call, in the words of the Socket API."""

from __future__ import annotations

from atdriver.ppp import AuthenticationRefused, PeerSilent
from netsocket import errors

_WHY = {
    "NO CARRIER": "the network gave no data connection (is the APN right? is it allowed here?)",
    "BUSY": "the module says that the line is busy",
    "NO DIALTONE": "the module has no packet service",
    "NO ANSWER": "the network does not answer",
    "": "the module answered nothing",
}


class DialFailed(errors.NetworkDown):
    """The module did not go to data mode; `result` is what it said ("" for nothing)."""

    def __init__(self, command: str, result: str) -> None:
        why = _WHY.get(result, "the module refused")
        said = f" ({result})" if result else ""
        super().__init__(f"{command}: {why}{said}")
        self.result = result


def as_network_error(error: OSError) -> OSError:
    """A PPP error as `Stack.up` raises it; others stay as they are."""
    if isinstance(error, errors.NetsocketError):
        return error
    text = str(error)
    if isinstance(error, AuthenticationRefused):
        return errors.AuthenticationFailed(f"{text}: see user=…, password=… and auth=…")
    if isinstance(error, PeerSilent):
        return errors.NetworkTimeout(text)
    return errors.NetworkDown(text)


def as_socket_error(error: OSError) -> OSError:
    """What ends every socket when the call ends."""
    return errors.ConnectionReset(f"the PPP link is gone: {error}")
