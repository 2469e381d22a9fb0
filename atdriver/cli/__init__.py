"""The command line. What a user can type is in `commands`; everything heavy is imported by the
command that needs it, so that `atdriver --help` answers at once."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit status (0 ok, 1 failed, 2 usage, 130 Ctrl-C)."""
    try:
        from atdriver.cli.failure import report, terminal

        with terminal():
            try:
                from atdriver.cli.commands import app

                status = app(arguments, prog_name="atdriver", standalone_mode=False)
                return int(status or 0)
            except BaseException as error:
                return report(error)
    except KeyboardInterrupt:
        return 130
