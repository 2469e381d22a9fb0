"""A question for a name under way, as a future that threads can wait for and cancel."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib

from netsocket.interface import AsyncNetworkInterface


async def ask(
    interface: AsyncNetworkInterface, name: str, family: int
) -> concurrent.futures.Future[list[str]]:
    """Start the question in this loop; the future is done already when nothing had to be asked.

    It stays cancellable until the answer is there; cancelling gives the place in the queue back.
    Raises NameTryAgain (queue full), InvalidHostName.
    """
    question = interface.resolve_async(name, family=family)
    answer: concurrent.futures.Future[list[str]] = concurrent.futures.Future()
    loop = asyncio.get_running_loop()

    def answered(done: asyncio.Future[list[str]]) -> None:
        error = None if done.cancelled() else done.exception()
        if not answer.set_running_or_notify_cancel():
            return
        if done.cancelled():
            answer.set_exception(concurrent.futures.CancelledError())
        elif error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(done.result())

    def cancelled(future: concurrent.futures.Future[list[str]]) -> None:
        if future.cancelled():
            with contextlib.suppress(RuntimeError):  # the loop is gone: so is the question
                loop.call_soon_threadsafe(question.cancel)

    answer.add_done_callback(cancelled)
    if question.done():
        answered(question)
    else:
        question.add_done_callback(answered)
    return answer
