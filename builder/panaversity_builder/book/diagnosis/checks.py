"""The diagnosis as a whole: every check in the order in which a build would meet it, and the exit status.

PURE. The checks of a subject stand in the module of its name.
"""

from collections.abc import Iterable, Iterator

from panaversity_builder.book.diagnosis.facts import Facts, Finding
from panaversity_builder.book.diagnosis.project_checks import caches, disk, git_ignores, project, settings, state_folder
from panaversity_builder.book.diagnosis.server_checks import book, clock, permission, reach, token
from panaversity_builder.book.diagnosis.site_checks import (
    docs_folder,
    docusaurus,
    faster,
    lockfile,
    node,
    site_folder,
    site_imports,
)
from panaversity_builder.book.diagnosis.source_checks import numbering, source

CHECKS = (
    settings, project, state_folder, disk, source, numbering, reach, clock, token, permission, book, site_folder,
    docs_folder, site_imports, node, docusaurus, faster, lockfile, git_ignores, caches,
)  # fmt: skip


SEEN_BETTER_LOADED = frozenset({"docs folder", "faster"})
"""What the text of a configuration may leave open and its value does not."""


def diagnose(facts: Facts) -> Iterator[Finding]:
    """Every finding, in order.

    Where the site's own check speaks of the same thing, that counts which sees more of it: the loaded configuration
    for what it says, the project for what lies around it.
    """
    better = {one.check for one in facts.told} & SEEN_BETTER_LOADED
    said = set[str]()
    for finding in (one for check in CHECKS for one in check(facts)):
        said.add(finding.check)
        if finding.check not in better:
            yield finding
    yield from (one for one in facts.told if one.check in better or one.check not in said)


def exit_status(findings: Iterable[Finding]) -> int:
    """What a build would end with: the status of the first problem, 0 when there is none."""
    return next((one.exit_status for one in findings if one.level == "problem"), 0)
