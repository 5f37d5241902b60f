"""Content types by file name and whether a browser may show them: one fixed table (S25).

Knows extensions; never looks at bytes and never asks the operating system, so every machine answers the same.
"""

from panaversity_fs.core.mapping import extension

UNKNOWN = "application/octet-stream"

_INLINE = {
    "md": "text/markdown; charset=utf-8", "mdx": "text/markdown; charset=utf-8", "txt": "text/plain; charset=utf-8",
    "json": "application/json", "csv": "text/csv; charset=utf-8",
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp",
    "avif": "image/avif", "ico": "image/x-icon", "bmp": "image/bmp", "tif": "image/tiff", "tiff": "image/tiff",
    "apng": "image/apng", "heic": "image/heic", "pdf": "application/pdf",
    "mp4": "video/mp4", "webm": "video/webm", "mov": "video/quicktime", "m4v": "video/x-m4v", "ogv": "video/ogg",
    "mp3": "audio/mpeg", "wav": "audio/wav", "ogg": "audio/ogg", "oga": "audio/ogg", "m4a": "audio/mp4",
    "flac": "audio/flac", "aac": "audio/aac", "opus": "audio/ogg",
}  # fmt: skip
_ATTACHED = {
    "svg": "image/svg+xml", "html": "text/html; charset=utf-8", "htm": "text/html; charset=utf-8",
    "xml": "application/xml", "js": "text/javascript; charset=utf-8", "mjs": "text/javascript; charset=utf-8",
    "avi": "video/x-msvideo", "mkv": "video/x-matroska", "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "key": "application/vnd.apple.keynote", "odp": "application/vnd.oasis.opendocument.presentation",
    "yml": "application/yaml", "yaml": "application/yaml",
}  # fmt: skip

SAFETY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-site",
}
"""On every answer that carries stored bytes: whatever they are, they run nothing."""


def media_type(name: str) -> str:
    """The content type of a file of this name, with its charset where it has one."""
    known = extension(name)
    return _INLINE.get(known) or _ATTACHED.get(known) or UNKNOWN


def mime_of(name: str) -> str:
    """The bare type, without parameters: what tools answer as ``mime_type``."""
    return media_type(name).partition(";")[0]


def is_image(name: str) -> bool:
    """True for what a client may be handed as an image block; SVG is a document, not an image, here."""
    return extension(name) in ("png", "jpg", "jpeg", "gif", "webp")


def may_show(name: str) -> bool:
    """False when a browser must store the file instead of showing it."""
    return extension(name) in _INLINE
