"""Revocation lists are kept fresh by simulated time; a PKI that is away is reported and changes nothing."""

from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from structlog.testing import capture_logs
from tests.gateway.gateway_parts import START, pki

from smgw.net.clock import ManualClock
from smgw.net.pki_service import ROOT_PATH, PkiService
from smgw.net.revocation import INTERVAL, keep_fresh
from smgw.pki.trust import TrustStore


def store(tmp_path: Path) -> TrustStore:
    pki().trust(START).save(tmp_path / "trust")
    return TrustStore.load(tmp_path / "trust")


async def test_without_an_address_nothing_is_fetched(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with AsyncExitStack() as stack:
            await keep_fresh(stack, store(tmp_path), "", ManualClock(START))
    assert logs == []


async def test_a_pki_that_is_away_is_reported_and_the_lists_stay(tmp_path: Path) -> None:
    trust, clock = store(tmp_path), ManualClock(START)
    held = trust.revocation_lists
    with capture_logs() as logs:
        async with AsyncExitStack() as stack:
            await keep_fresh(stack, trust, "http://127.0.0.1:9/pki/v1", clock)
            await clock.advance_to(START + INTERVAL)
    assert trust.revocation_lists == held
    assert [(entry["event"], entry["code"]) for entry in logs] == [("revocation_lists_not_refreshed", "net.unreachable")] * 2


async def test_lists_are_fetched_at_the_start_and_every_quarter_of_a_day(tmp_path: Path) -> None:
    trust, clock = store(tmp_path), ManualClock(START)
    service = PkiService(pki(), clock)
    await service.start("127.0.0.1", 0)
    try:
        with capture_logs() as logs:
            async with AsyncExitStack() as stack:
                await keep_fresh(stack, trust, f"http://127.0.0.1:{service.port}{ROOT_PATH}", clock)
                await clock.advance_to(START + 3 * INTERVAL + timedelta(minutes=1))
            requests = service.requests
            await clock.advance_to(START + 9 * INTERVAL)
    finally:
        await service.close()
    assert [entry["event"] for entry in logs] == ["revocation_lists_refreshed"] * 4
    assert service.requests == requests
