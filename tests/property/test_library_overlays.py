"""R5: overlay or base, never another user's – random programs of two users and the base against one dictionary each."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import Conflict, HashRequired, NotFound, PanaversityError
from panaversity_fs.core.manifest import manifest_hash
from panaversity_fs.core.paths import BASE
from panaversity_fs.library import Caller, Library
from support.oracle import assert_store_ok
from support.stores import BOOK, CALLER, lesson, new_store

FEW = settings(max_examples=max(20, settings.default.max_examples // 3))

NAMESPACES = [BASE, "alice", "bob"]
PATHS = [lesson(1), lesson(2), "static/img/01-Part/x.svg"]
STEPS = st.tuples(
    st.sampled_from(NAMESPACES),
    st.sampled_from(PATHS),
    st.one_of(st.none(), st.sampled_from([b"", b"one", b"two", b"three"])),  # None: a delete
    st.sampled_from(["right", "none", "wrong", "base's"]),
)
PROGRAMS = st.lists(st.one_of(STEPS, st.just("restart")), max_size=25)

Model = dict[str, dict[str, bytes]]


def expects(model: Model, user: str, path: str, which: str) -> bytes | None:
    """The bytes whose digest the writer expects; None: it expects nothing."""
    held = {"right": model[user].get(path), "none": None, "wrong": b"never", "base's": model[BASE].get(path)}
    return held[which]


def judged(held: bytes | None, data: bytes | None, expected: bytes | None) -> type[PanaversityError] | None:
    """The refusal the specification wants, from what this very namespace holds."""
    if data is None:
        return Conflict if held is not None and expected not in (None, held) else None
    if held is None:
        return None if expected is None else NotFound
    return HashRequired if expected is None else None if expected == held else Conflict


async def step(library: Library, model: Model, user: str, path: str, data: bytes | None, which: str) -> None:
    wanted = expects(model, user, path, which)
    expected = None if wanted is None else digest_of(wanted)
    refusal = judged(model[user].get(path), data, wanted)
    answer: type[PanaversityError] | None = None
    try:
        if data is None:
            await library.delete(BOOK, path, CALLER, expected=expected, user_id=user)
        else:
            await library.write(BOOK, path, data, CALLER, expected=expected, user_id=user)
    except PanaversityError as fault:
        answer = type(fault)
    assert answer is refusal
    if refusal is None and data is None:
        model[user].pop(path, None)
    elif refusal is None and data is not None:
        model[user][path] = data


async def look(library: Library, model: Model, once: set[str]) -> None:
    """Every namespace sees exactly its own layer over the base; ``once`` are the paths the base ever held."""
    for user in NAMESPACES:
        visible = model[BASE] | model[user]
        listed = await library.entries(BOOK, "", user)
        assert {entry.path: entry.sha256 for entry in listed} == {p: digest_of(d) for p, d in visible.items()}
        for entry in listed:
            own = user != BASE and entry.path in model[user]
            assert entry.source == ("overlay" if own else "base")
            assert entry.orphaned == (own and entry.path in once and entry.path not in model[BASE])
            assert (await library.open_entry(BOOK, entry.path, user))[0] == entry
            assert await library.read_bytes(BOOK, entry.sha256, 100, user) == visible[entry.path]
        await nothing_leaks(library, model, user)
    plan = await library.plan(BOOK, None)
    assert plan.manifest_hash == manifest_hash({p: digest_of(d) for p, d in model[BASE].items()})


async def nothing_leaks(library: Library, model: Model, user: str) -> None:
    readable = {*model[BASE].values(), *model[user].values()}
    everything = {data for held in model.values() for data in held.values()}
    for data in everything - readable:
        try:
            await library.open_blob(BOOK, digest_of(data), Caller("stranger", "tester"), user_id=user)
        except NotFound:
            continue
        raise AssertionError(f"{user} reads what only another overlay names")


@FEW
@given(PROGRAMS)
def test_R5_a_user_sees_the_overlay_or_the_base_and_never_another_users(
    program: list[tuple[str, str, bytes | None, str] | str],
) -> None:
    async def run(folder: Path) -> None:
        store = new_store(folder)
        model: Model = {user: {} for user in NAMESPACES}
        once: set[str] = set()
        opened = store.open()
        library = await opened.__aenter__()
        await library.create_book(BOOK, CALLER)
        for action in program:
            if isinstance(action, str):
                await opened.__aexit__(None, None, None)
                opened = store.open()
                library = await opened.__aenter__()
                continue
            await step(library, model, *action)
            once |= model[BASE].keys()
        await look(library, model, once)
        await opened.__aexit__(None, None, None)
        await assert_store_ok(store, holds={BOOK: {p: digest_of(d) for p, d in model[BASE].items()}})

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))
