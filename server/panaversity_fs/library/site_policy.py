"""How much of built sites is kept for a book, and for how long: pure rules over rows.

What was used last goes last. Sites that are equal share one object, so bytes are counted by object, and an object goes
with every key that names it. Does not know where rows or bytes are.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from panaversity_fs.store.blobs import BlobKey
from panaversity_fs.store.site_cache_rows import SiteRow

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class SitePolicy:
    """``quota`` bytes a book (0: no sites are kept), ``unused`` after which a site is let go."""

    quota: int = 2 * GIB
    unused: timedelta = timedelta(days=14)

    def is_over(self, row: SiteRow, now: datetime) -> bool:
        """True when nobody has used this site for so long that it is not served any more."""
        return row.last_used_at + self.unused <= now

    def surplus(self, rows: Collection[SiteRow], keep: BlobKey | None = None) -> list[SiteRow]:
        """The rows to let go so that the rest is within the quota, the least recently used first; never ``keep``'s."""
        used: dict[BlobKey, datetime] = {}
        for row in rows:
            used[row.object] = max(used.get(row.object, row.last_used_at), row.last_used_at)
        total, going = size_of(rows), set[BlobKey]()
        sizes = {row.object: row.size for row in rows}
        for key in sorted(used.keys() - {keep}, key=lambda key: (used[key], key.name)):
            if total <= self.quota:
                break
            total -= sizes[key]
            going.add(key)
        return [row for row in rows if row.object in going]


def size_of(rows: Iterable[SiteRow]) -> int:
    """Bytes of the objects that hold these sites, each counted once."""
    return sum({row.object: row.size for row in rows}.values())
