"""From the common options to an open network interface, inside one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from atdriver.cli.failure import Failure, Terminated, UsageProblem, note, sentence
from atdriver.cli.options import Request
from atdriver.errors import ATError
from atdriver.hosted import HOSTED
from atdriver.links.network import in_clear, leaves
from atdriver.modem import Modem, assemble, named
from atdriver.registry import Setting, Value, load_any, modem_names
from atdriver.specification import parse, refuse
from netsocket.interface import AsyncNetworkInterface

T = TypeVar("T")


async def put_together(request: Request, *, warn: bool = True) -> Modem:
    """The modem that was asked for, not opened yet; `auto` looks which one it is.

    Raises SpecificationError, UsageProblem, and for `auto` what opening a port raises.
    """
    return assembled(replace(request, spec=await named(request.spec)), warn=warn)


def assembled(request: Request, *, warn: bool = True) -> Modem:
    """As `put_together`, for a named module; `warn` of secrets on the command line."""
    found = parse(request.spec)
    keywords: dict[str, Value] = {}
    if found.module in HOSTED:
        strangers = {key: "" for key in request.settings if key not in request.theirs}
        refuse(found.module, {**strangers, **({"trace": ""} if request.trace else {})}, ())
        return assemble(request.spec)
    settings = load_any(found.module).settings
    names = {setting.name for setting in settings} | request.theirs
    strangers = {key: text for key, text in request.settings.items() if key not in names}
    if found.port == "fake":
        keywords.update(strangers)
    else:
        refuse(found.module, strangers, settings)
    if warn:
        warn_of_secrets(settings, (found.settings, request.settings))
        if leaves(found.port):
            note(f"warning: {in_clear(found.port)}")
    if request.trace is not None:
        keywords["trace"] = str(request.trace)
    try:
        return assemble(
            request.spec, keywords=keywords, options=request.settings, profile=request.profile
        )
    except ATError:
        raise
    except (OSError, ValueError) as error:  # of an in-process fake
        raise UsageProblem(sentence(error)) from error


def side_by_side(requests: Sequence[Request]) -> list[Request]:
    """The requests of one command line that names several modems: a `--set` is for those that know
    it, and an error only where none does. Raises SpecificationError."""
    known = [_settings(parse(request.spec).module) for request in requests]
    return [
        replace(request, theirs=frozenset().union(*known[:number], *known[number + 1 :]))
        for number, request in enumerate(requests)
    ]


def _settings(module: str) -> frozenset[str]:
    """Names of the settings of a module; of `auto`, those of all it may turn out to be."""
    if module in HOSTED:
        return frozenset()
    modules = modem_names() if module == "auto" else [module]
    return frozenset(setting.name for each in modules for setting in load_any(each).settings)


def warn_of_secrets(settings: Iterable[Setting], sources: Iterable[Mapping[str, str]]) -> None:
    """Other users of the computer can read a command line; say what is better."""
    given = set().union(*sources)
    for setting in settings:
        if setting.secret and setting.name in given:
            note(
                f"warning: {setting.name} on the command line can be read by other users; "
                f"ATDRIVER_{setting.name.upper()} in the environment cannot"
            )


@contextlib.asynccontextmanager
async def opened(
    modem: Modem, request: Request, *, attach: bool
) -> AsyncIterator[AsyncNetworkInterface]:
    """The interface, attached to its network or only ready to answer questions; closed behind.

    `--timeout` limits the opening, not what is done with it.
    """
    net = modem.interface()
    try:
        async with limit(request.timeout, f"{request.shown}: not ready"):
            configure = None if attach else getattr(modem.stack, "configure", None)
            await (configure() if configure is not None else net.up())
        yield net
    finally:
        await net.close()


@contextlib.asynccontextmanager
async def limit(seconds: float | None, problem: str) -> AsyncIterator[None]:
    """Raise Failure when the block takes longer than `--timeout` allows."""
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            yield
    except TimeoutError:
        if not scope.expired():
            raise
        raise Failure(f"{problem} within {seconds:g} s (--timeout)") from None


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`; SIGTERM and SIGHUP end it in order, as Ctrl-C does. Raises Terminated."""

    async def watched() -> T:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        asked: list[int] = []

        def stop(number: int) -> None:
            asked.append(number)
            task.cancel()

        for number in (signal.SIGTERM, signal.SIGHUP):
            with contextlib.suppress(RuntimeError, ValueError, NotImplementedError):
                loop.add_signal_handler(number, stop, number)
        try:
            return await work
        except asyncio.CancelledError:
            if asked:
                raise Terminated from None
            raise

    return asyncio.run(watched())


@contextlib.contextmanager
def until_signal() -> Iterator[None]:
    """In the event loop: a signal ends the block in order, which is no failure; a second one is
    not waited for."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    asked = False

    def stop() -> None:
        nonlocal asked
        asked = True
        task.cancel()
        for number in numbers:
            loop.remove_signal_handler(number)

    for number in numbers:
        with contextlib.suppress(RuntimeError, ValueError, NotImplementedError):
            loop.add_signal_handler(number, stop)
    try:
        yield
    except asyncio.CancelledError:
        if not asked:
            raise
