"""A book of 100,000 lessons: what whole commands take in seconds, and in memory, theirs and the server's.

One run a figure: each is long enough to be its own average. Memory is in files on tmpfs as elsewhere, the store on
disk. Knows which commands make a figure; does not know how they are timed.
"""

from figures import Report
from measure import Run, peak_of, reset_peak, run_with_memory
from scene import Scene, data, make_book

MIB = 1 << 20
LESSONS = 100_000
INGEST, UNCHANGED, PLAN = 180.0, 10.0, 3.0
"""Seconds: the first ingest, one that finds nothing new, a plan."""
CLIENT_MIB = 256.0


def scale_figures(place: Scene, report: Report) -> None:
    """Ingest, plan and hydrate of 100,000 lessons and their images of 1 KB."""
    source, output = place.memory / "scale" / "source", place.memory / "scale" / "out"
    make_book(source, "--lessons", str(LESSONS), "--images-kb", "1")
    reset_peak(place.server_pid)
    peaks: dict[str, float] = {}

    def command(name: str, *words: str) -> Run:
        folder = ("--source-dir", str(source)) if words[0] == "ingest" else ("--output-dir", str(output))
        line = place.panaversity(*words, "--book-id", "scale", *folder, "--format", "json")
        done = run_with_memory(line, place.environment)
        peaks[name] = done.peak_bytes / MIB
        return done

    first = command("ingest", "ingest")
    report("scale-ingest", first.seconds, INGEST, "s", f"{data(first.output)['added']} files")
    report("scale-ingest-unchanged", command("ingest unchanged", "ingest").seconds, UNCHANGED, "s")
    report("scale-plan-first", command("plan of everything", "plan").seconds, PLAN, "s", "into an empty folder")
    cold = command("hydrate", "hydrate")
    rest = [command("hydrate unchanged", "hydrate") for _ in range(3)]
    report("scale-plan-unchanged", command("plan", "plan").seconds, PLAN, "s")
    make_book(source, "--edit", "5", "--seed", "9")
    command("ingest of 5", "ingest")
    report("scale-plan-5-changed", command("plan of 5", "plan").seconds, PLAN, "s")
    delta = command("hydrate of 5", "hydrate")
    most = max(peaks, key=lambda name: peaks[name])
    times = f"hydrate cold {cold.seconds:.1f} s, unchanged {rest[-1].seconds:.1f} s, 5 changed {delta.seconds:.1f} s"
    report("scale-client-peak-memory", peaks[most], CLIENT_MIB, "MiB", f"{most}; {times}")
    report("scale-server-peak-memory", peak_of(place.server_pid) / MIB, 1024.0, "MiB", "of all of it together")
