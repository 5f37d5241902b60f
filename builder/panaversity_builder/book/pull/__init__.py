"""Pull: what others changed in the book since the last ingest, brought into the author's source folder (DESIGN 10).

Re-exports only.
"""

from panaversity_builder.book.pull.options import PullOptions, PullResult
from panaversity_builder.book.pull.run import pull

__all__ = ["PullOptions", "PullResult", "pull"]
