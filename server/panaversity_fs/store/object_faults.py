"""What an object store's refusals mean, and which of our errors they become: no exception of a vendor crosses the port.

Pure: reads the class and the text of an exception. ``obstore`` has few classes, so the HTTP status and the store's own
code (``<Code>SlowDown</Code>``) are read from the message; the message itself stays here, for it holds addresses.
"""

import re
from dataclasses import dataclass
from typing import Literal

from obstore import exceptions

from panaversity_fs.core.errors import Internal, PanaversityError, StorageFull, Unavailable

Meaning = Literal["absent", "exists", "again", "full", "refused", "whole", "beyond", "broken"]
"""``again`` may go away by itself and leaves open whether the request was carried out; ``refused`` is a matter of keys,
names and permissions; ``whole`` a store that answers a range with everything, ``beyond`` a range outside of an object;
``broken`` is a bug, of ours or theirs."""

VENDOR_FAULTS = (exceptions.BaseError, OSError, ValueError)
"""Everything ``obstore`` raises: beside its own classes ``FileNotFoundError``, ``TimeoutError`` and ``ValueError``."""

_AGAIN = {408, 409, 425, 429}
_AGAIN_CODES = {"RequestTimeout", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch", "NoSuchUpload"}
_FULL = {"StorageFull", "XMinioStorageFull", "QuotaExceeded", "InsufficientCapacity", "XMinioAdminBucketQuotaExceeded"}
_HINTS = {
    "NoSuchBucket": ("has no such bucket", "Correct PANAVERSITY_S3_BUCKET or make the bucket"),
    "InvalidBucketName": ("has no such bucket", "Correct PANAVERSITY_S3_BUCKET"),
    "PermanentRedirect": ("keeps the bucket in another region", "Correct PANAVERSITY_S3_REGION"),
    "AuthorizationHeaderMalformed": ("keeps the bucket in another region", "Correct PANAVERSITY_S3_REGION"),
    "RequestTimeTooSkewed": ("shows another time than this machine", "Set this machine's clock"),
}
_KEYS = "Check PANAVERSITY_S3_ACCESS_KEY_ID, PANAVERSITY_S3_SECRET_ACCESS_KEY and what the key may do with the bucket"


@dataclass(frozen=True, slots=True)
class Judged:
    """The meaning of a refusal, the HTTP status (0: there was no answer) and the store's own word for it."""

    meaning: Meaning
    status: int = 0
    word: str = ""

    @property
    def said(self) -> str:
        """Status and word for a sentence."""
        return f"{self.status} {self.word}".strip() if self.status else self.word


def judge(fault: BaseException) -> Judged:
    """What an exception of ``VENDOR_FAULTS`` means."""
    text = str(fault)
    found, code = re.search(r"status code: (\d{3})", text), re.search(r"<Code>([A-Za-z0-9.]{1,64})</Code>", text)
    status, word = int(found[1]) if found else 0, code[1] if code else ""
    if "redirect without LOCATION" in text:  # how ``obstore`` says it
        status, word = 301, "PermanentRedirect"
    return Judged(_meaning(fault, status, word, text), status, word or ("" if status else _without_answer(fault, text)))


def _meaning(fault: BaseException, status: int, word: str, text: str) -> Meaning:
    if word in _FULL or status == 507:
        return "full"
    if word in _AGAIN_CODES or status in _AGAIN or (status >= 500 and status != 501):
        return "again"
    if word in _HINTS or (300 <= status < 400 and status != 304):
        return "refused"
    if isinstance(fault, FileNotFoundError):
        return "absent"
    if isinstance(fault, (exceptions.AlreadyExistsError, exceptions.PreconditionError, exceptions.NotModifiedError)):
        return "exists"
    if status == 416:
        return "beyond"
    if isinstance(fault, (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)) or 400 <= status < 500:
        return "refused"
    if status:
        return "broken"
    if "non-partial response" in text:
        return "whole"
    if "invalid DeleteObjects response" in text:  # a store that answers what it does not know
        return "broken"
    if isinstance(fault, OSError) or type(fault) is exceptions.GenericError:
        return "again"  # no answer: the connection was refused, cut or too slow
    return "broken"


def _without_answer(fault: BaseException, text: str) -> str:
    if isinstance(fault, TimeoutError) or "timed out" in text or "TimedOut" in text or "kind: Timeout" in text:
        return "no answer in time"
    if "kind: Connect" in text:
        return "no connection"
    return "the connection broke" if isinstance(fault, (OSError, exceptions.GenericError)) else type(fault).__name__


def typed(judged: Judged, operation: str) -> PanaversityError:
    """The error of ours for a refusal that stays. It names no address, key or secret."""
    store, said = "blob store", f" ({judged.said})" if judged.said else ""
    if judged.meaning == "full":
        return StorageFull(operation, store, f"has no space left{said}", "Make room, then repeat", backend="s3")
    if judged.meaning == "refused":
        problem, hint = _HINTS.get(judged.word, ("refuses us", _KEYS))
        return Unavailable(operation, store, f"{problem}{said}", hint, backend="s3")
    if judged.meaning == "again":
        hint = "Try again later; if it stays so, check PANAVERSITY_S3_ENDPOINT"
        return Unavailable(operation, store, f"cannot be used now{said}", hint, backend="s3")
    return Internal(operation, store, f"answered in a way nobody expected{said}", "Please report it", backend="s3")
