"""What is said of a built site beside its bytes, as it travels to and from the remote build cache.

A pack of two members: ``site.json``, then the site's bytes under their digest. The key document is sent as the very
text whose digest is the key, so that whoever holds one can check the other without knowing what it means. Values only;
does not know how a site is packed or who keeps it.
"""

import json
from dataclasses import dataclass

from panaversity_fs.core.digest import Digest, digest_of, is_digest
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.pack import BLOCK, END, member, padding

META_MEMBER = "site.json"
LONGEST_META = 1024 * 1024
"""Bytes of ``site.json``: a key document holds a line for every input, and there are a few dozen of them."""
_LONGEST_BUILD_MS = 10**12


@dataclass(frozen=True, slots=True)
class SiteMeta:
    """One built site: the canonical text of its key document, the digest of the built folder, how long building took.

    ``agent`` and ``stored_at`` (ISO 8601) are the server's to say: who built it, and when it was stored.
    """

    document: str
    output: Digest
    build_ms: int
    agent: str = ""
    stored_at: str = ""

    @property
    def key(self) -> Digest:
        """The identity of what was built."""
        return digest_of(self.document.encode())

    def to_bytes(self) -> bytes:
        """The member ``site.json``; ``parse_site_meta`` is its inverse."""
        body = {
            "schema_version": 1, "key": self.key, "output": self.output, "build_ms": self.build_ms,
            "agent": self.agent, "stored_at": self.stored_at, "document": self.document,
        }  # fmt: skip
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def parse_site_meta(data: bytes, operation: str) -> SiteMeta:
    """Read ``site.json``. Raises ``InvalidArgument`` for anything else, and where the key is not the document's."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise _malformed(operation, "is not JSON") from None
    match body:
        case {
            "key": str(key), "output": str(output), "build_ms": int(took), "document": str(document),
            "agent": str(agent), "stored_at": str(stored_at),
        } if is_digest(output) and not isinstance(took, bool) and 0 <= took < _LONGEST_BUILD_MS:  # fmt: skip
            meta = _encodable(SiteMeta(document, Digest(output), took, agent, stored_at), operation)
            if meta.key != key:
                raise _malformed(operation, "does not hold the document its key is the digest of")
            return meta
    raise _malformed(operation, "lacks a field or holds one of another form")


def _encodable(meta: SiteMeta, operation: str) -> SiteMeta:
    """JSON can spell half a surrogate pair, which no text can be written with."""
    try:
        meta.to_bytes()
    except UnicodeEncodeError:
        raise _malformed(operation, "holds text that is no Unicode") from None
    return meta


def _malformed(operation: str, reason: str) -> InvalidArgument:
    return InvalidArgument(
        operation, META_MEMBER, reason, "See that builder and server are of one version", name=META_MEMBER,
        reason=reason,
    )  # fmt: skip


def site_pack_size(meta: bytes, size: int) -> int:
    """Bytes of the whole pack of a site of ``size`` bytes."""
    return len(member(META_MEMBER, meta)) + BLOCK + size + len(padding(size)) + len(END)
