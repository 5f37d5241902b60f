"""Phases 3, 4 and 10: what the image says of itself, and the folders everything counts on. Pure."""

from collections.abc import Mapping

from panaversity_builder.environment.recipe import Configure, Run
from panaversity_builder.environment.recipes.parts import Part
from panaversity_builder.environment.recipes.telling import given, told, told_all
from panaversity_builder.environment.settings.expansion import Around
from panaversity_builder.environment.settings.shape import Final, Habitat


def env_part(env: Mapping[str, str], inherited: Mapping[str, Around]) -> Part:
    """The image's variables. Their order does not count: each value is complete in itself."""
    if not env:
        return Part()
    plain = {name: env[name] for name in sorted(env) if name not in inherited}
    around = {name: (inherited[name].before, inherited[name].behind) for name in sorted(inherited)}
    inputs = {f"variable {name}": told(value) for name, value in plain.items()}
    for name, (before, behind) in around.items():
        inputs |= {f"variable before {name}": told(before), f"variable behind {name}": told(behind)}
    return Part((Configure(env=plain, around=around),), inputs)


def habitat_part(habitat: Habitat) -> Part:
    """The folders, made with their parents, whose they are, and where everything after this works."""
    folders = [*habitat.shared_dirs, *([habitat.work_dir] if habitat.work_dir else [])]
    actions: list[Run | Configure] = []
    if folders:
        actions.append(Run(("mkdir", "-p", "--", *folders), "folders"))
    if folders and habitat.owner:
        actions.append(Run(("chown", "--", habitat.owner, *folders), f"folders of {habitat.owner}"))
    if habitat.work_dir:
        actions.append(Configure(workdir=habitat.work_dir))
    shared = told_all(habitat.shared_dirs) if habitat.shared_dirs else None
    inputs = {"shared folders": shared, "work folder": habitat.work_dir and told(habitat.work_dir)}
    return Part(tuple(actions), given({**inputs, "owner of folders": habitat.owner if folders else None}))


def final_part(final: Final) -> Part:
    """How the image starts; what is not said stays as the base has it."""
    if final.workdir is None and final.user is None and final.command is None:
        return Part()
    inputs = {
        "workdir": final.workdir and told(final.workdir),
        "user": final.user,
        "start command": None if final.command is None else told_all(final.command),
    }
    return Part((Configure(workdir=final.workdir, user=final.user, command=final.command),), given(inputs))
