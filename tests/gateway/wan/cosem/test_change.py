"""Writing, creating, deleting and calling: the same rules as in the JSON form, and several objects all or none."""

from datetime import timedelta

import msgspec
import pytest
from tests.gateway.gateway_parts import (
    START,
    all_profiles,
    communication_profile,
    consumer_profile,
    evaluation_profile,
    meter_profile,
)
from tests.gateway.wan.cosem.cosem_parts import GATEWAY, METER, SYSTEM_LOG, TASKS, WAKE_UP, CosemChannel, address, told_as

from smgw.codec.cosem_elements import Attribute, Container, CosemObject, Device, Document, Listing, MethodCall, MethodResult
from smgw.codec.cosem_profiles import (
    CONTENT,
    DIGEST,
    ID,
    MAPPING_VERSION,
    VERSION,
    CosemClass,
    json_value,
    kind_of,
    named,
    profile_device,
    profile_object,
)
from smgw.codec.cosem_values import Value
from smgw.core.errors import Replay
from smgw.core.log_event import Log
from smgw.core.profiles import PROFILE_KINDS, Profile, profile_key
from smgw.gateway.wan.cosem.containers import BUNDLES_LIMIT, MEMBERS_LIMIT
from smgw.gateway.wan.wakeup import SETTINGS

pytestmark = pytest.mark.req("WAN-08")

SETTINGS_OBJECT = CosemObject(named(CosemClass.WAKE_UP, "0-128:4.0.0*255"), MAPPING_VERSION, (Attribute(2, json_value({"port": 15_201})),))
EVERYTHING = [profile for kind in PROFILE_KINDS for profile in all_profiles() if isinstance(profile, PROFILE_KINDS[kind])]


def installed(channel: CosemChannel) -> list[Profile]:
    return [profile for kind in PROFILE_KINDS for profile in channel.journal.profiles(kind)]


def bundle_of(profiles: list[Profile], name: str = "start") -> Container:
    devices: dict[str, tuple[CosemObject, ...]] = {}
    for profile in profiles:
        device = profile_device(profile, "ESGW0000000001")
        devices[device] = (*devices.get(device, ()), told_as(profile))
    return Container(name, devices=tuple(Device(device, objects) for device, objects in devices.items()))


def outside(events: list[str]) -> list[str]:
    return [event for event in events if event != "administrator_read"]


# profiles


@pytest.mark.req("ADM-02")
def test_a_profile_put_as_an_object_is_installed_as_one_put_as_json(channel: CosemChannel) -> None:
    assert [channel.put_object(profile)[:2] for profile in all_profiles()] == [(201, "")] * 4
    by_cosem = (installed(channel), list(channel.installed), [channel.events(log) for log in Log])
    for profile in reversed(all_profiles()):
        channel.journal.delete_profile(kind_of(profile), profile_key(profile))
    before = [len(channel.events(log)) for log in Log]
    channel.installed.clear()
    newer = [msgspec.structs.replace(profile, version=2) for profile in all_profiles()]
    assert [channel.put(profile).status for profile in newer] == [201] * 4
    by_json = (installed(channel), channel.installed, [channel.events(log)[count:] for log, count in zip(Log, before, strict=True)])
    assert [msgspec.structs.replace(one, version=2) for one in by_cosem[0]] == by_json[0]
    assert [msgspec.structs.replace(one, version=2) for one in by_cosem[1]] == by_json[1]
    assert [outside(events) for events in by_cosem[2]] == [outside(events) for events in by_json[2]]


@pytest.mark.req("ADM-02")
def test_a_newer_version_replaces_by_object_and_by_attribute(channel: CosemChannel) -> None:
    assert channel.put_object(meter_profile()).status == 201
    assert channel.put_object(meter_profile(2)).status == 200
    where = f"{address(meter_profile())}/attributes/{CONTENT}"
    assert channel.cosem("PUT", where, Attribute(CONTENT, json_value(meter_profile(3)))).status == 200
    assert channel.journal.profiles("meter") == [meter_profile(3)]
    assert channel.cosem("PUT", where, Attribute(CONTENT, json_value(meter_profile(3))))[:2] == (409, "profile.version")


def test_an_object_is_created_by_its_attribute(channel: CosemChannel) -> None:
    where = f"{address(consumer_profile())}/attributes/{CONTENT}"
    assert channel.cosem("PUT", where, Attribute(CONTENT, json_value(consumer_profile()))).status == 201
    assert channel.journal.profiles("consumer") == [consumer_profile()]


def test_all_that_is_told_of_an_object_must_be_so(channel: CosemChannel) -> None:
    whole = profile_object(meter_profile())
    assert channel.cosem("PUT", address(meter_profile()), whole).status == 201
    newer = profile_object(meter_profile(2))
    for number in (1, ID, VERSION, DIGEST):
        others = tuple(
            Attribute(one.number, Value("boolean", content=True)) if one.number == number else one for one in newer.attributes or ()
        )
        answer = channel.cosem("PUT", address(meter_profile()), newer._replace(attributes=others))
        assert answer[:2] == (400, "command.profile"), number
    for other in (newer._replace(version=9), newer._replace(methods=(1,)), newer._replace(attributes=())):
        assert channel.cosem("PUT", address(meter_profile()), other)[:2] == (400, "command.profile")
    assert installed(channel) == [meter_profile()]


@pytest.mark.parametrize(
    ("device", "named", "told", "code"),
    [
        (GATEWAY, meter_profile(), meter_profile(), "command.profile"),
        (METER, communication_profile(), communication_profile(), "command.profile"),
        ("ldevs/1sgw0010000002.sm", meter_profile(), meter_profile(), "command.profile"),
        (METER, meter_profile(), evaluation_profile(), "cosem.content"),
        (METER, evaluation_profile(7), evaluation_profile(10), "cosem.content"),
    ],
)
def test_a_profile_goes_where_it_belongs(channel: CosemChannel, device: str, named: Profile, told: Profile, code: str) -> None:
    answer = channel.cosem("PUT", f"{device}/objects/{told_as(named).name}", told_as(told))
    assert answer[:2] == (400, code)
    assert installed(channel) == []


@pytest.mark.parametrize(
    "content", [None, Value("UTF8-string", ""), Value("UTF8-string", "{}"), Value("UTF8-string", "[" * 5000), Value("octet-string", b"{}")]
)
def test_what_is_no_profile_is_refused(channel: CosemChannel, content: Value | None) -> None:
    told = told_as(meter_profile())._replace(attributes=(Attribute(CONTENT, content),))
    assert channel.cosem("PUT", address(meter_profile()), told)[:2] == (400, "command.profile")


@pytest.mark.req("ADM-02")
def test_a_profile_is_deleted_once_nothing_needs_it(channel: CosemChannel) -> None:
    for profile in all_profiles():
        channel.put_object(profile)
    assert channel.cosem("DELETE", address(consumer_profile()))[:2] == (409, "profile.in_use")
    channel.journal.put_profile(evaluation_profile(valid_to=START, version=2), b"", START)
    assert channel.cosem("DELETE", address(evaluation_profile()))[:2] == (200, "")
    assert channel.cosem("DELETE", address(consumer_profile()))[:2] == (200, "")
    assert [type(one).__name__ for one in channel.deleted] == ["EvaluationProfile", "ConsumerProfile"]
    assert channel.cosem("DELETE", address(consumer_profile()))[:2] == (404, "command.resource")


@pytest.mark.parametrize("resource", [SYSTEM_LOG, TASKS, WAKE_UP, f"{GATEWAY}/objects/8-0000010000ff", GATEWAY])
def test_what_is_always_there_is_not_deleted(channel: CosemChannel, resource: str) -> None:
    assert channel.cosem("DELETE", resource)[:2] == (405, "cosem.verb")


def test_a_meter_s_device_is_deleted_whole_or_not_at_all(channel: CosemChannel) -> None:
    for profile in all_profiles():
        channel.put_object(profile)
    channel.journal.put_profile(evaluation_profile(valid_to=START, version=2), b"", START)
    assert channel.cosem("DELETE", METER)[:2] == (409, "profile.in_use")
    assert len(channel.journal.profiles("evaluation")) == 1 and channel.deleted == []
    channel.put_object(msgspec.structs.replace(meter_profile(2), active=False))
    assert channel.cosem("DELETE", METER)[:2] == (200, "")
    assert [channel.journal.profiles(kind) for kind in ("evaluation", "meter")] == [[], []]
    assert [type(one).__name__ for one in channel.deleted] == ["EvaluationProfile", "MeterProfile"]
    assert channel.cosem("GET", METER)[:2] == (404, "command.resource")


# settings


@pytest.mark.req("WAN-04")
def test_the_wake_up_receiver_is_set_and_read_back(channel: CosemChannel) -> None:
    assert channel.value(f"{WAKE_UP}/attributes/2").content == "null"
    settings = {"port": 15_200, "window_s": 60, "timestamp_order": "auto"}
    assert channel.cosem("PUT", f"{WAKE_UP}/attributes/2", Attribute(2, json_value(settings))).status == 200
    assert msgspec.json.decode(str(channel.value(f"{WAKE_UP}/attributes/2").content)) == settings
    assert channel.cosem("PUT", WAKE_UP, SETTINGS_OBJECT).status == 200
    assert b"15201" in (channel.journal.get_state(SETTINGS) or b"")
    assert channel.cosem("PUT", f"{WAKE_UP}/attributes/2", Attribute(2, json_value({"port": 0})))[:2] == (400, "wakeup.settings")


@pytest.mark.parametrize(
    ("resource", "number", "status", "code"),
    [
        (f"{GATEWAY}/objects/8-0000010000ff", 2, 405, "cosem.verb"),
        (SYSTEM_LOG, 2, 405, "cosem.verb"),
        (SYSTEM_LOG, 1, 405, "cosem.verb"),
        (WAKE_UP, 1, 405, "cosem.verb"),
        (WAKE_UP, 3, 404, "command.resource"),
        (f"{GATEWAY}/objects/3-0100010800ff", 2, 404, "command.resource"),
    ],
)
def test_an_attribute_that_is_only_read_is_not_written(channel: CosemChannel, resource: str, number: int, status: int, code: str) -> None:
    answer = channel.cosem("PUT", f"{resource}/attributes/{number}", Attribute(number, Value("unsigned", 1)))
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    ("resource", "document"),
    [
        (f"{WAKE_UP}/attributes/2", Attribute(3, Value("unsigned", 1))),
        (f"{WAKE_UP}/attributes/2", Attribute(2)),
        (f"{WAKE_UP}/attributes/2", MethodCall()),
        (WAKE_UP, Listing("objects", ())),
        (WAKE_UP, told_as(meter_profile())),
        (
            WAKE_UP,
            SETTINGS_OBJECT._replace(attributes=(Attribute(1, Value("octet-string", b"other!")), *(SETTINGS_OBJECT.attributes or ()))),
        ),
        (WAKE_UP, SETTINGS_OBJECT._replace(version=0)),
        (WAKE_UP, SETTINGS_OBJECT._replace(attributes=None)),
        (WAKE_UP, SETTINGS_OBJECT._replace(methods=(1,))),
        (METER, Device("esgw0000000001.sm", (told_as(meter_profile()),))),
        (METER, Device("1sgw0010000001.sm")),
        (METER, Device("1sgw0010000001.sm", (told_as(meter_profile()),), (Container("1-000000000000"),))),
        ("containers/a", Container("b", devices=())),
        ("containers/a", Container("a", objects=())),
        ("containers/a", Container("a")),
        (f"{GATEWAY}/containers/1-000000000000", Container("1-000000000000", devices=())),
    ],
)
def test_a_body_that_is_not_what_the_address_needs_is_refused(channel: CosemChannel, resource: str, document: Document) -> None:
    assert channel.cosem("PUT", resource, document)[:2] == (400, "cosem.content")
    assert installed(channel) == []


# bundles


@pytest.mark.req("ADM-02")
def test_a_bundle_is_installed_in_an_order_that_its_rules_allow(channel: CosemChannel) -> None:
    answer = channel.cosem("PUT", "containers/start", bundle_of([*reversed(EVERYTHING)]))
    assert answer[:2] == (201, "")
    assert installed(channel) == EVERYTHING
    assert {type(one) for one in channel.installed} == {type(one) for one in EVERYTHING}
    newer = [msgspec.structs.replace(one, version=2) for one in EVERYTHING]
    assert channel.cosem("PUT", "containers/start", bundle_of(newer)).status == 200


@pytest.mark.req("WAN-05")
@pytest.mark.parametrize("bad", range(4))
def test_one_bad_part_of_a_bundle_leaves_nothing(channel: CosemChannel, bad: int) -> None:
    broken = [
        msgspec.structs.replace(communication_profile(), port=0),
        msgspec.structs.replace(meter_profile(), server_id="no"),
        consumer_profile("not a name"),
        evaluation_profile(recipients=("emt9.sm",)),
    ][bad]
    profiles = [broken if type(profile) is type(broken) else profile for profile in all_profiles()]
    before = channel.events()
    answer = channel.cosem("PUT", "containers/start", bundle_of(profiles))
    assert answer.status in (400, 409) and answer.code in ("command.profile", "profile.unknown")
    assert installed(channel) == [] and channel.installed == []
    assert channel.journal.get_state("cosem_containers") is None
    assert channel.events()[len(before) :] == ["command_rejected"]
    assert [channel.events(log) for log in (Log.CALIBRATION, Log.CONSUMER)] == [[], []]
    assert channel.cosem("GET", "containers/start").status == 404


def test_a_container_is_read_and_deleted_as_one(channel: CosemChannel) -> None:
    some = [communication_profile(), consumer_profile()]
    for resource, container in (
        (f"{GATEWAY}/containers/1-000000000001", Container("1-000000000001", tuple(told_as(one) for one in some))),
        ("containers/night", bundle_of(some, "night")),
    ):
        newer = [msgspec.structs.replace(one, version=len(channel.installed) + 1) for one in some]
        assert channel.cosem("PUT", resource, put_versions(container, newer)).status == 201
        told = channel.cosem("GET", f"{resource}?q.depth=2").document
        assert isinstance(told, Container)
        objects = told.objects if told.devices is None else told.devices[0].objects
        assert [one.name for one in objects or ()] == [told_as(one).name for one in some]
        assert all(one.attributes for one in objects or ())
    listed = channel.cosem("GET", "containers").document
    assert listed == Listing("containers", (Container("night"),))
    device = channel.cosem("GET", GATEWAY).document
    assert isinstance(device, Device) and device.containers == (Container("1-000000000001"),)
    assert channel.cosem("DELETE", "containers/night")[:2] == (200, "")
    assert installed(channel) == []
    assert channel.cosem("GET", "containers/night").status == 404
    left = channel.cosem("GET", f"{GATEWAY}/containers/1-000000000001").document
    assert left == Container("1-000000000001", ())


def put_versions(container: Container, profiles: list[Profile]) -> Container:
    objects = tuple(told_as(profile) for profile in profiles)
    if container.devices is None:
        return container._replace(objects=objects)
    return container._replace(devices=(container.devices[0]._replace(objects=objects),))


@pytest.mark.req("WAN-04")
def test_a_container_with_settings_is_written_and_forgotten_while_the_settings_stay(channel: CosemChannel) -> None:
    told = Container("mixed", devices=(Device("esgw0000000001.sm", (SETTINGS_OBJECT, told_as(consumer_profile()))),))
    assert channel.cosem("PUT", "containers/mixed", told).status == 201
    assert b"15201" in (channel.journal.get_state(SETTINGS) or b"")
    assert channel.cosem("DELETE", "containers/mixed")[:2] == (200, "")
    assert installed(channel) == [] and b"15201" in (channel.journal.get_state(SETTINGS) or b"")
    assert channel.cosem("GET", "containers/mixed").status == 404


def test_a_container_with_something_in_use_stays_whole(channel: CosemChannel) -> None:
    channel.cosem("PUT", "containers/start", bundle_of(EVERYTHING))
    assert channel.cosem("DELETE", "containers/start")[:2] == (409, "profile.in_use")
    assert installed(channel) == EVERYTHING and channel.deleted == []
    assert channel.cosem("GET", "containers/start").status == 200


def test_containers_and_what_they_hold_are_bounded(channel: CosemChannel) -> None:
    many = tuple(told_as(consumer_profile(f"consumer{number}.sm", f"user{number}")) for number in range(MEMBERS_LIMIT + 1))
    answer = channel.cosem("PUT", "containers/a", Container("a", devices=(Device("esgw0000000001.sm", many),)))
    assert answer[:2] == (413, "cosem.too_much")
    assert installed(channel) == []
    for number in range(BUNDLES_LIMIT):
        told = Container(f"c{number}", devices=(Device("esgw0000000001.sm", (many[number],)),))
        assert channel.cosem("PUT", f"containers/c{number}", told).status == 201
    told = Container("more", devices=(Device("esgw0000000001.sm", (many[BUNDLES_LIMIT],)),))
    assert channel.cosem("PUT", "containers/more", told)[:2] == (413, "cosem.too_much")
    assert len(installed(channel)) == BUNDLES_LIMIT


# methods


@pytest.mark.req("STATE-03")
def test_a_self_test_is_ordered_and_its_result_follows(channel: CosemChannel) -> None:
    answer = channel.invoke(TASKS, 1)
    assert (answer.status, answer.document) == (202, MethodResult())
    assert "command_obeyed" in channel.events()


@pytest.mark.req("CON-03")
def test_a_method_does_what_its_route_does(channel: CosemChannel) -> None:
    channel.put(consumer_profile())
    answer = channel.invoke(TASKS, 4, {"consumer": "consumer1.sm", "text": "mended"})
    assert (answer.status, answer.document) == (200, MethodResult(0))
    assert "maintenance_done" in channel.events(Log.CONSUMER)


def test_a_method_that_a_rule_forbids_ends_with_a_status_and_leaves_nothing(channel: CosemChannel) -> None:
    answer = channel.invoke(TASKS, 2, {"partner": "emt1.sm", "ordered_by": "somebody"})
    assert (answer.status, answer.code, answer.document) == (500, "profile.unknown", MethodResult(1))
    assert channel.events() == ["command_rejected"]
    assert channel.dialled == []


@pytest.mark.parametrize(
    ("number", "call"),
    [
        (1, MethodCall(Value("unsigned", 1))),
        (1, Attribute(1)),
        (2, MethodCall()),
        (2, MethodCall(Value("octet-string", b"{}"))),
        (2, MethodCall(Value("UTF8-string", "{"))),
        (2, MethodCall(json_value({"partner": 1}))),
        (2, MethodCall(json_value({"colour": 1}))),
    ],
)
def test_a_call_of_another_form_is_refused(channel: CosemChannel, number: int, call: Document) -> None:
    answer = channel.cosem("POST", f"{TASKS}/methods/{number}", call)
    assert answer.status == 400 and answer.code in ("cosem.content", "command.body")
    assert answer.xml == ""


def test_a_method_that_is_not_there_is_not_called(channel: CosemChannel) -> None:
    for where in (f"{TASKS}/methods/99", f"{SYSTEM_LOG}/methods/1", f"{GATEWAY}/objects/3-0100010800ff/methods/1"):
        assert channel.cosem("POST", where, MethodCall())[:2] == (404, "command.resource")


@pytest.mark.req("DIAG-01")
def test_the_last_part_of_an_address_is_a_method_s_parameter(channel: CosemChannel) -> None:
    answer = channel.invoke(TASKS, 7, Value("UTF8-string", "C000001"))
    assert answer[:3] == (500, "command.technician", MethodResult(1))


def test_a_channel_breaks_up_after_the_answer(channel: CosemChannel) -> None:
    ended: list[bool] = []
    channel.context = channel.context._replace(break_up=lambda: ended.append(True))
    assert channel.invoke(TASKS, 3).document == MethodResult(0)
    assert ended == [True]


def test_a_command_is_obeyed_once_and_answered_the_same_again(channel: CosemChannel) -> None:
    command = channel.cosem_command("PUT", address(meter_profile()), told_as(meter_profile()))
    first = channel.ask(command)
    events = channel.events()
    assert channel.ask(command) == first
    assert channel.events() == events and channel.installed == [meter_profile()]


async def test_an_old_command_is_refused(channel: CosemChannel) -> None:
    command = channel.cosem_command("GET", "ldevs")
    await channel.clock.advance_to(START + timedelta(hours=1))
    with pytest.raises(Replay, match=r"command\.age"):
        channel.ask(command)
