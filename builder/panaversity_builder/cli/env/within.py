"""A book's site built in an environment: the environment made ready, and the words that run a program in it.

Knows both vocabularies, the site's and the environment's, which do not know each other.
"""

import os
import sys
from dataclasses import replace

from panaversity_builder.book.site import Site
from panaversity_builder.cli.env.opening import backend_of, prepared, settings_of
from panaversity_builder.config import Config
from panaversity_builder.console import Console

PASSED = frozenset(
    {"NODE_ENV", "BASE_URL", "BABEL_ENV", "BROWSERSLIST", "BROWSERSLIST_ENV", "NODE_OPTIONS", "CI", "INCREMENTAL_SSG"}
)
"""Variables that Docusaurus reads, wherever it runs; besides them DOCUSAURUS_*, and what ``site_variables`` names."""

_RUN = (sys.executable, "-m", "panaversity_builder", "env", "run", "--quiet")


def site_within(console: Console, config: Config, site: Site, name: str, *, building: bool) -> Site:
    """The same site, built in the environment of this name; with ``building`` that is brought up to date first.

    Programs run as the owner of the site's folder, in that folder, with the project shown at its own path; in the image
    of exactly this environment, which the site is known by. Raises what building the environment raises.
    """
    from panaversity_builder.environment.build import finished, key_documents

    settings = settings_of(console, config, name)
    backend, where = backend_of(config, "env build")
    environment = prepared(settings, backend)
    if building:
        from panaversity_builder.cli.env.build import brought_up_to_date

        brought_up_to_date(console, config, settings, environment, backend, where)
    key = key_documents(environment)[-1].key
    there = building or finished(environment, backend) is not None  # looking ahead, the last one has to do
    words = [*_RUN, *(["--key", key] if there else []), "--workdir", os.path.abspath(site.folder)]
    owner = os.stat(site.folder) if os.path.isdir(site.folder) else None
    words += ["--user", f"{owner.st_uid}:{owner.st_gid}"] if owner else []
    for path in _shown(config.root, site):
        words += ["--mount", path]
    for variable in sorted(_passed(site)):
        words += ["--variable", variable]
    return replace(site, within=(*words, os.path.abspath(settings.file), "--"), environment=key)


def _shown(root: str, site: Site) -> list[str]:
    """The project, and what of the site lies outside of it."""
    top = os.path.abspath(root)
    others = {os.path.abspath(path) for path in (site.folder, site.docs)}
    return [top, *sorted(path for path in others if os.path.commonpath((path, top)) != top)]


def _passed(site: Site) -> set[str]:
    wanted = {name for name in site.environ if name.startswith("DOCUSAURUS_")} | PASSED | set(site.variables)
    return wanted & set(site.environ) | {"NO_COLOR", "NO_UPDATE_NOTIFIER"}
