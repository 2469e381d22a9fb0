"""The bridge from threads to the one event loop that serves all blocking sockets.

A `Portal` is a daemon thread with an event loop. `run` hands it a coroutine and waits. The shared
portal starts at first use and ends with the interpreter.

- Called from the loop's own thread, `run` would wait for itself: it raises RuntimeError instead.
- Ctrl-C ends the caller's wait and cancels the coroutine; transactions of the stack go on.
- A forked child has no such thread: `run` raises EBADF there.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Generic, TypeVar

from netsocket.errors import BadHandle

T = TypeVar("T")

STOP_LIMIT = 10.0
"""Seconds that the closers get at the end of the interpreter."""


class _Call(Generic[T]):
    """One call on its way through the portal."""

    __slots__ = ("coroutine", "done", "error", "portal", "result", "task")

    def __init__(self, portal: Portal, coroutine: Coroutine[Any, Any, T]) -> None:
        self.portal = portal
        self.coroutine = coroutine
        self.done = threading.Lock()
        self.done.acquire()
        self.task: asyncio.Task[T] | None = None
        self.result: T
        self.error: BaseException | None = None

    def start(self) -> None:
        """In the loop's thread."""
        self.task = self.portal.loop.create_task(self.coroutine)
        self.task.add_done_callback(self.finish)

    def finish(self, task: asyncio.Task[T]) -> None:
        """In the loop's thread."""
        if task.cancelled():
            self.error = BadHandle("the call was cancelled")
        else:
            self.error = task.exception()
            if self.error is None:
                self.result = task.result()
        self.portal.calls.discard(self)
        self.done.release()

    def cancel(self) -> None:
        """In the loop's thread."""
        if self.task is None:
            self.coroutine.close()
        else:
            self.task.cancel()


class Portal:
    """A daemon thread with an event loop for blocking callers."""

    _shared: ClassVar[Portal | None] = None
    _shared_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, name: str = "netsocket") -> None:
        self.loop = asyncio.new_event_loop()
        self._pid = os.getpid()
        self.calls: set[_Call[Any]] = set()
        self._closers: set[Callable[[], Coroutine[Any, Any, None]]] = set()
        self._stopped = False
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()
        self._ident = self._thread.ident
        atexit.register(self.stop)

    @classmethod
    def shared(cls) -> Portal:
        """The process-wide portal, started at first use."""
        portal = cls._shared
        if portal is not None and not portal._stopped:
            return portal
        with cls._shared_lock:
            if cls._shared is None or cls._shared._stopped:
                cls._shared = cls()
            return cls._shared

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` in the loop and wait for its result, or raise its error.

        Raises RuntimeError from the loop's own thread, BadHandle (EBADF) in a forked child and
        after the portal was stopped.
        """
        try:
            self._check()
        except BaseException:
            coroutine.close()
            raise
        call = _Call(self, coroutine)
        self.calls.add(call)
        try:
            self.loop.call_soon_threadsafe(call.start)
            call.done.acquire()
        except RuntimeError:  # the loop is closed
            self.calls.discard(call)
            coroutine.close()
            raise BadHandle("the interpreter is shutting down") from None
        except BaseException:  # Ctrl-C, from when it may have begun
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(call.cancel)
            raise
        if call.error is not None:
            error, call.error = call.error, None
            try:
                raise error
            finally:
                del error, call
        return call.result

    def _check(self) -> None:
        if threading.get_ident() == self._ident and os.getpid() == self._pid:
            raise RuntimeError(
                "a blocking socket call from the event loop's own thread would wait for itself; "
                "use the Async classes there, or another thread"
            )
        if os.getpid() != self._pid:
            raise BadHandle("sockets do not survive a fork; open them in the child")
        if self._stopped:
            raise BadHandle("the interpreter is shutting down")

    @property
    def alive(self) -> bool:
        """False after stop, and in a forked child."""
        return not self._stopped and os.getpid() == self._pid

    def at_stop(self, closer: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `closer()` in the loop when the portal stops, unless discarded before."""
        self._closers.add(closer)

    def discard(self, closer: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Undo `at_stop`."""
        self._closers.discard(closer)

    def stop(self) -> None:
        """Run the closers, end every task, end the thread. Idempotent; not from the loop."""
        if self._stopped or os.getpid() != self._pid:
            return
        self._stopped = True
        atexit.unregister(self.stop)
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(STOP_LIMIT + 2)

    def _main(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(self._wind_up())
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()
            for call in list(self.calls):  # came too late to be started
                call.coroutine.close()
                call.error = BadHandle("the interpreter is shutting down")
                call.done.release()

    async def _wind_up(self) -> None:
        closers = [asyncio.ensure_future(closer()) for closer in self._closers]
        if closers:
            await asyncio.wait(closers, timeout=STOP_LIMIT)
        own = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not own]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _after_fork_in_child() -> None:
    Portal._shared = None
    Portal._shared_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
