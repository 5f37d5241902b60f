"""The order of settings: flag > environment > ``.env`` > settings file > default (DESIGN 10). Knows no command."""

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from panaversity_builder.config.files import SITE_CONFIGS, SettingsFile, project_root, settings_file
from panaversity_builder.config.shape import Config
from panaversity_builder.config.table import SETTINGS, Setting
from panaversity_fs.core.errors import ConfigInvalid


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
    here = settings_file(cwd)
    file = (settings_file(os.path.abspath(os.path.join(cwd, str(site)))) if site else None) or here
    root, root_origin = project_root(cwd, here)
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
    name = {"site_time_limit": "time_limit"}.get(setting.name, setting.name)
    return f"flag --{name.replace('_', '-')}"


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


def _file_layer(file: SettingsFile) -> _Layer:
    known = [s.name for s in SETTINGS if s.in_file]
    for key in file.table:
        if key not in known:
            hint = "Set PANAVERSITY_TOKEN instead" if key == "token" else f"Known settings: {', '.join(known)}"
            problem = "does not belong into a file" if key == "token" else "is not a setting"
            raise ConfigInvalid("configuration", f"{key} ({file.path})", problem, hint, key=key, origin=file.path)
    return _Layer(file.table, os.path.dirname(file.path), lambda _: file.path)
