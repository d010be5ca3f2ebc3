"""Device ids: what is none is refused, each form of one id is another print of the same, and no two server ids fall together."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.core.errors import PeerFault
from smgw.core.identifiers import DeviceId, is_logical_name, meter_id_of, server_id_of

DEVICES = st.builds(
    DeviceId,
    medium=st.sampled_from("0123456789EFG"),
    manufacturer=st.text(string.ascii_uppercase, min_size=3, max_size=3),
    block=st.integers(0, 255),
    number=st.integers(0, 99_999_999),
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ESGW000000000",
        "ESGW00000000011",
        "AEMH0010599732",
        "1EM10010599732",
        "1EMHG010599732",
        "1EMH001059973X",
        "1eß0010599732",
        "1EMH００10599732",
        "1EMH0010599732\n1",
        "x" * 5000,
    ],
)
def test_what_is_no_device_id_is_refused(text: str) -> None:
    with pytest.raises(PeerFault, match=r"value\.device_id") as fault:
        DeviceId.parse(text)
    assert len(fault.value.detail) <= 40


@pytest.mark.req("LIFE-02")
@given(DEVICES)
def test_every_printed_form_is_read_back(device: DeviceId) -> None:
    for text in (str(device), device.printed, device.cosem_name, device.han_name, device.pki_name):
        assert DeviceId.parse(text) == device


@pytest.mark.req("LIFE-02")
def test_the_forms_of_the_specification() -> None:
    device = DeviceId.parse("1 EMH00 1059 9732")
    assert device.printed == "1 EMH00 1059 9732"
    gateway = DeviceId.parse("EBSI0012345678")
    assert (gateway.cosem_name, gateway.han_name, gateway.pki_name) == (
        "ebsi0012345678.sm",
        "ebsi0012345678.smgw",
        "EBSI0012345678.SMGW",
    )


@pytest.mark.req("WAN-04")
def test_the_octets_of_a_wake_up_packet() -> None:
    assert DeviceId("E", "BSI", 1, 12_345_678).to_wake_up().hex() == "0e4253490100bc614e"


@pytest.mark.req("LMN-02")
@given(DEVICES)
def test_a_server_id_of_a_device_shows_as_the_device(device: DeviceId) -> None:
    assert meter_id_of(server_id_of(device)) == str(device)
    assert meter_id_of(b"\x09" + server_id_of(device)[1:]) == str(device)


@pytest.mark.req("LMN-02")
def test_server_ids_of_the_specification() -> None:
    assert meter_id_of(bytes.fromhex("0a01445a47000282225e")) == "1DZG0042082910"
    assert server_id_of(DeviceId.parse("1DZG0042082910")).hex() == "0a01445a47000282225e"


@pytest.mark.req("LMN-02")
@pytest.mark.parametrize(
    "server_id",
    [
        b"",
        b"06EMH\x01\x00\x11\x22",
        bytes.fromhex("0a01445a4700ffffffff"),
        bytes.fromhex("0a01647a67000282225e"),
        bytes.fromhex("0a0b445a47000282225e"),
        bytes.fromhex("0aff445a47000282225e"),
        bytes.fromhex("0a01445a4700028222"),
    ],
    ids=["empty", "older layout", "number too large", "small letters", "no such medium", "no medium at all", "too short"],
)
def test_a_server_id_that_is_no_device_id_shows_as_hex(server_id: bytes) -> None:
    assert meter_id_of(server_id) == server_id.hex()


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_two_server_ids_fall_together_only_as_two_forms_of_one_device(first: bytes, second: bytes) -> None:
    if meter_id_of(first) == meter_id_of(second):
        assert first[1:] == second[1:]


@pytest.mark.parametrize(
    ("name", "good"), [("taf7-1.sm", True), ("0", True), ("Taf7", False), ("", False), (".sm", False), ("a" * 64, False)]
)
def test_logical_names(name: str, good: bool) -> None:
    assert is_logical_name(name) is good
