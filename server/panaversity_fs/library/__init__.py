"""The use cases: everything the server can do, and the only place that knows in which order things are stored.

``Library`` is what every door calls. Doors know protocols and callers; the library knows books. It stands on ``store``
and ``core`` only.
"""

from panaversity_fs.library.answers import (
    BookInfo,
    Caller,
    CommitResult,
    FileEntry,
    Health,
    Outcome,
    Plan,
    PlanFile,
    Scope,
)
from panaversity_fs.library.archiving import Archive
from panaversity_fs.library.context import Quotas
from panaversity_fs.library.opening import Library, open_library
from panaversity_fs.library.reading import Blob
from panaversity_fs.library.searching import Found, Grep, Place, Skipped
from panaversity_fs.library.site_keeping import KeptSite, Offer
from panaversity_fs.library.site_policy import SitePolicy
from panaversity_fs.library.staging import Staging

__all__ = [
    "Archive", "Blob", "BookInfo", "Caller", "CommitResult", "FileEntry", "Found", "Grep", "Health", "KeptSite",
    "Library", "Offer", "Outcome", "Place", "Plan", "PlanFile", "Quotas", "Scope", "SitePolicy", "Skipped", "Staging",
    "open_library",
]  # fmt: skip
