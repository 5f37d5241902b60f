"""The facts of a diagnosis, asked of the machine and of the server. Writes nothing that stays; never raises.

Knows where facts come from; what they mean is decided by the checks.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Final, Protocol

from panaversity_builder.book.diagnosis.facts import MachineFacts, ServerFacts, SourceFacts
from panaversity_builder.book.inspection.configuration import read_text
from panaversity_builder.book.inspection.survey import look
from panaversity_builder.book.mapping import detect_numbering, map_tree
from panaversity_builder.book.scanned import scanned
from panaversity_builder.book.site import Site, node_version
from panaversity_builder.client import BOOK_UNKNOWN, BuildPlan
from panaversity_builder.client.health import Health
from panaversity_builder.upward import folders_upward, is_repository
from panaversity_fs.core.errors import PanaversityError
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.schema import Schema

CODE: Final = (".md", ".mdx", ".js", ".jsx", ".ts", ".tsx")
MOST_READ: Final = 20_000
"""Files looked into for imports."""
IMPORTED: Final = "@site/docs/"


class Asked(Protocol):
    """What is asked of a server."""

    def health(self) -> Health: ...
    def plan_build(self, book_id: str) -> BuildPlan: ...


def machine_facts(root: str, site: Site, caches: Mapping[str, str]) -> MachineFacts:
    """Disk, state folder, Node, and the size of each named cache folder."""
    free = None
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(root).free
    node = None
    with contextlib.suppress(PanaversityError):
        node = node_version(site if os.path.isdir(site.folder) else replace(site, folder=root))
    return MachineFacts(
        free_bytes=free,
        unwritable=_unwritable(os.path.join(root, ".panaversity")),
        node=node,
        in_git=any(is_repository(folder) for folder in folders_upward(site.folder)),
        server_part=find_spec("fastmcp") is not None and find_spec("panaversity_fs") is not None,
        caches={name: (path, _size(path)) for name, path in caches.items()},
    )


def source_facts(
    source_dir: str, site_dir: str, state_dir: str, book_id: str | None, numbering: str | None
) -> SourceFacts:
    """The source tree as an ingest would find it, and who imports from ``@site/docs``.

    The stat cache of the last ingest spares reading what did not change; it is not written.
    """
    try:
        tree = scanned(state_dir, book_id or "unnamed", source_dir, read_only=True)
    except PanaversityError as error:
        return SourceFacts(error=error)
    found, doubt = numbering, None
    try:
        found = numbering or detect_numbering(tree.files).value
    except PanaversityError as error:
        doubt = error
    mapped = map_tree(tree.files, Numbering(found) if found else None, Schema.DOCUSAURUS)
    refused = (*tree.refused, *mapped.refused)
    return SourceFacts(
        files=len(tree.files),
        size=sum(file.size for file in tree.files.values()),
        ignored=len(tree.ignored),
        refused=tuple(f"{one.source} {one.reason}" for one in refused),
        numbering=found,
        doubt=doubt,
        site_imports=tuple(_importing(source_dir, tree.files, site_dir)),
    )


def server_facts(
    server: Asked, book_id: str | None, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> ServerFacts:
    """Readiness, clock, and what the server says when it is asked for a plan of the book."""
    try:
        health = server.health()
    except PanaversityError as error:
        return ServerFacts(error=error)
    told = now()
    if book_id is None:
        return ServerFacts(health.body, health.date, told)
    try:
        plan = server.plan_build(book_id)
    except PanaversityError as error:
        return ServerFacts(health.body, health.date, told, refusal=error)
    book = "unknown" if plan.warns(BOOK_UNKNOWN) else "known"
    return ServerFacts(health.body, health.date, told, book=book, book_numbering=plan.numbering)


def _unwritable(folder: str) -> str | None:
    """Why a file cannot be made there, or where the folder would be made; None when it can."""
    while not os.path.isdir(folder) and not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as fault:
        return fault.strerror or type(fault).__name__


def _importing(source_dir: str, files: Iterable[str], site_dir: str) -> Iterator[str]:
    own = os.path.join(site_dir, "src")
    paths = [os.path.join(source_dir, name) for name in files]
    paths += [os.path.join(own, name) for name in look(own).files] if os.path.isdir(own) else []
    for path in [path for path in paths if path.lower().endswith(CODE)][:MOST_READ]:
        if IMPORTED in (read_text(path) or ""):
            yield path


def _size(folder: str) -> int:
    """Bytes below a folder; what cannot be read counts nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total
