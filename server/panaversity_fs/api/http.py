"""The table of the data plane: every route, its methods and its handler (DESIGN 8).

Knows the table only; the handlers know the rest.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from panaversity_fs.api.http_archive import ArchiveRoutes
from panaversity_fs.api.http_blobs import BlobRoutes
from panaversity_fs.api.http_changesets import ChangesetRoutes
from panaversity_fs.api.http_health import HealthRoutes
from panaversity_fs.api.http_manifests import ManifestRoutes
from panaversity_fs.api.http_metrics import MetricsRoute
from panaversity_fs.api.http_packs import PackRoutes
from panaversity_fs.api.http_site_cache import SiteCacheRoutes
from panaversity_fs.api.resumable import UploadRoutes
from panaversity_fs.api.service import Service

Handler = Callable[[Request], Awaitable[Response]]


def data_plane(service: Service) -> list[tuple[str, str, Handler]]:
    """Every route beside MCP as (method, path, handler); a test walks this list."""
    blobs, manifests, health = BlobRoutes(service), ManifestRoutes(service), HealthRoutes(service)
    sites = SiteCacheRoutes(service)
    return [
        ("GET", "/healthz", health.healthz),
        ("GET", "/readyz", health.readyz),
        ("GET", "/metrics", MetricsRoute(service).metrics),
        ("GET", "/books/{book_id}/blobs/{digest}", blobs.get_blob),
        ("PUT", "/books/{book_id}/blobs/{digest}", blobs.put_blob),
        ("GET", "/books/{book_id}/uploads/{digest}", UploadRoutes(service).get_upload),
        ("GET", "/books/{book_id}/files/{path:path}", blobs.get_file),
        ("GET", "/books/{book_id}/archive", ArchiveRoutes(service).get_archive),
        ("POST", "/books/{book_id}/packs", PackRoutes(service).post_pack),
        ("POST", "/books/{book_id}/changesets", ChangesetRoutes(service).post_changeset),
        ("GET", "/books/{book_id}/site-cache/{key}", sites.get_site),
        ("PUT", "/books/{book_id}/site-cache/{key}", sites.put_site),
        ("GET", "/books/{book_id}/manifests/{digest}", manifests.get_text),
        ("GET", "/books/{book_id}/manifests/{digest}/metadata", manifests.get_metadata),
    ]
