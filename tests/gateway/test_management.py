"""Commands of the administrator: verified, obeyed once, answered sealed; everything else leaves nothing behind."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from tests.gateway.gateway_parts import (
    START,
    all_profiles,
    consumer_profile,
    evaluation_profile,
    gateway_identity,
    meter_profile,
    participant_identity,
)
from tests.gateway.management_channel import Channel

from smgw.codec.command import COMMAND_AGE, encode_command
from smgw.core.errors import LimitFault, PeerFault, Replay, SecurityFault, Unavailable
from smgw.core.instant import microseconds
from smgw.core.log_event import Log
from smgw.core.profiles import PROFILE_KINDS, profile_digest
from smgw.core.state import State
from smgw.gateway.wan.management import ANSWERS_KEPT, OBEYED_LIMIT, Obeyed, handle
from smgw.security.content import seal


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Channel]:
    channel = Channel(tmp_path / "journal.db")
    yield channel
    channel.journal.close()


@pytest.mark.req("ADM-02", "LIFE-09")
@pytest.mark.step("3.2.2", event="device_assigned")
@pytest.mark.step("3.2.2", event="device_registered")
@pytest.mark.step("2.3.4", "2.1.2", "2.1.3", "3.2.2", "5.2.15", event="profile_installed")
@pytest.mark.step("2.1.3", "3.5.7", event="contract_changed")
@pytest.mark.step("3.2.2", event="consumer_registered")
def test_profiles_are_installed_logged_and_take_effect(channel: Channel) -> None:
    assert [channel.put(profile).status for profile in all_profiles()] == [201] * 4
    assert channel.installed == all_profiles()
    assert channel.events() == [
        "profile_installed",
        "profile_installed",
        "device_registered",
        "profile_installed",
        "consumer_registered",
        "profile_installed",
        "device_assigned",
    ]
    assert channel.events(Log.CALIBRATION).count("profile_installed") == 4
    assert channel.events(Log.CONSUMER) == ["device_assigned", "contract_changed"]
    assert msgspec.json.decode(channel.ask(channel.command("GET", "rts/meter")).body) == {"1SGW0010000001": 1}


@pytest.mark.req("WAN-08")
def test_a_repeated_command_is_answered_from_memory_and_not_obeyed_again(channel: Channel) -> None:
    command = channel.command("PUT", "rts/meter/1SGW0010000001", meter_profile())
    first, again = channel.ask(command), channel.ask(command)
    assert first == again
    assert channel.installed == [meter_profile()]


@pytest.mark.req("ADM-02", "LOG-01")
@pytest.mark.step("3.2.2", event="consumer_removed")
@pytest.mark.step("3.2.2", event="device_removed")
@pytest.mark.step("3.2.2", event="device_unassigned")
@pytest.mark.step("3.2.2", "5.2.5", event="profile_deleted")
def test_a_profile_is_deleted_once_nothing_needs_it_and_its_versions_stay(channel: Channel) -> None:
    for profile in all_profiles():
        channel.put(profile)
    needed = {"communication/emt1.sm": "taf7-1.sm", "meter/1SGW0010000001": "it is active", "consumer/consumer1.sm": "taf7-1.sm"}
    for resource in (*needed, "evaluation/taf7-1.sm"):
        assert (channel.ask(channel.command("DELETE", f"rts/{resource}")).code, resource) == ("profile.in_use", resource)
    ended = evaluation_profile(version=2, valid_to=START)
    channel.journal.put_profile(ended, b"", START)
    channel.put(msgspec.structs.replace(meter_profile(2), active=False))
    for resource in ("evaluation/taf7-1.sm", *needed):
        assert channel.ask(channel.command("DELETE", f"rts/{resource}")).status == 200
        assert channel.ask(channel.command("DELETE", f"rts/{resource}")).code == "profile.unknown"
    assert [channel.journal.profiles(kind) for kind in ("evaluation", "meter", "consumer", "communication")] == [[]] * 4
    assert channel.journal.verify()
    assert channel.events(Log.CONSUMER)[-2:] == ["device_unassigned", "consumer_removed"]
    assert {"profile_deleted", "device_removed"} <= set(channel.events(Log.CALIBRATION))
    assert len(channel.deleted) == 4
    assert channel.put(meter_profile(2)).code == "profile.version"
    assert channel.put(meter_profile(3)).status == 201


@pytest.mark.req("ADM-02", "TAF-24")
def test_a_partner_of_the_running_version_stays_although_a_planned_version_needs_it_no_more(channel: Channel) -> None:
    for profile in all_profiles():
        channel.put(profile)
    planned = evaluation_profile(version=2, valid_from=START + timedelta(days=40), recipients=())
    channel.journal.put_profile(planned, b"", START)
    assert channel.ask(channel.command("DELETE", "rts/communication/emt1.sm")).code == "profile.in_use"


@pytest.mark.req("ADM-02")
def test_a_profile_is_read_back_as_its_digest(channel: Channel) -> None:
    for profile in all_profiles():
        channel.put(profile)
    answer = channel.ask(channel.command("GET", "rts/consumer/consumer1.sm"))
    assert msgspec.json.decode(answer.body) == {"version": 1, "sha256": profile_digest(consumer_profile())}
    assert channel.ask(channel.command("GET", "rts/consumer/nobody.sm")).code == "profile.unknown"
    everything = msgspec.json.decode(channel.ask(channel.command("GET", "rts/profiles")).body)
    assert list(everything) == list(PROFILE_KINDS)
    assert everything["consumer"]["consumer1.sm"] == msgspec.json.decode(answer.body)
    assert everything["evaluation"]["taf7-1.sm"]["version"] == 1


@pytest.mark.req("WAN-06", "LOG-01")
@pytest.mark.step("3.2.2", event="command_obeyed")
@pytest.mark.step("2.2.2.5", event="connection_ordered")
@pytest.mark.step("3.5.7", event="maintenance_done")
@pytest.mark.step("3.5.8", event="incident_notice")
def test_a_partner_is_dialled_and_a_consumer_told_on_order(channel: Channel) -> None:
    for profile in all_profiles():
        channel.put(profile)
    order = {"partner": "emt1.sm", "ordered_by": "emt1.sm"}
    assert channel.ask(channel.command("POST", "fas/connect", order)).status == 202
    assert channel.dialled == ["emt1.sm"]
    for name in ("notice", "maintenance"):
        assert channel.ask(channel.command("POST", f"fas/{name}", {"consumer": "consumer1.sm", "text": "new meter"})).status == 201
        assert channel.ask(channel.command("POST", f"fas/{name}", {"consumer": "nobody.sm", "text": "x"})).code == "profile.unknown"
        assert channel.ask(channel.command("POST", f"fas/{name}", {"consumer": "consumer1.sm"})).code == "command.body"
    assert channel.events(Log.CONSUMER)[-3:] == ["connection_ordered", "incident_notice", "maintenance_done"]
    assert channel.ask(channel.command("POST", "fas/connect", order | {"partner": "emt9.sm"})).code == "profile.unknown"
    assert channel.ask(channel.command("POST", "fas/self-test")).status == 202
    assert channel.events()[-1] == "command_obeyed"


@pytest.mark.req("SEC-01")
@pytest.mark.parametrize("body", [b'{"partner": "\xff", "ordered_by": "x"}', b'{"partner": "\xed\xa0\x80", "ordered_by": "x"}', b"1e999"])
def test_a_body_that_is_no_text_is_no_command_whatever_its_form(channel: Channel, body: bytes) -> None:
    with pytest.raises(PeerFault, match=r"command\.structure"):
        channel.ask(channel.command("POST", "fas/connect", msgspec.Raw(body)))
    assert channel.events() == []


def kept(channel: Channel) -> list[bytes | None]:
    stored = channel.journal.get_state("obeyed")
    return [one.answer for one in msgspec.json.decode(stored, type=dict[str, Obeyed]).values()] if stored is not None else []


def test_kept_answers_are_bounded(channel: Channel) -> None:
    for version in range(1, ANSWERS_KEPT + 10):
        channel.put(meter_profile(version))
    assert len([answer for answer in kept(channel) if answer is not None]) == ANSWERS_KEPT
    assert len(kept(channel)) == ANSWERS_KEPT + 9


@pytest.mark.req("WAN-08")
async def test_a_command_is_not_obeyed_again_when_its_answer_is_kept_no_longer(channel: Channel) -> None:
    first = channel.sealed(channel.command("PUT", "rts/meter/1SGW0010000001", meter_profile()))
    handle(channel.context, first)
    for version in range(2, ANSWERS_KEPT + 3):
        channel.put(meter_profile(version))
    with pytest.raises(Replay, match=r"command\.replayed"):
        handle(channel.context, first)
    await channel.clock.advance_to(START + 2 * COMMAND_AGE)
    with pytest.raises(Replay, match=r"command\.age"):
        handle(channel.context, first)
    later = channel.command("PUT", "rts/meter/1SGW0010000001", meter_profile(1000), created_at=channel.clock.now())
    assert channel.ask(later).status == 201
    assert len(kept(channel)) == ANSWERS_KEPT


@pytest.mark.req("WAN-08")
def test_the_number_of_commands_in_ten_minutes_is_bounded(channel: Channel) -> None:
    flood = {str(uuid4()): Obeyed(microseconds(START), None) for _ in range(OBEYED_LIMIT)}
    channel.journal.set_state("obeyed", msgspec.json.encode(flood))
    with pytest.raises(LimitFault, match=r"command\.rate"):
        channel.put(meter_profile())
    assert channel.journal.profiles("meter") == []


@pytest.mark.req("ADM-02")
def test_a_profile_that_contradicts_others_is_refused_whole(channel: Channel) -> None:
    answer = channel.put(evaluation_profile())
    assert (answer.status, answer.code) == (409, "command.profile")
    assert channel.journal.profiles("evaluation") == []
    assert channel.installed == []
    assert channel.events() == ["command_rejected"]


@pytest.mark.req("ADM-02")
def test_an_older_version_is_refused(channel: Channel) -> None:
    channel.put(meter_profile(2))
    assert channel.put(meter_profile(1)).code == "profile.version"


@pytest.mark.parametrize(
    ("method", "resource", "body", "code"),
    [
        ("GET", "log/consumer", None, "command.resource"),
        ("DELETE", "rts/colour/1SGW0010000001", None, "command.resource"),
        ("GET", "nothing", None, "command.resource"),
        ("GET", "log/system/x", None, "command.resource"),
        ("PUT", "rts/meter/1SGW0010000001", {"meter_id": 1}, "command.profile"),
        ("PUT", "rts/meter/other", meter_profile(), "command.profile"),
    ],
)
@pytest.mark.req("ADM-11")
def test_what_is_not_offered_is_answered_with_a_code(channel: Channel, method: str, resource: str, body: object, code: str) -> None:
    answer = channel.ask(channel.command(method, resource, body))
    assert answer.status in (400, 404)
    assert answer.code == code


@pytest.mark.req("WAN-04")
@pytest.mark.parametrize(("offset", "code"), [(-timedelta(minutes=11), "command.age"), (timedelta(minutes=11), "command.age")])
def test_a_command_from_another_time_is_refused(channel: Channel, offset: timedelta, code: str) -> None:
    with pytest.raises(PeerFault, match=code):
        channel.ask(channel.command("GET", "state", created_at=START + offset))


def test_a_command_for_another_gateway_is_refused(channel: Channel) -> None:
    with pytest.raises(PeerFault, match=r"command\.recipient"):
        channel.ask(channel.command("GET", "state", recipient="ESGW0000000002"))


@pytest.mark.req("SEC-03")
def test_a_command_that_somebody_else_signed_is_refused(channel: Channel) -> None:
    stranger = participant_identity()
    content = encode_command(channel.command("PUT", "rts/meter/1SGW0010000001", meter_profile()))
    document = seal(content, module=stranger.module, signer=stranger.signer, recipient=gateway_identity().triple.enc)
    with pytest.raises(SecurityFault):
        handle(channel.context, document)
    assert channel.journal.profiles("meter") == []


@pytest.mark.req("SEC-03")
def test_an_altered_command_is_refused(channel: Channel) -> None:
    document = bytearray(channel.sealed(channel.command("PUT", "rts/meter/1SGW0010000001", meter_profile())))
    document[-70] ^= 1
    with pytest.raises(PeerFault):
        handle(channel.context, bytes(document))
    assert channel.journal.profiles("meter") == []


@pytest.mark.req("OPS-05", "ADM-06")
def test_a_full_disk_is_told_and_refuses_changes_only(channel: Channel) -> None:
    database = channel.journal._database
    database.connection.execute("PRAGMA max_page_count=1")
    with pytest.raises(Unavailable):
        while True:
            channel.context.recorder.record("power_returned")
    assert channel.ask(channel.command("GET", "state")).status == 200
    assert channel.ask(channel.command("GET", "nowhere")).status == 404
    with pytest.raises(Unavailable, match=r"journal\."):
        channel.put(meter_profile())
    assert channel.journal.profiles("meter") == [] and channel.installed == []
    database.connection.execute(f"PRAGMA max_page_count={1 << 30}")
    assert channel.put(meter_profile()).status == 201


@pytest.mark.req("STATE-01")
def test_a_state_that_does_not_obey_says_so(channel: Channel) -> None:
    channel.state = State.SECURE_BOOT
    assert channel.ask(channel.command("GET", "state")).code == "state.refused"


@pytest.mark.req("LOG-01")
def test_the_system_log_can_be_read_in_pages(channel: Channel) -> None:
    for profile in all_profiles():
        channel.put(profile)
    page = msgspec.json.decode(channel.ask(channel.command("GET", "log/system/3")).body)
    assert [entry["index"] for entry in page] == [3, 4, 5, 6, 7]
    assert page[1]["text"].startswith("consumer profile consumer1.sm")


@pytest.mark.req("LOG-01", "ADM-10")
@pytest.mark.step("1.5.1", "3.2.2", "3.5.6", "5.2.10", event="administrator_read")
def test_what_the_administrator_reads_is_logged_once_a_day(channel: Channel) -> None:
    for resource in ("state", "log/system", "log/system/1", "rts/meter", "state", "log/system/7"):
        assert channel.ask(channel.command("GET", resource)).status == 200
    assert channel.ask(channel.command("GET", "log/consumer")).status == 404
    entries = [stored.entry for stored in channel.journal.log(Log.SYSTEM) if stored.entry.event == "administrator_read"]
    assert [entry.text("en") for entry in entries] == [f"test.GWA read {what}" for what in ("state", "log/system", "rts/meter")]
    channel.clock._us += 86_400_000_000
    assert channel.ask(channel.command("GET", "state", created_at=channel.clock.now())).status == 200
    assert channel.events().count("administrator_read") == 4


@pytest.mark.req("LOG-01")
@pytest.mark.step("3.2.2", event="credentials_changed")
def test_a_consumer_is_told_of_a_changed_log_in_but_not_of_a_changed_language(channel: Channel) -> None:
    first = consumer_profile()
    for number, changes in enumerate(({}, {"language": "en"}, {"digest_md5": "1" * 32}, {"user_name": "other"}), 1):
        assert channel.put(msgspec.structs.replace(first, version=number, **changes)).status == 201
    assert channel.events().count("consumer_registered") == 1
    assert channel.events(Log.CONSUMER) == ["credentials_changed"] * 2
    assert "1" * 32 not in str(channel.journal.log(Log.CONSUMER, "consumer1.sm"))


@pytest.mark.req("CON-03", "TAF-24")
@pytest.mark.parametrize(
    "changes", [{"consumer_id": "consumer2.sm"}, {"meter_id": "1SGW0010000002"}, {"valid_from": START - timedelta(days=1)}]
)
def test_a_contract_never_passes_to_another_consumer_meter_or_time(channel: Channel, changes: dict[str, object]) -> None:
    for profile in all_profiles():
        channel.put(profile)
    channel.put(consumer_profile("consumer2.sm", "other"))
    channel.put(msgspec.structs.replace(meter_profile(), meter_id="1SGW0010000002", server_id="0a015347570000989682"))
    answer = channel.put(evaluation_profile(version=2, **changes))
    assert (answer.status, answer.code) == (409, "command.profile")
    assert channel.events(Log.CONSUMER) == ["device_assigned", "contract_changed"]
