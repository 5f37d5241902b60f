"""Manifests side by side: which one a word means, what differs, and why (``manifest …``, SC-103, FEATURES 6).

Re-exports only. Nothing here changes a book, a folder or what a build remembers.
"""

from panaversity_builder.book.compare.comparison import Change, Comparison, compare
from panaversity_builder.book.compare.operands import OPERANDS, Operand
from panaversity_builder.book.compare.resolving import Resolver, Servers, Surroundings, needs_server

__all__ = [
    "OPERANDS", "Change", "Comparison", "Operand", "Resolver", "Servers", "Surroundings", "compare", "needs_server",
]  # fmt: skip
