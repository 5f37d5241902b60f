"""Settings: flag > environment > ``.env`` > ``[tool.panaversity]`` or ``book.toml`` > default (DESIGN 10).

Everything is read once and frozen; each value keeps its origin. Environment, folder and names of user and machine come
in as arguments, and nothing is ever written to the environment. Knows files of settings; does not know commands.
"""

import functools
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from panaversity_fs.core.errors import ConfigInvalid, InvalidArgument
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.core.schema import Schema

BOOK_FILE = "book.toml"
PROJECT_FILE = "pyproject.toml"
SITE_CONFIGS = tuple(f"docusaurus.config.{e}" for e in ("ts", "mts", "cts", "js", "mjs", "cjs"))


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
    schema: str | None = None
    numbering: str | None = None
    max_deletes: str | None = None
    scope: str = "all"
    tree: str = "source"
    on_edit: str = "stop"
    site_variables: tuple[str, ...] = ()
    site_time_limit: float | None = None
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


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its environment variable, and how a text (or a TOML value) is read; ``ValueError`` says why not."""

    name: str
    variable: str
    read: Callable[[Any], Any]
    in_file: bool = True
    is_path: bool = False


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is not a text")
    return value.strip()


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(f"is not one of {', '.join(words)}")
        return str(value)

    return read


def _book_id(value: Any) -> str:
    try:
        return require_book_id(_text(value), "configuration")
    except InvalidArgument as error:
        raise ValueError(error.problem) from error


def _url(value: Any) -> str:
    """The server's root; the ``/mcp`` of an MCP address is taken off."""
    url = _text(value).rstrip("/").removesuffix("/mcp").rstrip("/")
    scheme, colon, rest = url.partition("://")
    if scheme not in ("http", "https") or not colon or not rest or rest.startswith("/"):
        raise ValueError("is not an http:// or https:// address")
    return url


def _agent(value: Any) -> str:
    agent = _text(value)
    if agent == "system" or len(agent) > 200 or not agent.isprintable():
        raise ValueError("is not a name an agent may bear")
    return agent


def _deletes(value: Any) -> str:
    text = str(value).strip()
    digits = text.removesuffix("%")
    if not digits.isascii() or not digits.isdigit() or (text.endswith("%") and int(digits) > 100):
        raise ValueError("is neither a number of files nor a percentage like 20%")
    return text


def _names(value: Any) -> tuple[str, ...]:
    words = [w.strip() for w in value.split(",")] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(w, str) and w.isidentifier() for w in words):
        raise ValueError("is not a list of variable names")
    return tuple(words)


def _seconds(value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        raise ValueError("is not a number of seconds") from None
    if not 0 < seconds < float("inf"):
        raise ValueError("is not a positive number of seconds")
    return seconds


SETTINGS = (
    Setting("book_id", "PANAVERSITY_BOOK_ID", _book_id),
    Setting("server_url", "PANAVERSITY_MCP_URL", _url),
    Setting("token", "PANAVERSITY_TOKEN", _text, in_file=False),
    Setting("agent_id", "PANAVERSITY_AGENT_ID", _agent),
    Setting("site_dir", "PANAVERSITY_SITE_DIR", _text, is_path=True),
    Setting("source_dir", "PANAVERSITY_SOURCE_DIR", _text, is_path=True),
    Setting("output_dir", "PANAVERSITY_OUTPUT_DIR", _text, is_path=True),
    Setting("manifest_file", "PANAVERSITY_MANIFEST_FILE", _text, is_path=True),
    Setting("schema", "PANAVERSITY_SCHEMA", _one_of(*Schema)),
    Setting("numbering", "PANAVERSITY_NUMBERING", _one_of(*Numbering)),
    Setting("max_deletes", "PANAVERSITY_MAX_DELETES", _deletes),
    Setting("scope", "PANAVERSITY_SCOPE", _one_of("all", "content", "assets")),
    Setting("tree", "PANAVERSITY_TREE", _one_of("source", "storage")),
    Setting("on_edit", "PANAVERSITY_ON_EDIT", _one_of("stop", "backup", "overwrite")),
    Setting("site_variables", "PANAVERSITY_SITE_VARIABLES", _names),
    Setting("site_time_limit", "PANAVERSITY_SITE_TIME_LIMIT", _seconds),
)


@dataclass(frozen=True, slots=True)
class _Layer:
    """One source of settings: raw values by setting name, the folder its paths are relative to, its origin."""

    values: Mapping[str, Any]
    folder: str
    origin: Callable[[Setting], str]


def load_config(flags: Mapping[str, Any], environ: Mapping[str, str], cwd: str, agent: str) -> Config:
    """Read all settings. ``flags`` maps setting names to what the command line said (None: nothing).

    ``agent`` is the agent id when nobody names one. Raises ``ConfigInvalid`` naming the setting and its origin.
    """
    cwd = os.path.abspath(cwd)
    given = _Layer({k: v for k, v in flags.items() if v not in (None, ())}, cwd, _flag)
    environment = _Layer(_variables(environ), cwd, lambda s: f"environment {s.variable}")
    site = given.values.get("site_dir") or environment.values.get("site_dir")
    here = _settings_file(cwd)
    file = (_settings_file(os.path.abspath(os.path.join(cwd, str(site)))) if site else None) or here
    root, root_origin = _root(cwd, here)
    layers = [given, environment, *_dotenv(cwd, root, environ), *([_file_layer(file)] if file else [])]
    values: dict[str, Any] = {}
    origins = {"root": root_origin}
    for setting in SETTINGS:
        found = next(((layer, layer.values[setting.name]) for layer in layers if setting.name in layer.values), None)
        if found:
            values[setting.name] = _value(setting, *found)
        origins[setting.name] = found[0].origin(setting) if found else "default"
    settings = os.path.dirname(file.path) if file else cwd
    return Config(root=root, origins=origins, **{**_defaults(root, settings, values, agent), **values})


def _flag(setting: Setting) -> str:
    name = {"server_url": "server-url"}.get(setting.name, setting.name.replace("_", "-"))
    return f"flag --{name}"


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    """An empty variable is one that is not set: CI systems pass empty inputs along."""
    return {s.name: environ[s.variable] for s in SETTINGS if environ.get(s.variable, "").strip()}


def _value(setting: Setting, layer: _Layer, raw: Any) -> Any:
    try:
        value = setting.read(raw)
    except ValueError as error:
        origin = layer.origin(setting)
        subject = f"{setting.name} ({origin})"
        raise ConfigInvalid(
            "configuration", subject, str(error), "Correct it there", key=setting.name, origin=origin, reason=str(error)
        ) from None
    return os.path.normpath(os.path.join(layer.folder, os.path.expanduser(value))) if setting.is_path else value


def _defaults(root: str, settings: str, values: Mapping[str, Any], agent: str) -> dict[str, Any]:
    """Settings that lie in a site speak for that site; else the site is the project's ``apps/learn-app`` (FR-202)."""
    beside = any(os.path.isfile(os.path.join(settings, name)) for name in SITE_CONFIGS)
    site = values.get("site_dir") or (settings if beside else os.path.join(root, "apps", "learn-app"))
    return {
        "agent_id": agent,
        "site_dir": site,
        "source_dir": os.path.join(site, "docs"),
        "output_dir": os.path.join(site, "book"),
    }


def _dotenv(cwd: str, root: str, environ: Mapping[str, str]) -> list[_Layer]:
    """``.env`` beside the caller, else in the project root. Values are taken as they stand, nothing is expanded.

    A variable of the environment hides the one in the file even when it is empty, so a caller can switch one off.
    """
    for folder in dict.fromkeys((cwd, root)):
        path = os.path.join(folder, ".env")
        if os.path.isfile(path):
            from dotenv import dotenv_values

            found = {
                k: v for k, v in dotenv_values(path, interpolate=False).items() if v is not None and k not in environ
            }
            return [_Layer(_variables(found), folder, functools.partial(_in_dotenv, path))]
    return []


def _in_dotenv(path: str, setting: Setting) -> str:
    return f"{path} {setting.variable}"


@dataclass(frozen=True, slots=True)
class _SettingsFile:
    path: str
    table: Mapping[str, Any]


def _settings_file(start: str) -> _SettingsFile | None:
    """The nearest file with settings, in this folder or above it."""
    for folder in _upward(start):
        for name in (BOOK_FILE, PROJECT_FILE):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and (table := _table(path)) is not None:
                return _SettingsFile(path, table)
    return None


def _upward(folder: str) -> list[str]:
    """The folder and those above it, up to the root of its repository: what lies beyond is not this project's."""
    found = [folder]
    while not os.path.exists(os.path.join(found[-1], ".git")):
        above = os.path.dirname(found[-1])
        if above == found[-1]:
            break
        found.append(above)
    return found


def _table(path: str) -> Mapping[str, Any] | None:
    """The settings of one file; None for a project file without ``[tool.panaversity]``."""
    try:
        with open(path, "rb") as file:
            body = tomllib.load(file)
    except (OSError, ValueError) as error:
        reason = str(error)
        raise ConfigInvalid(
            "configuration", path, f"cannot be read ({reason})", "Correct the file", key=path, origin=path
        ) from None
    tool = body.get("tool")
    ours = tool.get("panaversity") if isinstance(tool, dict) else None
    if os.path.basename(path) == PROJECT_FILE:
        return ours
    return {**{k: v for k, v in body.items() if k != "tool"}, **(ours or {})}


def _file_layer(file: _SettingsFile) -> _Layer:
    known = [s.name for s in SETTINGS if s.in_file]
    for key in file.table:
        if key not in known:
            hint = "Set PANAVERSITY_TOKEN instead" if key == "token" else f"Known settings: {', '.join(known)}"
            problem = "does not belong into a file" if key == "token" else "is not a setting"
            raise ConfigInvalid("configuration", f"{key} ({file.path})", problem, hint, key=key, origin=file.path)
    return _Layer(file.table, os.path.dirname(file.path), lambda _: file.path)


def _root(cwd: str, file: _SettingsFile | None) -> tuple[str, str]:
    """The project: its repository, whose folders all share one store; else the settings' folder; else here."""
    top = _upward(cwd)[-1]
    if os.path.exists(os.path.join(top, ".git")):
        return top, "git root"
    return (os.path.dirname(file.path), file.path) if file else (cwd, "current folder")
