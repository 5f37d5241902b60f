"""Make a folder equal a book's manifest, moving only what differs (DESIGN 10, "Hydrate, precisely").

Re-exports what callers use; the steps are in the modules of their names and ``run`` knows their order. They are loaded
when they are needed: most runs have nothing to do.
"""

from typing import TYPE_CHECKING, Any

from panaversity_builder.book.hydrate.entry import hydrate
from panaversity_builder.book.hydrate.options import Change, HydrateOptions, HydratePreview, HydrateResult

if TYPE_CHECKING:
    from panaversity_builder.book.hydrate.preview import plan_hydrate

__all__ = ["Change", "HydrateOptions", "HydratePreview", "HydrateResult", "hydrate", "plan_hydrate"]


def __getattr__(name: str) -> Any:
    if name == "plan_hydrate":
        from panaversity_builder.book.hydrate.preview import plan_hydrate

        return plan_hydrate
    raise AttributeError(name)
