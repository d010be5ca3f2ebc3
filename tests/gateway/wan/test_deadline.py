"""The deadline of 20 s for an answer: what could take longer is accepted at once; what is answered at once stays far below it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from time import process_time

import msgspec
import pytest
from tests.gateway.gateway_parts import START, all_profiles, evaluation_profile
from tests.gateway.management_channel import Channel
from tests.storage.samples import signed

from smgw.codec.command import Command
from smgw.core.log_event import Log, LogEntry
from smgw.net.http_exchange import RESPONSE_TIMEOUT_S

pytestmark = pytest.mark.req("WAN-08", "WAN-01")

SHARE = 0.1
"""So much of the deadline a single answer may work; waiting for a busy computer does not count."""


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Channel]:
    """Make a gateway that has been at work: many readings, a full page of log, as many contracts as a house has."""
    channel = Channel(tmp_path_factory.mktemp("deadline") / "journal.db")
    for profile in all_profiles():
        assert channel.put(profile).status == 201
    for number in range(2, 30):
        assert channel.put(evaluation_profile(profile_id=f"taf7-{number}.sm")).status == 201
    for first in range(0, 40_000, 1_000):
        channel.journal.append_readings([signed(number) for number in range(first, first + 1_000)])
    entries = [LogEntry(Log.SYSTEM, "started", START, True, "", "", {"version": "0.1.0"})] * 1_000
    channel.journal.append_log(entries)
    yield channel
    channel.journal.close()


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (lambda c: c.command("GET", "state"), 200),
        (lambda c: c.command("GET", "log/system/1"), 200),
        (lambda c: c.command("GET", "rts/evaluation"), 200),
        (lambda c: c.command("GET", "rts/evaluation/taf7-1.sm"), 200),
        (lambda c: c.command("PUT", "rts/evaluation/taf7-99.sm", evaluation_profile(profile_id="taf7-99.sm")), 201),
        (lambda c: c.command("POST", "fas/notice", {"consumer": "consumer1.sm", "text": "x" * 500}), 201),
        (lambda c: c.command("POST", "fas/connect", {"partner": "emt1.sm", "ordered_by": "emt1.sm"}), 202),
        (lambda c: c.command("POST", "fas/self-test"), 202),
        (lambda c: c.command("DELETE", "rts/evaluation/taf7-1.sm"), 409),
    ],
    ids=["state", "log", "profiles", "profile", "install", "notice", "connect", "self-test", "delete"],
)
def test_each_command_is_answered_far_within_the_deadline(channel: Channel, command: Callable[[Channel], Command], status: int) -> None:
    asked = command(channel)
    began = process_time()
    answer = channel.ask(asked)
    took_s = process_time() - began
    assert answer.status == status, msgspec.to_builtins(answer.code)
    assert timedelta(seconds=took_s) < timedelta(seconds=RESPONSE_TIMEOUT_S * SHARE)
