"""Searching names and text with a bound on the work, whatever the pattern (S19, S20).

``glob`` judges paths, ``grep`` the text of one file. Neither knows books, overlays, media or doors: names and bytes are
handed in.
"""

from panaversity_fs.search.glob import Glob
from panaversity_fs.search.grep import Hit, Regex

__all__ = ["Glob", "Hit", "Regex"]
