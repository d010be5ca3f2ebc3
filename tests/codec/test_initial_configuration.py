"""The content of initial configuration files: what is written is read, and nothing else is."""

from datetime import UTC, datetime

import msgspec
import pytest

from smgw.codec.initial_configuration import (
    MAX_OCTETS,
    InitialConfiguration,
    decode_initial_configuration,
    encode_initial_configuration,
)
from smgw.core.errors import DecodeFault, LimitFault

pytestmark = pytest.mark.req("LIFE-05")

GOOD = InitialConfiguration(
    "ESGW0000000001", datetime(2026, 3, 1, tzinfo=UTC), "a.GWA", "gwa.example", 7001, 7002, b"tls", b"sig", b"enc", b"aut", (b"sub",)
)


def test_what_is_written_is_read() -> None:
    assert decode_initial_configuration(encode_initial_configuration(GOOD)) == GOOD
    assert list(GOOD.certificates) == ["TLS", "SIG", "ENC", "AUT"]


@pytest.mark.parametrize(
    "change",
    [
        {"format": "another"},
        {"host": ""},
        {"host": "a/b"},
        {"management_port": 0},
        {"time_port": 65_536},
        {"chain": []},
        {"chain": ["YQ=="] * 5},
        {"aut_certificate": ""},
        {"administrator": "x" * 65},
        {"created_at": "2026-03-01T00:00:00"},
        {"more": 1},
    ],
)
def test_what_breaks_the_form_is_refused(change: dict[str, object]) -> None:
    value = {**msgspec.json.decode(encode_initial_configuration(GOOD)), **change}
    with pytest.raises(DecodeFault, match=r"initial_configuration\.structure"):
        decode_initial_configuration(msgspec.json.encode(value))


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"{" * 5000])
def test_octets_that_are_no_file_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeFault, match=r"initial_configuration\.structure"):
        decode_initial_configuration(data)


def test_a_file_beyond_the_limit_is_not_read() -> None:
    with pytest.raises(LimitFault, match=r"initial_configuration\.size"):
        decode_initial_configuration(b" " * (MAX_OCTETS + 1))
