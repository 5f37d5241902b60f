"""The application: settings in, a service and an ASGI app out.

Knows how the pieces are wired; does not bind sockets, parse flags or read the environment (``create_app``, the factory
for ``uvicorn --factory``, excepted).
"""

import os
import secrets
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from urllib.parse import urlsplit

from fastmcp.server.http import StarletteWithLifespan

from panaversity_fs.api.auth_gate import Access
from panaversity_fs.api.hosts import HostRule
from panaversity_fs.api.server import http_app
from panaversity_fs.api.service import Service
from panaversity_fs.config import Settings
from panaversity_fs.library import Library, Quotas, SitePolicy, open_library
from panaversity_fs.library.storage import blobs_of
from panaversity_fs.metrics import Metrics
from panaversity_fs.version import VERSION


def build_service(settings: Settings, instance: str) -> Service:
    """The service these settings describe; its library is opened, and migrated, when somebody enters ``opened``."""

    metrics = Metrics(VERSION)

    def opening() -> AbstractAsyncContextManager[Library]:
        return open_library(
            settings.database_url, settings.storage_root, read_only=settings.refuses_writes, observer=metrics,
            site_policy=SitePolicy(settings.site_cache_bytes, timedelta(days=settings.site_cache_days)),
            quotas=Quotas(settings.limit_book_bytes, settings.limit_book_files, settings.limit_books),
            blobs=blobs_of(settings),
        )  # fmt: skip

    return Service(
        opening,
        version=VERSION,
        instance=instance,
        server_agent=settings.agent_id,
        public_url=settings.public_url,
        metrics=metrics,
        archive_seconds=settings.archive_seconds,
        presign=settings.s3_presign,
    )


def host_rule(settings: Settings) -> HostRule:
    """The names this server answers to beside the loopback ones."""
    public = {urlsplit(settings.public_url).netloc.lower()} if settings.public_url else set()
    return HostRule(frozenset(settings.allowed_hosts) | public)


def build_app(settings: Settings, service: Service) -> StarletteWithLifespan:
    """The whole server as one ASGI app. Raises ``ConfigInvalid`` where authentication cannot work."""
    return http_app(service, host_rule(settings), _access(settings))


def _access(settings: Settings) -> Access:
    if not settings.auth_on:
        return Access()
    from panaversity_fs.api.auth_access import access_of

    return access_of(settings)


def create_app() -> StarletteWithLifespan:
    """The app as the environment describes it, for a process manager of your own."""
    settings = Settings.read(os.environ)
    return build_app(settings, build_service(settings, secrets.token_hex(8)))
