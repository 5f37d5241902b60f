"""The table of all settings: name, environment variable, reader. A new setting is one line here and one in ``Config``.

Knows names; does not know files, origins or commands.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from panaversity_builder.config import values
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.schema import Schema


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its environment variable, and how a text (or a TOML value) is read; ``ValueError`` says why not."""

    name: str
    variable: str
    read: Callable[[Any], Any]
    in_file: bool = True
    is_path: bool = False


SETTINGS = (
    Setting("book_id", "PANAVERSITY_BOOK_ID", values.book_id),
    Setting("server_url", "PANAVERSITY_MCP_URL", values.server_url),
    Setting("token", "PANAVERSITY_TOKEN", values.text, in_file=False),
    Setting("agent_id", "PANAVERSITY_AGENT_ID", values.agent),
    Setting("site_dir", "PANAVERSITY_SITE_DIR", values.text, is_path=True),
    Setting("source_dir", "PANAVERSITY_SOURCE_DIR", values.text, is_path=True),
    Setting("output_dir", "PANAVERSITY_OUTPUT_DIR", values.text, is_path=True),
    Setting("manifest_file", "PANAVERSITY_MANIFEST_FILE", values.text, is_path=True),
    Setting("metrics_file", "PANAVERSITY_METRICS_FILE", values.text, is_path=True),
    Setting("schema", "PANAVERSITY_SCHEMA", values.one_of(*Schema)),
    Setting("numbering", "PANAVERSITY_NUMBERING", values.one_of(*Numbering)),
    Setting("max_deletes", "PANAVERSITY_MAX_DELETES", values.deletes),
    Setting("scope", "PANAVERSITY_SCOPE", values.one_of("all", "content", "assets")),
    Setting("via", "PANAVERSITY_VIA", values.one_of("bulk", "tools")),
    Setting("tree", "PANAVERSITY_TREE", values.one_of("source", "storage")),
    Setting("on_edit", "PANAVERSITY_ON_EDIT", values.one_of("stop", "backup", "overwrite")),
    Setting("metadata", "PANAVERSITY_METADATA", values.one_of("auto", "yes", "no")),
    Setting("offline", "PANAVERSITY_OFFLINE", values.switch),
    Setting("on_unavailable", "PANAVERSITY_ON_UNAVAILABLE", values.one_of("fail", "use-cache")),
    Setting("cache_dir", "PANAVERSITY_CACHE_DIR", values.text, is_path=True),
    Setting("cache_size", "PANAVERSITY_CACHE_SIZE", values.size),
    Setting("remote_cache", "PANAVERSITY_REMOTE_CACHE", values.switch),
    Setting("remote_cache_timeout", "PANAVERSITY_REMOTE_CACHE_TIMEOUT", values.seconds),
    Setting("site_variables", "PANAVERSITY_SITE_VARIABLES", values.names),
    Setting("site_files", "PANAVERSITY_SITE_FILES", values.paths),
    Setting("site_generated", "PANAVERSITY_SITE_GENERATED", values.paths),
    Setting("site_time_limit", "PANAVERSITY_SITE_TIME_LIMIT", values.seconds),
    Setting("env_backend", "PANAVERSITY_ENV_BACKEND", values.one_of("auto", "buildah", "podman", "docker")),
    Setting("env_storage", "PANAVERSITY_ENV_STORAGE", values.storage),
)
