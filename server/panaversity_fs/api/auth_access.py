"""From settings to what stands before the app: the judge of tokens, the limits and the metadata (DESIGN 9).

Knows settings and how the pieces are wired; nothing here runs while a request is answered. Imported only when
authentication is on: the cryptography behind it takes a while to load.
"""

import time

from panaversity_fs.api.auth_failures import FailedLogins
from panaversity_fs.api.auth_gate import Access
from panaversity_fs.api.auth_keys import KeySet, Load, from_file, from_url
from panaversity_fs.api.auth_scopes import github_scopes, is_scope, scopes_in
from panaversity_fs.api.auth_tokens import Issuer, Tokens, verifiers
from panaversity_fs.api.limits_guard import Allowance, Limits, Patience
from panaversity_fs.config import GITHUB_ISSUER, Settings
from panaversity_fs.core.errors import ConfigInvalid

_GITHUB_KEYS = GITHUB_ISSUER + "/.well-known/jwks"


def access_of(settings: Settings) -> Access:
    """The gate of a server with authentication on. Raises ``ConfigInvalid`` for a key file without usable keys and for
    rules that grant what is no scope; keys behind a URL are fetched when the first token comes."""
    _check_rules(settings)
    issuers = _issuers(settings)
    return Access(
        judge=Tokens(issuers, time.time),
        admission=Limits(
            Allowance(settings.limit_rate, settings.limit_burst, settings.limit_concurrent), time.monotonic
        ),
        failures=FailedLogins(settings.limit_failed_logins, time.monotonic),
        patience=Patience(settings.limit_upload_rate, time.monotonic),
        issuers=tuple(issuer.name for issuer in issuers),
    )


def _issuers(settings: Settings) -> list[Issuer]:
    name = settings.auth_issuer or ""
    main = name if name != GITHUB_ISSUER else None
    issuers = []
    if main is not None:
        issuers.append(Issuer(main, settings.auth_audience or "", _keys(settings, main, _load(settings)), scopes_in))
    if main is None or settings.auth_github:
        load = _load(settings) if main is None else from_url(_GITHUB_KEYS, time.monotonic)
        keys = _keys(settings, GITHUB_ISSUER, load)

        def by_rules(claims: object) -> list[str]:
            return github_scopes(claims, settings.auth_github) if isinstance(claims, dict) else []

        # A workflow may choose parts of its subject, so it must not be able to spell a person's.
        issuers.append(Issuer(GITHUB_ISSUER, settings.auth_audience or "", keys, by_rules, prefix="github:"))
    return issuers


def _load(settings: Settings) -> Load:
    if settings.auth_jwks_file is None:
        return from_url(settings.auth_jwks_url or "", time.monotonic)
    _check_file(settings, settings.auth_jwks_file)
    return from_file(settings.auth_jwks_file)


def _keys(settings: Settings, issuer: str, load: Load) -> KeySet:  # type: ignore[type-arg]
    audience, algorithms = settings.auth_audience or "", settings.auth_algorithms
    return KeySet(load, lambda text: verifiers(text, issuer, audience, algorithms), time.monotonic)


def _check_file(settings: Settings, path: str) -> None:
    """A server that nobody could ever log in to had better not start."""
    try:
        with open(path, "rb") as file:
            verifiers(file.read(), "", "", settings.auth_algorithms)
    except OSError as fault:
        raise _invalid("PANAVERSITY_AUTH_JWKS_FILE", f"cannot be read ({fault.strerror})") from None
    except (ValueError, RecursionError):
        raise _invalid("PANAVERSITY_AUTH_JWKS_FILE", "is no key set with a key that fits the algorithms") from None


def _check_rules(settings: Settings) -> None:
    if not all(is_scope(scope) for rule in settings.auth_github for scope in rule.scopes):
        raise _invalid("PANAVERSITY_AUTH_GITHUB", "grants what is no scope")


def _invalid(name: str, reason: str) -> ConfigInvalid:
    return ConfigInvalid("serve", name, reason, "Correct or unset it", key=name, origin="environment", reason=reason)
