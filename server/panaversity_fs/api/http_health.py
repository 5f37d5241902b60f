"""``/healthz`` (the process lives) and ``/readyz`` (it can do its work): for people, probes and the builder.

Knows what the library reports of itself; checks nothing on its own.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from panaversity_fs.api.service import Service

_FRESH = {"Cache-Control": "no-store"}


class HealthRoutes:
    """The handlers, bound to one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def healthz(self, _: Request) -> Response:
        """200 as long as the process answers; ``instance`` tells one process from the next."""
        body = {"status": "ok", "version": self._service.version, "instance": self._service.instance}
        return JSONResponse(body, headers=_FRESH)

    async def readyz(self, _: Request) -> Response:
        """200 when database, storage and migrations are in order, 503 otherwise and while draining."""
        health = await self._service.library.health()
        ready = health.ready and not self._service.draining
        body = {
            "status": "ready" if ready else "draining" if self._service.draining else "not ready",
            "database": health.database,
            "storage": health.storage,
            "migrations": health.migrations,
            "read_only": self._service.library.read_only,
            "version": self._service.version,
            "instance": self._service.instance,
        }
        return JSONResponse(body, 200 if ready else 503, _FRESH)
