"""The points at which a test may have the daemon killed are told, each around the step that it is named after."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from agenticd.core import inputs
from agenticd.service.failpoint import POINTS
from agenticd.service.session import Session
from tests.service.test_session import record, settle
from tests.service.world import Hands


async def test_each_point_is_told_before_and_after_its_step() -> None:
    hands, passed = Hands(), list[str]()
    world = replace(hands.world, reach=passed.append)
    session = Session(record(), world)
    running = asyncio.ensure_future(session.run())
    session.feed(inputs.CallPlaced())
    session.feed(inputs.DialGranted())
    assert passed == ["before_call_queued", "before_call_dialing"]
    await settle()
    assert hands.carrier.orders == []
    hands.log.commit()
    await settle()
    assert passed[2:6] == ["after_call_queued", "after_call_dialing", "before_dial", "after_dial"]
    assert set(passed) <= POINTS
    session.abandon()
    await running
