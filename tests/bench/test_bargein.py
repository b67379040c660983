"""Interruptions through real bridges: a sound one has no faults, and what a wrong one leaves undone is seen."""

from __future__ import annotations

from bench import bridges
from bench.bargein import TalkRig, through_daemon, through_relay
from bench.measure import Options, connect, hang_up
from bench.proc import Cores
from bench.talker import Plan

FEW = Options(calls=3, seconds=1.5, warm_up=0.1)
ANYWHERE = Cores(None, None)


async def test_the_daemon_silences_the_phone_and_tells_the_model_what_was_heard() -> None:
    run = await through_daemon(FEW, ANYWHERE)
    assert run.told == []
    assert run.faults == 0
    assert len(run.delays) > 0
    assert len(run.errors) > 0


async def test_the_relay_that_clears_is_a_floor_without_faults() -> None:
    run = await through_relay(FEW, ANYWHERE)
    assert run.told == []
    assert run.faults == 0
    assert len(run.delays) > 0
    assert run.errors == []


async def told_of(rig: TalkRig, *, clearing: bool) -> str:
    """All faults of a relay to which this rig is connected. What it owes never comes, and is not long waited for."""
    rig.model.follows_within = 1.0
    async with rig.model.serving(), bridges.relay(rig.model.relay_url, None, clearing=clearing) as relay:
        phones = [rig.phone(line, f"MZ{line.number:032x}") for line in rig.lines.values()]
        await connect(rig, relay.url, phones)
        run = await rig.measure("relay", relay.pid)
        await hang_up(phones)
    run = rig.judged(run)
    assert run.faults >= len(run.told) > 0
    return "\n".join(run.told)


async def test_a_bridge_that_does_not_clear_is_noticed() -> None:
    told = await told_of(TalkRig(FEW, ANYWHERE, plain=True), clearing=False)
    assert "no clear came" in told


def longer_than_any_stall() -> Plan:
    """An answer of more words than a machine that stands still for seconds has to catch up with: whenever its caller
    speaks, some of it is still to come."""
    return Plan(deltas=5000, stall=0.0, after=0.1)


async def test_a_bridge_that_clears_and_knows_nothing_more_is_noticed() -> None:
    told = await told_of(TalkRig(FEW, ANYWHERE, plain=False, plans=longer_than_any_stall), clearing=True)
    assert "audio of an interrupted answer" in told
