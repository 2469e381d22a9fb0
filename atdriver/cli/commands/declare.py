"""From a function to a command: its exit status, -v, and for those about modems SPEC and the
options that all of them share. A function declares what is its own alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any, get_type_hints

import typer

from atdriver.cli.commands.root import app
from atdriver.cli.failure import be_verbose, execute
from atdriver.cli.options import Profile, Settings, Spec, Timeout, Trace, Verbose, request

Function = Callable[..., int | None]
Declare = Callable[[Function], Function]

JSON = "Print data as JSON."


def command(name: str | None = None, *, verbose: bool = True) -> Declare:
    """A command with the function's parameters, and -v."""

    def declare(function: Function) -> Function:
        def run(**given: Any) -> int | None:
            if given.pop("verbose", False):
                be_verbose()
            return function(**given)

        _register(name, run, function, _own(function), [_VERBOSE] if verbose else [])
        return function

    return declare


def modem_command(*, several: str = "", trace: bool = True, json: str = JSON) -> Declare:
    """A command about a modem: the function's first parameter is the `Request`.

    With `several` (the help of SPEC…) it is a list of them. `json` is the help of --json, "" where
    there is none; without `trace` there is no --trace.
    """

    def declare(function: Function) -> Function:
        def run(spec: str | list[str], **given: Any) -> int | None:
            common = {each.name: given.pop(each.name, None) for each in _COMMON}
            common["as_json"] = bool(given.pop("as_json", False))
            requests = [
                request(one, **common) for one in (spec if isinstance(spec, list) else [spec])
            ]
            return function(requests if several else requests[0], **given)

        specs = Annotated[list[str], typer.Argument(metavar="SPEC…", help=several)]
        first = _parameter("spec", specs if several else Spec, inspect.Parameter.empty)
        shared = [each for each in _COMMON if trace or each.name != "trace"]
        if json:
            shared.append(_parameter("as_json", Annotated[bool, typer.Option("--json", help=json)]))
        _register(None, run, function, [first, *_own(function)[1:]], shared)
        return function

    return declare


def _parameter(name: str, annotation: Any, default: Any = False) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _own(function: Callable[..., object]) -> list[inspect.Parameter]:
    """A function's own parameters, with annotations that typer can read."""
    hints = get_type_hints(function, include_extras=True)
    return [
        _parameter(each.name, hints[each.name], each.default)
        for each in inspect.signature(function).parameters.values()
    ]


def _register(
    name: str | None,
    run: Callable[..., int | None],
    function: Callable[..., object],
    own: Iterable[inspect.Parameter],
    shared: Iterable[inspect.Parameter],
) -> None:
    def ended(**given: Any) -> None:
        raise typer.Exit(execute(lambda: run(**given)))

    parameters = [*own, *shared]
    ended.__name__ = function.__name__
    ended.__doc__ = function.__doc__
    ended.__annotations__ = {each.name: each.annotation for each in parameters}
    ended.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    app.command(name)(ended)


_VERBOSE = _parameter("verbose", Verbose)
_COMMON = (
    _parameter("settings", Settings, None),
    _parameter("profile", Profile, None),
    _parameter("trace", Trace, None),
    _VERBOSE,
    _parameter("timeout", Timeout, None),
)
