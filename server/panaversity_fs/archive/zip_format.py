"""The records of a stored ZIP file as bytes (PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5).

Pure. Every record depends on name, size, CRC-32 and offset only: no clock, no machine, so equal input gives equal
bytes. Numbers that need more than their field move into a zip64 record, and only then. Does not know where bytes come
from.
"""

import struct
from dataclasses import dataclass

MAX_32, MAX_16 = 0xFFFFFFFF, 0xFFFF
"""A field that holds its largest value says "look into the zip64 record"; so that value itself must go there too."""

_PLAIN, _ZIP64 = 20, 45
_UNIX = 3 << 8
_UTF8_NAME = 0x0800
_STORED = 0
_TIME, _DATE = 0, 0x0021
"""Midnight, 1 January 1980: the first moment the format has."""
_REGULAR_FILE = 0o100644 << 16
_ZIP64_EXTRA = 1

_LOCAL = struct.Struct("<4sHHHHHLLLHH")
_CENTRAL = struct.Struct("<4sHHHHHHLLLHHHHHLL")
_END64 = struct.Struct("<4sQHHLLQQQQ")
_LOCATOR = struct.Struct("<4sLQL")
_END = struct.Struct("<4sHHHHLLH")


@dataclass(frozen=True, slots=True)
class Member:
    """One file: its name inside the archive, its size in bytes and the CRC-32 of its bytes."""

    name: str
    size: int
    crc32: int


def local_header(member: Member) -> bytes:
    """What stands before a member's bytes (4.3.7). Its length is told by ``local_length``."""
    name = member.name.encode()
    large = member.size >= MAX_32
    extra = _extra(member.size, member.size) if large else b""
    size = min(member.size, MAX_32)
    fields = (_UTF8_NAME, _STORED, _TIME, _DATE, member.crc32, size, size, len(name), len(extra))
    return _LOCAL.pack(b"PK\3\4", _ZIP64 if large else _PLAIN, *fields) + name + extra


def local_length(member: Member) -> int:
    """Length in bytes of ``local_header(member)``."""
    return _LOCAL.size + len(member.name.encode()) + (20 if member.size >= MAX_32 else 0)


def central_header(member: Member, offset: int) -> bytes:
    """A member's entry in the central directory (4.3.12); ``offset`` is that of its local header."""
    name = member.name.encode()
    sizes = (member.size, member.size) if member.size >= MAX_32 else ()
    far = (offset,) if offset >= MAX_32 else ()
    extra = _extra(*sizes, *far) if sizes or far else b""
    version = _ZIP64 if extra else _PLAIN
    size = min(member.size, MAX_32)
    fields = (_UTF8_NAME, _STORED, _TIME, _DATE, member.crc32, size, size, len(name), len(extra))
    place = (0, 0, 0, _REGULAR_FILE, min(offset, MAX_32))
    return _CENTRAL.pack(b"PK\1\2", _UNIX | version, version, *fields, *place) + name + extra


def _extra(*numbers: int) -> bytes:
    """The zip64 extended information (4.5.3): only the numbers that did not fit, in the format's fixed order."""
    return struct.pack(f"<HH{len(numbers)}Q", _ZIP64_EXTRA, 8 * len(numbers), *numbers)


def end_records(count: int, start: int, size: int, comment: bytes = b"") -> bytes:
    """The end of the archive (4.3.14 to 4.3.16): ``count`` entries in a directory of ``size`` bytes at ``start``."""
    end = _END.pack(
        b"PK\5\6", 0, 0, min(count, MAX_16), min(count, MAX_16), min(size, MAX_32), min(start, MAX_32), len(comment)
    )
    if count < MAX_16 and size < MAX_32 and start < MAX_32:
        return end + comment
    version = _UNIX | _ZIP64
    end64 = _END64.pack(b"PK\6\6", _END64.size - 12, version, _ZIP64, 0, 0, count, count, size, start)
    return end64 + _LOCATOR.pack(b"PK\6\7", 0, start + size, 1) + end + comment
