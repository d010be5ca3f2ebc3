"""What there is: the devices, objects and attributes that the administrator finds, and what it never finds."""

from pathlib import Path

import msgspec
import pytest
from tests.gateway import tenants
from tests.gateway.gateway_parts import (
    GATEWAY_ID,
    METER_ID,
    START,
    all_profiles,
    communication_profile,
    consumer_profile,
    evaluation_profile,
    meter_profile,
)
from tests.gateway.tenants import DEALS, TENANTS
from tests.gateway.wan.cosem.cosem_parts import GATEWAY, METER, SYSTEM_LOG, CosemChannel, address

from smgw.codec.cosem_elements import Attribute, CosemObject, Device, Listing, encode_document
from smgw.codec.cosem_profiles import CONTENT, DIGEST, ID, VERSION, CosemClass, profile_object_name
from smgw.codec.cosem_resources import Target, parse_target
from smgw.codec.cosem_values import Value, read_moment
from smgw.core.errors import DomainFault, PeerFault
from smgw.core.profiles import profile_digest
from smgw.gateway.wan.cosem.system import SYSTEM
from smgw.gateway.wan.cosem.tree import Tree

CLOCK = f"{GATEWAY}/objects/8-0000010000ff"
pytestmark = pytest.mark.req("WAN-08")


def names_in(listing: object) -> list[str]:
    assert isinstance(listing, Listing) and listing.items is not None
    return [str(item.name) for item in listing.items]


def test_the_gateway_is_the_management_logical_device_and_each_meter_another(channel: CosemChannel) -> None:
    assert names_in(channel.cosem("GET", "ldevs").document) == ["esgw0000000001.sm"]
    for profile in all_profiles():
        channel.put(profile)
    assert names_in(channel.cosem("GET", "ldevs").document) == ["esgw0000000001.sm", "1sgw0010000001.sm"]


def test_each_profile_is_an_object_of_its_device(channel: CosemChannel) -> None:
    for profile in all_profiles():
        channel.put(profile)
    gateway, meter = (names_in(channel.cosem("GET", f"{device}/objects").document) for device in (GATEWAY, METER))
    assert [str(profile_object_name(one)) in gateway for one in (communication_profile(), consumer_profile())] == [True, True]
    assert meter == [
        "1-00002a0000ff",
        "1-0000600100ff",
        *(str(profile_object_name(one)) for one in (meter_profile(), evaluation_profile())),
    ]


def test_a_profile_of_grid_state_has_a_class_of_its_own(channel: CosemChannel) -> None:
    assert {profile_object_name(evaluation_profile(taf)).class_id for taf in (9, 10, 14)} == {CosemClass.GRID_PROFILE}
    assert {profile_object_name(evaluation_profile(taf)).class_id for taf in (1, 2, 6, 7)} == {CosemClass.EVALUATION_PROFILE}


@pytest.mark.req("ADM-02")
def test_a_profile_is_read_back_as_it_was_installed(channel: CosemChannel) -> None:
    for profile in all_profiles():
        channel.put(profile)
    for profile in (meter_profile(), communication_profile(), evaluation_profile()):
        where = f"{address(profile)}/attributes"
        assert msgspec.json.decode(str(channel.value(f"{where}/{CONTENT}").content), type=type(profile)) == profile
        assert channel.value(f"{where}/{VERSION}") == Value("long64", profile.version)
        assert channel.value(f"{where}/{DIGEST}").content == bytes.fromhex(profile_digest(profile))
    assert channel.value(f"{address(meter_profile())}/attributes/{ID}").content == METER_ID


@pytest.mark.req("CON-02")
def test_a_consumer_s_log_in_is_never_given_back(channel: CosemChannel) -> None:
    channel.put(consumer_profile())
    where = address(consumer_profile())
    refused = channel.cosem("GET", f"{where}/attributes/{CONTENT}")
    assert (refused.status, refused.code) == (404, "command.resource")
    whole = channel.cosem("GET", where)
    assert isinstance(whole.document, CosemObject) and whole.document.attributes is not None
    assert whole.document.attributes[-1] == Attribute(CONTENT)
    assert channel.value(f"{where}/attributes/{DIGEST}").content == bytes.fromhex(profile_digest(consumer_profile()))


def test_the_clock_and_the_names_are_those_of_the_gateway(channel: CosemChannel) -> None:
    moment = channel.value(f"{CLOCK}/attributes/2").content
    assert isinstance(moment, bytes) and read_moment(moment) == START
    assert channel.value(f"{GATEWAY}/objects/1-00002a0000ff/attributes/2").content == b"esgw0000000001.sm"
    assert channel.value(f"{GATEWAY}/objects/1-0000600100ff/attributes/2").content == GATEWAY_ID.encode()
    assert channel.value(f"{GATEWAY}/objects/32807-0080010000ff/attributes/2").content == "normal"
    assert channel.value(f"{GATEWAY}/objects/32807-0080010000ff/attributes/3").content == '{"state":"normal"}'


@pytest.mark.req("TIME-01")
@pytest.mark.parametrize(("status", "bits"), [("valid", 0), ("unset", 1), ("invalid", 2), ("odd", 1)])
def test_the_clock_says_how_far_it_can_be_trusted(channel: CosemChannel, status: str, bits: int) -> None:
    channel.context = channel.context._replace(facts=lambda: {"clock": status})
    assert channel.value(f"{CLOCK}/attributes/4") == Value("unsigned", bits)


def test_what_a_table_says_of_an_attribute_is_what_it_gives(channel: CosemChannel) -> None:
    for profile in all_profiles():
        channel.put(profile)
    tree, checked = Tree(channel.context), 0
    for instances in tree.devices.values():
        for instance in instances:
            for row in instance.row.attributes:
                if row.read is not None and instance.name.class_id not in (CosemClass.FIRMWARE, CosemClass.KEYS):
                    assert row.read(channel.context, instance).type == row.type, (instance.name, row.name)
                    checked += 1
    assert checked > 40


def test_what_can_t_be_told_now_has_no_value_within_its_object_and_a_code_by_itself(channel: CosemChannel) -> None:
    where = f"{GATEWAY}/objects/32811-0080060000ff"
    whole = channel.cosem("GET", where).document
    assert isinstance(whole, CosemObject) and whole.attributes is not None
    assert whole.attributes[1] == Attribute(2)
    assert channel.cosem("GET", f"{where}/attributes/2")[:2] == (409, "lifecycle.unguarded")


@pytest.mark.parametrize(
    ("resource", "depth", "shape"),
    [
        ("ldevs", 0, Listing("ldevs", None)),
        ("ldevs", 1, Listing("ldevs", (Device("esgw0000000001.sm"),))),
        (GATEWAY, 0, Device("esgw0000000001.sm")),
        (f"{GATEWAY}/objects", 0, Listing("objects", None)),
        (SYSTEM_LOG, 0, CosemObject(parse_target(f"/cosem/{SYSTEM_LOG}").resource.instance, 1)),  # type: ignore[arg-type]
        (f"{SYSTEM_LOG}/attributes", 0, Listing("attributes", None)),
        (f"{SYSTEM_LOG}/attributes/5", 0, Attribute(5)),
        (f"{SYSTEM_LOG}/attributes/5", 1, Attribute(5, Value("enum", 1))),
        (f"{SYSTEM_LOG}/methods", 1, Listing("methods", ())),
        ("containers", 1, Listing("containers", ())),
    ],
)
def test_as_much_is_told_as_the_depth_says(channel: CosemChannel, resource: str, depth: int, shape: object) -> None:
    assert channel.cosem("GET", f"{resource}?q.depth={depth}").document == shape


def test_without_a_depth_names_are_told_and_a_slash_behind_a_list_says_one(channel: CosemChannel) -> None:
    for resource in ("ldevs", f"{GATEWAY}/objects", f"{CLOCK}/attributes", f"{GATEWAY}/containers"):
        told = channel.cosem("GET", resource).document
        assert told == channel.cosem("GET", f"{resource}/").document == channel.cosem("GET", f"{resource}?q.depth=1").document


def test_a_list_is_asked_for_in_pieces(channel: CosemChannel) -> None:
    names = names_in(channel.cosem("GET", f"{GATEWAY}/objects").document)
    assert len(names) == len(SYSTEM) + 2
    pieces = [channel.cosem("GET", f"{GATEWAY}/objects?q.fromidx={first}&q.count=5") for first in range(1, len(names) + 1, 5)]
    assert [name for piece in pieces for name in names_in(piece.document)] == names
    assert names_in(channel.cosem("GET", f"{GATEWAY}/objects?q.fromidx=100").document) == []
    assert names_in(channel.cosem("GET", f"{GATEWAY}/objects?q.count=0").document) == []


@pytest.mark.parametrize(
    "resource",
    [
        "ldevs/esgw0000000002.sm",
        "ldevs/esgw0000000002.sm/objects",
        f"{GATEWAY}/objects/3-0100010800ff",
        f"{METER}/objects/3-0100010800ff",
        f"{METER}/objects/3-0100010800ff/attributes/2",
        f"{GATEWAY}/objects/7-0000636202ff",
        f"{GATEWAY}/objects/7-0000636203ff",
        f"{GATEWAY}/objects/32800-008000000000",
        f"{SYSTEM_LOG}/attributes/9",
        f"{SYSTEM_LOG}/attributes/0",
        f"{SYSTEM_LOG}/attributes/-1",
        f"{GATEWAY}/containers/1-000000000000",
        "containers/none",
        "ldevs/esgw0000000002.sm/containers",
        "nothing",
        "ldevs/esgw0000000001.sm/objects/7-0000636200FF",
    ],
)
def test_an_unknown_object_is_not_there(channel: CosemChannel, resource: str) -> None:
    for profile in all_profiles():
        channel.put(profile)
    answer = channel.cosem("GET", resource)
    assert (answer.status, answer.code, answer.xml) == (404, "command.resource", "")


@pytest.mark.parametrize(
    ("resource", "query"),
    [
        ("ldevs", "q.fromtime=2026-03-01T12:00:00Z"),
        (f"{GATEWAY}/objects", "q.totime=2026-03-01T12:00:00Z"),
        (GATEWAY, "q.count=1"),
        (SYSTEM_LOG, "q.fromidx=1"),
        (f"{SYSTEM_LOG}/attributes/7", "sa.count=1"),
        (f"{CLOCK}/attributes/2", "q.fromtime=2026-03-01T12:00:00Z"),
    ],
)
def test_a_part_is_given_only_of_what_has_parts(channel: CosemChannel, resource: str, query: str) -> None:
    assert channel.cosem("GET", f"{resource}?{query}")[:2] == (400, "cosem.selection")


def readable(tree: Tree, address: str) -> str:
    """Give the text of an attribute, or of nothing."""
    try:
        return encode_document(tree.read(parse_target(address))).decode()
    except (PeerFault, DomainFault):
        return ""


@pytest.mark.req("ADM-11", "CON-02")
def test_the_whole_tree_holds_no_value_no_consumers_log_and_no_log_in(tmp_path: Path) -> None:
    channel = CosemChannel(tmp_path / "journal.db")
    tenants.fill(channel.journal)
    tree, texts = Tree(channel.context), [channel.cosem("GET", "ldevs?q.depth=9").xml]
    assert len(tree.devices) == 6
    for device, instances in tree.devices.items():
        for instance in instances:
            where = f"ldevs/{device}/objects/{instance.name}"
            texts += [readable(tree, f"/cosem/{where}/attributes/{number}") for number in range(-128, 128)]
    text = "".join(texts)
    assert len(text) > 50_000 and "1cnr0071000001.sm" in text
    values = {signed.reading.raw for signed in channel.journal.recent_readings(100_000)}
    assert len(values) > 1_000
    assert not [value for value in values if str(value) in text]
    assert not [deal for deal in DEALS if f">{deal.mark}" in text]
    for tenant in TENANTS:
        assert tenants.log_text(tenant) not in text
    digests = [one for profile in channel.journal.profiles("consumer") for one in (profile.digest_md5, profile.digest_sha256)]  # type: ignore[union-attr]
    assert len(digests) == 6 and not [one for one in digests if one in text]
    channel.journal.close()


@pytest.mark.req("ADM-11")
def test_no_class_of_registers_and_no_third_log_is_in_the_tables() -> None:
    assert {row.cosem_class for _, row, _ in SYSTEM} & {3, 4, 5, 6} == set()
    assert {str(subject) for _, row, subject in SYSTEM if row.cosem_class is CosemClass.PROFILE_GENERIC} == {"system", "calibration"}


def test_a_tree_is_the_same_however_it_is_asked(channel: CosemChannel) -> None:
    for profile in all_profiles():
        channel.put(profile)
    whole = Tree(channel.context).read(Target(parse_target("/cosem/ldevs").resource, part=parse_target("/cosem/ldevs?q.depth=3").part))
    assert isinstance(whole, Listing)
    for device in whole.items or ():
        # The logs grow by being read.
        for told in (one for one in device.objects if one.name.class_id != CosemClass.PROFILE_GENERIC):
            assert channel.cosem("GET", f"ldevs/{device.name}/objects/{told.name}").document == told
