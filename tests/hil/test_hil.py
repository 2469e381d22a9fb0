"""`pytest hil` as people run it, and its session in this process; on simulated modules."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atdriver.cli.failure import Failure, UsageProblem
from atdriver.disguise import disguised
from hil import results
from hil.bench import Bench, Options
from hil.recording import load
from hil.replay import replay
from hil.soak import Corrupt, message, soak
from netsocket.capability import CATALOGUE, FarEnd, Measurement
from netsocket.capability.measure import Result
from netsocket.capability.record import SCHEMA, to_record
from netsocket.capability.schema import check
from netsocket.capability.surroundings import BY_CLAIM, COSTS, SMALL, cost
from netsocket.capability.verdict import PROBES, Outcome
from netsocket.hoststack import HOST_CAPABILITIES, HostStack
from netsocket.interface import AsyncNetworkInterface
from tests.capability.measured import contributions
from tests.cli.harness import start_fake

pytestmark = pytest.mark.xdist_group("hil")  # one far end for all
ROOT = Path(__file__).parents[2]
TOKEN = "correct horse"


def hil(*arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "pytest", "hil", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=600, env={**os.environ, **env}
    )


@pytest.fixture(scope="module")
def far_end() -> Iterator[str]:
    """Where an `atdriver far-end` in a process of its own is."""
    process = subprocess.Popen(
        [sys.executable, "-m", "atdriver", "far-end", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "ATDRIVER_FAR_END_TOKEN": TOKEN},
    )
    assert process.stdout is not None
    with process:
        yield process.stdout.readline().split()[-1]
        process.terminate()


@pytest.fixture
def session() -> Iterator[Callable[..., Bench]]:
    """Start sessions; those that nobody finished are given up."""
    started: list[Bench] = []

    def start(spec: str, **options: object) -> Bench:
        bench = Bench(Options(spec, **options))  # type: ignore[arg-type]
        bench.start()
        started.append(bench)
        return bench

    yield start
    for bench in started:
        bench.abandon()


# -- the command --------------------------------------------------------------------------------


def test_without_a_port_one_sentence() -> None:
    done = hil()
    assert done.returncode == 0
    assert done.stdout.count("SKIPPED") == 1
    assert "give --port SPEC" in done.stdout


def test_a_simulated_module_over_a_far_end_elsewhere(far_end: str, tmp_path: Path) -> None:
    done = hil(
        "--port", "bg96:fake", "--far-end", far_end, "--far-end-name", "localhost",
        "-k", "TCPSOCKET_ECHOTEST or TCPSOCKET_CLOSE or SYNCHRONOUS_DNS or TCPSOCKET_LISTEN_ACCEPT",
        "--max-bytes", "50000", "--results", tmp_path, ATDRIVER_FAR_END_TOKEN=TOKEN,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(simulated: not in hil/results)" in done.stdout
    assert "not run: it moves about 48800 bytes" in done.stdout
    (path,) = tmp_path.glob("bg96/*.json")
    record = json.loads(path.read_text())
    check(record, SCHEMA)
    (module,) = record["modules"]
    assert module["evidence"] == "simulated"
    assert module["contradictions"] == []
    cells = {cell["id"]: cell for cell in module["cells"]}
    assert cells["tcp.close"]["outcome"] == "pass"
    assert any("QICLOSE" in line for line in cells["tcp.close"]["probes"][0]["exchange"])
    burst = {each["name"]: each for each in cells["tcp.burst"]["probes"]}
    assert burst["TCPSOCKET_ECHOTEST_BURST"]["outcome"] == "unjudged"
    assert cells["udp.echo"]["probes"] == [], "not selected"
    (trace,) = tmp_path.glob("bg96/*.trace.gz")
    assert f"{trace}, which replays" in done.stdout.replace("\n", "")
    assert not list((ROOT / "hil" / "results").glob("*/*"))


def test_what_cannot_be_reached_is_one_sentence() -> None:
    done = hil("--port", "bg96:/dev/ttyNONE")
    assert done.returncode == 1
    assert "/dev/ttyNONE: no such port" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "Error" not in done.stdout + done.stderr


@pytest.mark.nightly
@pytest.mark.parametrize("module", ["bg96", "esp8266", "esp8266,firmware=N17"])
def test_the_whole_catalogue_and_a_soak(module: str, tmp_path: Path) -> None:
    done = hil("--port", f"{module}:fake", "--soak", "0.02", "--results", tmp_path)
    assert done.returncode == 0, done.stdout
    assert f": {len(PROBES)} probes, 0 contradictions" in done.stdout
    assert "which replays" in done.stdout
    assert "soak: messages" in done.stdout


# -- the session --------------------------------------------------------------------------------


def test_simulated_results_never_go_among_the_measured(tmp_path: Path) -> None:
    for spec in ("bg96:fake", "bg96:/dev/pts/0", "host"):
        for folder in (results.FOLDER, results.FOLDER / "bg96"):
            with pytest.raises(UsageProblem, match="only results of real modules"):
                Bench(Options(spec, results=folder))
    assert Bench(Options("bg96:/dev/ttyUSB2")).folder == results.FOLDER
    assert Bench(Options("bg96:/dev/ttyUSB2"), whole=False).folder is None, "a part is no result"
    assert Bench(Options("bg96:/dev/ttyUSB2", results=tmp_path), whole=False).folder == tmp_path


def test_the_budget_holds_whatever_a_probe_does(session: Callable[..., Bench]) -> None:
    bench = session("bg96:fake", max_bytes=SMALL)
    probe = PROBES["TCPSOCKET_SEND_REPEAT"]
    assert cost(probe, bench.net.capabilities) <= SMALL
    assert bench.judge(probe).outcome is Outcome.PASS
    assert bench.meter.used == 500
    assert "not run: it moves about" in bench.judge(PROBES["TCPSOCKET_SEND_REPEAT"]).evidence
    bench.meter.limit = 500 + SMALL
    bench.meter.used = 1300  # as if others had moved more than was foreseen
    bench.meter.limit = 1300 + SMALL
    greedy = PROBES["TCPSOCKET_ECHOTEST"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hil.bench.cost", lambda *_: 0)
        stopped = bench.judge(greedy)
    assert stopped.outcome is Outcome.UNJUDGED
    assert stopped.evidence == "not run: it was stopped, the data budget is used up"
    assert bench.meter.used <= 1300 + SMALL


@pytest.mark.nightly
@pytest.mark.parametrize("module", ["bg96", "esp8266", "esp8266,firmware=E33"])
def test_what_probes_cost_is_as_the_table_says(module: str, session: Callable[..., Bench]) -> None:
    assert set(COSTS) | set(BY_CLAIM) <= set(PROBES)
    bench = session(f"{module}:fake")
    for probe in PROBES.values():
        before = bench.meter.used
        bench.judge(probe)
        used, price = bench.meter.used - before, cost(probe, bench.net.capabilities)
        assert used <= 1.1 * price, (probe.name, used)
        assert price <= SMALL or used > 0.25 * price, (probe.name, used)


def test_a_pty_is_simulated_secrets_stay_out_and_settings_come_back(
    tmp_path: Path, session: Callable[..., Bench]
) -> None:
    pin = "74185296"
    fake = start_fake(tmp_path, "bg96", "--time-scale", "0", "--set", f"pin={pin}",
                      "--set", "port=uart1")  # fmt: skip
    try:
        for persist in (False, True):
            settings = (
                f"pin={pin}",
                "apn=internet",
                *(["persist=yes"] if persist else []),
            )
            out = tmp_path / str(persist)
            bench = session(f"bg96:{fake.link}", settings=settings, results=out)
            assert bench.judge(PROBES["TCPSOCKET_CLOSE"]).outcome is Outcome.PASS
            assert bench.judge(PROBES["NETWORKINTERFACE_CONN_DISC_REPEAT"]).outcome is Outcome.PASS
            bench.finish()
            assert bench.measurement().kind == "simulated"
            (trace,) = out.glob("bg96/*.trace.gz")
            records = load(trace)
            assert pin not in json.dumps(records)
            assert any("CPIN=" in record["data"] for record in records) is not persist
            assert replay(records).calls > 10
            assert any('QICSGP=1,1,"internet"' in record["data"] for record in records)
            if persist:
                assert bench.wrong == ['left changed in the module: AT+QURCCFG="urcport"']
            else:
                assert bench.wrong == []
                assert "7 settings that the module keeps are as before" in bench.told
    finally:
        fake.stop()
        fake.process.communicate()


def test_a_failing_power_cycle_and_far_end_are_told(
    session: Callable[..., Bench], far_end: str
) -> None:
    with pytest.raises(Failure, match=f"far end {far_end}: the token is wrong"):
        session("bg96:fake", far_end=far_end, token="wrong one")
    with pytest.raises(Failure, match=r"far end 127.0.0.1:1: .*"):
        session("bg96:fake", far_end="127.0.0.1:1")
    with pytest.raises(Failure, match=r"--power-cycle .* ended with status 3: no such switch"):
        session("bg96:fake", power_cycle="echo no such switch; exit 3")


def test_a_dead_module_is_power_cycled(tmp_path: Path, session: Callable[..., Bench]) -> None:
    """The command starts the simulated module; the port is not there before."""
    link, pid = tmp_path / "port", tmp_path / "pid"
    command = (
        f"{sys.executable} -m atdriver fake bg96 --time-scale 0 --link {link} "
        f">/dev/null 2>&1 & echo $! > {pid}"
    )
    kill = lambda: os.kill(int(pid.read_text()), 15)  # noqa: E731
    bench = session(f"bg96:{link}", power_cycle=command, results=tmp_path)
    try:
        assert bench.judge(PROBES["TCPSOCKET_CLOSE"]).outcome is Outcome.PASS
        kill()
        assert bench.judge(PROBES["TCPSOCKET_CLOSE"]).outcome is Outcome.FAIL, "it died on the way"
        assert bench.judge(PROBES["TCPSOCKET_CLOSE"]).outcome is Outcome.PASS, "back again"
    finally:
        bench.abandon()
        kill()


# -- soak ---------------------------------------------------------------------------------------


def test_soak_counts(session: Callable[..., Bench]) -> None:
    bench = session("esp8266:fake", max_bytes=200_000)
    counts = bench.run(soak(bench.net, bench.far, 20.0))
    assert counts.ended == "the data budget of 200000 bytes is used up"
    assert counts.messages > 50
    assert counts.connections > 2
    assert counts.datagrams > 1
    assert counts.bytes <= bench.meter.used <= 200_000


async def test_soak_finds_one_wrong_byte() -> None:
    class Wrong(HostStack):
        reads = 0

        async def recv(self, handle, size):  # type: ignore[no-untyped-def]
            data = await super().recv(handle, size)
            self.reads += bool(data)
            return data[:-1] + bytes([data[-1] ^ 1]) if data and self.reads == 30 else data

    async with FarEnd() as far, AsyncNetworkInterface(Wrong()) as net:
        with pytest.raises(Corrupt, match="different from byte"):
            await soak(net, far, 20.0)
    assert len({message(number) for number in range(100)}) == 100


# -- what is contributed ------------------------------------------------------------------------


def test_a_recording_says_not_where_it_was_made() -> None:
    text = (
        r"+CWLAP:(3,\"Cafe \\x22\",-50,\"5c:cf:7f:00:11:22\",6) 5c:cf:7f:00:11:22 10.1.2.3 10.1.2.34"
        "\n"
        r"AccessPoint(ssid=\'Cafe\') +CWLAP:(4,\"Cafe\",-40,\"aa:bb:cc:dd:ee:ff\",1)"
    )
    shown = disguised(text, {"10.1.2.3": "198.51.100.20"})
    assert "198.51.100.20 10.1.2.34" in shown
    assert shown.count("02:00:00:00:00:01") == 2
    assert "5c:cf" not in shown
    assert "Cafe" not in shown


def test_only_measured_and_well_formed_files_are_taken_and_shown(tmp_path: Path) -> None:
    assert contributions(tmp_path) == ""
    folder = tmp_path / "bg96"
    folder.mkdir()
    (folder / "x.json").write_text("{}")
    with pytest.raises(ValueError, match=r"bg96/x.json: report: format is missing"):
        results.contributed(tmp_path)
    claims = HOST_CAPABILITIES
    found = [Result("TCPSOCKET_CLOSE", "tcp.close", Outcome.FAIL, "it did not", 0.1)]
    for kind in ("simulated", "measured"):
        record = to_record([Measurement(claims, found, kind, "2026-01-02", "bg96:/dev/ttyUSB2")])
        results.store(folder / "x.json", record)
        if kind == "simulated":
            with pytest.raises(ValueError, match="only measured results belong here"):
                results.contributed(tmp_path)
    shown = contributions(tmp_path)
    assert "# Measured on hardware" in shown
    assert f"| 2026-01-02 | 0 / 0 / 1 / 0 / {len(CATALOGUE) - 1} | `tcp.close` |" in shown
    record["modules"][0]["cells"][0]["level"] = "splendid"
    with pytest.raises(ValueError, match=r"report.modules\[0\].cells\[0\].level: 'splendid'"):
        results.store(folder / "x.json", record)


def test_what_is_contributed_is_in_order() -> None:
    for path, _ in results.contributed():
        assert (path.parent / f"{path.stem}.trace.gz").exists()
