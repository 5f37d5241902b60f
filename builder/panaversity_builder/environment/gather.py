"""The facts of an environment, read now: the base's digest, what is copied, scripts, and what branches mean.

The edge before the recipes. Everything that cannot be read is an error that names the place in the configuration; no
error is ever hashed as if it were content. Does not know phases.
"""

import functools
import os
import stat
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from panaversity_builder.environment.backend.port import Backend
from panaversity_builder.environment.facts import Facts, Resolved, Source
from panaversity_builder.environment.git import GitFailed, resolve
from panaversity_builder.environment.load import Settings
from panaversity_builder.environment.recipe import BaseImage, Environment
from panaversity_builder.environment.recipes import environment_of
from panaversity_builder.environment.settings.origins import Finding, Findings, Key, refusal
from panaversity_builder.environment.settings.shape import Repository
from panaversity_builder.environment.source_tree import source_digest

MOST_SCRIPT_BYTES = 8 << 20
AT_ONCE = 8
"""How many repositories are asked at the same time."""
One = TypeVar("One")
Read = TypeVar("Read")
_LOCAL = ("/", "./", "../", "~/")


def prepare(settings: Settings, backend: Backend, environ: Mapping[str, str]) -> Environment:
    """The environment, ready to be built: everything its recipes depend on is read and part of their inputs.

    Raises ``ConfigInvalid`` for a base that is not found, and telling every file and repository that cannot be read.
    """
    build = settings.configuration.build
    facts = gathered(settings, backend, environ)
    return replace(environment_of(settings.name, build, settings.inherited, facts), file=settings.file)


def gathered(settings: Settings, backend: Backend, environ: Mapping[str, str]) -> Facts:
    """All facts. Raises ``ConfigInvalid``."""
    files, setup = settings.configuration.build.files, settings.configuration.build.setup
    wrong: list[Finding] = []
    copies = _each(
        ("build", "files", "copies"), files.copies, lambda copy, key: _source(settings, copy.source, key), wrong
    )
    scripts = _each(
        ("build", "setup", "scripts"), setup.scripts, lambda script, key: _script(settings, script.path, key), wrong
    )
    repos = _repositories(settings, environ, wrong)
    bases = _noted(lambda: _base(settings, ("build", "base", "image")), wrong)
    if wrong:
        raise refusal(wrong)
    ((kind, reference),) = bases
    base = BaseImage(kind, reference, backend.resolve(kind, reference))
    return Facts(base, tuple(copies), tuple(scripts), tuple(repos))


def _each(key: Key, listed: Sequence[One], read: Callable[[One, Key], Read], wrong: list[Finding]) -> list[Read]:
    """What was read for each; what cannot be read is added to ``wrong`` and the others are read all the same."""
    found = []
    for i, one in enumerate(listed):
        found += _noted(functools.partial(read, one, (*key, i)), wrong)
    return found


def _noted(read: Callable[[], Read], wrong: list[Finding]) -> list[Read]:
    """What was read; nothing where it cannot be, which is added to ``wrong``."""
    try:
        return [read()]
    except Findings as error:
        wrong.extend(error.findings)
        return []


def _base(settings: Settings, key: Key) -> tuple[str, str]:
    """What the base is: by its prefix, or by what lies at the path. Raises ``Findings``."""
    text = settings.configuration.build.base.image
    prefix, colon, rest = text.partition(":")
    if colon and prefix in ("oci", "oci-archive", "rootfs"):
        return ("rootfs" if prefix == "rootfs" else "oci"), _there(settings, rest, key)
    if not text.startswith((".", "/", "~")):
        return "registry", text if _has_tag(text) else f"{text}:latest"
    path = _there(settings, text, key)
    return ("rootfs" if os.path.isdir(path) and not os.path.isfile(os.path.join(path, "oci-layout")) else "oci"), path


def _has_tag(reference: str) -> bool:
    return "@" in reference or ":" in reference.rpartition("/")[2]


def _there(settings: Settings, path: str, key: Key) -> str:
    absolute = settings.absolute(path, *key)
    if not os.path.exists(absolute):
        raise Findings([Finding(settings.origin(*key), key, f"{absolute} is not there", "Name a folder or an archive")])
    return absolute


def _source(settings: Settings, path: str, copy: Key) -> Source:
    key = (*copy, "source")
    absolute = settings.absolute(path, *key)
    try:
        is_folder, digest = source_digest(absolute)
    except OSError as error:
        raise _unread(settings, key, error, absolute) from None
    except ValueError as error:
        raise Findings([Finding(settings.origin(*key), key, str(error), "Leave it out")]) from None
    return Source(absolute, is_folder, digest)


def _script(settings: Settings, path: str, program: Key) -> bytes:
    key = (*program, "path")
    absolute = settings.absolute(path, *key)
    try:
        if not stat.S_ISREG(os.stat(absolute).st_mode):
            raise Findings([Finding(settings.origin(*key), key, f"{absolute} is not a file", "Name a file")])
        with open(absolute, "rb") as file:
            content = file.read(MOST_SCRIPT_BYTES + 1)
    except OSError as error:
        raise _unread(settings, key, error, absolute) from None
    if not content or len(content) > MOST_SCRIPT_BYTES:
        problem = f"{absolute} is {'empty' if not content else f'larger than {MOST_SCRIPT_BYTES} bytes'}"
        raise Findings([Finding(settings.origin(*key), key, problem, "Name a script")])
    return content


def _unread(settings: Settings, key: Key, error: OSError, absolute: str) -> Findings:
    path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else absolute
    problem = (
        f"{path} is not there" if isinstance(error, FileNotFoundError) else f"{path} cannot be read ({error.strerror})"
    )
    return Findings([Finding(settings.origin(*key), key, problem, "Correct the path, or make the file")])


def _repositories(settings: Settings, environ: Mapping[str, str], wrong: list[Finding]) -> list[Resolved]:
    """All repositories, asked side by side: a network's delay is waited for once."""
    repos = settings.configuration.build.repos
    if len(repos) == 1:  # in this thread: a Ctrl-C then ends git at once
        return _noted(lambda: _resolved(settings, 0, repos[0], environ), wrong)
    stop = threading.Event()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [pool.submit(_resolved, settings, i, repo, environ, stop) for i, repo in enumerate(repos)]
        try:
            return [found for one in asked for found in _noted(one.result, wrong)]
        except BaseException:
            stop.set()  # the threads end their gits, and leaving the pool is no waiting
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _resolved(
    settings: Settings, i: int, repo: Repository, environ: Mapping[str, str], stop: threading.Event | None = None
) -> Resolved:
    key: Key = ("build", "repos", i, "url")
    url = settings.absolute(repo.url, *key) if repo.url.startswith(_LOCAL) else repo.url
    try:
        commit, ref = resolve(url, repo.branch, environ, stop)
    except GitFailed as error:
        problem = f"{repo.url} cannot be asked ({error})"
        hint = "Look at the address and the branch, and whether git may read it"
        raise Findings([Finding(settings.origin(*key), key, problem, hint)]) from None
    return Resolved(url, commit, ref)
