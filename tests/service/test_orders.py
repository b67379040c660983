"""What a client may ask, and what it is told when it asks wrong."""

from __future__ import annotations

import tracemalloc

import pytest

from agenticd.core.errors import InvalidArgument
from agenticd.service.orders import AgentProfile, Overrides, PlaceOrder, fingerprint, parse_number, resolve

AGENTS = {
    "default": AgentProfile(instructions="You work for {{company}}.", greeting="Hi {{ name }}!", voice="marin"),
    "plain": AgentProfile(instructions="Be brief."),
}
FROM = "+15550001111"


def plan(**changes: object):
    order = PlaceOrder(**{"to_address": "+15550002222", "agent": "plain", **changes})  # type: ignore[arg-type]
    return resolve(order, AGENTS, FROM)


def wrong(**changes: object) -> dict[str, str]:
    with pytest.raises(InvalidArgument) as caught:
        plan(**changes)
    return {v.field: v.description for v in caught.value.violations}


def test_the_defaults() -> None:
    made = plan()
    assert (made.to_address, made.from_address, made.agent) == ("+15550002222", FROM, "plain")
    assert (made.options.ring_timeout, made.options.queue_timeout) == (30.0, 60.0)
    assert made.brief.greeting == ""


def test_variables_fill_both_texts_once() -> None:
    made = plan(agent="", variables={"company": "{{name}}", "name": "Ada"})
    assert made.brief.instructions == "You work for {{name}}."
    assert made.brief.greeting == "Hi Ada!"


def test_a_variable_without_a_value_names_itself_and_its_place() -> None:
    assert wrong(agent="default", variables={"name": "Ada"}) == {
        "variables": "has no value for company, which overrides.instructions uses"
    }


def test_overrides_win_and_an_empty_greeting_means_wait() -> None:
    made = plan(agent="default", overrides=Overrides(instructions="Other.", greeting=""))
    assert (made.brief.instructions, made.brief.greeting, made.brief.voice) == ("Other.", "", "marin")


@pytest.mark.parametrize(
    ("to_address", "advice"),
    [
        ("", "is required"),
        ("15550002222", "must begin with +"),
        ("0049 30 123", "must begin with +"),
        ("+1", "no number that can be dialled"),
        ("+1555000222233334444", "no number that can be dialled"),
        ("+1555000\r\nX-Evil: 1", "no number that can be dialled"),
        ("+15550002222\n", "no number that can be dialled"),
        ("+15550002222\x00", "no number that can be dialled"),
        ("+15550002222;ext=5", "no extension"),
        ("+15550002222x5", "no extension"),
        ("+15550002222,,,1234", "no extension"),
        ("+1555FLOWERS", "no letters"),
        ("++15550002222", "no number that can be dialled"),
        ("+1\u0665\u0665\u0665\u0660\u0660\u0660\u0662\u0662\u0662\u0662", "no number that can be dialled"),
        ("+1" + " " * 30_000 + "5550002222", "no number that can be dialled"),
        ("sip:", "no SIP address"),
        ("sip:a b@c", "no SIP address"),
        ("sip:" + "a" * 300 + "@example.com", "no SIP address"),
        ("client:me", "must begin with +"),
    ],
)
def test_a_wrong_number_is_told_what_would_be_right(to_address: str, advice: str) -> None:
    assert advice in wrong(to_address=to_address)["to_address"]


@pytest.mark.parametrize("to_address", ["sip:ada@example.com", "sips:ada@example.com:5061;transport=tls"])
def test_sip_addresses_are_numbers_too(to_address: str) -> None:
    assert plan(to_address=to_address).to_address == to_address


def test_numbers_are_written_one_way() -> None:
    for text in ("+1 (555) 000-2222", "+1.555.000.2222", "+15550002222", "+ 1 555-000 2222"):
        assert parse_number(text) == "+15550002222"


def test_an_unknown_agent_is_told_the_nearest() -> None:
    said = wrong(agent="plian")["agent"]
    assert said.startswith("'plian' is no agent")
    assert said.endswith("did you mean plain?")
    assert len(wrong(agent="x" * 10_000)["agent"]) < 200


FILLED_TO_36_KIB = {"overrides": Overrides(instructions="{{a}}" * 9), "variables": {"a": "x" * 4096}}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ring_timeout": 4.9}, "options.ring_timeout"),
        ({"ring_timeout": float("nan")}, "options.ring_timeout"),
        ({"max_duration": 14401.0}, "options.max_duration"),
        ({"queue_timeout": 0.0}, "options.queue_timeout"),
        ({"overrides": Overrides(voice="ma rin")}, "overrides.voice"),
        ({"overrides": Overrides(model="m&x=1")}, "overrides.model"),
        ({"overrides": Overrides(language="English")}, "overrides.language"),
        ({"overrides": Overrides(instructions="x" * 33_000)}, "overrides.instructions"),
        ({"overrides": Overrides(greeting="x" * 2_100)}, "overrides.greeting"),
        ({"variables": {"a b": "x"}}, "variables"),
        ({"variables": {"a": "x" * 5_000}}, "variables[a]"),
        ({"variables": {f"v{i}": "" for i in range(65)}}, "variables"),
        ({"metadata": {f"k{i}": "" for i in range(17)}}, "metadata"),
        ({"metadata": {"": "x"}}, "metadata"),
        ({"metadata": {"k": "x" * 257}}, "metadata[k]"),
        ({"request_id": "x" * 65}, "request_id"),
        ({"from_address": "nobody"}, "from_address"),
        ({"from_address": "sip:ada@example.com"}, "from_address"),
        ({"from_address": "+15550001111;ext=1"}, "from_address"),
        (
            {"overrides": Overrides(instructions="{{a}}" * 9, greeting=""), "variables": {"a": "x" * 4096}},
            "overrides.instructions",
        ),
    ],
)
def test_each_wrong_field_is_named(changes: dict[str, object], field: str) -> None:
    assert field in wrong(**changes)


def test_all_wrong_fields_are_named_at_once() -> None:
    assert set(wrong(to_address="x", agent="nobody", ring_timeout=1.0)) == {
        "to_address", "agent", "options.ring_timeout",
    }  # fmt: skip


def test_orders_that_mean_the_same_have_one_fingerprint() -> None:
    one = PlaceOrder("+15550002222", variables={"a": "1", "b": "2"}, request_id="r")
    other = PlaceOrder("+15550002222", variables={"b": "2", "a": "1"}, request_id="r")
    assert fingerprint(one) == fingerprint(other)
    assert fingerprint(one) != fingerprint(PlaceOrder("+15550002223", variables={"a": "1", "b": "2"}, request_id="r"))


def test_the_same_number_and_the_same_agent_said_otherwise_is_the_same_order() -> None:
    one = PlaceOrder("+15550002222", request_id="r")
    assert fingerprint(one) == fingerprint(PlaceOrder("+1 (555) 000-2222", agent="default", request_id="r"))


def test_what_variables_would_make_of_a_text_is_measured_and_not_made() -> None:
    """A megabyte of {{a}} with 4 KiB for each would be 800 MB."""
    tracemalloc.start()
    try:
        found = wrong(overrides=Overrides(instructions="{{a}}" * 200_000), variables={"a": "x" * 4096})
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert set(found) == {"overrides.instructions"}
    assert most < 100_000_000


def test_a_text_at_its_limit_is_taken_with_its_variables_filled_in() -> None:
    text = "é" * 14_336 + "{{ a }}"
    made = plan(overrides=Overrides(instructions=text), variables={"a": "x" * 4096})
    assert len(made.brief.instructions.encode()) == 32 * 1024
    assert "overrides.instructions" in wrong(overrides=Overrides(instructions=text + "."), variables={"a": "x" * 4096})
