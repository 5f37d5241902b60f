"""Answers that stream stored bytes, and request bodies that stream in.

Knows bounds and steps; does not know routes. That a broken blob never looks whole is seen to twice: the library keeps
its last piece back until the digest was right, and the edge cuts the connection when it raises (P4).
"""

from collections.abc import AsyncIterator, Mapping

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from panaversity_fs.api import limits
from panaversity_fs.core.errors import InvalidArgument, TooLarge

_SMALLEST_STEP = 256 * limits.KIB


def streamed(
    chunks: AsyncIterator[bytes], status: int, headers: Mapping[str, str], media_type: str
) -> StreamingResponse:
    """An answer whose body comes piece by piece; an error inside cuts the connection (see ``edge``)."""
    response = StreamingResponse(chunks, status, headers)
    # Set by hand: the framework would append a charset to every text type, and ours say theirs.
    response.headers["Content-Type"] = media_type
    return response


def head_only(request: Request, status: int, headers: Mapping[str, str], media_type: str) -> Response | None:
    """The answer to HEAD: the same headers, no byte read from the store."""
    if request.method != "HEAD":
        return None
    response = Response(status_code=status)
    for name, value in {**headers, "Content-Type": media_type}.items():
        response.headers[name] = value
    return response


async def body_chunks(request: Request, limit: int, operation: str) -> AsyncIterator[bytes]:
    """The request's body in pieces of some 256 KiB; raises ``TooLarge`` as soon as it passes ``limit`` bytes.

    The server hands out a body in sips of at most 64 KiB; hashing and writing them one by one would cost a task
    switch each.
    """
    parts: list[bytes] = []
    pending = total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > limit:
            raise too_large(operation, total, limit)
        parts.append(chunk)
        pending += len(chunk)
        if pending >= _SMALLEST_STEP:
            yield b"".join(parts)
            parts, pending = [], 0
    if parts:
        yield b"".join(parts)


async def whole_body(request: Request, limit: int, operation: str) -> bytes:
    """A small body at once. Raises ``TooLarge``."""
    return b"".join([chunk async for chunk in body_chunks(request, limit, operation)])


def declared_length(request: Request, limit: int, operation: str) -> int | None:
    """``Content-Length`` in bytes, or None where the body is chunked. Raises ``TooLarge``, ``InvalidArgument``."""
    text = request.headers.get("Content-Length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise InvalidArgument(operation, "Content-Length", "is not a number of bytes", name="Content-Length")
    if int(text) > limit:
        raise too_large(operation, int(text), limit)
    return int(text)


def too_large(operation: str, size: int, limit: int) -> TooLarge:
    """The refusal of a body over its bound."""
    return TooLarge(operation, "body", f"is larger than {limit} bytes", "Send less at once", size=size, limit=limit)
