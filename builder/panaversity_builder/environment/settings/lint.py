"""Remarks on a configuration that is fine: variables a command uses that nobody declared, secrets nobody uses.

A base image may bring variables of its own, so these are remarks and never errors. Reads shell texts as far as quotes
and assignments; does not know what commands do. Pure.
"""

import re
from collections.abc import Iterator, Sequence

from panaversity_builder.environment.settings.origins import Finding, Key
from panaversity_builder.environment.settings.shape import Command, Configuration, Tool
from panaversity_builder.environment.settings.soundness import secret_uses
from panaversity_builder.environment.settings.yaml_source import Block, origin_of

_SHELL = """HOME PATH PWD OLDPWD USER LOGNAME SHELL HOSTNAME TERM LANG LC_ALL IFS UID EUID PPID RANDOM SECONDS LINENO
TMPDIR PS1 PS4 OPTARG OPTIND REPLY BASH BASH_VERSION BASH_SOURCE"""
OF_EVERY_SHELL = frozenset(re.findall(r"\w+", _SHELL))
OF_TOOLS = frozenset({"TOOL_NAME", "TOOL_VERSION"})
_PIECE = re.compile(r"\\.|'|\"|\$\{?#?([A-Za-z_]\w*)(:?[-=+?])?", re.DOTALL)
_ASSIGNED = re.compile(r"(?:^|(?<=[\s;&|(`]))([A-Za-z_]\w*)\+?=", re.MULTILINE)
_NAMED = re.compile(r"\b(?:for|read|getopts|export|local|readonly)\b([^;&|\n]*)")


def remarks(configuration: Configuration, tree: Block) -> list[Finding]:
    """All remarks, in the order of the configuration."""
    found = [*_undeclared(configuration), *_unused(configuration)]
    return [Finding(origin_of(tree, key), key, problem, hint) for key, problem, hint in found]


def _undeclared(configuration: Configuration) -> Iterator[tuple[Key, str, str]]:
    known = OF_EVERY_SHELL | configuration.build.env.keys()
    for key, text, own in shell_texts(configuration):
        for name in used_names(text):
            if name not in known | own:
                hint = "Declare it in build.env, unless the base image brings it"
                yield key, f"uses ${name}, which is not declared", hint


def _unused(configuration: Configuration) -> Iterator[tuple[Key, str, str]]:
    used = {name for _, names in secret_uses(configuration) for name in names}
    for name in configuration.secrets:
        if name not in used:
            yield ("secrets", name), "is used by no command", "Name it in the secrets of a command, or take it out"


def shell_texts(configuration: Configuration) -> Iterator[tuple[Key, str, frozenset[str]]]:
    """Every text a shell will read, with its key and the variables only it is given."""
    build = configuration.build
    listed: list[tuple[Key, Sequence[Command | Tool], frozenset[str]]] = [
        (("build", "setup", "commands", "root"), build.setup.commands.root, frozenset()),
        (("build", "setup", "commands", "scripts"), build.setup.commands.scripts, frozenset()),
        (("build", "tools"), build.tools, OF_TOOLS),
        (("build", "verify"), build.verify, frozenset()),
    ]
    for word, hooks in (("before", build.before), ("after", build.after)):
        listed += [(("build", word, phase), hooks.of(phase), frozenset()) for phase in type(hooks).model_fields]
    for key, runs, own in listed:
        for i, run in enumerate(runs):
            yield (*key, i, "run"), run.run, own


def used_names(text: str) -> list[str]:
    """The variables a shell text reads and does not set itself; one with a default is not missed."""
    mine = set(_ASSIGNED.findall(text)) | {word for found in _NAMED.findall(text) for word in re.findall(r"\w+", found)}
    names: dict[str, None] = {}
    single = double = False
    for match in _PIECE.finditer(text):
        if match[0] == "'" and not double:
            single = not single
        elif match[0] == '"' and not single:
            double = not double
        elif match[1] and not single and not (match[2] and match[0].startswith("${")) and match[1] not in mine:
            names[match[1]] = None
    return list(names)
