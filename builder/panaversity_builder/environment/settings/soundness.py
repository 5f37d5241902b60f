"""What a configuration must not be although each of its values is fine: rules between values.

Pure; knows models and keys, neither files nor images.
"""

from collections.abc import Iterable, Iterator

from panaversity_builder.environment.settings.origins import Finding, Key
from panaversity_builder.environment.settings.shape import Command, Configuration, Program, Tool
from panaversity_builder.environment.settings.yaml_source import Block, origin_of

SecretUse = tuple[Key, tuple[str, ...]]


def unsound(configuration: Configuration, tree: Block) -> list[Finding]:
    """Everything of that kind that is wrong."""
    found = [*_doubles(configuration), *_secrets(configuration), *_npm(configuration)]
    return [Finding(origin_of(tree, key), key, problem, hint) for key, problem, hint in found]


Told = tuple[Key, str, str]


def _doubles(configuration: Configuration) -> Iterator[Told]:
    build = configuration.build
    yield from _twice(((("build", "users", i, "name"), user.name) for i, user in enumerate(build.users)), "a user")
    numbers = ((("build", "users", i, "uid"), str(u.uid)) for i, u in enumerate(build.users) if u.uid is not None)
    yield from _twice(numbers, "a user's number")
    yield from _twice(((("build", "repos", i, "path"), r.path) for i, r in enumerate(build.repos)), "a repository")
    yield from _twice(((("build", "tools", i, "name"), tool.name) for i, tool in enumerate(build.tools)), "a tool")
    volumes = build.files.volumes
    yield from _twice(((("build", "files", "volumes", i, "dest"), v.dest) for i, v in enumerate(volumes)), "a volume")


def _twice(values: Iterable[tuple[Key, str]], what: str) -> Iterator[Told]:
    seen: set[str] = set()
    for key, value in values:
        if value in seen:
            yield key, f"{value} is {what} already", "Take one out"
        seen.add(value)


def _secrets(configuration: Configuration) -> Iterator[Told]:
    for key, names in secret_uses(configuration):
        for name in names:
            if name not in configuration.secrets:
                yield (*key, "secrets"), f"{name} is not declared", "Name it under secrets"


def secret_uses(configuration: Configuration) -> Iterator[SecretUse]:
    """Every place that names secrets, with the names."""
    build = configuration.build
    commands: list[tuple[Key, Iterable[Command | Program | Tool]]] = [
        (("build", "setup", "commands", "root"), build.setup.commands.root),
        (("build", "setup", "commands", "scripts"), build.setup.commands.scripts),
        (("build", "setup", "scripts"), build.setup.scripts),
        (("build", "tools"), build.tools),
        (("build", "verify"), build.verify),
    ]
    for word, hooks in (("before", build.before), ("after", build.after)):
        commands += [(("build", word, phase), hooks.of(phase)) for phase in type(hooks).model_fields]
    for key, runs in commands:
        yield from ((((*key, i)), run.secrets) for i, run in enumerate(runs))


def _npm(configuration: Configuration) -> Iterator[Told]:
    for i, package in enumerate(configuration.build.setup.packages.npm):
        if not package.everywhere and configuration.build.habitat.work_dir is None:
            hint = "Set build.habitat.work_dir, or take global: false out"
            yield ("build", "setup", "packages", "npm", i), "is to be installed in a work folder that is not set", hint
