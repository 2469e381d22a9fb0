"""Names again: the cache, and questions that are asked without waiting.

The plan resolves twelve public names; here it is the far end's one name and the unknown one, so
that a closed bench suffices. Every case begins with an empty cache, as in the plan.
"""

from __future__ import annotations

import asyncio
import socket as _socket
from collections.abc import Sequence
from typing import Any

from netsocket.capability.farend import FarEnd
from netsocket.capability.probes.tools import LIMIT, raises
from netsocket.capability.verdict import Verdict, check, passed, probe
from netsocket.errors import NameTryAgain
from netsocket.interface import AsyncNetworkInterface
from netsocket.names import QUEUE


def _good(answer: object, far: FarEnd) -> bool:
    return isinstance(answer, list) and far.host in answer


async def _all(futures: Sequence[asyncio.Future[list[str]]]) -> list[Any]:
    async with asyncio.timeout(LIMIT * 2):
        return await asyncio.gather(*futures, return_exceptions=True)


def _ask_many(
    net: AsyncNetworkInterface, names: Sequence[str]
) -> tuple[list[asyncio.Future[list[str]]], int]:
    """What was taken, and how many were refused."""
    taken: list[asyncio.Future[list[str]]] = []
    refused = 0
    for name in names:
        try:
            taken.append(net.resolve_async(name))
        except NameTryAgain:
            refused += 1
    return taken, refused


@probe("ASYNCHRONOUS_DNS", "dns.resolve")
async def asynchronous(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """One question, answered to a callback."""
    net.names.clear()
    told: list[asyncio.Future[list[str]]] = []
    future = net.resolve_async(far.name, told.append)
    check(_good(await asyncio.wait_for(future, LIMIT), far), "another answer")
    await asyncio.sleep(0)
    check(told == [future], f"the callback came {len(told)} times")
    return passed("answered to the callback")


@probe("SYNCHRONOUS_DNS_CACHE", "dns.cache")
async def cache(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Five times the same name: the stack is asked once (the plan compares times)."""
    net.names.clear()
    check(net.names.known(far.name) is None, "the cache was not empty")
    first = await net.resolve(far.name)
    for _ in range(4):
        check(net.names.known(far.name) == first, "the answer was not kept")
        check(await net.resolve(far.name) == first, "another answer")
    net.names.clear()
    check(net.names.known(far.name) is None, "clear left something")
    return passed("four answers without a question to the stack")


@probe("ASYNCHRONOUS_DNS_CACHE", "dns.cache")
async def cache_async(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A known answer comes before the call returns."""
    net.names.clear()
    await net.resolve(far.name)
    told: list[Any] = []
    for number in range(5):
        future = net.resolve_async(far.name, told.append)
        check(future.done() and len(told) == number + 1, "a known answer was waited for")
        check(_good(future.result(), far), "another answer")
    return passed("five answers before the call returned")


@probe("ASYNCHRONOUS_DNS_QUEUE", "dns.concurrent")
async def queue(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """One question more than fit: that one is refused, the others are answered."""
    net.names.clear()
    names = [f"n{number}.{far.unknown_name}" for number in range(QUEUE)] + [far.name]
    taken, refused = _ask_many(net, names)
    answers = await _all(taken)
    check((len(taken), refused) == (QUEUE, 1), f"{len(taken)} taken, {refused} refused")
    check(all(isinstance(each, _socket.gaierror) for each in answers), f"{answers}")
    check(_good(await net.resolve(far.name), far), "the next question failed")
    return passed(f"{QUEUE} taken and answered, 1 refused with EAI_AGAIN")


@probe("ASYNCHRONOUS_DNS_SIMULTANEOUS_CACHE", "dns.cache")
async def simultaneous_cache(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Six at once with the name in the cache: all are answered, none is refused."""
    net.names.clear()
    await net.resolve(far.name)
    taken, refused = _ask_many(net, [far.name] * (QUEUE + 1))
    check(refused == 0, f"{refused} refused")
    check(all(_good(each, far) for each in await _all(taken)), "one had another answer")
    return passed("6 answers, none refused")


@probe("ASYNCHRONOUS_DNS_SIMULTANEOUS_REPEAT", "dns.concurrent")
async def simultaneous_repeat(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Ten rounds of six: never a failure, at most one refused in a round."""
    for number in range(10):
        net.names.clear()
        taken, refused = _ask_many(net, [far.name] * (QUEUE + 1))
        check(refused <= 1, f"round {number}: {refused} refused")
        check(all(_good(each, far) for each in await _all(taken)), f"round {number}: a failure")
    return passed("10 rounds of 6")


@probe("ASYNCHRONOUS_DNS_NON_ASYNC_AND_ASYNC", "dns.concurrent")
async def mixed(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """One question without waiting, six with, at the same time."""
    net.names.clear()
    future = net.resolve_async(far.name)
    for _ in range(6):
        check(_good(await net.resolve(far.name), far), "another answer")
    check(_good(await asyncio.wait_for(future, LIMIT), far), "the one without waiting failed")
    return passed("7 answers")


@probe("ASYNCHRONOUS_DNS_INVALID_HOST", "dns.unknown")
async def invalid(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Unknown names between known ones, at once: each gets its own answer."""
    net.names.clear()
    names = [f"a.{far.unknown_name}", far.name, f"b.{far.unknown_name}", far.name]
    taken, refused = _ask_many(net, names)
    answers = await _all(taken)
    check(refused == 0, f"{refused} refused")
    for name, answer in zip(names, answers, strict=True):
        right = isinstance(answer, _socket.gaierror) if name != far.name else _good(answer, far)
        check(right, f"{name} gave {answer!r}")
    return passed("2 answers, 2 gaierror")


@probe("ASYNCHRONOUS_DNS_TIMEOUTS", "dns.cancel")
async def timeouts(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A caller's time-out ends the waiting, not the service: the next question is answered."""
    net.names.clear()
    for _ in range(3):
        with raises(TimeoutError, call="a question given up at once"):
            async with asyncio.timeout(0):
                await net.resolve(f"late.{far.unknown_name}")
    check(_good(await net.resolve(far.name), far), "the next question failed")
    return passed("3 x given up, then an answer")
