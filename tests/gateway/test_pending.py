"""Work that outlasts its command: a cut anywhere leaves it either to be done or told, and its result is told once, to who ordered it."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.gateway.gateway_parts import GATEWAY_ID, START, communication_profile
from tests.gateway.management_channel import Channel
from tests.gateway.wan.wan_parts import administrator_config, until

from smgw.codec.command import Command
from smgw.codec.result import RESULTS, Result, decode_result
from smgw.core.errors import LimitFault, PeerFault, SecurityFault, Unavailable
from smgw.core.notices import ADMINISTRATOR_RESULTS
from smgw.gateway import pending as module
from smgw.gateway.pending import MOST_PENDING, STATE, Ended, Pending, PendingWork
from smgw.gateway.wan.management import handle

pytestmark = pytest.mark.req("WAN-08")

HERE = "https://127.0.0.1:4712"


class PowerCut(BaseException):
    """Stand for the end of the process: nothing may catch it."""


def cut(*_: object, **__: object) -> None:
    raise PowerCut


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Channel]:
    channel = Channel(tmp_path / "journal.db")
    channel.put(communication_profile())
    yield channel
    channel.journal.close()


def self_test(channel: Channel, **changes: object) -> Command:
    return channel.command("POST", "fas/self-test", **changes)


def connect(channel: Channel) -> Command:
    return channel.command("POST", "fas/connect", {"partner": "emt1.sm", "ordered_by": "emt1.sm"})


def results(channel: Channel) -> list[Result]:
    return [decode_result(message.body) for message in channel.journal.pending(100, ADMINISTRATOR_RESULTS)]


def test_what_takes_longer_is_accepted_and_its_result_queued_once_under_the_commands_id(channel: Channel) -> None:
    command = self_test(channel)
    assert channel.ask(command).status == 202
    assert results(channel) == []
    channel.ends["self-test"](Ended(500, {"failed": ["self_test.clock"]}, "self_test.clock"))
    channel.ends["self-test"](Ended())
    (told,) = results(channel)
    assert (told.message_id, told.device, told.status, told.code) == (command.message_id, GATEWAY_ID, 500, "self_test.clock")
    assert msgspec.json.decode(told.body) == {"failed": ["self_test.clock"]}
    assert (told.accepted_at, told.ended_at, told.contact) == (START, START, RESULTS)
    assert [message.message_id for message in channel.journal.pending(100)] == [command.message_id]
    assert channel.woken.is_set()
    # The same command once more is answered from memory, and nothing begins.
    channel.ends.clear()
    assert channel.ask(command).status == 202
    assert channel.ends == {}


@pytest.mark.req("WAN-05")
@pytest.mark.parametrize("order", [self_test, connect])
def test_a_cut_between_commit_and_effect_is_caught_up_on_by_the_start_once(
    channel: Channel, monkeypatch: pytest.MonkeyPatch, order: object
) -> None:
    command = order(channel)  # type: ignore[operator]
    document = channel.sealed(command)
    with monkeypatch.context() as patch:
        patch.setattr(PendingWork, "begin", cut)
        with pytest.raises(PowerCut):
            handle(channel.context, document)
    assert channel.ends == {}
    # The answer was lost, too; the administrator asks again, and the gateway starts again, in whatever order.
    assert channel.ask(command).status == 202
    assert channel.ends == {}
    started = channel.pending_work()
    started.resume()
    (end,) = channel.ends.values()
    end(Ended(200, {"done": True}))
    assert [told.message_id for told in results(channel)] == [command.message_id]
    channel.ends.clear()
    channel.pending_work().resume()
    assert channel.ends == {}
    assert len(results(channel)) == 1


@pytest.mark.req("WAN-05")
def test_a_cut_at_any_step_of_the_end_leaves_the_work_either_under_way_or_told(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    command, journal = self_test(channel), channel.journal
    channel.ask(command)
    real = {name: getattr(journal, name) for name in ("set_state", "enqueue")}
    limit, steps = 0, 0

    def cutting(name: str, *values: object) -> object:
        nonlocal steps
        steps += 1
        if steps > limit:
            raise PowerCut
        return real[name](*values)

    for name in real:
        monkeypatch.setattr(journal, name, lambda *values, _name=name: cutting(_name, *values))
    while True:
        steps = 0
        with suppress(PowerCut):
            channel.ends["self-test"](Ended())
            break
        assert results(channel) == []
        channel.ends.clear()
        channel.pending_work().resume()
        limit += 1
    assert limit == len(real)
    assert len(results(channel)) == 1
    assert journal.verify()


@pytest.mark.req("WAN-05")
def test_a_cut_before_the_commit_leaves_nothing_under_way(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    document = channel.sealed(self_test(channel))
    with monkeypatch.context() as patch:
        patch.setattr(PendingWork, "add", cut)
        with pytest.raises(PowerCut):
            handle(channel.context, document)
    channel.pending_work().resume()
    assert channel.ends == {}
    assert "command_obeyed" not in channel.events()


@pytest.mark.req("OPS-05")
async def test_an_end_that_the_store_does_not_take_is_told_later(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.001)
    command, pending = self_test(channel), channel.context.pending
    channel.ask(command)
    refusals, refusing = 0, True

    def enqueue(message: object) -> None:
        nonlocal refusals
        if refusing:
            refusals += 1
            raise Unavailable("journal.full")
        real(message)  # type: ignore[arg-type]

    real = channel.journal.enqueue
    monkeypatch.setattr(channel.journal, "enqueue", enqueue)
    channel.ends["self-test"](Ended())
    running = asyncio.create_task(pending.run())
    try:
        await until(lambda: refusals == 3)
        assert results(channel) == []
        refusing = False
        await until(lambda: len(results(channel)) == 1)
    finally:
        running.cancel()
    assert results(channel)[0].message_id == command.message_id


@pytest.mark.req("OPS-05")
async def test_a_store_that_can_not_be_read_for_the_moment_holds_the_start_up_and_nothing_else(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.001)
    with monkeypatch.context() as patch:
        patch.setattr(PendingWork, "begin", lambda *_: None)
        channel.ask(self_test(channel))
    refusals, refusing, real = 0, True, channel.journal.get_state

    def get_state(key: str) -> bytes | None:
        nonlocal refusals
        if refusing and key == STATE:
            refusals += 1
            raise Unavailable("journal.io")
        return real(key)

    monkeypatch.setattr(channel.journal, "get_state", get_state)
    running = asyncio.create_task(channel.pending_work().run())
    try:
        await until(lambda: refusals == 3)
        assert channel.ends == {}
        refusing = False
        await until(lambda: set(channel.ends) == {"self-test"})
    finally:
        running.cancel()


def test_only_so_many_commands_are_under_way_and_one_too_many_leaves_nothing(channel: Channel) -> None:
    for _ in range(MOST_PENDING):
        assert channel.ask(self_test(channel)).status == 202
    events = channel.events()
    document = channel.sealed(self_test(channel))
    with pytest.raises(LimitFault, match=r"command\.pending"):
        handle(channel.context, document)
    assert channel.events() == events
    channel.ends["self-test"](Ended())
    assert handle(channel.context, document)


def test_work_that_this_program_does_not_know_is_told_as_interrupted(channel: Channel) -> None:
    with channel.journal.transaction():
        channel.context.pending.add(self_test(channel), Pending("another version's"), "test.GWA", tell=True)
    channel.pending_work().resume()
    assert [(told.status, told.code) for told in results(channel)] == [(500, "command.interrupted")]


def test_work_that_a_rule_forbids_by_now_is_told_as_failed(channel: Channel) -> None:
    def refuse(_subject: str, _end: object) -> None:
        raise PeerFault("command.resource")

    channel.context.pending.works = {"self-test": refuse}
    assert channel.ask(self_test(channel)).status == 202
    assert [(told.status, told.code) for told in results(channel)] == [(500, "command.resource")]


def test_work_that_the_store_keeps_from_beginning_begins_at_the_next_start(channel: Channel) -> None:
    def away(_subject: str, _end: object) -> None:
        raise Unavailable("gateway.files")

    channel.context.pending.works = {"self-test": away}
    assert channel.ask(self_test(channel)).status == 202
    assert results(channel) == []
    channel.pending_work().resume()
    assert set(channel.ends) == {"self-test"}


@pytest.mark.req("ADM-12")
def test_who_became_the_administrator_meanwhile_gets_no_result_of_the_one_before(channel: Channel) -> None:
    channel.context = channel.context._replace(administrator_name="former.GWA")
    channel.ask(self_test(channel))
    channel.ends["self-test"](Ended())
    assert results(channel) == []
    assert channel.journal.get_state(STATE) == b"{}"


def test_without_a_service_point_the_work_is_done_and_nothing_queued(channel: Channel) -> None:
    pending = PendingWork(channel.journal, channel.clock, GATEWAY_ID, administrator_config(4711))
    pending.works = channel.context.pending.works
    channel.context = channel.context._replace(pending=pending)
    assert channel.ask(self_test(channel)).status == 202
    channel.ends["self-test"](Ended())
    assert channel.journal.pending(10) == []


@pytest.mark.parametrize("uri", [f"{RESULTS}/fleet-7", f"{HERE}{RESULTS}", f"{HERE}/smgw/gwa/v1/results/a.b/c", HERE])
def test_a_command_may_name_a_path_of_the_administrators_own_service(channel: Channel, uri: str) -> None:
    assert channel.ask(self_test(channel, contact_uri=uri)).status == 202
    channel.ends["self-test"](Ended())
    assert [told.contact for told in results(channel)] == [uri.removeprefix(HERE) or RESULTS]


@pytest.mark.req("WAN-03", "SEC-01")
@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/smgw/gwa/v1/results",
        "//evil.example/smgw/gwa/v1/results",
        "http://127.0.0.1:4712/smgw/gwa/v1/results",
        "https://127.0.0.1:47120/smgw/gwa/v1/results",
        "https://127.0.0.1:4711/smgw/gwa/v1/results",
        "https://127.0.0.1:4712@evil.example/smgw/gwa/v1/results",
        "https://admin@127.0.0.1:4712/smgw/gwa/v1/results",
        f"{HERE}{HERE}{RESULTS}",
        f"{HERE}//evil.example/smgw/gwa/v1/results",
        "/smgw/emt/v1/deliveries",
        "/smgw/gwa/v1",
        "/smgw/gwa/v1/../../../admin",
        "/smgw/gwa/v1/results/..",
        "/smgw/gwa/v1/results/%2e%2e/x",
        "/smgw/gwa/v1/results?to=evil",
        "/smgw/gwa/v1/results#x",
        "/smgw/gwa/v1/results\r\nHost: evil",
        "/smgw/gwa/v1/results\n",
        "/smgw/gwa/v1/résultats",
        "/smgw/gwa/v1/a/b/c/d/e",
        "results",
        "file:///etc/passwd",
    ],
)
def test_a_result_is_never_sent_anywhere_else(channel: Channel, uri: str) -> None:
    answer = channel.ask(self_test(channel, contact_uri=uri))
    assert (answer.status, answer.code) == (400, "command.contact")
    assert channel.ends == {}
    assert channel.journal.get_state(STATE) is None
    assert channel.events()[-1] == "command_rejected"


def test_a_refused_contact_is_refused_for_what_is_only_read_too(channel: Channel) -> None:
    assert channel.ask(channel.command("GET", "state", contact_uri="https://evil.example/")).code == "command.contact"


def test_a_contact_that_is_too_long_is_no_command(channel: Channel) -> None:
    with pytest.raises(PeerFault, match=r"command\.structure"):
        channel.ask(self_test(channel, contact_uri="/smgw/gwa/v1/" + "x" * 400))


def test_a_forged_command_puts_nothing_under_way(channel: Channel) -> None:
    document = bytearray(channel.sealed(self_test(channel)))
    document[-1] ^= 1
    with pytest.raises(SecurityFault):
        handle(channel.context, bytes(document))
    assert channel.journal.get_state(STATE) is None


def test_every_answer_that_promises_a_result_names_the_work_that_has_one() -> None:
    routes = Path(module.__file__).parent / "wan" / "routes"
    promises = [line for path in sorted(routes.glob("*.py")) for line in path.read_text().splitlines() if "Outcome(202" in line]
    assert len(promises) == 5
    assert [line for line in promises if re.search(r"pending=Pending\(", line) is None] == []


async def test_times_of_a_result_are_those_of_the_clock(channel: Channel) -> None:
    channel.ask(self_test(channel))
    await channel.clock.advance_to(START + timedelta(minutes=3))
    channel.ends["self-test"](Ended())
    assert [(told.accepted_at, told.ended_at) for told in results(channel)] == [(START, START + timedelta(minutes=3))]
