"""Stored ZIP archives as streams: their length is known before the first byte, and any range of it can be made alone.

``zip_format`` knows the records, ``layout`` where each one lies, ``whole`` makes the archive of known files, and
``partial`` the one that goes on past trouble. None of them knows books, manifests, media or doors: bytes come from a
``Source``.

Written by hand although D20 names ``zipfile``: that one cannot begin in the middle (``Range``), writes a data
descriptor behind each member instead of the CRC-32 we know beforehand, and cannot tell its length before it ends.
"""

from panaversity_fs.archive.layout import Layout
from panaversity_fs.archive.partial import Patience, Trouble, stream_partial
from panaversity_fs.archive.whole import SMALL, Source, stream_range
from panaversity_fs.archive.zip_format import Member

__all__ = ["SMALL", "Layout", "Member", "Patience", "Source", "Trouble", "stream_partial", "stream_range"]
