"""Phases 5, 6, 7 and 8: files, packages and commands, repositories, tools. Pure."""

import os
from collections.abc import Sequence

from panaversity_builder.environment.facts import Resolved, Source
from panaversity_builder.environment.recipe import Clone, Copy, Run
from panaversity_builder.environment.recipes.parts import (
    SHELL,
    Part,
    commands,
    fixed,
    joined,
    programs,
    titled,
    who,
)
from panaversity_builder.environment.recipes.telling import given, identities, told, told_all
from panaversity_builder.environment.settings.shape import (
    FileCopy,
    NpmPackage,
    Packages,
    Repository,
    Setup,
    Tool,
)
from panaversity_fs.core.digest import digest_of

APT = """\
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install --yes --no-install-recommends -- "$@"
apt-get clean
rm -rf /var/lib/apt/lists/*
"""
"""Its arguments are packages. What was only needed to find them does not stay in the image."""

NPM = ("npm", "install", "--no-fund", "--no-audit", "--no-update-notifier")


def files_part(copies: Sequence[FileCopy], sources: Sequence[Source]) -> Part:
    """Copies in order. Not the source's name counts but what is there, and for a file its mode too."""
    if not copies:
        return Part()
    targets = [_target(copy, source) for copy, source in zip(copies, sources, strict=True)]
    known = zip(identities(targets), targets, copies, sources, strict=True)
    parts = (_copy(identity, target, copy, source) for identity, target, copy, source in known)
    return joined([Part((), {"copies": told_all(targets)}), *parts])


def _target(copy: FileCopy, source: Source) -> str:
    into = copy.dest.endswith("/") and not source.is_folder
    return f"{copy.dest}{os.path.basename(source.path)}" if into else copy.dest.rstrip("/")


def _copy(identity: str, target: str, copy: FileCopy, source: Source) -> Part:
    inputs = {
        f"copy {identity}": source.digest,
        f"copy owner {identity}": copy.owner,
        f"copy mode {identity}": None if copy.mode is None else f"{copy.mode:04o}",
    }
    return Part((Copy(source.path, target, copy.owner, copy.mode, source.digest),), given(inputs))


def setup_part(setup: Setup, scripts: Sequence[bytes]) -> Part:
    """Packages, then commands, then scripts."""
    return joined(
        [
            *_packages(setup.packages),
            commands("command", setup.commands.in_order),
            programs(setup.scripts, scripts),
        ]
    )


def _packages(packages: Packages) -> list[Part]:
    parts = []
    if packages.apt:
        run = fixed(APT, *packages.apt, title=f"apt: {titled(' '.join(packages.apt))}")
        parts.append(
            Part((run,), {"apt packages": told_all(packages.apt), "apt program": digest_of(APT.encode())}),
        )
    everywhere = [package for package in packages.npm if package.everywhere]
    local = [package for package in packages.npm if not package.everywhere]
    if everywhere:
        parts.append(_npm("npm packages", everywhere, ("--global",)))
    if local:
        parts.append(_npm("npm packages in the work folder", local, ()))
    return parts


def _npm(name: str, packages: Sequence[NpmPackage], options: tuple[str, ...]) -> Part:
    """Without ``--global`` npm installs where it is started: in the work folder, which the image says."""
    names = [package.name for package in packages]
    run = Run((*NPM, *options, "--", *names), f"npm: {titled(' '.join(names))}")
    return Part((run,), {name: told_all(names)})


def repos_part(repos: Sequence[Repository], resolved: Sequence[Resolved]) -> Part:
    """Repositories in order, each as of the commit its branch means now."""
    if not repos:
        return Part()
    pairs = zip(repos, resolved, strict=True)
    order = Part((), {"repositories": told_all([repo.path for repo in repos])})
    return joined([order, *(_repository(repo, found) for repo, found in pairs)])


def _repository(repo: Repository, found: Resolved) -> Part:
    inputs = {
        f"repository commit {repo.path}": found.commit,
        f"repository ref {repo.path}": found.ref and told(found.ref),
        f"repository url {repo.path}": told(repo.url),
        f"repository owner {repo.path}": repo.owner,
    }
    clone = Clone(found.url, found.commit, repo.path, found.ref, repo.owner)
    return Part((clone,), given(inputs))


def tools_part(tools: Sequence[Tool]) -> Part:
    """Tools in order; a new version is a reason to install again, whatever the command makes of it."""
    if not tools:
        return Part()
    return joined([Part((), {"tools": told_all([tool.name for tool in tools])}), *map(_tool, tools)])


def _tool(tool: Tool) -> Part:
    known = given({"TOOL_NAME": tool.name, "TOOL_VERSION": tool.version})
    run = Run(
        (*SHELL, tool.run),
        f"{tool.name}: {titled(tool.run)}",
        user=tool.user,
        env=known,
        secrets=tool.secrets,
        seconds=tool.time_limit,
    )
    inputs = {f"tool {tool.name}": told(tool.run), f"tool version {tool.name}": tool.version and told(tool.version)}
    return Part((run,), {**given(inputs), **who("tool", tool.name, tool.user, tool.secrets)})
