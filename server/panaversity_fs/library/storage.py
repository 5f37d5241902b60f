"""Which medium the settings name: a folder of this machine, or a bucket.

Knows settings and adapters; opens nothing and sends nothing.
"""

from panaversity_fs.config import Settings
from panaversity_fs.core.errors import ConfigInvalid
from panaversity_fs.store.blobs import BlobStore
from panaversity_fs.store.local_blobs import LocalBlobs
from panaversity_fs.store.object_place import ObjectPlace


def blobs_of(settings: Settings, *, read_only: bool = False) -> BlobStore:
    """The blob store of these settings. Raises ``ConfigInvalid`` where the library for buckets is not installed."""
    if settings.storage_backend == "fs":
        return LocalBlobs(settings.storage_root)
    return _bucket(_place(settings), read_only=read_only or settings.refuses_writes)


def _place(settings: Settings) -> ObjectPlace:
    return ObjectPlace(
        settings.s3_bucket or "",
        settings.s3_endpoint or f"https://s3.{settings.s3_region}.amazonaws.com",
        settings.s3_region,
        settings.s3_access_key_id or "",
        settings.s3_secret_access_key.get_secret_value() if settings.s3_secret_access_key else "",
        settings.s3_prefix,
        settings.s3_conditional,
    )


def _bucket(place: ObjectPlace, *, read_only: bool) -> BlobStore:
    try:
        from panaversity_fs.store.object_blobs import ObjectBlobs
    except ModuleNotFoundError as fault:
        if fault.name != "obstore":
            raise
        raise ConfigInvalid(
            "start", "PANAVERSITY_STORAGE_BACKEND", "is s3, for which the package obstore is missing",
            "Install panaversity-fs[s3]", key="PANAVERSITY_STORAGE_BACKEND", reason="not installed",
        ) from None  # fmt: skip
    return ObjectBlobs(place, read_only=read_only)
