"""Object stores to test with: moto (faithful in what it answers) and rclone (faithful in signatures), real processes.

Knows how to start them, once a process and only when somebody asks, and how to look into a bucket behind the adapter's
back. A test gets a prefix of its own. Neither store is faithful alone: moto believes every secret, rclone ignores
``If-None-Match`` and answers ranges with status 200.
"""

import atexit
import http.client
import itertools
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path

import obstore
from obstore.store import S3Store

from panaversity_fs.store.blobs import BlobKey
from panaversity_fs.store.object_blobs import ObjectBlobs
from panaversity_fs.store.object_place import Conditional, ObjectPlace, Patience
from panaversity_fs.store.site_cache_rows import PART

BUCKET, REGION = "test-books", "us-east-1"
KEY, SECRET = "test-access-key", "test-secret-of-some-length"
_START_SECONDS = 30.0
_PATIENCE = Patience()
_numbers = itertools.count(1)


@dataclass(frozen=True)
class StoreServer:
    """A running object store with one bucket. ``conditional``: it honours ``If-None-Match``."""

    name: str
    endpoint: str
    conditional: bool

    def place(self, prefix: str, *, patience: Patience = _PATIENCE, secret: str = SECRET) -> ObjectPlace:
        """The part of the bucket below ``prefix``."""
        mode: Conditional = "require" if self.conditional else "lock"
        return ObjectPlace(BUCKET, self.endpoint, REGION, KEY, secret, prefix, mode, patience)

    def environment(self, prefix: str) -> Mapping[str, str]:
        """The settings that let a server use that part."""
        return {
            "PANAVERSITY_STORAGE_BACKEND": "s3",
            "PANAVERSITY_S3_BUCKET": BUCKET,
            "PANAVERSITY_S3_ENDPOINT": self.endpoint,
            "PANAVERSITY_S3_ACCESS_KEY_ID": KEY,
            "PANAVERSITY_S3_SECRET_ACCESS_KEY": SECRET,
            "PANAVERSITY_S3_PREFIX": prefix,
            "PANAVERSITY_S3_CONDITIONAL": "require" if self.conditional else "lock",
        }


@cache
def moto() -> StoreServer:
    """Moto's server: conditions, ranges and listings as Amazon's; every secret is believed."""
    port = free_port()
    _start([_tool("moto_server"), "-H", "127.0.0.1", "-p", str(port)], port)
    make_bucket(port)
    return StoreServer("moto", f"http://127.0.0.1:{port}", conditional=True)


@cache
def rclone() -> StoreServer:
    """rclone's server over a temporary folder: real signatures, no conditions, ranges with the wrong status."""
    folder, port = Path(tempfile.mkdtemp(prefix="object-store-")), free_port()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / BUCKET).mkdir()
    _start(
        [_tool("rclone"), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}", str(folder)],
        port,
    )
    return StoreServer("rclone", f"http://127.0.0.1:{port}", conditional=False)


def _tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _start(command: list[str], port: int) -> None:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop() -> None:
        process.kill()
        process.wait()

    atexit.register(stop)
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{command[0]} did not begin to listen"
            time.sleep(0.02)
        else:
            return


def make_bucket(port: int) -> None:
    """Make the bucket in a store that believes everybody."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_START_SECONDS)
    scope = f"{KEY}/20300101/{REGION}/s3/aws4_request"
    connection.request("PUT", f"/{BUCKET}", headers={"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}"})
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    connection.close()


class InBucket:
    """Blobs in a bucket, below a prefix that nothing else uses unless one is named; a medium for ``support.stores``."""

    def __init__(self, server: StoreServer, prefix: str = "", *, patience: Patience = _PATIENCE) -> None:
        self.server = server
        self.prefix = prefix or f"t{next(_numbers)}"
        self.exclusive = server.conditional
        self.place = server.place(self.prefix, patience=patience)
        self.blobs = ObjectBlobs(self.place)

    @cached_property
    def raw(self) -> S3Store:
        """The same part of the bucket, behind the adapter's back."""
        return S3Store(
            BUCKET, prefix=self.prefix, endpoint=self.server.endpoint, region=REGION, access_key_id=KEY,
            secret_access_key=SECRET, client_options={"allow_http": True, "timeout": timedelta(seconds=30)},
        )  # fmt: skip

    def names(self) -> set[str]:
        return {name for name in self.everything() if "/blobs/" in name and not name.startswith(PART)}

    def site_names(self) -> set[str]:
        return {name[len(PART) + 1 :] for name in self.everything() if "/blobs/" in name and name.startswith(PART)}

    def site_bytes(self, name: str) -> bytes:
        return bytes(obstore.get(self.raw, f"{PART}/{name}").bytes())

    def leftovers(self) -> list[str]:
        return sorted(name for name in self.everything() if "/incoming/" in name or name.startswith("probes/"))

    def everything(self) -> list[str]:
        """The names of all objects below the prefix."""
        return [found["path"] for page in obstore.list(self.raw) for found in page]

    def damage(self, key: BlobKey, data: bytes) -> None:
        obstore.put(self.raw, key.name, data)

    def damage_site(self, name: str, data: bytes | None) -> None:
        if data is None:
            obstore.delete(self.raw, f"{PART}/{name}")
        else:
            obstore.put(self.raw, f"{PART}/{name}", data)
