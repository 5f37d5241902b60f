"""Make a folder equal a book's manifest, moving only what differs (DESIGN 10, "Hydrate, precisely").

Re-exports what callers use; the steps are in the modules of their names and ``run`` knows their order.
"""

from panaversity_builder.book.hydrate.options import Change, HydrateOptions, HydratePreview, HydrateResult
from panaversity_builder.book.hydrate.run import hydrate, plan_hydrate

__all__ = ["Change", "HydrateOptions", "HydratePreview", "HydrateResult", "hydrate", "plan_hydrate"]
