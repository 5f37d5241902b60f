"""``make show-actions``: the job summaries of a cold, a delta and an unchanged job, as GitHub would render them."""

import tempfile
from pathlib import Path

from actions.books import write_book, write_lesson
from actions.cache_service import CacheService
from actions.runner import Job, Result
from support.live import LiveServer


def main() -> None:
    """Three jobs after one another with one cache, five lessons changed before the second."""
    with tempfile.TemporaryDirectory() as place, LiveServer(Path(place, "store")) as server:
        folder, cache = Path(place), CacheService()
        env = {"PANAVERSITY_MCP_URL": server.url, "PANAVERSITY_BOOK_ID": "demo"}
        author = Job(folder / "author", cache, env)
        write_book(author.workspace, 100)
        author.uses("ingest", source_dir="docs")
        show("cold", hydrate(folder / "1", cache, env, 1))
        for number in range(5):
            write_lesson(author.workspace, number, seed=1000 + number)
        author.uses("ingest", source_dir="docs")
        show("delta", hydrate(folder / "2", cache, env, 2))
        show("unchanged", hydrate(folder / "3", cache, env, 3))


def hydrate(folder: Path, cache: CacheService, env: dict[str, str], run: int) -> Result:
    """One job on a fresh machine."""
    return Job(folder, cache, dict(env), run_id=run).uses("hydrate", output_dir="book")


def show(name: str, result: Result) -> None:
    """One job's summary, and what it told later steps."""
    told = ("mode", "cache-hit", "changed", "bytes-transferred")
    print(f"---- {name} job: {', '.join(f'{key} {result.outputs[key]}' for key in told)}\n\n{result.summary}")


if __name__ == "__main__":
    main()
