"""What a command at a COSEM address may ask: verbs, media types, parts, rights; and any nonsense is the sender's fault alone."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.codec.test_cosem_elements import DOCUMENTS
from tests.gateway.gateway_parts import all_profiles, meter_profile
from tests.gateway.wan.cosem.cosem_parts import GATEWAY, METER, SYSTEM_LOG, TASKS, WAKE_UP, CosemChannel, address, told_as

from smgw.codec.cosem_elements import Attribute, MethodCall, decode_document, encode_document
from smgw.codec.cosem_message import XML_LIMIT, CosemRequest
from smgw.codec.cosem_profiles import json_value
from smgw.codec.cosem_resources import LISTS, VERBS, Kind
from smgw.core.errors import DomainFault, PeerFault, SmgwError
from smgw.core.life_cycle import Action
from smgw.core.state import State
from smgw.gateway.wan.context import Call
from smgw.gateway.wan.cosem.service import obey_cosem, subject_of
from smgw.gateway.wan.permission import status_of

pytestmark = pytest.mark.req("WAN-08")

PLACES = {
    Kind.DEVICES: "ldevs",
    Kind.DEVICE: GATEWAY,
    Kind.OBJECTS: f"{GATEWAY}/objects",
    Kind.OBJECT: SYSTEM_LOG,
    Kind.ATTRIBUTES: f"{SYSTEM_LOG}/attributes",
    Kind.ATTRIBUTE: f"{SYSTEM_LOG}/attributes/5",
    Kind.METHODS: f"{TASKS}/methods",
    Kind.METHOD: f"{TASKS}/methods/1",
    Kind.DEVICE_CONTAINERS: f"{GATEWAY}/containers",
    Kind.DEVICE_CONTAINER: f"{GATEWAY}/containers/1-000000000000",
    Kind.CONTAINERS: "containers",
    Kind.CONTAINER: "containers/none",
}
METHODS = ("GET", "PUT", "POST", "DELETE")


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_of_resource_has_its_verbs_and_no_other(channel: CosemChannel, kind: Kind) -> None:
    for method in METHODS:
        answer = channel.cosem(method, PLACES[kind])
        assert ((answer.status, answer.code) == (405, "cosem.verb")) == (
            method not in VERBS[kind] or (method, kind) in (("DELETE", Kind.OBJECT), ("DELETE", Kind.DEVICE))
        ), (method, answer.code)
    assert {kind for kind in Kind if "POST" not in VERBS[kind]} >= LISTS


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/*",
        "application/vnd.de-dke-k461-cosem+xml",
        "application/vnd.de-dke-k461-cosem+xml;encap=cms-tr03109",
        "text/html, APPLICATION/vnd.de-dke-k461-COSEM+xml;q=0.1",
    ],
)
def test_who_accepts_cosem_xml_gets_it(channel: CosemChannel, accept: str) -> None:
    assert channel.cosem("GET", "ldevs", accept=accept).status == 200


@pytest.mark.parametrize("accept", ["text/html", "application/json, text/*", ";", "application/vnd.de-dke-k461-cosem"])
def test_who_accepts_something_else_gets_nothing(channel: CosemChannel, accept: str) -> None:
    answer = channel.cosem("GET", "ldevs", accept=accept)
    assert (answer.status, answer.code, answer.xml) == (406, "cosem.accept", "")


def test_the_parts_of_an_answer_are_the_whole(channel: CosemChannel) -> None:
    channel.put(msgspec.structs.replace(meter_profile(), link="Zähler & <Hof>"))
    whole = channel.cosem("GET", f"{address(meter_profile())}")
    assert whole.xml.isascii() and "&#228;" in whole.xml
    parts, first = "", 0
    while len(parts) < len(whole.xml):
        part = channel.cosem("GET", address(meter_profile()), range=f"bytes={first}-{first + 99}")
        assert (part.status, part.range) == (206, f"bytes {first}-{min(first + 100, len(whole.xml)) - 1}/{len(whole.xml)}")
        parts, first = parts + part.xml, first + 100
    assert parts == whole.xml
    end = channel.cosem("GET", address(meter_profile()), range="bytes=-12")
    assert (end.xml, end.status) == (whole.xml[-12:], 206)
    assert channel.cosem("GET", address(meter_profile()), range="bytes=300-").xml == whole.xml[300:]


@pytest.mark.parametrize("wanted", ["bytes=100000-", "bytes=5-4", "bytes=-", "bytes=-0", "bytes=0-1,3-4", "lines=0-1", "bytes=a-b", "0-1"])
def test_a_part_that_is_not_there_is_refused(channel: CosemChannel, wanted: str) -> None:
    assert channel.cosem("GET", "ldevs", range=wanted)[:2] == (416, "cosem.range")


def test_what_is_written_comes_whole(channel: CosemChannel) -> None:
    answer = channel.cosem("PUT", address(meter_profile()), told_as(meter_profile()), range="bytes=0-10")
    assert answer[:2] == (501, "cosem.not_implemented")
    assert channel.installed == []


@pytest.mark.parametrize(
    ("method", "resource", "xml", "status", "code"),
    [
        ("GET", "ldevs", "<ldevs/>", 400, "cosem.content"),
        ("DELETE", f"{GATEWAY}/containers/1-000000000000", "<a/>", 400, "cosem.content"),
        ("PUT", f"{WAKE_UP}/attributes/2", "", 400, "xml.structure"),
        ("PUT", f"{WAKE_UP}/attributes/2", "<", 400, "xml.structure"),
        ("PUT", f"{WAKE_UP}/attributes/2", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", 400, "xml.structure"),
        ("PUT", f"{WAKE_UP}/attributes/2", "<" * 300_001, 413, "xml.size"),
        ("POST", f"{TASKS}/methods/1", "", 400, "xml.structure"),
        (
            "PUT",
            f"{WAKE_UP}/attributes/2?q.depth=1",
            encode_document(Attribute(2, json_value({"port": 1}))).decode(),
            400,
            "cosem.selection",
        ),
    ],
)
def test_a_body_that_can_t_be_read_is_refused(channel: CosemChannel, method: str, resource: str, xml: str, status: int, code: str) -> None:
    assert channel.cosem(method, resource, xml=xml)[:2] == (status, code)


@pytest.mark.parametrize("body", [[], 5, {"colour": 1}, {"xml": 5}, "text"])
def test_a_command_s_body_has_one_form(channel: CosemChannel, body: object) -> None:
    command = msgspec.structs.replace(channel.cosem_command("GET", "ldevs"), body=msgspec.Raw(msgspec.json.encode(body)))
    answer = channel.ask(command)
    assert (answer.status, answer.code) == (400, "command.body")


def test_an_answer_that_would_be_too_long_says_so(channel: CosemChannel) -> None:
    channel.context = channel.context._replace(facts=lambda: {"much": "x" * XML_LIMIT})
    where = f"{GATEWAY}/objects/32807-0080010000ff"
    assert channel.cosem("GET", where)[:2] == (413, "cosem.too_much")
    assert channel.cosem("GET", where, range=f"bytes=0-{XML_LIMIT}")[:2] == (413, "cosem.too_much")
    assert channel.cosem("GET", where, range=f"bytes=0-{XML_LIMIT - 1}").status == 206


# rights


@pytest.mark.req("ADM-12")
def test_an_administrator_to_be_finds_nothing_here(channel: CosemChannel) -> None:
    for profile in all_profiles():
        channel.put(profile)
    channel.context = channel.context._replace(is_examiner=True)
    for kind, place in PLACES.items():
        for method in VERBS[kind]:
            assert channel.cosem(method, place)[:2] == (404, "command.resource")
    assert channel.cosem("PUT", address(meter_profile()), told_as(meter_profile(2)))[:2] == (404, "command.resource")
    assert channel.journal.profiles("meter") == [meter_profile()]


@pytest.mark.req("LIFE-09")
def test_what_the_phase_of_life_forbids_is_refused_and_changes_nothing(channel: CosemChannel) -> None:
    asked: list[Action] = []

    def never(action: Action) -> None:
        asked.append(action)
        raise DomainFault("lifecycle.phase", action)

    channel.context = channel.context._replace(allows=never)
    for profile in all_profiles():
        assert channel.put_object(profile)[:2] == (409, "lifecycle.phase")
    assert channel.invoke(TASKS, 2, {"partner": "emt1.sm", "ordered_by": "a"})[:2] == (500, "lifecycle.phase")
    assert channel.cosem("PUT", f"{WAKE_UP}/attributes/2", Attribute(2, json_value({"port": 1})))[:2] == (409, "lifecycle.phase")
    assert channel.invoke(TASKS, 1).status == 202
    assert set(asked) == {Action.INSTALL_PROFILE, Action.OBEY_ORDER}
    assert [channel.journal.profiles(kind) for kind in ("meter", "communication", "consumer", "evaluation")] == [[]] * 4


@pytest.mark.req("STATE-01")
def test_a_state_that_does_not_obey_says_so(channel: CosemChannel) -> None:
    channel.state = State.BOOT
    for method, place in (("GET", "ldevs"), ("PUT", WAKE_UP), ("POST", f"{TASKS}/methods/1"), ("DELETE", METER)):
        assert channel.cosem(method, place)[:2] == (400, "state.refused")


def test_a_name_like_the_tree_s_elsewhere_is_nothing(channel: CosemChannel) -> None:
    for resource in ("/smgw/gwa/v1/cosem", "/cosem", "/cosem/", "/COSEM/ldevs", "/poc/cosem/ldevs", "cosem/ldevs"):
        answer = channel.ask(msgspec.structs.replace(channel.cosem_command("GET", "ldevs"), resource=resource))
        assert (answer.status, answer.code) == (404, "command.resource")


def test_a_reading_is_named_down_to_its_object() -> None:
    assert subject_of("/cosem/ldevs") == "cosem/ldevs"
    assert subject_of(f"/cosem/{SYSTEM_LOG}/attributes/2?sa.count=1") == f"cosem/{SYSTEM_LOG}"


# anything at all

_WORDS = st.sampled_from([
    "ldevs", "esgw0000000001.sm", "1sgw0010000001.sm", "objects", "7-0000636200ff", "32808-0080020000ff", "32806-0080040000ff",
    "attributes", "methods", "1", "2", "-1", "containers", "a", "", "..", "?", "sa.count=1", "q.depth=9", "&", "%",
])  # fmt: skip
_TARGETS = st.lists(_WORDS, max_size=9).map("/".join) | st.sampled_from(sorted(PLACES.values())) | st.text(max_size=60)
_XML = st.sampled_from([encode_document(one).decode() for one in DOCUMENTS]) | st.text(max_size=200) | st.just("")


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(METHODS), _TARGETS, _XML, st.text(max_size=20), st.text(max_size=20))
def test_whatever_comes_is_answered_or_refused(channel: CosemChannel, method: str, target: str, xml: str, accept: str, wanted: str) -> None:
    body = msgspec.json.encode(CosemRequest(xml, accept if len(accept) > 10 else "", wanted if len(wanted) > 10 else ""))
    command = msgspec.structs.replace(channel.command(method, ""), resource=f"/cosem/{target}", body=msgspec.Raw(body))
    try:
        outcome = obey_cosem(channel.context, Call(command, (), (), b"", channel.clock.now()))
    except (PeerFault, DomainFault) as fault:
        assert status_of(fault) in (400, 404, 405, 406, 409, 413, 414, 416, 501)
    except SmgwError as fault:
        raise AssertionError(fault.code) from fault
    else:
        assert outcome.status in (200, 201, 202, 206, 500)
        text = getattr(outcome.body, "xml", "")
        assert outcome.status == 206 or not text or decode_document(text.encode()) is not None


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(sorted(PLACES.values())), st.sampled_from(DOCUMENTS), st.sampled_from(["PUT", "POST"]))
def test_any_document_at_any_place_changes_nothing_it_may_not(channel: CosemChannel, place: str, document: object, method: str) -> None:
    channel.cosem(method, place, document)  # type: ignore[arg-type]
    assert [channel.journal.profiles(kind) for kind in ("meter", "communication", "consumer", "evaluation")] == [[]] * 4
    assert channel.journal.get_state("wake_up_settings") is None


def test_a_call_is_no_reading(channel: CosemChannel) -> None:
    channel.cosem("POST", f"{TASKS}/methods/1", MethodCall())
    assert "administrator_read" not in channel.events()
