"""Every error leaves in one form, and bugs leave nothing but an id."""

import json
import logging

import pytest
from pydantic import BaseModel, Field, ValidationError

from panaversity_fs.api.media import is_image, may_show, media_type, mime_of
from panaversity_fs.api.middleware import unwrapped
from panaversity_fs.api.refusals import argument_error, as_response, as_tool_result, masked
from panaversity_fs.api.tracing import begin
from panaversity_fs.core.errors import PanaversityError, RateLimited, error_types
from panaversity_fs.core.mapping import KIND_OF_EXTENSION


@pytest.mark.parametrize("kind", list(error_types()), ids=lambda kind: kind.code)
def test_every_code_leaves_over_both_doors_alike(kind: type[PanaversityError]) -> None:
    error = kind("write", "a/b", "is wrong", "Do it right", path="a/b")
    result, response = as_tool_result(error), as_response(error)
    (block,) = result.content
    assert json.loads(block.text) == json.loads(bytes(response.body)) == error.to_wire()  # type: ignore[union-attr]
    assert result.is_error is True
    assert result.structured_content is None
    assert result.meta == {"error_code": kind.code}
    assert response.status_code == kind.http_status


def test_an_error_that_says_when_says_it_in_the_header() -> None:
    response = as_response(RateLimited("read", "server", "is busy", "Wait", retry_after=7))
    assert response.headers["Retry-After"] == "7"
    assert "retry-after" not in as_response(RateLimited("read", "server", "is busy")).headers


def test_a_masked_error_holds_an_id_and_no_detail() -> None:
    error = masked("write_content", "abc")
    assert error.to_wire()["error"]["request_id"] == "abc"
    assert error.exit_status == 70


class Arguments(BaseModel):
    text: str = Field(max_length=3)
    number: int = 1


def test_S7_findings_are_put_into_our_words() -> None:
    with pytest.raises(ValidationError) as found:
        Arguments.model_validate({"text": "canary", "number": "canary"})
    error = argument_error(found.value, "a_tool")
    assert str(error).startswith(
        "a_tool: text: is longer than 3 characters; number: is not a whole number. Correct the arguments"
    )
    assert "canary" not in json.dumps(error.to_wire())


@pytest.mark.parametrize(
    ("given", "flat"),
    [(None, {}), ({}, {}), ({"params": {"a": 1}}, {"a": 1}),
     ({"params": {"a": 1}, "b": 2}, {"params": {"a": 1}, "b": 2}),
     ({"params": "x"}, {"params": "x"}), ({"params": {"params": {}}}, {"params": {}})],
)  # fmt: skip
def test_one_wrapping_is_taken_off(given: dict[str, object] | None, flat: dict[str, object]) -> None:
    assert unwrapped(given) == flat


@pytest.mark.parametrize("offered", [None, "", "short", "x" * 65, "with space", "line\nbreak", "quote\"'", "ünicode1"])
def test_S27_a_request_id_that_could_forge_a_log_line_is_replaced(offered: str | None) -> None:
    assert begin(offered) != offered
    assert begin("a-good.id_1") == "a-good.id_1"


def test_S25_the_table_of_types_knows_every_asset_and_shows_nothing_that_runs() -> None:
    for extension in KIND_OF_EXTENSION:
        assert mime_of(f"x.{extension}") != "application/octet-stream"
    for name in ("x.svg", "x.html", "x.htm", "x.xml", "x.js", "x.mjs", "x", "x.unknown", "x.HTML", "x.svg.", ".html"):
        assert not may_show(name)
    assert media_type("X.PNG") == "image/png"
    assert not is_image("x.svg")


def test_the_frameworks_tracebacks_for_refusals_are_silent(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from panaversity_fs.api.middleware import quieten

    quieten()
    quieten()
    framework = logging.getLogger("fastmcp.server.server")
    monkeypatch.setattr(logging.getLogger("fastmcp"), "propagate", True)
    framework.error("Error calling tool 'x'")
    framework.warning("Invalid arguments for tool %r", "x")
    framework.error("something else")
    assert "something else" in caplog.text
    assert "tool" not in caplog.text
