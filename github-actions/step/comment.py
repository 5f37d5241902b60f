"""One comment on the pull request of a job, written anew by each run instead of piling up.

Knows GitHub's REST interface for comments of issues; does not know what is said. Whatever goes wrong here is told and
never fails the job: a comment is news, not work.
"""

import json
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

SECONDS: Final = 20.0
PAGES: Final = 10
PER_PAGE: Final = 100


def marker(name: str) -> str:
    """The line by which a later run finds the comment; nobody sees it."""
    return f"<!-- panaversity-fs {name} -->"


class Comments:
    """The comments of one pull request. Methods raise ``OSError`` or ``ValueError``."""

    def __init__(self, environ: Mapping[str, str], token: str, number: int) -> None:
        self._api = environ.get("GITHUB_API_URL", "https://api.github.com")
        self._repository = environ.get("GITHUB_REPOSITORY", "")
        self._token, self._number = token, number

    def put(self, name: str, text: str) -> str:
        """Write the comment of this name, over the one of an earlier run; the address of what is there now."""
        body = {"body": f"{marker(name)}\n{text}"}
        old = self._find(marker(name))
        if old is None:
            answer = self._call("POST", f"issues/{self._number}/comments", body)
        else:
            answer = self._call("PATCH", f"issues/comments/{old}", body)
        return str(answer.get("html_url", ""))

    def _find(self, mark: str) -> int | None:
        for page in range(1, PAGES + 1):
            query = urllib.parse.urlencode({"per_page": PER_PAGE, "page": page})
            found = self._call("GET", f"issues/{self._number}/comments?{query}")
            for one in found:
                author = one.get("user") or {}
                if str(one.get("body", "")).startswith(mark) and author.get("type") == "Bot":
                    return int(one["id"])
            if len(found) < PER_PAGE:
                break
        return None

    def _call(self, method: str, path: str, body: object = None) -> Any:
        address = f"{self._api}/repos/{self._repository}/{path}"
        if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
            raise ValueError(f"{self._api} is not an address")
        request = urllib.request.Request(  # noqa: S310 — the scheme was judged
            address,
            None if body is None else json.dumps(body).encode(),
            {
                "Authorization": f"Bearer {self._token}",
                "Accept": "application/vnd.github+json",
                "Content-Type": "application/json",
            },
            method=method,
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            return json.load(answer)
