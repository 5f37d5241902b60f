"""How ``obstore`` is set up for one bucket: every choice that is ours, and none of the environment's.

``obstore`` reads what is meant for Amazon's own tools (``AWS_ENDPOINT``, ``AWS_SESSION_TOKEN`` …) beside its arguments;
here each of them that could lead elsewhere is given, so ``PANAVERSITY_S3_*`` alone decides. Sends nothing.
"""

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.store import S3Store

from panaversity_fs.store.object_place import ObjectPlace

if TYPE_CHECKING:
    from obstore.store import S3Credential

_CONNECT_SECONDS = 5.0
_SILENCE_SECONDS = 30.0
"""How long a store may say nothing while it copies."""
_FOR_EVER = timedelta(days=1)


def connection(
    place: ObjectPlace, *, lasting: bool = False, silence: float = 0.0, retries: int = 0, bulk: bool = False
) -> S3Store:
    """A pool of connections to the bucket. A request may take one attempt's time, or as long as it takes while bytes
    come (``lasting``); bytes that go count as none, so ``silence`` says how many seconds they are given. ``retries`` is
    how often ``obstore`` itself tries again; ``bulk`` removes many objects by one request."""
    patience = place.patience
    attempt = max(patience.attempt, _SILENCE_SECONDS, silence) if lasting else patience.attempt
    credential: S3Credential = {
        "access_key_id": place.access_key_id,
        "secret_access_key": place.secret_access_key,
        "token": None,
        "expires_at": None,
    }
    return S3Store(
        place.bucket,
        prefix=place.prefix or None,
        endpoint=place.endpoint,
        aws_endpoint_url_s3=place.endpoint,
        region=place.region,
        credential_provider=lambda: credential,
        skip_signature=False,
        unsigned_payload=False,  # the signature covers the bytes: what arrives damaged is refused
        virtual_hosted_style_request=False,
        s3_express=False,
        conditional_put="etag",
        disable_bulk_delete=not bulk,
        client_options={
            "allow_http": urlsplit(place.endpoint).scheme == "http",
            "allow_invalid_certificates": False,
            "connect_timeout": timedelta(seconds=min(attempt, _CONNECT_SECONDS)),
            "timeout": _FOR_EVER if lasting else timedelta(seconds=attempt),
            "read_timeout": timedelta(seconds=attempt),
            "user_agent": "panaversity-fs",
        },
        retry_config={
            "max_retries": retries,
            "retry_timeout": timedelta(seconds=max(patience.total, _SILENCE_SECONDS, silence)),
            "backoff": {
                "init_backoff": timedelta(seconds=patience.first),
                "max_backoff": timedelta(seconds=patience.longest),
                "base": 2,
            },
        },
    )
