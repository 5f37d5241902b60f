"""Variables of a whole tree exchanged, except in texts that a shell will read.

Knows which keys hold such texts and where variables are declared; what a reference is, ``expansion`` knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from panaversity_builder.environment.settings.expansion import Around, Variables
from panaversity_builder.environment.settings.layering import ENV
from panaversity_builder.environment.settings.origins import Finding, Findings, Key
from panaversity_builder.environment.settings.yaml_source import Block, Items, Text, Tree

VERBATIM = frozenset({"run", "description", "variables", "secrets"})
"""Keys whose values are left as they are: commands, words for people, and declarations."""

HOOKS = frozenset({"before", "after"})

Inherited = Mapping[str, Around]
"""Variables of ``build.env`` that are made of the base image's own value."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """A tree without references. ``inherited`` is what of ``build.env`` only the base image can complete; it stands in
    the tree as it was written, and so does what has a finding."""

    tree: Block
    inherited: Inherited
    findings: tuple[Finding, ...]


def with_variables(tree: Block, environ: Mapping[str, str]) -> Expanded:
    """Exchange the variables of a whole tree. Raises ``Findings`` when those that are declared cannot be."""
    work = _Expanding(_declared(tree, environ))
    told = work.tree(tree, ())
    assert isinstance(told, Block)
    return Expanded(told, work.inherited, tuple(work.findings))


def _declared(tree: Block, environ: Mapping[str, str]) -> Variables:
    build = tree.entries.get("build")
    env = build.entries.get("env") if isinstance(build, Block) else None
    texts = env.entries if isinstance(env, Block) else {}
    known = {name: v.value for name, v in texts.items() if isinstance(v, Text) and v.value is not None}
    return Variables(known, _variables(tree, environ))


def _variables(tree: Block, environ: Mapping[str, str]) -> dict[str, str | None]:
    """The values of the names under ``variables:``; a default gives way to the process environment."""
    defaults: dict[str, str | None]
    match tree.entries.get("variables"):
        case Items(items):
            defaults = {item.value: None for item in items if isinstance(item, Text) and item.value}
        case Block(entries):
            defaults = {name: v.value for name, v in entries.items() if isinstance(v, Text)}
        case _:
            return {}
    values = {name: environ.get(name, default) for name, default in defaults.items()}
    secret = _secret_variables(tree)
    findings = [Finding(tree.entries["variables"].origin, ("variables", n), p) for n, p in _wrong(values, secret)]
    if findings:
        raise Findings(findings)
    return values


def _wrong(values: Mapping[str, str | None], secret: frozenset[str]) -> list[tuple[str, str]]:
    found = [(name, "is a secret, which never becomes part of a configuration") for name in values if name in secret]
    for name, value in values.items():
        if value is not None and any("\ud800" <= c <= "\udfff" for c in value):
            found.append((name, "has bytes in the environment that are not UTF-8"))
    return found


def _secret_variables(tree: Block) -> frozenset[str]:
    """The variables of the process environment that hold secrets."""
    match tree.entries.get("secrets"):
        case Items(items):
            return frozenset(item.value for item in items if isinstance(item, Text) and item.value)
        case Block(entries):
            return frozenset(v for name, value in entries.items() if (v := _variable_of(name, value)))
    return frozenset()


def _variable_of(name: str, secret: Tree) -> str | None:
    """The variable a secret comes from; None for one that comes from a file."""
    told = secret.entries if isinstance(secret, Block) else {}
    env = told.get("env")
    if isinstance(env, Text) and env.value:
        return env.value
    return None if "file" in told else name


class _Expanding:
    def __init__(self, declared: Variables) -> None:
        self._declared = declared
        self.findings: list[Finding] = []
        self.inherited: dict[str, Around] = {}

    def tree(self, tree: Tree, key: Key) -> Tree:
        if key and key[-1] in VERBATIM and not self._is_name(key):
            return tree
        match tree:
            case Text():
                return tree if tree.value is None or _is_shell(key) else Text(self._value(tree, key), tree.origin)
            case Items():
                return Items(tuple(self.tree(v, (*key, i)) for i, v in enumerate(tree.items)), tree.origin)
            case Block():
                told = {name: self.tree(value, (*key, name)) for name, value in tree.entries.items()}
                return Block(told, tree.keys, tree.origin)

    def _is_name(self, key: Key) -> bool:
        """A variable of the image may be called as it likes; secrets of a command are names, too."""
        return key[:-1] == ENV

    def _value(self, text: Text, key: Key) -> str:
        assert text.value is not None
        try:
            found = self._declared.value(str(key[-1])) if key[:-1] == ENV else self._declared.expand(text.value)
        except ValueError as error:
            self.findings.append(Finding(text.origin, key, str(error), _hint(str(error))))
            return text.value
        if isinstance(found, Around):
            self.inherited[str(key[-1])] = found
            return text.value
        return found


def _is_shell(key: Key) -> bool:
    """Short forms of commands: texts of ``verify``, of ``setup.commands`` and of hooks, and ``final.command``."""
    if key[:3] == ("build", "final", "command"):
        return len(key) == 3
    commands = key[:2] == ("build", "verify") or key[:3] == ("build", "setup", "commands")
    hooks = len(key) > 2 and key[0] == "build" and key[1] in HOOKS
    return (commands or hooks) and key[-1] not in ("user", "time_limit")


def _hint(problem: str) -> str:
    if "not declared" in problem:
        return "Declare it in build.env, list it under variables, or write $$ for a dollar sign"
    if "begins no variable" in problem:
        return "Write $$ for a dollar sign"
    if "no value here" in problem:
        return "Set it, or give it a default under variables"
    return ""
