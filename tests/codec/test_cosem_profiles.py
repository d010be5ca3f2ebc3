"""Profiles as COSEM objects: one name for one profile, and what is told of it is what it is."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.gateway_parts import all_profiles, communication_profile, consumer_profile, evaluation_profile, meter_profile

from smgw.codec.cosem_elements import Attribute, CosemObject, decode_document, encode_document
from smgw.codec.cosem_profiles import (
    CONTENT,
    INSTALL_ORDER,
    KIND_OF_CLASS,
    MAPPING_VERSION,
    CosemClass,
    json_value,
    profile_device,
    profile_object,
    profile_object_name,
    profile_of,
    read_profile,
    text_value,
)
from smgw.codec.cosem_values import Value
from smgw.core.errors import PeerFault
from smgw.core.profiles import PROFILE_KINDS, Profile

pytestmark = pytest.mark.req("WAN-08", "ADM-02")


def test_names_are_for_ever() -> None:
    """A back end computes them; they never change."""
    named = {str(profile_object_name(one)) for one in (*all_profiles(), evaluation_profile(14))}
    assert named == {"32801-00800ffaf6d1", "32800-0080dac21f96", "32803-00800bced939", "32802-00801705dc58", "32804-0080ccd3330c"}


def test_every_kind_of_profile_has_its_class_and_its_turn() -> None:
    assert set(INSTALL_ORDER) == set(KIND_OF_CLASS.values()) == set(PROFILE_KINDS)


def test_a_profile_stands_on_the_device_it_is_about() -> None:
    devices = [profile_device(one, "ESGW0000000001") for one in all_profiles()]
    assert devices == ["esgw0000000001.sm", "1sgw0010000001.sm", "esgw0000000001.sm", "1sgw0010000001.sm"]


@pytest.mark.parametrize("profile", [*all_profiles(), evaluation_profile(9), meter_profile((1 << 63) - 1)])
def test_an_object_gives_its_profile_back(profile: Profile) -> None:
    told = profile_object(profile)
    assert profile_of(told) == profile
    assert decode_document(encode_document(told)) == told
    assert read_profile(told.name, json_value(profile)) == profile


@given(st.text(max_size=20))
def test_any_text_in_a_profile_comes_through_xml(text: str) -> None:
    profile = msgspec.structs.replace(meter_profile(), link=text.encode("utf-8", "replace").decode())
    told = decode_document(encode_document(profile_object(profile)))
    assert isinstance(told, CosemObject) and profile_of(told) == profile
    assert encode_document(Attribute(1, text_value(text))) is not None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (profile_object_name(meter_profile()), None),
        (profile_object_name(meter_profile()), Value("octet-string", b"{}")),
        (profile_object_name(meter_profile()), Value("UTF8-string", "{}")),
        (profile_object_name(meter_profile()), Value("UTF8-string", "[" * 100_000)),
        (profile_object_name(meter_profile()), json_value(consumer_profile())),
        (profile_object_name(consumer_profile()), json_value(consumer_profile("consumer2.sm"))),
        (profile_object_name(evaluation_profile(7)), json_value(evaluation_profile(10))),
        (profile_object_name(communication_profile())._replace(class_id=CosemClass.CLOCK), json_value(communication_profile())),
    ],
)
def test_what_is_not_the_profile_of_that_name_is_refused(name: object, content: Value | None) -> None:
    with pytest.raises(PeerFault, match=r"command\.profile"):
        read_profile(name, content)  # type: ignore[arg-type]


def test_what_is_told_beside_a_profile_must_be_so() -> None:
    told = profile_object(meter_profile())
    for wrong in (
        told._replace(version=MAPPING_VERSION + 1),
        told._replace(methods=(1,)),
        told._replace(attributes=None),
        told._replace(attributes=(*(told.attributes or ()), Attribute(9, Value("null-data")))),
        told._replace(attributes=(*(told.attributes or ())[:3], Attribute(4), (told.attributes or ())[4])),
    ):
        with pytest.raises(PeerFault, match=r"command\.profile"):
            profile_of(wrong)
    assert told.attributes is not None and told.attributes[-1].number == CONTENT
