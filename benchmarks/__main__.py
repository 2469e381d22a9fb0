"""`python -m benchmarks [--quick]`: measure everything and rewrite docs/performance.md."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from benchmarks import fakes, framer, many, proxied, transfers

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"

HEAD = """# Performance

Made by `make bench`, not by hand. **Everything below is simulated**: the modules are programs on a
pty, their radio has no latency, so the figures say what the *driver* costs and how well it fills a
line, never how fast a module is. MB is 2^20 bytes. CPU is that of the driver's process alone, the
simulated module and the far end run in processes of their own.

"""


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    text = [HEAD]
    text.append(f"Machine: {platform.system()}, {platform.machine()}, CPython "
                f"{platform.python_version()}, 2 cores shared with the simulated module.\n\n")  # fmt: skip
    text.append("## Framer: CPU ms per MB, best of 7\n\n| stream | 64 B reads | 1 KiB | 4 KiB |\n"
                "| --- | --- | --- | --- |\n")  # fmt: skip
    for name, found in framer.measure():
        text.append(f"| {name} | " + " | ".join(f"{found[c]:.1f}" for c in framer.CHUNKS) + " |\n")
    text.append("\nGoal: at most 4 at 1 KiB and more, at most 10 at 64 B, for the two payload "
                "streams (`tests/engine/test_speed.py` holds them to it, with room for a slow "
                "machine). Pure lines are no load that a module makes.\n\n")  # fmt: skip
    text.append("## Through a pty, unpaced (simulated)\n\n"
                "| module | command: wall median / p95 / CPU, µs | download MB/s | CPU ms/MB | "
                "upload MB/s | CPU ms/MB |\n| --- | --- | --- | --- | --- | --- |\n")  # fmt: skip
    for row in transfers.unpaced((2 if quick else 8) * transfers.MB):
        wall, p95, cpu = row.command
        text.append(
            f"| {row.name} | {wall:.0f} / {p95:.0f} / {cpu:.0f} | {row.download.speed:.2f} | "
            f"{row.download.cpu:.0f} | {row.upload.speed:.2f} | {row.upload.cpu:.0f} |\n"
        )
    text.append("\n## Share of the line that is payload (simulated line, module without latency)\n\n"
                "A line of B baud carries B/10 bytes a second; 100 % would be payload without any "
                "command, answer or waiting.\n\n| module | baud | download | upload |\n"
                "| --- | --- | --- | --- |\n")  # fmt: skip
    for name, baud, down, up in transfers.paced(2.0 if quick else 6.0):
        text.append(f"| {name} | {baud} | {down:.0%} | {up:.0%} |\n")
    text.append("\n" + proxied.section(proxied.measure(1.0 if quick else 3.0)))
    text.append("\n" + many.section(many.measure(seconds=1.0 if quick else 3.0)))
    text.append("\n## The simulated modules themselves\n\n"
                "A fake in a process of its own, read with `os.read` at its pty; goals: 20 MB/s "
                "(of 10^6 bytes), pacing within 1 %, 0.5 % of a core when idle.\n\n"
                "| what | measured |\n| --- | --- |\n")  # fmt: skip
    size = 10_000_000 if quick else 100_000_000
    text.append(
        f"| unpaced download, ESP8266 in push mode | {fakes.download(size) / 1e6:.1f} MB/s |\n"
    )
    for baud in (115200, 921600, 3_000_000):
        off = fakes.pacing(baud, 2.0 if quick else 10.0)
        text.append(f"| pacing at {baud} baud | {off:+.2%} |\n")
    for module in ("esp8266", "bg96"):
        text.append(
            f"| idle {module} | {fakes.idle(module, 3.0 if quick else 10.0):.2%} of a core |\n"
        )
    PAGE.write_text("".join(text), encoding="utf-8")
    sys.stdout.write("".join(text))


if __name__ == "__main__":
    main()
