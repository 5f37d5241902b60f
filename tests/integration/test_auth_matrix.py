"""The authorisation matrix: every tool, route, resource and prompt × every kind of token × book × user (S9, S12, S13).

Generated from the table and from what is registered, so that a tool or route that nobody thought of fails here.
"""

import json
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from panaversity_fs.api.permissions import PROMPTS, RESOURCES, ROUTES, TOOLS, Rule, Where
from panaversity_fs.api.server import mcp_server
from panaversity_fs.app import build_app, build_service
from panaversity_fs.config import Settings
from support import tokens
from support.live import app_client
from support.tokens import bearer, token

LESSON = "content/01-Part/02-Chapter/03-lesson.md"
BOOK = "mine"
LEVELS = ["read", "write", "admin"]
ROLES: dict[str, str] = {
    "no scopes": "",
    "read": f"book:{BOOK}:read",
    "write": f"book:{BOOK}:write",
    "admin": f"book:{BOOK}:admin",
    "site cache": f"book:{BOOK}:site-cache",
    "other book": "book:other:admin book:other:site-cache",
    "a longer name": f"book:{BOOK}-2:admin book:{BOOK}2:admin",
    "overlays": "overlay:admin",
    "every book, read": "book:*:read",
    "every book, admin": "book:*:admin",
    "nearly scopes": f"book:{BOOK} {BOOK}:admin book:{BOOK}:ADMIN Book:{BOOK}:admin book::admin book:*",
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    environment = tokens.environment(tmp_path_factory.mktemp("keys"))
    return {**environment, "PANAVERSITY_LIMIT_REQUESTS_PER_SECOND": "0"}


@pytest.fixture(scope="module")
async def client(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str], anyio_backend: str
) -> AsyncIterator[Any]:
    async with app_client(tmp_path_factory.mktemp("matrix") / "store", settings) as client:
        for book in (BOOK, "other"):
            await call(client, "book:*:admin", "write_content", book_id=book, path=LESSON, content="base")
        yield client


async def rpc(client: Any, scope: str, method: str, params: dict[str, Any], subject: str = "alice") -> dict[str, Any]:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = await client.post("/mcp", json=body, headers=bearer(token(scope=scope, sub=subject)))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def call(client: Any, scope: str, tool: str, /, *, subject: str = "alice", **arguments: Any) -> dict[str, Any]:
    """The error of a tool call, or its structured answer."""
    params = {"name": tool, "arguments": arguments}
    result = (await rpc(client, scope, "tools/call", params, subject))["result"]
    if result.get("isError"):
        return dict(json.loads(result["content"][0]["text"])["error"])
    return dict(result.get("structuredContent") or {})


def may(scope: str, rule: Rule) -> bool:
    """What a token may do, said in another way than the program does."""
    scopes = scope.split(" ")
    books = ["*"] if rule.where is Where.EVERY else ["*", BOOK]
    if rule.where is Where.LISTED:
        books = ["*", BOOK, "other", f"{BOOK}-2", f"{BOOK}2"]
    enough = [level for need in rule.needs for level in (LEVELS[LEVELS.index(need) :] if need in LEVELS else [need])]
    return any(f"book:{book}:{level}" in scopes for book in books for level in enough)


@pytest.fixture(scope="module")
async def registered(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> Any:
    """The server as it is made, its lists unfiltered."""
    store = str(tmp_path_factory.mktemp("registry"))
    return mcp_server(build_service(Settings.read(settings, store=store), "registry"))


@pytest.mark.anyio
async def test_S13_every_tool_has_a_row_and_says_whether_it_takes_a_user(registered: Any) -> None:
    tools = await registered.list_tools(run_middleware=False)
    assert len(tools) >= 9
    for tool in tools:
        assert tool.name in TOOLS, f"{tool.name}: add a row to api/permissions.py"
        rule, properties = TOOLS[tool.name], tool.parameters["properties"]
        assert rule.overlay or "user_id" not in properties, f"{tool.name} takes user_id, its row forbids it"
        assert rule.where is Where.LISTED or "book_id" in tool.parameters["required"], tool.name


@pytest.mark.anyio
async def test_S13_every_resource_and_prompt_has_a_row(registered: Any) -> None:
    for template in await registered.list_resource_templates(run_middleware=False):
        assert template.uri_template in RESOURCES
    for resource in await registered.list_resources(run_middleware=False):
        assert str(resource.uri).startswith("book://")
    assert PROMPTS.need == "read"


def test_S13_every_route_has_a_row(settings: dict[str, str], tmp_path: Path) -> None:
    read = Settings.read(settings, store=str(tmp_path))
    routes = build_app(read, build_service(read, "routes")).routes
    paths = [route for route in routes if isinstance(route, Route) and route.path != "/mcp"]
    assert len(paths) >= 10
    assert [route.path for route in routes if not isinstance(route, Route)] == []
    for route in paths:
        for method in (route.methods or set()) - {"HEAD"}:
            assert (method, route.path) in ROUTES, f"{method} {route.path}: add a row to api/permissions.py"


def test_S13_only_health_and_metadata_are_open() -> None:
    opened = {path for (_, path), rule in ROUTES.items() if rule.where is Where.NOWHERE}
    assert opened == {
        "/healthz", "/readyz", "/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp",
    }  # fmt: skip
    assert not any(rule.where is Where.NOWHERE for rule in [*TOOLS.values(), *RESOURCES.values(), PROMPTS])


@pytest.mark.anyio
@pytest.mark.parametrize("role", ROLES)
async def test_S9_S13_a_tool_is_listed_and_callable_only_with_its_scope(
    client: Any, registered: Any, role: str
) -> None:
    scope = ROLES[role]
    names = {tool.name for tool in await registered.list_tools(run_middleware=False)}
    listed = {tool["name"] for tool in (await rpc(client, scope, "tools/list", {}))["result"]["tools"]}
    somewhere = {n for n in names if may(scope, Rule(TOOLS[n].need, Where.LISTED))}
    assert listed == somewhere
    for name in names:
        # Without its other arguments: who may not call is told so before they are looked at.
        answer = await call(client, scope, name, book_id=BOOK)
        if may(scope, TOOLS[name]):
            assert answer.get("code") not in ("FORBIDDEN", "UNAUTHENTICATED"), (name, answer)
        else:
            assert answer["code"] == "FORBIDDEN", name
            required = "<id>" if TOOLS[name].where is Where.LISTED else BOOK
            assert f"insufficient scope (required: book:{required}:{TOOLS[name].need})" in answer["message"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "book", [None, 7, "", "*", "mine/../other", "MINE", ["mine"], {"a": 1}, "mine ", "m\x00"], ids=str
)
async def test_S13_a_book_that_is_none_is_no_way_around(client: Any, registered: Any, book: Any) -> None:
    for tool in await registered.list_tools(run_middleware=False):
        if TOOLS[tool.name].where is Where.NAMED:
            answer = await call(client, ROLES["read"], tool.name, book_id=book, path=LESSON)
            assert answer["code"] == "INVALID_ARGUMENT", (tool.name, answer)


@pytest.mark.anyio
async def test_wrapped_arguments_are_judged_like_flat_ones(client: Any) -> None:
    inside = {"book_id": "other", "path": LESSON}
    assert (await call(client, ROLES["read"], "read_content", params=inside))["code"] == "FORBIDDEN"
    mine = {"book_id": BOOK, "path": LESSON}
    assert (await call(client, ROLES["read"], "read_content", params=mine))["content"] == "base"
    twice = await call(client, ROLES["read"], "read_content", params={"params": inside})
    assert twice["code"] == "INVALID_ARGUMENT"
    beside = await call(client, ROLES["read"], "read_content", book_id=BOOK, params=inside)
    assert beside["code"] == "INVALID_ARGUMENT"


def url(path: str, book: str) -> str:
    values = {"{book_id}": book, "{digest}": "a" * 64, "{path:path}": LESSON, "{key}": "b" * 64}
    for name, value in values.items():
        path = path.replace(name, value)
    return path


@pytest.mark.anyio
@pytest.mark.parametrize("role", [None, *ROLES])
async def test_S13_a_route_answers_only_with_its_scope(
    client: Any, settings: dict[str, str], tmp_path: Path, role: str | None
) -> None:
    read = Settings.read(settings, store=str(tmp_path))
    there = {r.path for r in build_app(read, build_service(read, "routes")).routes if isinstance(r, Route)}
    for (method, path), rule in ROUTES.items():
        if path not in there:
            continue
        headers = bearer(token(scope=ROLES[role])) if role is not None else {}
        for verb in ("GET", "HEAD") if method == "GET" else (method,):
            answer = await client.request(
                verb, url(path, BOOK), headers=headers, content=b"{}" if method == "POST" else b""
            )
            if rule.where is Where.NOWHERE or (role is not None and may(ROLES[role], rule)):
                assert answer.status_code not in (401, 403), (verb, path)
            elif role is None:
                assert answer.status_code == 401, (verb, path)
            else:
                assert answer.status_code == 403, (verb, path)
                assert answer.headers["WWW-Authenticate"].startswith('Bearer error="insufficient_scope", scope="book:')


@pytest.mark.anyio
async def test_no_path_is_open_by_mistake(client: Any) -> None:
    strange = [
        "/", "/nope", "/healthz/", "/healthz/x", "//healthz", "/HEALTHZ", "/healthz%2f", "/books", "/books/mine",
        "/mcp", "/mcp/", "/.well-known/oauth-authorization-server", "/.well-known/", "/register", "/token",
    ]  # fmt: skip
    for path in strange:
        for method in ("GET", "POST", "OPTIONS", "DELETE", "PUT"):
            assert (await client.request(method, path)).status_code == 401, (method, path)


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["completion/complete", "resources/subscribe", "tasks/list", "foo/bar", "tools/x"])
async def test_S13_mcp_requests_that_no_row_knows_are_refused(client: Any, method: str) -> None:
    answer = await rpc(client, "book:*:admin", method, {"uri": "book://mine/x"})
    assert answer["error"]["code"] == -32601


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("uri", "role", "allowed"),
    [
        (f"book://{BOOK}/{LESSON}", "read", True),
        (f"book://{BOOK}/{LESSON}", "other book", False),
        (f"book://{BOOK}/{LESSON}", "no scopes", False),
        (f"book://other/{LESSON}", "read", False),
        (f"book://{BOOK}/../other/{LESSON}", "other book", False),
        (f"BOOK://other/{LESSON}", "read", False),
        (f"book://{BOOK}@other/{LESSON}", "read", False),
        (f"book://{BOOK}%2fx/{LESSON}", "read", False),
        ("file:///etc/passwd", "every book, admin", False),
    ],
)
async def test_S13_a_resource_is_read_only_with_the_scope_of_its_book(
    client: Any, uri: str, role: str, allowed: bool
) -> None:
    answer = await rpc(client, ROLES[role], "resources/read", {"uri": uri})
    if allowed:
        assert "error" not in answer
    else:
        assert answer["error"] == {"code": -32602, "message": f"Resource not found: {uri!r}", "data": {"uri": uri}}
        assert "base" not in json.dumps(answer)


@pytest.mark.anyio
@pytest.mark.parametrize("path", [LESSON, "content/no such.md", "content/no%20such.md", "content/%C3%A4.md", "x y%"])
async def test_S12_S13_a_resource_one_may_not_read_and_one_that_is_not_there_are_the_same(
    client: Any, path: str
) -> None:
    """Down to the spelling: whoever may read the book and whoever may not get one answer for what is not there."""
    uri = f"book://nobody-made-this/{path}"
    admin = await rpc(client, ROLES["every book, admin"], "resources/read", {"uri": uri})
    stranger = await rpc(client, ROLES["read"], "resources/read", {"uri": uri})
    assert admin["error"] == stranger["error"]
    assert admin["error"]["data"] == {"uri": uri}


@pytest.mark.anyio
async def test_S9_books_that_may_not_be_read_are_not_listed(client: Any) -> None:
    async def listed(scope: str, **arguments: Any) -> list[str]:
        return [book["book_id"] for book in (await call(client, scope, "list_books", **arguments))["books"]]

    assert await listed(ROLES["read"]) == [BOOK]
    assert await listed(ROLES["every book, read"]) == [BOOK, "other"]
    assert await listed(ROLES["a longer name"]) == []
    # A book that may not be read and one that is not there are the same.
    hidden = await call(client, ROLES["read"], "list_books", book_id="other", include_structure="all")
    absent = await call(client, ROLES["read"], "list_books", book_id="nowhere", include_structure="all")
    assert hidden == absent
    # A forbidden book and an absent one are refused alike, whether or not they are there.
    for tool in ("read_content", "plan_build", "list_assets"):
        hidden = await call(client, ROLES["read"], tool, book_id="other")
        absent = await call(client, ROLES["read"], tool, book_id="absnt")
        assert json.dumps(hidden).replace("other", "absnt") == json.dumps(absent)


def overlay_tools() -> list[str]:
    return sorted(name for name, rule in TOOLS.items() if rule.overlay)


@pytest.mark.anyio
async def test_S12_the_overlay_of_another_user_is_as_if_there_were_none(client: Any, registered: Any) -> None:
    """Every tool that takes a user × strangers who have an overlay, have none, or are none."""
    there = {tool.name for tool in await registered.list_tools(run_middleware=False)}
    taking = {
        t.name for t in await registered.list_tools(run_middleware=False) if "user_id" in t.parameters["properties"]
    }
    if "write_content" in taking:
        made = await call(
            client,
            ROLES["write"],
            "write_content",
            subject="bob",
            book_id=BOOK,
            path=LESSON,
            content="bob's",
            user_id="bob",
        )
        assert made["status"] == "success", made
    strangers = [
        "bob",
        "carol",
        "Alice",
        "alice ",
        "ali%",
        "a*",
        "",
        "__base__",
        "system",
        "../bob",
        "álice",
        7,
        ["alice"],
    ]
    for name in sorted(there & set(overlay_tools())):
        for extra in ({"path": LESSON}, {"path": "content/01-Part/02-Chapter/09-none.md"}, {}):
            answers = {
                json.dumps(
                    await call(client, ROLES["admin"], name, book_id=BOOK, user_id=user, **extra), sort_keys=True
                )
                for user in strangers
            }
            assert len(answers) == 1, name
            assert json.loads(answers.pop())["code"] == "NOT_FOUND"
    for name in sorted(there - set(overlay_tools())):
        if TOOLS[name].where is Where.NAMED:
            answer = await call(client, ROLES["admin"], name, book_id=BOOK, user_id="alice", path=LESSON)
            assert answer["code"] == "INVALID_ARGUMENT", name


@pytest.mark.full
@pytest.mark.anyio
async def test_S12_forbidden_and_absent_overlays_take_the_same_time(client: Any) -> None:
    """Medians over 1,000 calls each, asked in turns, differ by less than 5 ms."""
    common = {"book_id": BOOK, "path": LESSON}
    await call(client, ROLES["write"], "write_content", subject="bob", content="bob's", user_id="bob", **common)
    seconds: dict[str, list[float]] = {"bob": [], "carol": []}
    for _ in range(1000):
        for user, taken in seconds.items():
            began = time.perf_counter()
            await call(client, ROLES["admin"], "read_content", user_id=user, **common)
            taken.append(time.perf_counter() - began)
    assert abs(statistics.median(seconds["bob"]) - statistics.median(seconds["carol"])) < 0.005


@pytest.mark.anyio
async def test_S12_own_overlay_and_overlay_admin_pass(client: Any, registered: Any) -> None:
    taking = {
        t.name for t in await registered.list_tools(run_middleware=False) if "user_id" in t.parameters["properties"]
    }
    assert "read_content" in taking
    common = {"book_id": BOOK, "path": LESSON, "user_id": "bob"}
    await call(client, ROLES["write"], "write_content", subject="bob", content="bob's", **common)
    own = await call(client, ROLES["read"], "read_content", subject="bob", **common)
    assert own["content"] == "bob's"
    admin = await call(client, ROLES["read"] + " overlay:admin", "read_content", **common)
    assert admin["content"] == "bob's"
    for sentinel in ("__base__", "system", ""):
        refused = await call(
            client, ROLES["read"] + " overlay:admin", "read_content", book_id=BOOK, path=LESSON, user_id=sentinel
        )
        assert refused["code"] == "INVALID_ARGUMENT", sentinel
    # overlay:admin opens overlays, not books.
    outside = await call(client, "overlay:admin", "read_content", **common)
    assert outside["code"] == "FORBIDDEN"


@pytest.mark.anyio
async def test_S12_no_route_serves_overlays_and_each_says_so(client: Any) -> None:
    """A user in the URL is refused, his own as well: silently serving the base instead would be a wrong answer."""
    headers = bearer(token(scope=ROLES["admin"] + " overlay:admin"))
    for route in (f"files/{LESSON}", f"blobs/{'a' * 64}", f"manifests/{'a' * 64}", "archive"):
        for query in ("user_id=bob", "user_id=alice", "user_id=alice&user_id=bob", "user_id=", "scope=all&user_id=bob"):
            answer = await client.get(f"/books/{BOOK}/{route}?{query}", headers=headers)
            assert (answer.status_code, answer.json()["error"]["name"]) == (400, "user_id")


@pytest.mark.anyio
async def test_S14_a_digest_of_another_book_or_caller_is_no_capability(client: Any) -> None:
    from panaversity_fs.core.digest import digest_of

    secret = digest_of(b"only in other")
    await call(
        client, "book:other:admin", "write_content", book_id="other", content="only in other",
        path="content/01-Part/02-Chapter/04-secret.md",
    )  # fmt: skip
    alice = bearer(token(scope=ROLES["admin"]))
    found = await client.get(f"/books/{BOOK}/blobs/{secret}", headers=alice)
    never = await client.get(f"/books/{BOOK}/blobs/{digest_of(b'never stored')}", headers=alice)
    assert found.status_code == never.status_code == 404
    put = await client.put(f"/books/{BOOK}/blobs/{digest_of(b'pinned')}", content=b"pinned", headers=alice)
    assert put.status_code == 201
    pinned = f"/books/{BOOK}/blobs/{digest_of(b'pinned')}"
    assert (await client.get(pinned, headers=alice)).status_code == 200
    bob = bearer(token(scope=ROLES["admin"], sub="bob"))
    assert (await client.get(pinned, headers=bob)).status_code == 404


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("claims", "agent"),
    [({"agent_id": "from-token"}, "from-token"), ({"client_id": "a-client", "azp": "a-party"}, "a-client"),
     ({"azp": "a-party"}, "a-party"), ({}, "alice")],
    ids=str,
)  # fmt: skip
async def test_S15_the_token_names_the_agent_whatever_the_call_says(
    client: Any, claims: dict[str, Any], agent: str
) -> None:
    path = f"content/01-Part/02-Chapter/05-{agent}.md"
    params = {
        "name": "write_content", "_meta": {"agent_id": "from-meta"},
        "arguments": {"book_id": BOOK, "path": path, "content": agent},
    }  # fmt: skip
    headers = {**bearer(token(scope=ROLES["write"], **claims)), "X-Panaversity-Agent": "from-header"}
    answer = await client.post(
        "/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, headers=headers
    )
    assert answer.json()["result"]["isError"] is False
    plan = await call(client, ROLES["read"], "plan_build", book_id=BOOK)
    metadata = await client.get(f"/books/{BOOK}/manifests/{plan['manifest_hash']}/metadata", headers=headers)
    assert metadata.json()["files"][path]["agent_id"] == agent


@pytest.mark.anyio
async def test_S15_an_agent_that_is_none_is_refused_and_not_replaced_by_a_weaker_claim(client: Any) -> None:
    for named in ("system", "", "  ", "SYSTEM"):
        params = {"name": "create_book", "_meta": {"agent_id": "from-meta"}, "arguments": {"book_id": BOOK}}
        headers = bearer(token(scope=ROLES["write"], agent_id=named))
        answer = await client.post(
            "/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, headers=headers
        )
        assert "AGENT_REQUIRED" in answer.text


@pytest.mark.anyio
async def test_the_metadata_says_where_tokens_come_from(client: Any) -> None:
    """RFC 9728: the path a 401 names is there, and names us and the issuer."""
    refused = await client.get("/books/mine/archive")
    where = refused.headers["WWW-Authenticate"].split('resource_metadata="')[1].rstrip('"')
    answer = await client.get(where)
    body = answer.json()
    assert body["resource"] == "http://localhost/mcp"
    assert body["authorization_servers"] == [tokens.ISSUER]
    assert body["bearer_methods_supported"] == ["header"]
    assert (await client.get("/.well-known/oauth-protected-resource")).json() == body


def test_without_authentication_there_is_no_metadata_and_no_need_of_a_token(tmp_path: Path) -> None:
    read = Settings.read({}, store=str(tmp_path))
    paths = [getattr(route, "path", "") for route in build_app(read, build_service(read, "open")).routes]
    assert not any("well-known" in path for path in paths)


@pytest.mark.anyio
async def test_S12_the_audit_log_shows_overlays_of_others_to_overlay_admins_only(client: Any) -> None:
    book = "log"
    path = "content/01-Part/02-Chapter/01-x.md"
    for subject in ("alice", "bob"):
        common = {"subject": subject, "book_id": book, "path": path}
        await call(client, f"book:{book}:write", "write_content", content=subject, user_id=subject, **common)
    await call(client, f"book:{book}:write", "write_content", content="base", book_id=book, path=path)

    async def users(scope: str, subject: str) -> set[str]:
        answer = await call(client, scope, "query_audit_log", subject=subject, book_id=book)
        return {entry["user_id"] for entry in answer["entries"] if entry["path"]}

    assert await users(f"book:{book}:admin", "alice") == {"__base__", "alice"}
    assert await users(f"book:{book}:admin", "carol") == {"__base__"}
    assert await users(f"book:{book}:admin overlay:admin", "carol") == {"__base__", "alice", "bob"}
    refused = await call(client, f"book:{book}:write", "query_audit_log", book_id=book)
    assert refused["code"] == "FORBIDDEN"
    reads = await call(client, f"book:{book}:admin", "query_audit_log", book_id=book, kind="access")
    assert (reads["code"], reads["scopes"]) == ("FORBIDDEN", ["overlay:admin"])


SECRET = "zebra-crossing-of-bob"


@pytest.mark.anyio
async def test_S12_S14_nothing_of_bobs_overlay_reaches_alice_by_any_tool_or_route(client: Any, registered: Any) -> None:
    """Bob keeps a lesson of his own; Alice, with every right on the book, asks everything she can."""
    from panaversity_fs.core.digest import digest_of

    book, path = "both", "content/01-Part/02-Chapter/07-bobs.md"
    write = {"subject": "bob", "book_id": book}
    base = "content/01-Part/02-Chapter/01-base.md"
    await call(client, f"book:{book}:write", "write_content", content="base", path=base, **write)
    made = await call(
        client, f"book:{book}:write", "write_content", content=f"{SECRET}\n", path=path, user_id="bob", **write
    )
    assert made["status"] == "success"
    digest = digest_of(f"{SECRET}\n".encode())
    found = await call(client, f"book:{book}:read", "grep_search", pattern="zebra", user_id="bob", **write)
    assert SECRET in json.dumps(found)
    alice = f"book:{book}:admin"
    questions: list[dict[str, Any]] = [
        {}, {"path": path}, {"path": base}, {"path": "content/01-Part/02-Chapter/", "scope": "chapter"},
        {"pattern": "zebra"}, {"pattern": "**"}, {"pattern": ".*", "user_id": "bob"}, {"path": path, "user_id": "bob"},
        {"include_structure": "all"}, {"path": path, "a": 1, "b": 2}, {"path": path, "revision": 2},
        {"asset_type": "img", "filename": "x.png", "sha256": digest}, {"since": "2020-01-01T00:00:00Z"},
        {"path": path, "old_text": "zebra", "new_text": "x", "expected_hash": digest, "dry_run": True},
    ]  # fmt: skip
    tools = await registered.list_tools(run_middleware=False)
    for tool in sorted(tools, key=lambda tool: tool.name != "query_audit_log"):
        properties = set(tool.parameters["properties"])
        for question in questions:
            arguments = {"book_id": book, **question}
            # The log of what Alice herself was refused is asked first, while it is empty.
            if tool.name == "delete_book" or not set(arguments) <= properties:
                continue
            told = json.dumps(await call(client, alice, tool.name, **arguments))
            asked = json.dumps(arguments)
            for secret in (SECRET, "07-bobs", digest):
                assert secret not in told or secret in asked, (tool.name, arguments, told)
            assert SECRET not in told
    headers = bearer(token(scope=alice))
    plan = await call(client, alice, "plan_build", book_id=book)
    for route in (
        f"blobs/{digest}", f"blobs/{digest}?manifest={plan['manifest_hash']}", f"files/{path}",
        f"manifests/{plan['manifest_hash']}", f"manifests/{plan['manifest_hash']}/metadata", "archive",
    ):  # fmt: skip
        answer = await client.get(f"/books/{book}/{route}", headers=headers)
        assert SECRET.encode() not in answer.content
        assert b"07-bobs" not in answer.content.replace(path.encode() if "files/" in route else b"\0", b"")
    pack = {"manifest": plan["manifest_hash"], "digests": [digest]}
    assert (await client.post(f"/books/{book}/packs", json=pack, headers=headers)).status_code == 404
    mine = await client.get(f"/books/{book}/files/{path}?user_id=bob", headers=bearer(token(scope=alice, sub="bob")))
    assert mine.status_code == 400
