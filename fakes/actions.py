"""What a scenario step, or the control socket, can make a fake do: the vocabulary, as one table.

Each action has a name, a check of its value (which raises ValueError with a sentence), and what
it does to the module. Values are what YAML and JSON can hold: text, numbers, booleans, mappings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .faults import CHUNK_PLANS, noise
from .peers import Peer
from .ppp.manners import MANNERS
from .values import boolean, choice, count, keys, lines, octets, seconds, text

if TYPE_CHECKING:
    from .engine import FakeModem

__all__ = ["ACTIONS", "Action", "check", "perform"]


@dataclass(frozen=True, slots=True)
class Action:
    """One word of the vocabulary: `check` a value, then `run` it; `help` for the manual."""

    check: Callable[[Any], Any]
    run: Callable[[FakeModem, Any], object]
    help: str


def check(name: str, value: object) -> Any:
    """The checked value of an action. Raises ValueError: no such action, or a wrong value."""
    if name not in ACTIONS:
        raise ValueError(f"unknown action {name!r}; valid: {', '.join(ACTIONS)}")
    try:
        return ACTIONS[name].check(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def perform(modem: FakeModem, name: str, value: object) -> object:
    """Check and do one action now. Raises ValueError."""
    return ACTIONS[name].run(modem, check(name, value))


# ---- checks --------------------------------------------------------------------------------


def _flood(value: object) -> tuple[str, int]:
    tree = keys(value, ("line", "count"))
    return text(tree.get("line", "")), count(tree.get("count", 100))


def _reset(value: object) -> str:
    if value != "silent" and not isinstance(value, bool):
        raise ValueError(f"must be true, false or silent, not {value!r}")
    return "silent" if value == "silent" else "banner" if value else ""


def _peer(value: object) -> tuple[str | None, str, bytes]:
    tree = keys(value, ("at", "does", "data"))
    place = tree.get("at")
    return (
        None if place is None else text(place),
        choice(tree.get("does"), ("fin", "half-close", "reset", "stall", "resume", "say")),
        octets(tree.get("data", "")),
    )


def _manner(value: object) -> str:
    word = text(value)
    choice(word.removeprefix("end "), MANNERS)
    return word


def _world(value: object) -> Mapping[str, Any]:
    tree = keys(value, ("resolve", "access_points", "peers"))
    for name in ("resolve", "access_points"):
        tree[name] = {str(key): item for key, item in keys(tree.get(name, {}), None).items()}
    tree["peers"] = {
        str(key): peer(item) if item is not None else None
        for key, item in keys(tree.get("peers", {}), None).items()
    }
    return tree


def peer(value: object) -> Peer:
    """A peer as YAML and JSON say it: its kind, or a mapping of `Peer`'s attributes."""
    if isinstance(value, str):
        return Peer(value)
    tree = keys(value, ("does", "greeting", "answer", "then", "after", "rate", "delay"))
    for name in ("greeting", "answer"):
        tree[name] = octets(tree.get(name, ""))
    if "delay" in tree:
        tree["delay"] = seconds(tree["delay"])
    if "after" in tree:
        tree["after"] = count(tree["after"])
    if "rate" in tree:
        tree["rate"] = float(tree["rate"])
    return Peer(**tree)


# ---- what they do --------------------------------------------------------------------------


def _do_flood(modem: FakeModem, value: tuple[str, int]) -> None:
    for _ in range(value[1]):
        modem.urc(value[0])


def _do_noise(modem: FakeModem, value: int) -> None:
    modem.wire.outward.send(noise(value, modem.random))


def _do_busy(modem: FakeModem, value: float) -> None:
    modem.keep_busy(value)


def _do_reset(modem: FakeModem, value: str) -> None:
    if value:
        modem.restart(silent=value == "silent")


def _do_unplug(modem: FakeModem, value: float) -> None:
    if modem.on_unplug is None:
        raise ValueError("unplug: only a fake on a pseudo terminal can be unplugged")
    modem.on_unplug(value * modem.time_scale)


def _do_echo(modem: FakeModem, value: bool) -> None:
    modem.echo = value


def _do_ppp(modem: FakeModem, value: str) -> None:
    switch = getattr(modem, "ppp_manner", None)
    if switch is None:
        raise ValueError(f"ppp: a {modem.kind} does not dial")
    switch(value.removeprefix("end "), not value.startswith("end "))


def _do_chunk(modem: FakeModem, value: str) -> None:
    modem.wire.outward.configure(chunk=value)


def _do_event(modem: FakeModem, value: str) -> None:
    if value not in modem.EVENTS:
        listed = ", ".join(modem.EVENTS) or "none"
        raise ValueError(f"event: unknown event {value!r} of a {modem.kind}; valid: {listed}")
    modem.note("event", value)
    modem.EVENTS[value](modem)


def _do_peer(modem: FakeModem, value: tuple[str | None, str, bytes]) -> int:
    place, does, data = value
    talking = list(modem.world.peers.talking(place))
    for each in talking:
        if does == "say":
            each.say(data)
        elif does == "half-close":
            each.fin(half=True)
        else:
            {"fin": each.fin, "reset": each.rst, "stall": each.stall, "resume": each.resume}[does]()
    return len(talking)


def _do_world(modem: FakeModem, value: Mapping[str, Any]) -> None:
    world = modem.world
    for name, address in value["resolve"].items():
        if address is None:
            world.names.pop(name.lower().rstrip("."), None)
        else:
            world.names[name.lower().rstrip(".")] = str(address)
    for ssid, password in value["access_points"].items():
        if password is None:
            world.access_points.pop(ssid, None)
        else:
            world.access_points[ssid] = str(password)
    for place, one in value["peers"].items():
        if one is None:
            world.peers.remove(place)
        else:
            world.peers.add(place, one)


ACTIONS: Final[Mapping[str, Action]] = {
    "lose": Action(count, lambda m, v: m.wire.outward.lose(v), "the next N output bytes are lost"),
    "dup": Action(count, lambda m, v: m.wire.outward.spoil("dup", v), "the Nth byte comes twice"),
    "flip": Action(count, lambda m, v: m.wire.outward.spoil("flip", v), "a bit of the Nth byte"),
    "eat": Action(count, lambda m, v: m.wire.inward.lose(v), "the next N input bytes are lost"),
    "say": Action(lines, lambda m, v: m.say(*v), "lines in the module's format"),
    "raw": Action(octets, lambda m, v: m.raw(v), "bytes as they are (text is latin-1)"),
    "urc": Action(text, lambda m, v: m.urc(v), "an unsolicited line, where the module sends them"),
    "flood": Action(_flood, _do_flood, "{line, count}: the same line many times"),
    "noise": Action(count, _do_noise, "N bytes as a wrong baud rate shows them"),
    "type": Action(octets, lambda m, v: m.receive(v), "input of another program on the port"),
    "deaf": Action(seconds, lambda m, v: m.be_deaf(v), "input is ignored for so long"),
    "busy": Action(seconds, _do_busy, "a command is under way for so long, then ends in silence"),
    "echo": Action(boolean, _do_echo, "echo goes on or off by itself"),
    "rate": Action(count, lambda m, v: m.wire.set_module_rate(v), "the module's baud rate changes"),
    "dtr": Action(boolean, lambda m, v: m.set_dtr(v), "the host's DTR line goes on or off"),
    "ppp": Action(
        _manner,
        _do_ppp,
        "a fault of the PPP server in the running call; with end before: no longer",
    ),
    "chunk": Action(lambda v: choice(v, CHUNK_PLANS), _do_chunk, "how output is cut from now on"),
    "reset": Action(_reset, _do_reset, "true: restart with the banner; silent: without a word"),
    "unplug": Action(seconds, _do_unplug, "the pty goes, a new one comes after so long"),
    "event": Action(text, _do_event, "a world event of the module, e.g. pdp_lost, ap_lost"),
    "peer": Action(_peer, _do_peer, "{at, does, data}: scripted peers fin, reset, stall, say …"),
    "world": Action(_world, _do_world, "{resolve, access_points, peers}: set, or null to remove"),
}
