"""Who a call is written down as: precedence, and what is no identity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_fs.api.identity import MAX_AGENT, Claims, decide_agent, require_agent
from panaversity_fs.core.errors import AgentRequired, InvalidArgument

NAMES = st.one_of(
    st.none(), st.sampled_from(["", " ", "system", "System", "SYSTEM ", "ｓｙｓｔｅｍ", "an-agent", "Ünï"])
)


def test_S15_the_strongest_claim_wins() -> None:
    everything = {"token": "t", "meta": "m", "header": "h", "client": "c", "server": "s"}
    for weaker_than in (0, 1, 2, 3, 4):
        claims = dict(list(everything.items())[weaker_than:])
        assert decide_agent(Claims(**claims), "op") == list(everything.values())[weaker_than]
    assert decide_agent(Claims(), "op") is None


@given(token=NAMES, meta=NAMES, header=NAMES, client=NAMES, server=NAMES)
def test_R7_SC_009_no_claim_ever_yields_an_empty_agent_or_system(**claims: str | None) -> None:
    agent = decide_agent(Claims(**claims), "op")
    assert agent is None or (agent.strip() and agent.casefold() != "system")
    said = [c for c in claims.values() if c is not None]
    if said and agent is not None:
        assert agent == said[0].strip(), "a weaker claim hid a stronger one"


@pytest.mark.parametrize("agent", ["", "  ", "system", "SyStEm", " system "])
def test_FR_021_an_agent_that_is_none_is_required_for_a_change(agent: str) -> None:
    with pytest.raises(AgentRequired):
        require_agent(Claims(meta=agent, header="somebody"), "write_content")


@pytest.mark.parametrize(
    "agent", [7, ["a"], {"a": 1}, True, "a\nb", "a\x00", "a\u2028b", "\u202ea", "x" * (MAX_AGENT + 1)]
)
def test_a_malformed_agent_is_an_argument_error_even_for_a_read(agent: object) -> None:
    with pytest.raises(InvalidArgument) as refused:
        decide_agent(Claims(meta=agent), "read_content")
    assert refused.value.details["name"] == "agent_id"
    assert str(agent)[:3] not in str(refused.value) or not isinstance(agent, str)


def test_200_characters_are_still_an_agent() -> None:
    assert decide_agent(Claims(meta="ü" * MAX_AGENT), "op") == "ü" * MAX_AGENT
