"""What goes into a built site besides the docs: the inputs of phase 5, each under the name ``--explain`` shows.

A value is read, or the phase fails; it is never guessed. Knows site folders, package managers and the environment;
does not know how a site is built or what is remembered.
"""

import json
import os
from dataclasses import dataclass

from panaversity_builder.book.site import (
    BUILT,
    LOCKFILES,
    Site,
    docusaurus_entry,
    find_upward,
    node_version,
)
from panaversity_builder.book.site_sources import Sources, site_sources
from panaversity_builder.book.trees import Marks, file_digest, marks_digest
from panaversity_builder.config import SITE_CONFIGS
from panaversity_builder.kept import BESIDE
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import ConfigInvalid, PhaseFailed

SOURCES = "site sources"
NONE = "none"
BUILT_NAMES = (BUILT, *(BUILT + end for end in BESIDE))
"""The built folder, and the names it has for a moment while a kept copy takes its place."""
PLAIN_VARIABLES = frozenset({"NODE_ENV", "BASE_URL"})
"""Shown as they are; other values may be secret and are kept as digests only."""
ALWAYS_COUNT = frozenset({"BABEL_ENV", "BROWSERSLIST", "BROWSERSLIST_ENV", "SKIP_HTML_MINIFICATION", *PLAIN_VARIABLES})
"""Variables that Docusaurus and its bundler read, whatever the site's own code does."""
NEVER_COUNT = frozenset({"PATH", "HOME", "PWD", "USER", "LOGNAME", "HOSTNAME", "TMPDIR", "TMP", "TEMP"})
"""Code names them, yet they tell where a build runs and not what it is of; ``site_variables`` overrules this."""
INSTALLED = (
    os.path.join("node_modules", ".package-lock.json"),
    os.path.join("node_modules", ".pnpm", "lock.yaml"),
    os.path.join("node_modules", ".yarn-state.yml"),
    os.path.join("node_modules", ".yarn-integrity"),
)
"""Where npm, pnpm and both yarns write down what they really installed, which a pulled lockfile does not tell."""


@dataclass(frozen=True, slots=True)
class SiteInputs:
    """The inputs by name, and the tree behind the input ``site sources``."""

    values: dict[str, str]
    sources: Marks


def site_inputs(site: Site, builder_version: str) -> SiteInputs:
    """Everything besides the docs that goes into the built folder.

    Raises ``ConfigInvalid`` when the folder is no site, ``PhaseFailed`` when Node or Docusaurus are not installed.
    """
    configuration = configuration_of(site.folder)
    lockfile = find_upward(site.folder, LOCKFILES)
    left_out = [site.docs, *(os.path.join(site.folder, name) for name in BUILT_NAMES)]
    left_out += [path for path in (site.source, lockfile) if path]  # a lockfile is an input of its own
    sources = site_sources(site.folder, left_out, configuration, site.files, site.generated)
    values = {
        "configuration": file_digest(configuration),
        SOURCES: marks_digest(sources.marks),
        "lockfile": file_digest(lockfile) if lockfile else NONE,
        "installed packages": installed_packages(site.folder),
        "docusaurus": _docusaurus_version(site),
        "node": node_version(site),
        "builder": builder_version,
        **({"environment": site.environment} if site.environment else {}),
        **_variables(site, sources),
    }
    return SiteInputs(values, sources.marks)


def configuration_of(folder: str) -> str:
    """The site's configuration file. Raises ``ConfigInvalid`` when there is none."""
    for name in SITE_CONFIGS:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return os.path.abspath(path)
    raise ConfigInvalid(
        "build",
        folder,
        "holds no docusaurus.config file",
        "Give the site's folder with --site-dir, or stop before it with --until hydrate",
        key="site_dir",
    )


def installed_packages(folder: str) -> str:
    """The digest of what the package manager says it installed; ``none`` where none says so."""
    path = find_upward(folder, INSTALLED)
    if path is None:
        return NONE
    with open(path, "rb") as file:
        data = file.read()
    return digest_of(_portable(data) if path.endswith(".json") else data)


def _portable(data: bytes) -> bytes:
    """npm's list without the packages that are for one platform only: they differ between a laptop and its CI."""
    try:
        packages = json.loads(data)["packages"]
        return "".join(
            sorted(
                f"{path} {one.get('version')} {one.get('integrity')}\n"
                for path, one in packages.items()
                if not (one.get("optional") or "os" in one or "cpu" in one)
            )
        ).encode()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return data


def _docusaurus_version(site: Site) -> str:
    """What its ``package.json`` says. Raises ``PhaseFailed`` when that cannot be read."""
    path = os.path.join(os.path.dirname(docusaurus_entry(site)), "..", "package.json")
    try:
        with open(path, "rb") as file:
            return str(json.load(file)["version"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise PhaseFailed(
            "build",
            os.path.normpath(path),
            f"tells no version ({type(error).__name__})",
            "Install the packages again with `npm ci`",
            phase="5",
        ) from error


def _variables(site: Site, sources: Sources) -> dict[str, str]:
    """The environment that counts: what Docusaurus reads, what the site's code names, what its author says."""
    named = {n for n in site.environ if n.startswith("DOCUSAURUS_")} | ALWAYS_COUNT
    counting = (named | sources.variables) - NEVER_COUNT | set(site.variables)
    values = {name: site.environ[name] for name in counting if name in site.environ}
    return {f"variable {n}": v if n in PLAIN_VARIABLES else digest_of(os.fsencode(v)) for n, v in values.items()}
