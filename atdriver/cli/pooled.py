"""From several SPECs to one pool of modems, for commands whose connections may take any of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

from atdriver.cli.failure import Failure, UsageProblem, note
from atdriver.cli.options import Request
from atdriver.cli.session import assembled, limit, put_together, side_by_side
from atdriver.specification import parse
from netsocket.adapters.balance import RULES, Balance
from netsocket.adapters.pool import MemberStatus, Pool
from netsocket.errors import NetworkTimeout
from netsocket.interface import AsyncNetworkInterface


def tell(member: MemberStatus) -> None:
    """What became of a modem, as a line on stderr."""
    note(f"{member.name}: {'up' if member.up else 'down: ' + member.reason}")


def pool_of(
    requests: Sequence[Request],
    balance: str = "least-busy",
    on_change: Callable[[MemberStatus], object] = tell,
) -> Pool:
    """A pool of the modems that were asked for; nothing is opened yet, but mistypes are found.

    Of several, each takes the `--set` values that it knows, and a trace file of its own
    (`wire-1.jsonl`, `wire-2.jsonl` for `--trace wire.jsonl`). `on_change` as in Pool. Raises
    UsageProblem, SpecificationError.
    """
    if balance not in RULES:
        raise UsageProblem(f"--balance {balance}: {', '.join(RULES)} are possible")
    openers: dict[str, Opening] = {}
    for number, request in enumerate(side_by_side(requests), 1):
        if len(requests) > 1 and request.trace is not None:
            own = request.trace.with_stem(f"{request.trace.stem}-{number}")
            request = replace(request, trace=own)  # noqa: PLW2901
        name = request.shown
        openers[name if name not in openers else f"{name}#{number}"] = Opening(request)
    return Pool(openers, cast(Balance, balance), on_change=on_change)


class Opening:
    """Opens one modem, as often as a pool asks for it."""

    def __init__(self, request: Request) -> None:
        self._request = request
        automatic = "auto" in (parse(request.spec).module, parse(request.spec).port)
        self._modem = None if automatic else assembled(request)

    async def __call__(self) -> AsyncNetworkInterface:
        """The interface, attached to its network. `auto` is looked for anew each time: a modem that
        was unplugged may come back under another name. Raises OSError, UsageProblem of a fake."""
        request = self._request
        modem, self._modem = self._modem, None
        modem = modem or await put_together(request, warn=False)
        net = modem.interface()
        try:
            async with limit(request.timeout, f"{request.shown}: not ready"):
                await net.up()
        except BaseException as error:
            await net.close()
            if isinstance(error, Failure):
                raise NetworkTimeout(str(error)) from error
            raise
        return net
