"""A client and the other end, joined."""

from __future__ import annotations

import random
from typing import Any

from atdriver.ppp import Credentials, Ended, NetworkDown, NetworkUp, PppClient, PppSettings
from tests.ppp.peer import Far

WHO = Credentials("me", "pass")
V4 = bytes.fromhex("4500001c000100004011") + bytes(2) + bytes((10, 1, 2, 3, 9, 9, 9, 9)) + bytes(8)
V6 = b"\x60" + bytes(3) + b"\x00\x04\x11\x40" + bytes(32) + b"data"


def pair(settings: PppSettings | None = None, **far: Any) -> tuple[PppClient, Far]:
    client = PppClient(settings or PppSettings(WHO), draw=random.Random(1))
    return client, Far(client, **far)


def started(settings: PppSettings | None = None, **far: Any) -> tuple[PppClient, Far]:
    client, other = pair(settings, **far)
    client.start(0.0)
    other.run()
    return client, other


def up(settings: PppSettings | None = None, **far: Any) -> tuple[PppClient, Far, NetworkUp]:
    client, other = started(settings, **far)
    other.wait(3.0)
    event = take(client)
    assert isinstance(event, NetworkUp), event
    return client, other, event


def take(client: PppClient) -> NetworkUp | NetworkDown | Ended:
    """The one event there is."""
    (event,) = client.events
    client.events.clear()
    return event


def ended(client: PppClient) -> BaseException | None:
    """Why the session ended: the last event."""
    event = client.events[-1]
    assert isinstance(event, Ended), event
    assert client.dead
    assert client.next_deadline() is None
    return event.error
