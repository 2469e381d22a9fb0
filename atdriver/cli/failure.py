"""The one place where an exception becomes a line on stderr and an exit status.

Every failure is exactly one line, `atdriver: …`. A traceback is shown only for an unexpected
exception, and only with `-v`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator

from atdriver.errors import ATError, EncodeError, SpecificationError

OK = 0
FAILED = 1
USAGE = 2
INTERRUPTED = 130
"""128 + SIGINT, as shells show it."""
TERMINATED = 143
"""128 + SIGTERM."""

_LOGGERS = tuple(logging.getLogger(name) for name in ("atdriver", "netsocket"))
_SECRET = re.compile(r"\b(password|pin|puk)=([^,:;\s'\"…]+)", re.IGNORECASE)


class UsageProblem(Exception):
    """What was typed cannot be meant; nothing was done."""


class Failure(Exception):
    """The operation failed for a reason that only the command line knows."""


class Terminated(BaseException):
    """A signal asked to end; everything has been put back in order."""


class _State:
    verbose = False


@contextlib.contextmanager
def terminal() -> Iterator[None]:
    """Keep the library's log off the terminal, and no character can make printing fail. Nothing of
    `be_verbose` outlives this: a program may call `main` and go on."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.NullHandler())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    former = [(each, each.handlers[:], each.level, each.propagate) for each in _LOGGERS]
    try:
        yield
    finally:
        _State.verbose = False
        for logger, handlers, level, propagate in former:
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(level)


def be_verbose() -> None:
    """`-v`: the library's log on stderr, and tracebacks of unexpected exceptions."""
    _State.verbose = True
    handler = logging.StreamHandler()
    handler.setFormatter(_SafeFormatter("%(relativeCreated)7d ms %(name)s: %(message)s"))
    for logger in _LOGGERS:
        logger.handlers[:] = [handler]
        logger.setLevel(logging.DEBUG)
        logger.propagate = False


class _SafeFormatter(logging.Formatter):
    """The log quotes modules, and what is in the air: nothing of it may act on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return safe_lines(super().format(record))


def safe_lines(text: str) -> str:
    """`safe`, line by line."""
    return "\n".join(map(safe, text.split("\n")))


def safe(text: str) -> str:
    """`text` without anything that a terminal would act on: names come from strangers."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def note(text: str) -> None:
    """One line on stderr; a stderr that is gone is no reason to fail."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"atdriver: {one_line(text)}\n")
        sys.stderr.flush()


def one_line(text: str) -> str:
    """Line ends become blanks, control characters visible, secrets of a specification `***`."""
    return safe(_SECRET.sub(r"\1=***", " ".join(text.split())))


def sentence(error: BaseException) -> str:
    """What an exception says, without its number."""
    if isinstance(error, OSError):
        text = error.strerror or str(error) or type(error).__name__
        named = isinstance(error.filename, str) and error.filename not in text
        return f"{error.filename}: {text}" if named else text
    return str(error) or type(error).__name__


def judge(error: BaseException) -> tuple[str, int]:
    """The line to show ("" for none) and the exit status."""
    if isinstance(error, KeyboardInterrupt):
        return "", INTERRUPTED
    if isinstance(error, Terminated):
        return "", TERMINATED
    if isinstance(error, UsageProblem | SpecificationError | EncodeError):
        return sentence(error), USAGE
    if isinstance(error, Failure | ATError):
        return sentence(error), FAILED
    if isinstance(error, OSError):
        if isinstance(error, BrokenPipeError) and not hasattr(error, "nsapi"):
            return "", FAILED  # stdout's reader has left: nobody wants more
        return sentence(error), FAILED
    if hasattr(error, "format_message"):  # of the command line parser
        return _parser_problem(error), USAGE
    if isinstance(error, MemoryError):
        return "out of memory", FAILED
    kind = type(error).__name__
    hint = "" if _State.verbose else " and its output with -v"
    return (
        f"unexpected {kind}: {sentence(error)} (this is a bug of atdriver: please report the "
        f"command line{hint})",
        FAILED,
    )


def _parser_problem(error: BaseException) -> str:
    text = str(error.format_message()) if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", "atdriver")
    return f"{text.rstrip('.')} (see `{path} --help`)"


def report(error: BaseException) -> int:
    """Show what happened, once; returns the exit status."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAILED
    line, status = judge(error)
    if line:
        note(line)
        if _State.verbose and line.startswith("unexpected "):
            import traceback

            sys.stderr.write(safe_lines("".join(traceback.format_exception(error))))
    _flush()
    return status


def _flush() -> None:
    """Write out what was printed; a stdout that is gone must not complain at exit."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)


def execute(action: Callable[[], int | None]) -> int:
    """Run one command; its exit status, whatever happens."""
    try:
        status = action() or OK
        if sys.stdout is not None:
            sys.stdout.flush()
    except BaseException as error:
        return report(error)
    return status
