"""A manifest as the lines of ``sha256sum``, for a folder it was hydrated into (``manifest export``).

PURE. Knows the two layouts of such a folder; does not look at one.
"""

from collections.abc import Iterator

from panaversity_builder.book.compare.operands import HydratedFolder, Operand
from panaversity_builder.client import TOPS
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import HashMismatch, InvalidArgument
from panaversity_fs.core.mapping import Numbering, decode
from panaversity_fs.core.paths import shown


def sums(operand: Operand, tree: str | None, scope: str | None, numbering: Numbering | None) -> Iterator[str]:
    """``digest  path`` for every file, sorted by path, as ``sha256sum --check`` reads it inside the folder.

    ``tree`` and ``scope`` None mean as the operand's folder was hydrated, else ``source`` and ``all``. No name needs
    escaping: the grammar of paths knows neither backslashes nor line ends. Raises ``InvalidArgument`` when the names of
    a source tree depend on a ``numbering`` that nobody tells.
    """
    place = operand.place if isinstance(operand.place, HydratedFolder) else None
    tree = tree or (place.tree if place else "source")
    tops = TOPS[scope or (place.scope if place else "all")]
    kept = {path: digest for path, digest in operand.entries.items() if path.startswith(tops)}
    named = kept if tree == "storage" else _source(kept, operand, numbering)
    return (f"{named[path]}  {path}" for path in sorted(named))


def _source(kept: dict[str, Digest], operand: Operand, told: Numbering | None) -> dict[str, Digest]:
    numbering = told or operand.numbering
    if numbering is None and any(decode(p, Numbering.NAME_NUMBER) != decode(p, Numbering.NUMBER_NAME) for p in kept):
        raise InvalidArgument(
            "manifest", operand.name, "does not tell how the folders of its source tree are named",
            "Say --numbering number-name or name-number, or --tree storage",
        )  # fmt: skip
    named: dict[str, Digest] = {}
    for path, digest in kept.items():
        source = decode(path, numbering)
        if source is None or source in named:
            raise HashMismatch("manifest", shown(path), "has no place in a source tree", "Say --tree storage")
        named[source] = digest
    return named
