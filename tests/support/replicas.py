"""Two servers over one PostgreSQL and one object store, behind one address; one of them dies and comes back.

Knows how to run and kill them, and how writers ask again until they have an answer; judges nothing.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

from support import object_store, postgres
from support.env_server import EnvServer
from support.live import ToolAnswer, Wire
from support.round_robin import RoundRobin

PATIENCE_SECONDS = 120.0


class Door(Wire):
    """The one address."""

    def __init__(self, url: str) -> None:
        self.url = url

    def insist(self, tool: str, **arguments: object) -> ToolAnswer:
        """Ask until there is an answer that is not "try again": a server that dies answers nothing."""
        last: object = None
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = self.call(tool, **arguments)
            except (OSError, HTTPException) as fault:
                last = fault
            else:
                if not answer.is_error or not answer.error.get("retryable"):
                    return answer
                last = answer.error
            time.sleep(0.1)
        raise TimeoutError(f"{tool}: no answer in {PATIENCE_SECONDS:g} s; the last: {last}")


@dataclass
class Replicas:
    """``door`` is what callers know; ``servers`` are asked alone when all is over."""

    door: Door
    servers: list[EnvServer]
    kills: int = 0
    _restarting: threading.Lock = field(default_factory=threading.Lock)

    def kill_one(self, which: int) -> None:
        """End it as a crash would, and start it again."""
        with self._restarting:
            self.servers[which].__exit__(None, None, None)
            self.servers[which].__enter__()
            self.kills += 1

    def alone(self) -> list[Door]:
        """The servers by their own addresses."""
        return [Door(server.url) for server in self.servers]


@contextmanager
def two_replicas(place: Path) -> Iterator[Replicas]:
    """Both running, over stores that nobody used before."""
    prefix = place.name.replace("_", "-").lower()[-40:].strip("-")
    environment = {
        "DATABASE_URL": postgres.new_database(), **object_store.rclone().environment(prefix),
        "PANAVERSITY_ALLOWED_HOSTS": "127.0.0.1",  # by whatever port: the door's is not theirs
    }  # fmt: skip
    with ExitStack() as stack:
        servers = []
        for number in range(2):
            folder = place / f"server-{number}"
            folder.mkdir()
            servers.append(stack.enter_context(EnvServer(folder, environment)))
        door = stack.enter_context(RoundRobin(lambda: [server.url for server in servers]))
        yield Replicas(Door(door.url), servers)


def all_at_once(workers: int, jobs: list[Callable[[], object]], seed: int) -> list[object]:
    """What the jobs answered, each run by one of so many workers, in an order of chance."""
    random.Random(seed).shuffle(jobs)
    with ThreadPoolExecutor(workers) as pool:
        return [future.result() for future in [pool.submit(job) for job in jobs]]
