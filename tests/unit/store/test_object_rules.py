"""The pure rules of the object store: what a refusal means, how long to wait, how a request is signed (F18, F19)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore import exceptions

from panaversity_fs.core.errors import Internal, StorageFull, Unavailable
from panaversity_fs.store.object_faults import judge, typed
from panaversity_fs.store.object_place import ObjectPlace, Patience
from panaversity_fs.store.object_retry import Retry
from panaversity_fs.store.object_signing import Signer, encoded_path, encoded_query

pytestmark = pytest.mark.anyio

SAID = "Generic S3 error: Error performing PUT http://10.0.0.7:9000/b/k in 1ms - Server returned non-2xx status code: "


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(
    ("fault", "meaning"),
    [
        (exceptions.GenericError(f"{SAID}503 Slow: <Error><Code>SlowDown</Code></Error>"), "again"),
        (exceptions.GenericError(f"{SAID}500 X: "), "again"),
        (exceptions.GenericError(f"{SAID}429 X: "), "again"),
        (exceptions.GenericError(f"{SAID}400 X: <Code>RequestTimeout</Code>"), "again"),
        (exceptions.AlreadyExistsError(f"{SAID}409 Conflict: <Code>ConditionalRequestConflict</Code>"), "again"),
        (exceptions.AlreadyExistsError(f"{SAID}412 X: <Code>PreconditionFailed</Code>"), "exists"),
        (FileNotFoundError(f"{SAID}404 Not Found: <Code>NoSuchKey</Code>"), "absent"),
        (FileNotFoundError(f"{SAID}404 Not Found: "), "absent"),
        (FileNotFoundError(f"{SAID}404 Not Found: <Code>NoSuchBucket</Code>"), "refused"),
        (exceptions.PermissionDeniedError(f"{SAID}403 Forbidden: <Code>AccessDenied</Code>"), "refused"),
        (exceptions.PermissionDeniedError(f"{SAID}403 Forbidden: <Code>QuotaExceeded</Code>"), "full"),
        (exceptions.GenericError(f"{SAID}507 X: "), "full"),
        (exceptions.GenericError(f"{SAID}416 X: <Code>InvalidRange</Code>"), "beyond"),
        (exceptions.GenericError(f"{SAID}501 X: <Code>NotImplemented</Code>"), "broken"),
        (exceptions.GenericError("Received non-partial response when range requested"), "whole"),
        (exceptions.GenericError("Received redirect without LOCATION, this normally …"), "refused"),
        (exceptions.GenericError("HTTP error: error sending request kind: Connect"), "again"),
        (TimeoutError(), "again"),
        (ConnectionResetError("reset"), "again"),
        (exceptions.InvalidPathError("x"), "broken"),
        (exceptions.NotSupportedError("x"), "broken"),
        (ValueError("x"), "broken"),
    ],
    ids=lambda value: str(value)[-60:],
)
def test_F18_each_refusal_has_its_meaning(fault: Exception, meaning: str) -> None:
    judged = judge(fault)
    assert judged.meaning == meaning
    error = typed(judged, "store")
    kinds = {"full": StorageFull, "refused": Unavailable, "again": Unavailable}
    assert type(error) is kinds.get(meaning, Internal)
    assert "10.0.0.7" not in f"{error} {error.to_wire()}"


@given(st.text(max_size=300), st.integers(100, 599))
def test_P14_no_answer_of_a_store_is_repeated_to_anybody(text: str, status: int) -> None:
    judged = judge(exceptions.GenericError(f"{SAID}{status} X: {text}<Code>{text}</Code>"))
    assert len(judged.said) < 80
    assert judged.said.isprintable()


@given(st.floats(0.001, 5), st.floats(0.01, 60), st.integers(1, 60))
def test_F18_waits_double_up_to_a_bound(first: float, longest: float, failed: int) -> None:
    patience = Patience(first=first, longest=longest)
    wait = patience.longest_wait(failed)
    assert wait == min(longest, first * 2.0 ** (failed - 1))
    assert wait <= patience.longest_wait(failed + 1) <= longest


async def test_F18_waits_are_drawn_between_nothing_and_their_bound() -> None:
    waited: list[float] = []
    draws = iter([0.0, 0.5, 1.0, 0.25])

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def failing(failed: int) -> int:
        if failed < 4:
            raise TimeoutError
        return failed

    retry = Retry(Patience(first=1, longest=3, total=1000), lambda: next(draws), sleep)
    assert await retry.call("read", failing) == 4
    assert waited == [0.0, 0.5 * 2, 1.0 * 3, 0.25 * 3]


@pytest.mark.parametrize("tries", [1, 2, 5])
async def test_F18_so_many_attempts_and_no_more(tries: int) -> None:
    asked: list[int] = []

    async def failing(failed: int) -> None:
        asked.append(failed)
        raise ConnectionResetError

    with pytest.raises(Unavailable):
        await Retry(Patience(tries=tries, first=0, longest=0)).call("read", failing)
    assert asked == list(range(tries))


async def test_F18_no_attempt_is_begun_that_the_deadline_leaves_no_time_for() -> None:
    asked: list[int] = []

    async def failing(failed: int) -> None:
        asked.append(failed)
        raise TimeoutError

    with pytest.raises(Unavailable):
        await Retry(Patience(tries=100, first=10, longest=10, total=5)).call("read", failing)
    assert asked == [0]


def test_the_signature_is_that_of_amazons_example() -> None:
    """ "GET Bucket Lifecycle" of "Examples: Signature Calculations in AWS Signature Version 4"."""
    signer = Signer("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
    now = datetime(2013, 5, 24, tzinfo=UTC)
    headers = signer.headers("GET", "examplebucket.s3.amazonaws.com", "/", {"lifecycle": ""}, now)
    assert headers["authorization"].endswith(
        "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    )


def test_the_query_is_sorted_and_encoded_as_it_is_signed() -> None:
    assert encoded_query({"uploads": "", "prefix": "a b/ä", "X": "1=2"}) == "X=1%3D2&prefix=a%20b%2F%C3%A4&uploads="
    assert encoded_path("/b/ä k~._-") == "/b/%C3%A4%20k~._-"


def test_P14_a_place_and_a_signer_never_show_their_secret() -> None:
    place = ObjectPlace("b", "https://x", "r", "id", "hidden-secret")
    assert "hidden-secret" not in f"{place!r}{place}{Signer('id', 'hidden-secret', 'r')!r}"
    assert place.below("part") == "part"
    assert ObjectPlace("b", "https://x", "r", "id", "s", "root").below("part") == "root/part"
