"""What an image says of itself, one thing after another: variables, values around older ones, folder, user, command.

Pure. Does not know how any program sets it.
"""

from collections.abc import Iterable

from panaversity_builder.environment.recipe import Configure

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked up in an image that says nothing; said, so that others can be put before and behind it."""


def resolved(configure: Configure, present: Iterable[str]) -> dict[str, str]:
    """All variables with their whole values; ``present`` lists the image's as ``NAME=value``."""
    known = dict(line.split("=", 1) for line in present if "=" in line)
    around = {name: before + known.get(name, "") + behind for name, (before, behind) in configure.around.items()}
    return {**configure.env, **around}


def merged(before: Configure, after: Configure) -> Configure:
    """What an image says after it said one thing and then another."""
    return Configure(
        {**before.env, **resolved(after, [f"{name}={value}" for name, value in before.env.items()])},
        before.workdir if after.workdir is None else after.workdir,
        before.user if after.user is None else after.user,
        before.command if after.command is None else after.command,
    )
