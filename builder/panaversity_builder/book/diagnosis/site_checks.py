"""Checks of the site: its configuration, Docusaurus, Node, and what its pages import. PURE."""

import os
import re
from collections.abc import Iterator

from panaversity_builder.book.diagnosis.facts import Facts, Finding

OLDEST_NODE = 20
FASTER_SINCE = (3, 10)
FASTER = "1000 lessons build in a third of the time"
"""Measured: 32 s instead of 91 s on two cores."""


def site_folder(facts: Facts) -> Iterator[Finding]:
    """The folder is a site."""
    site = facts.site
    if site.config is None:
        hint = "Name the site's folder with --site-dir, or stop a build before it with --until hydrate"
        yield Finding("site", "problem", f"{site.folder} holds no docusaurus.config file", hint, 15)
    else:
        yield Finding("site", "ok", site.config)


def docs_folder(facts: Facts) -> Iterator[Finding]:
    """The docs plugin reads the folder that hydrate fills."""
    if facts.site.config is None:
        return
    output, name = facts.settings.output_dir, os.path.basename(facts.site.config)
    wanted = os.path.relpath(output, facts.site.folder).replace(os.sep, "/")
    read = [one.path for one in facts.site.text.docs]
    if not read or None in read:
        hint = f"See in {name} that one reads {wanted}: path: '{wanted}'"
        yield Finding("docs folder", "warning", "the text of the configuration does not tell which is read", hint)
    elif output in (os.path.normpath(os.path.join(facts.site.folder, path)) for path in read if path):
        yield Finding("docs folder", "ok", f"the docs plugin reads {wanted}, which hydrate fills")
    else:
        says = f"the docs plugin reads {', '.join(map(str, read))}, hydrate fills {wanted}"
        yield Finding("docs folder", "problem", says, f"In {name}: path: '{wanted}'", 15)


def site_imports(facts: Facts) -> Iterator[Finding]:
    """Nobody imports from @site/docs when the docs are hydrated elsewhere."""
    output = os.path.relpath(facts.settings.output_dir, facts.site.folder)
    if output != "docs" and facts.source.site_imports:
        count = len(facts.source.site_imports)
        says = f"{count} {'file imports' if count == 1 else 'files import'} from @site/docs"
        hint = f"Import from @site/{output}, or by a relative path: the hydrated lessons lie there"
        yield Finding("imports", "warning", says, hint, listed=facts.source.site_imports)


def node(facts: Facts) -> Iterator[Finding]:
    """Node is there and new enough."""
    version, hint = facts.machine.node, f"Install Node {OLDEST_NODE} or newer"
    numbers = _numbers(version or "")
    if not numbers:
        yield Finding("node", "problem", "is not on the PATH or does not run", hint, 14)
    elif numbers[0] < OLDEST_NODE:
        yield Finding("node", "problem", f"{version} is older than {OLDEST_NODE}", hint, 14)
    else:
        yield Finding("node", "ok", str(version))


def docusaurus(facts: Facts) -> Iterator[Finding]:
    """Docusaurus is installed."""
    version = facts.site.installed
    if version is None:
        hint = "Run npm ci (or what your package manager says) in the folder that holds the lockfile"
        yield Finding("docusaurus", "problem", f"is not installed in {facts.site.folder} or above", hint, 14)
    elif _numbers(version)[:1] != (3,):
        yield Finding("docusaurus", "warning", f"{version} was never tried here", "Use a version 3")
    else:
        yield Finding("docusaurus", "ok", version)


def faster(facts: Facts) -> Iterator[Finding]:
    """The faster bundler is on: large books build in a third of the time."""
    if facts.site.config is None or facts.site.installed is None:
        return
    if facts.site.text.faster:
        yield Finding("faster", "ok", "is on")
    elif _numbers(facts.site.installed)[:2] < FASTER_SINCE:
        yield Finding("faster", "warning", "needs Docusaurus 3.10", f"Upgrade: {FASTER}")
    else:
        says = "is off" if facts.site.text.faster is False else "is not mentioned"
        hint = f"Set future: {{faster: true}} and install @docusaurus/faster: {FASTER}"
        yield Finding("faster", "warning", says, hint)


def lockfile(facts: Facts) -> Iterator[Finding]:
    """The site's packages are pinned; the site cache goes by that file."""
    if facts.site.config is None:
        return
    if facts.site.lockfile is None:
        hint = "Commit one: without it equal inputs need not give equal sites"
        yield Finding("lockfile", "warning", "there is none", hint)
    else:
        yield Finding("lockfile", "ok", facts.site.lockfile)


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"v?(\d{1,9})(?:\.(\d{1,9}))?", version)
    return tuple(int(part) for part in match.groups() if part) if match else ()
