"""Settings of an object store: a bucket is named as a whole or not at all, and its secret is never shown (P14)."""

import pytest

from panaversity_fs.config import Settings
from panaversity_fs.core.errors import ConfigInvalid
from panaversity_fs.library.storage import blobs_of
from panaversity_fs.store.local_blobs import LocalBlobs
from panaversity_fs.store.object_blobs import ObjectBlobs

SECRET = "a-very-secret-key"
BUCKET = {
    "PANAVERSITY_STORAGE_BACKEND": "s3",
    "PANAVERSITY_S3_BUCKET": "books",
    "PANAVERSITY_S3_ENDPOINT": "https://store.example:9000",
    "PANAVERSITY_S3_ACCESS_KEY_ID": "key",
    "PANAVERSITY_S3_SECRET_ACCESS_KEY": SECRET,
}


def told(change: dict[str, str]) -> ConfigInvalid:
    with pytest.raises(ConfigInvalid) as refused:
        Settings.read({**BUCKET, **change})
    assert refused.value.exit_status == 15
    assert SECRET not in str(refused.value)
    return refused.value


def test_a_whole_bucket_is_taken() -> None:
    more = {"PANAVERSITY_S3_PREFIX": "/a/b/", "PANAVERSITY_S3_REGION": "auto", "PANAVERSITY_S3_CONDITIONAL": "lock"}
    settings = Settings.read({**BUCKET, **more})
    store = blobs_of(settings)
    assert isinstance(store, ObjectBlobs)
    place = store.place
    assert (place.bucket, place.prefix, place.region, place.conditional) == ("books", "a/b", "auto", "lock")
    assert place.endpoint == "https://store.example:9000"
    assert SECRET not in f"{settings!r} {settings} {place!r} {settings.model_dump()}"


def test_without_an_endpoint_it_is_amazons_of_the_region() -> None:
    environment = {**BUCKET, "PANAVERSITY_S3_ENDPOINT": "", "PANAVERSITY_S3_REGION": "eu-central-1"}
    store = blobs_of(Settings.read(environment))
    assert isinstance(store, ObjectBlobs)
    assert store.place.endpoint == "https://s3.eu-central-1.amazonaws.com"


def test_without_a_word_bytes_lie_in_a_folder() -> None:
    assert isinstance(blobs_of(Settings.read({})), LocalBlobs)


@pytest.mark.parametrize("missing", ["BUCKET", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"])
def test_P14_half_a_bucket_is_refused_naming_what_is_missing(missing: str) -> None:
    fault = told({f"PANAVERSITY_S3_{missing}": ""})
    assert fault.details["key"] == f"PANAVERSITY_S3_{missing}"
    assert "is not set" in str(fault)


@pytest.mark.parametrize("name", sorted(set(BUCKET) - {"PANAVERSITY_STORAGE_BACKEND"}))
def test_P14_a_bucket_beside_a_folder_is_refused_so_that_nobody_takes_one_for_the_other(name: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        Settings.read({name: BUCKET[name]})
    assert "PANAVERSITY_STORAGE_BACKEND is not s3" in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        ({"PANAVERSITY_S3_ENDPOINT": "http://store.example"}, "ENDPOINT", "PANAVERSITY_S3_ALLOW_HTTP"),
        ({"PANAVERSITY_S3_ENDPOINT": "http://127.0.0.1.example"}, "ENDPOINT", "PANAVERSITY_S3_ALLOW_HTTP"),
        ({"PANAVERSITY_S3_ENDPOINT": f"https://u:{SECRET}@store.example"}, "ENDPOINT", "without user"),
        ({"PANAVERSITY_S3_ENDPOINT": "https://store.example/books"}, "ENDPOINT", "without user, path or query"),
        ({"PANAVERSITY_S3_ENDPOINT": "https://store.example?x"}, "ENDPOINT", "without user, path or query"),
        ({"PANAVERSITY_S3_ENDPOINT": "store.example"}, "ENDPOINT", "http:// or https://"),
        ({"PANAVERSITY_S3_ENDPOINT": "https://store.example:99999"}, "ENDPOINT", "http:// or https://"),
        ({"PANAVERSITY_S3_BUCKET": "a/b"}, "BUCKET", "is no name of a bucket"),
        ({"PANAVERSITY_S3_PREFIX": "../x"}, "PREFIX", "is no prefix"),
        ({"PANAVERSITY_S3_PREFIX": "a//b"}, "PREFIX", "is no prefix"),
        ({"PANAVERSITY_S3_REGION": "Europe!"}, "REGION", "form"),
        ({"PANAVERSITY_S3_CONDITIONAL": "maybe"}, "CONDITIONAL", "'require' or 'lock'"),
        ({"PANAVERSITY_S3_PRESIGN": "-1"}, "PRESIGN", "is less than 0"),
        ({"PANAVERSITY_S3_ALLOW_HTTP": "perhaps"}, "ALLOW_HTTP", "neither true nor false"),
        ({"PANAVERSITY_S3_SECRET_KEY": SECRET}, "SECRET_KEY", "is no setting of this version"),
    ],
    ids=str,
)
def test_P14_a_wrong_setting_of_a_bucket_is_named_with_its_reason(change: dict[str, str], key: str, words: str) -> None:
    fault = told(change)
    assert fault.details["key"] == f"PANAVERSITY_S3_{key}"
    assert words in str(fault)


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost:9000", "[::1]:9000"])
def test_S11_http_needs_no_word_on_this_machine(host: str) -> None:
    Settings.read({**BUCKET, "PANAVERSITY_S3_ENDPOINT": f"http://{host}"})


def test_S11_http_in_a_private_network_has_to_be_asked_for() -> None:
    environment = {"PANAVERSITY_S3_ENDPOINT": "http://minio:9000", "PANAVERSITY_S3_ALLOW_HTTP": "true"}
    assert Settings.read({**BUCKET, **environment}).s3_endpoint == "http://minio:9000"


def test_the_local_profile_ignores_a_bucket() -> None:
    assert Settings.read(BUCKET, store="/srv/store").storage_backend == "fs"
