"""Signing a request as Amazon's S3 asks for (AWS Signature Version 4), for the few that ``obstore`` cannot send.

Pure: time and keys come in, headers come out. Source: "Signature Version 4 signing process" of Amazon's documentation;
the tests hold Amazon's own example against it.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose signature, and where it is valid."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str

    def headers(
        self, method: str, host: str, path: str, query: Mapping[str, str], now: datetime, payload: bytes = b""
    ) -> dict[str, str]:
        """The headers that make this request ours. ``path`` is not encoded yet; ``now`` is aware and in UTC."""
        stamp = now.strftime("%Y%m%dT%H%M%SZ")
        given = {"host": host, "x-amz-content-sha256": sha256(payload).hexdigest(), "x-amz-date": stamp}
        names = ";".join(given)
        lines = "".join(f"{name}:{value}\n" for name, value in given.items())
        request = "\n".join(
            [method, encoded_path(path), encoded_query(query), lines, names, given["x-amz-content-sha256"]]
        )
        scope = f"{stamp[:8]}/{self.region}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, sha256(request.encode()).hexdigest()])
        key = f"AWS4{self.secret_access_key}".encode()
        for part in (stamp[:8], self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        credential = f"{self.access_key_id}/{scope}"
        signed = f"AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={names},Signature={signature}"
        return {**given, "authorization": signed}


def encoded_path(path: str) -> str:
    """The path as it is sent and signed."""
    return quote(path, safe="/-_.~")


def encoded_query(query: Mapping[str, str]) -> str:
    """The query as it is sent and signed: sorted by its encoded names."""
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)
