"""A Thread network as an interface of this computer: its mesh by ot-ctl, its sockets the kernel's.

The interface is `lo`; ot-ctl and ot-daemon are programs of the tests, the node is a fake."""

from __future__ import annotations

import asyncio
import itertools
import shlex
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from atdriver import open_modem
from atdriver.choosing import choose
from atdriver.errors import (
    CommandTimeout,
    EncodeError,
    PortDenied,
    PortLost,
    PortMissing,
    SpecificationError,
    UnknownModule,
)
from atdriver.exchange import Command
from atdriver.modem import aopen_modem, assemble
from modems.openthread import commands, dataset, host, ot_ctl
from modems.openthread.ot_ctl import OtCtl
from netsocket import errors
from netsocket.interface_kinds import AsyncMeshInterface
from netsocket.ip import ethernet, linkstate
from netsocket.ip.extras import BackendMissing
from netsocket.ip.linkstate import LinkState
from netsocket.stack import InterfaceStatus

from .ot_daemon import OtDaemon

KEY = "00112233445566778899aabbccddeeff"
HEX = dataset.build("garden", KEY, 20, "0x4321")


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[OtDaemon]:
    async with OtDaemon(tmp_path).serving("lo") as made:
        yield made


def runs(pid: str) -> bool:
    return Path(f"/proc/{pid.strip()}").exists()


def sh(script: str) -> str:
    """A setting `program` that is this shell script."""
    return f"sh -c {shlex.quote(script)} ot-ctl"


async def test_the_mesh_and_the_kernels_sockets(daemon: OtDaemon) -> None:
    async with aopen_modem("openthread-host:lo", program=daemon.program) as net:
        assert isinstance(net, AsyncMeshInterface)
        state = await net.mesh()
        assert state.role in ("child", "router", "leader")
        assert state.addresses
        assert dataset.described(await net.dataset())[0] == state.network
        assert net.status is InterfaceStatus.GLOBAL_UP
        assert net.snapshot.details["role"] == state.role
        assert net.snapshot.details["device"] == "lo"
        async with net.udp_socket() as one, net.udp_socket() as two:
            await one.bind(("127.0.0.1", 0))
            await two.sendto(b"a\0\r\n> Done\r\n", await one.getsockname())
            assert (await one.recvfrom(100))[0] == b"a\0\r\n> Done\r\n"
        async with net.tcp_socket() as listener, net.tcp_socket() as sock:
            await listener.bind(("127.0.0.1", 0))
            await listener.listen()
            await sock.connect(await listener.getsockname())
            taken, _ = await listener.accept()
            async with taken:
                await sock.sendall(bytes(range(256)))
                got = b""
                while len(got) < 256:
                    got += await taken.recv(256)
                assert got == bytes(range(256))
    assert daemon.started()[-2:] == ["thread stop", "ifconfig down"]
    state = await assemble("openthread-host:lo", keywords={"program": daemon.program}).stack.mesh()  # type: ignore[attr-defined]
    assert state.role == "disabled"


async def test_a_network_that_is_given_is_joined_and_its_key_is_in_no_list_of_programs(
    daemon: OtDaemon,
) -> None:
    net = assemble("openthread-host:lo", keywords={"program": daemon.program}).interface()
    assert isinstance(net, AsyncMeshInterface)
    net.set_dataset(f"{HEX[:10]} \r\n{HEX[10:]}")
    with pytest.raises(errors.InvalidArgument):
        net.set_dataset("00")
    try:
        await net.up()
        state = await net.mesh()
        assert (state.network, state.channel, state.pan_id) == ("garden", 20, 0x4321)
        assert await net.dataset() == HEX
        await net.down()
        await net.up()
    finally:
        await net.close()
    assert "" in daemon.started()  # by its input
    assert daemon.started().count("") == 1, "it was there already"
    assert not any(KEY in each for each in daemon.started())


async def test_thread_that_ran_before_goes_on(daemon: OtDaemon) -> None:
    daemon.node.receive(b"ifconfig up\r\nthread start\r\n")
    async with aopen_modem("openthread-host:lo", program=daemon.program):
        pass
    assert not {"thread start", "thread stop"} & set(daemon.started())


async def test_an_interface_that_is_not_there_leaves_thread_as_it_was(tmp_path: Path) -> None:
    async with OtDaemon(tmp_path).serving("nosuch0") as daemon:
        with pytest.raises(errors.NetworkNotFound, match="nosuch0: there is no such interface"):
            await aopen_modem("openthread-host:nosuch0", program=daemon.program)
        assert daemon.started()[-1] == "ifconfig down"


async def test_a_node_without_its_network_is_connecting(daemon: OtDaemon) -> None:
    async with aopen_modem("openthread-host:lo", program=daemon.program, stay=True) as net:
        daemon.node.receive(b"thread stop\r\n")
        await net.refresh()
        assert net.status is InterfaceStatus.CONNECTING
        assert net.snapshot.details["role"] == "disabled"


def test_the_blocking_face(tmp_path: Path) -> None:
    script = """case "$*" in
        *state) echo leader;;
        *ipaddr) echo fd00:0:0:0:1:2:3:4;;
        *"dataset active -x") echo 0003000014;;
    esac
    echo Done"""
    with open_modem("openthread-host:lo", program=sh(script)) as net:
        assert net.mesh().role == "leader"  # type: ignore[attr-defined]
        assert net.mesh().addresses == ("fd00::1:2:3:4",)  # type: ignore[attr-defined]
        assert net.mesh().channel == 20  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("script", "kind", "text"),
    [
        ("echo connect session failed: Permission denied >&2; exit 1", PortDenied, "sudo -n ot-ctl"),
        ("echo sudo: a password is required; exit 1", PortDenied, "password is required"),
        ("echo connect session failed: No such file or directory; exit 1", PortMissing, "no ot-daemon .* lo"),
        ("exit 0", PortLost, "without an answer"),
        ("echo detached", PortLost, "without an answer"),
        ("head -c 100000 /dev/zero", PortLost, "line without an end"),
        ('case "$3 $4" in state*) echo disabled;; *active) echo Error 23: NotFound;; '
         "ifconfig*) echo Error 13: InvalidState;; esac; echo Done",
         errors.DeviceError, "Error 13: InvalidState"),
        ("echo detached; echo Done", errors.NetworkNotFound, "it is detached"),
    ],
    ids=["no-right", "no-password", "no-daemon", "nothing", "broken-off", "no-line", "refused", "no-network"],
)  # fmt: skip
async def test_what_goes_wrong_is_said(script: str, kind: type[OSError], text: str) -> None:
    with pytest.raises(kind, match=text):
        await aopen_modem("openthread-host:lo", program=sh(script), attach_timeout=0)


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BackendMissing, match=r"nosuchprogram: there is no such program.*ot-daemon"):
        await aopen_modem("openthread-host:wpan0", program="nosuchprogram")
    with pytest.raises(PortDenied, match="may not run it"):
        await aopen_modem("openthread-host:wpan0", program=str(tmp_path))


async def test_a_program_that_says_nothing_is_ended(tmp_path: Path) -> None:
    control = OtCtl(["sh", "-c", f"echo $$ >{tmp_path}/pid; exec sleep 600"], "lo")
    with pytest.raises(CommandTimeout, match=r"ot-ctl state: no answer within 0\.5 s"):
        await control.run(Command(b"state", 0.5, ok=(b"Done",)))
    assert not runs((tmp_path / "pid").read_text())


async def test_a_caller_that_leaves_takes_the_program_with_it(tmp_path: Path) -> None:
    control = OtCtl(["sh", "-c", f"echo $$ >{tmp_path}/pid; exec sleep 600"], "lo")
    asking = asyncio.create_task(control.run(commands.STATE))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.wait({asking})
    assert not runs((tmp_path / "pid").read_text())


async def test_a_line_that_would_be_cut_never_leaves() -> None:
    with pytest.raises(EncodeError, match="640"):
        await OtCtl(["nosuchprogram"], "lo").run(commands.line("ping " + "1" * 640))
    with pytest.raises(EncodeError):
        await OtCtl(["nosuchprogram"], "lo").run(commands.set_dataset("00\nreset"))


@pytest.mark.parametrize(
    ("spec", "settings", "text"),
    [
        ("openthread-host:a b", {}, "name of a network interface"),
        ("openthread-host,ssid=lab:wpan0", {}, "openthread-host has no setting ssid"),
        ("openthread-host:wpan0", {"program": ""}, "setting program"),
        ("openthread-host:wpan0", {"program": "'"}, "setting program"),
        ("openthread-host:wpan0", {"network": "lab"}, "both"),
        ("openthread-host:wpan0", {"dataset": "zz"}, r"dataset=\*\*\*"),
        ("openthread-host:wpan0", {"trace": "file"}, "no setting trace"),
    ],
    ids=str,
)
def test_settings_are_checked_before_anything_is_run(
    spec: str, settings: dict[str, str], text: str
) -> None:
    with pytest.raises(SpecificationError, match=text):
        assemble(spec, keywords=settings)


async def test_it_is_named_and_can_be_chosen() -> None:
    with pytest.raises(UnknownModule, match="openthread-host, auto, host"):
        assemble("nosuch:wpan0")
    chosen = await choose(
        "thread", environment={"ATDRIVER_INTERFACE_THREAD": "openthread-host:wpan0"}, ports=list
    )
    assert chosen == "openthread-host:wpan0"
    assert not assemble(chosen).stack.capabilities.unstated


@pytest.mark.parametrize("late", [2, None], ids=["late", "never"])
async def test_the_kernel_may_hear_of_the_network_later_than_the_daemon(
    daemon: OtDaemon, monkeypatch: pytest.MonkeyPatch, late: int | None
) -> None:
    looks = 0

    def look(device: str) -> LinkState | None:
        nonlocal looks
        looks += 1
        found = linkstate.look(device)
        assert found is not None
        return found if late is not None and looks > late else replace(found, up=False)

    monkeypatch.setattr(ethernet, "look", look)
    monkeypatch.setattr(host, "LOOK", 0.01)
    monkeypatch.setattr(host, "now", itertools.count().__next__)  # a second from look to look
    if late is None:
        with pytest.raises(errors.NetworkDown, match="lo is not up"):
            await aopen_modem("openthread-host:lo", program=daemon.program)
        assert looks == host.KERNEL
    else:
        async with aopen_modem("openthread-host:lo", program=daemon.program) as net:
            assert net.status is InterfaceStatus.GLOBAL_UP
            assert looks > late


async def test_the_daemon_is_not_asked_about_an_interface_that_is_not_up(tmp_path: Path) -> None:
    program = sh(f"echo asked >{tmp_path}/asked; echo Done")
    stack = assemble("openthread-host:lo", keywords={"program": program}).stack
    found = await stack.status()
    assert found.state is InterfaceStatus.DISCONNECTED
    assert found.details == {}
    assert not (tmp_path / "asked").exists()


async def test_a_program_that_does_not_end_with_its_answer_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that does not mind that nobody writes to it any more."""
    monkeypatch.setattr(ot_ctl, "LEAVE", 0.05)
    script = f"echo $$ >{tmp_path}/pid; echo leader; echo Done; exec sleep 600"
    reply = await OtCtl(["sh", "-c", script], "lo").run(commands.STATE)
    assert reply.lines == [b"leader"]
    async with asyncio.timeout(10.0):
        while runs((tmp_path / "pid").read_text()):
            await asyncio.sleep(0.01)


async def test_prompts_and_the_echo_of_a_session_are_no_part_of_the_answer() -> None:
    script = "echo '> > state'; echo '> leader'; echo '> Done'"
    reply = await OtCtl(["sh", "-c", script], "lo").run(commands.STATE)
    assert (reply.lines, reply.final) == ([b"leader"], b"Done")
    with pytest.raises(PortLost, match="without an answer: it said nothing"):
        await OtCtl(["sh", "-c", "echo state"], "lo").run(commands.STATE)
