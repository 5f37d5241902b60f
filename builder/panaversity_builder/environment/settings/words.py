"""How single values of a configuration are read: each reader answers the value or raises ``ValueError`` saying why not.

Everything that reaches a program as an argument is judged here, so that no value can be taken for an option, another
path or more than one word. Pure; knows neither keys nor files.
"""

import re
from collections.abc import Callable
from typing import Any

from panaversity_builder.environment.settings.expansion import NAME as VARIABLE
from panaversity_builder.environment.settings.places import is_name

_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_OWNER = re.compile(r"(?:[a-z_][a-z0-9_-]{0,31}|\d{1,10})(?::(?:[a-z_][a-z0-9_-]{0,31}|\d{1,10}))?")
_APT = re.compile(  # no dash at the end: apt would remove the package
    r"[a-z0-9](?:[a-z0-9+.-]*[a-z0-9+.])?(?::[a-z0-9-]*[a-z0-9])?"
    r"(?:=[A-Za-z0-9](?:[A-Za-z0-9.+~:-]*[A-Za-z0-9.+~])?|/[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)?"
)
_NPM = re.compile(r"(?:@[a-z0-9~][a-z0-9._~-]*/)?[a-z0-9~][a-z0-9._~-]*(?:@[A-Za-z0-9^~<>=*][A-Za-z0-9^~<>=*.+|-]*)?")
_LABEL = re.compile(r"[A-Za-z0-9@][A-Za-z0-9@/._+-]{0,99}")
_SECRET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_VERSION = re.compile(r"[A-Za-z0-9^~<>=*][A-Za-z0-9 ^~<>=*.:+|_/-]{0,99}")
_BRANCH = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_@/.+#=,-]{0,199}")
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)?")
_UNITS = {None: 1, "s": 1, "m": 60, "h": 3600}
LONGEST_WORD = 300
"""In characters; no name is longer."""
LONGEST_SCRIPT = 100_000
LONGEST_ARGUMENT = 60_000
"""In bytes. Linux takes no argument of more than 128 KiB."""
LARGEST_ID = 2**32 - 2
"""The largest id of a user; the one above it means "none" to the system."""


def matching(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    """A reader of texts that have this form as a whole."""

    def read(text: str) -> str:
        if len(text) > LONGEST_WORD or pattern.fullmatch(text) is None:
            raise ValueError(f"is not {what}")
        return text

    return read


user = matching(_USER, "a user's name (small letters, digits, - and _, a letter first)")
owner = matching(_OWNER, "an owner: a user, user:group, or their numbers")
group = matching(_USER, "a group's name (small letters, digits, - and _, a letter first)")
apt = matching(_APT, "a package of apt, like git or git=1:2.39.2-1")
npm = matching(_NPM, "a package of npm, like typescript@5.4")
label = matching(_LABEL, "a name of letters, digits and @ / . _ + -")
secret = matching(_SECRET, "a name of letters, digits and . _ -")
version = matching(_VERSION, "a version")
variable = matching(VARIABLE, "a variable's name (letters, digits and _, no digit first)")


def name(text: str) -> str:
    """The name of an environment."""
    if not is_name(text):
        raise ValueError("is not a name of small letters and digits, with single . _ or - between them")
    return text


def line(text: str) -> str:
    """One line that can be read: no control characters, not empty."""
    if not text.strip() or not text.isprintable():
        raise ValueError("is empty, or has characters that cannot be shown")
    return text


def script(text: str) -> str:
    """Shell text, exactly as it was written."""
    if not text.strip():
        raise ValueError("is empty")
    if len(text.encode()) > LONGEST_SCRIPT:
        raise ValueError(f"is longer than {LONGEST_SCRIPT} bytes; put it into a file and name that under setup.scripts")
    return text


def argument(text: str) -> str:
    """Any text, as long as a program can be given it."""
    if len(text.encode()) > LONGEST_ARGUMENT:
        raise ValueError(f"is longer than {LONGEST_ARGUMENT} bytes")
    return text


def inside(text: str) -> str:
    """An absolute path in the image, without a slash at its end."""
    if not text.startswith("/") or not text.isprintable():
        raise ValueError("is not an absolute path in the image")
    if any(part in ("", ".", "..") for part in text[1:].removesuffix("/").split("/")) and text != "/":
        raise ValueError("has an empty part, . or .. in it")
    return text.rstrip("/") or "/"


def below_root(text: str) -> str:
    """An absolute path in the image that is not all of it."""
    if inside(text) == "/":
        raise ValueError("is the whole image")
    return inside(text)


def destination(text: str) -> str:
    """A path as ``below_root``, which may end with a slash: then it is a folder."""
    return below_root(text) + ("/" if text.endswith("/") else "")


def outside(text: str) -> str:
    """A path on this machine, relative to the folder of the file it is written in."""
    return line(text)


def shell(text: str) -> str:
    """A login shell."""
    return inside(text)


def branch(text: str) -> str:
    """A branch, a tag or a commit."""
    odd = any(word in text for word in ("..", "//", "@{", "/.")) or text.endswith(("/", ".", ".lock"))
    if odd or text == "@" or _BRANCH.fullmatch(text) is None:
        raise ValueError("is not the name of a branch")
    return text


def image(text: str) -> str:
    """A base image: ``name:tag``, ``name@sha256:…``, ``oci:PATH``, ``oci-archive:PATH``, ``rootfs:PATH`` or a path."""
    kind, colon, path = text.partition(":")
    if colon and kind in ("oci", "oci-archive", "rootfs"):
        return f"{kind}:{outside(path)}"
    if text.startswith((".", "/", "~")):
        return outside(text)
    plain = text.removeprefix("docker://")
    if len(plain) > LONGEST_WORD or _IMAGE.fullmatch(plain) is None:
        raise ValueError("is neither an image like debian:12 nor a path that begins with ./ or /")
    return plain


def mode(text: Any) -> int:
    """Permission bits in octal digits: ``644``, ``0644`` or ``0o644``."""
    digits = str(text).removeprefix("0o")
    if re.fullmatch(r"[0-7]{3,5}", digits) is None or int(digits, 8) > 0o7777:
        raise ValueError("is not a mode of octal digits like 0644")
    return int(digits, 8)


def seconds(text: Any) -> float:
    """A time: ``90``, ``90s``, ``10m``, ``1.5h``."""
    match = _DURATION.fullmatch(str(text))
    if match is None or not 0 < float(match[1]) * _UNITS[match[2]] < 1e8:
        raise ValueError("is not a time like 90, 90s, 10m or 2h")
    return float(match[1]) * _UNITS[match[2]]


def number(text: Any) -> int:
    """The number of a user or group."""
    if re.fullmatch(r"[0-9]{1,10}", str(text)) is None:
        raise ValueError("is not a number")
    if int(text) > LARGEST_ID:
        raise ValueError(f"is larger than {LARGEST_ID}")
    return int(text)


def switch(text: Any) -> bool:
    """Yes or no."""
    word = str(text).lower()
    if word not in ("true", "false", "yes", "no", "on", "off"):
        raise ValueError("is neither true nor false")
    return word in ("true", "yes", "on")


def url(text: str) -> str:
    """Where a repository is: a URL, ``user@host:path``, or a path that begins with ``./``, ``../``, ``/`` or ``~/``."""
    line(text)
    if text.startswith(("./", "../", "/", "~/")):
        return text
    match = re.fullmatch(r"(https?|ssh|git|file)://(?:([^/@]*)@)?([^/]*)/(.*)", text)
    if match is None:
        if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[^-:].*", text):
            return text
        raise ValueError("is neither an address (https, http, ssh, git, file) nor a path that begins with ./ or /")
    scheme, login, host, _ = match.groups()
    if ":" in (login or "") or (login and scheme != "ssh"):
        raise ValueError("has a login in it, which would be seen; let git's credential helper give it")
    if host.startswith("-") or (login or "").startswith("-") or (not host and scheme != "file"):
        raise ValueError("names no host")
    return text
