"""The settings of one run, frozen, each with its origin. Does not know how they are read."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from panaversity_builder.config.files import BOOK_FILE
from panaversity_fs.core.errors import ConfigInvalid


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one run. Folders are absolute; None is "not set".

    ``root`` is the project root, whose ``.panaversity`` holds the store and what builds remember. ``origins`` says for
    each setting where its value comes from.
    """

    root: str
    book_id: str | None = None
    server_url: str | None = None
    token: str | None = field(default=None, repr=False)
    agent_id: str = ""
    site_dir: str = ""
    source_dir: str = ""
    output_dir: str = ""
    manifest_file: str | None = None
    metrics_file: str | None = None
    schema: str | None = None
    numbering: str | None = None
    max_deletes: str | None = None
    scope: str = "all"
    via: str = "bulk"
    tree: str = "source"
    on_edit: str = "stop"
    metadata: str = "auto"
    offline: bool = False
    on_unavailable: str = "fail"
    cache_dir: str | None = None
    cache_size: int = 2 << 30
    remote_cache: bool = True
    remote_cache_timeout: float = 60.0
    site_variables: tuple[str, ...] = ()
    site_files: tuple[str, ...] = ()
    site_generated: tuple[str, ...] = ()
    site_time_limit: float | None = None
    env_backend: str = "auto"
    env_storage: str | None = None
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def state_dir(self) -> str:
        """The project's ``.panaversity`` folder."""
        return os.path.join(self.root, ".panaversity")

    def require_book(self, operation: str) -> str:
        """The book id. Raises ``ConfigInvalid`` when nobody set it."""
        if self.book_id is None:
            hint = f"Give --book-id, set PANAVERSITY_BOOK_ID, or write book_id into {BOOK_FILE}"
            raise ConfigInvalid(operation, "book_id", "is not set", hint, key="book_id")
        return self.book_id

    def shown(self) -> dict[str, tuple[str, str]]:
        """Setting → (value as text, origin), the token hidden, in the order of this class."""
        rows = {"root": (self.root, self.origins.get("root", "default"))}
        for one in fields(self):
            if one.name in ("root", "origins"):
                continue
            value = getattr(self, one.name)
            text = "" if value in (None, ()) else ",".join(value) if isinstance(value, tuple) else str(value)
            rows[one.name] = (_masked(one.name, text), self.origins[one.name])
        return rows


def _masked(name: str, text: str) -> str:
    """What may be shown of a value: nothing of a token, no login of an address."""
    if name == "token":
        return "***" if text else ""
    if name == "server_url" and "@" in text:
        scheme, _, rest = text.partition("://")
        return f"{scheme}://***@{rest.rpartition('@')[2]}"
    return text
