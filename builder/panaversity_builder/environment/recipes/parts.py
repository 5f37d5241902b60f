"""Actions with the inputs they come from: what recipes are put together of.

Pure; knows commands and programs of a configuration, no particular phase.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from panaversity_builder.environment.recipe import Action, Run
from panaversity_builder.environment.recipes.telling import given, told, told_all
from panaversity_builder.environment.settings.shape import Command, Program
from panaversity_fs.core.digest import digest_of

SHELL = ("sh", "-ec")
"""In front of a text of the configuration: its first command that fails ends it."""

PROGRAM = """\
file=$(mktemp)
trap 'rm -f "$file"' EXIT
cat >"$file"
chmod 700 "$file"
"$file" "$@" </dev/null
"""
"""Runs the program on its stdin, with its arguments; what begins with ``#!`` by what that names, else by the shell."""


@dataclass(frozen=True, slots=True)
class Part:
    """Actions in order, and everything that can change what they do."""

    actions: tuple[Action, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)


def joined(parts: Iterable[Part]) -> Part:
    """All parts as one. Raises ``ValueError`` when two have an input in common: one of them would not count."""
    actions: list[Action] = []
    inputs: dict[str, str] = {}
    for part in parts:
        if common := inputs.keys() & part.inputs.keys():
            raise ValueError(f"two inputs are called {sorted(common)[0]}")
        actions += part.actions
        inputs |= part.inputs
    return Part(tuple(actions), inputs)


def fixed(script: str, *arguments: str, title: str) -> Run:
    """A script of our own. What it works on comes as its arguments and is never part of its text."""
    return Run(("sh", "-euc", script, "panaversity", *arguments), title)


def commands(kind: str, listed: Sequence[Command]) -> Part:
    """Commands in order, each under its number: ``command 1``, ``command user 1``."""
    return joined(_command(kind, str(i), command) for i, command in enumerate(listed, start=1))


def _command(kind: str, number: str, command: Command) -> Part:
    run = Run(
        (*SHELL, command.run),
        titled(command.run),
        user=command.user,
        secrets=command.secrets,
        seconds=command.time_limit,
    )
    return Part((run,), {f"{kind} {number}": told(command.run), **who(kind, number, command.user, command.secrets)})


def who(kind: str, identity: str, user: str | None, secrets: Sequence[str]) -> dict[str, str]:
    """The inputs every command has: as whom it runs, and the names of its secrets."""
    return given(
        {f"{kind} user {identity}": user, f"{kind} secrets {identity}": told_all(secrets) if secrets else None}
    )


def programs(listed: Sequence[Program], contents: Sequence[bytes]) -> Part:
    """Scripts of this machine in order, each under its number."""
    pairs = enumerate(zip(listed, contents, strict=True), start=1)
    return joined(_program(str(i), program, content) for i, (program, content) in pairs)


def _program(number: str, program: Program, content: bytes) -> Part:
    run = Run(
        ("sh", "-euc", PROGRAM, "panaversity", *program.args),
        titled(program.path),
        user=program.user,
        secrets=program.secrets,
        stdin=content,
        seconds=program.time_limit,
    )
    arguments = told_all(program.args) if program.args else None
    inputs = given({f"script {number}": digest_of(content), f"script args {number}": arguments})
    return Part((run,), {**inputs, **who("script", number, program.user, program.secrets)})


def titled(text: str) -> str:
    """The first line of a text, as it may be shown."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    shown = "".join(c if c.isprintable() else "?" for c in first.strip())
    return shown if len(shown) <= 80 else f"{shown[:79]}…"
