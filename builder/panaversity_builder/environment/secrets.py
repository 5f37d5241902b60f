"""Secrets of an environment: names in the configuration, values only when a phase runs.

A value comes from a variable of this process or from a file, is handed to the backend, and is part of no key, label,
input or argument. Does not know phases or how a secret gets to a program.
"""

import os
from collections.abc import Collection, Mapping

from panaversity_builder.environment.load import Settings
from panaversity_builder.environment.settings.origins import Finding, refusal

MOST_BYTES = 1 << 20


def secret_values(settings: Settings, names: Collection[str], environ: Mapping[str, str]) -> dict[str, bytes]:
    """The values of these secrets. Raises ``ConfigInvalid`` telling every one that has none, and never a value."""
    values: dict[str, bytes] = {}
    wrong: list[Finding] = []
    for name in sorted(names):
        try:
            values[name] = _value(settings, name, environ)
        except ValueError as error:
            key = ("secrets", name)
            wrong.append(Finding(settings.origin(*key), key, str(error), "Set it, and run again"))
    if wrong:
        raise refusal(wrong)
    return values


def _value(settings: Settings, name: str, environ: Mapping[str, str]) -> bytes:
    declared = settings.configuration.secrets.get(name)
    if declared is None:
        raise ValueError("is not declared")
    if declared.file is None:
        variable = declared.env or name
        value = os.fsencode(environ.get(variable, ""))
        told = f"the variable {variable}"
    else:
        path = settings.absolute(declared.file, "secrets", name, "file")
        value, told = _read(path), f"the file {path}"
    if not value:
        raise ValueError(f"has no value: {told} is not set or empty")
    return value


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            value = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"has no value: {path} cannot be read ({error.strerror})") from None
    if len(value) > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES} bytes")
    return value
