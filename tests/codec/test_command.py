"""Commands and answers: read back as written, and everything else refused with a code."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.codec.command import (
    COMMAND_AGE,
    COMMAND_LIMIT,
    Answer,
    Command,
    check_fresh,
    decode_answer,
    decode_command,
    encode_answer,
    encode_command,
)
from smgw.core.errors import DecodeFault, LimitFault, PeerFault, Replay

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
COMMAND = Command(str(uuid4()), NOW, "ESGW0000000001", "PUT", "/smgw/gwa/v1/rts/meter/1", msgspec.Raw(b'{"a": 1}'))


def written(**changes: object) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(encode_command(COMMAND)), **changes})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"message_id": "' + b"[" * 1000 + b'"}',
        b"[" * 100_000,
        written(message_id="1"),
        written(message_id=str(uuid4()) + "\n"),
        written(message_id=str(uuid4()).upper() + "A"),
        written(method="PATCH"),
        written(created_at="yesterday"),
        written(created_at=5),
        written(recipient=None),
        written(resource="x" * 4001),
        written(colour="red"),
    ],
)
def test_what_is_no_command_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeFault, match=r"command\.structure"):
        decode_command(data)


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 100_000, b'{"status": "200"}', b"\x80"])
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeFault, match=r"command\.structure"):
        decode_answer(data)


@pytest.mark.parametrize("decode", [decode_command, decode_answer])
def test_what_is_too_large_is_refused_unread(decode: object) -> None:
    assert callable(decode)
    with pytest.raises(LimitFault, match=r"command\.size"):
        decode(b" " * (COMMAND_LIMIT + 1))


@given(st.binary(max_size=300))
def test_octets_cause_nothing_but_a_fault(data: bytes) -> None:
    for decode in (decode_command, decode_answer):
        with pytest.raises(PeerFault):
            decode(data)


@given(
    st.sampled_from(["GET", "PUT", "POST", "DELETE"]), st.text(max_size=200), st.recursive(st.none() | st.integers() | st.text(), st.lists)
)
def test_a_command_is_read_back(method: str, resource: str, body: object) -> None:
    try:
        raw = msgspec.Raw(msgspec.json.encode(body))
    except (UnicodeEncodeError, OverflowError):
        return
    command = msgspec.structs.replace(COMMAND, method=method, resource=resource.encode(errors="replace").decode(), body=raw)
    back = decode_command(encode_command(command))
    assert (back.message_id, back.created_at, back.recipient, back.method, back.resource) == (
        command.message_id,
        command.created_at,
        command.recipient,
        method,
        command.resource,
    )
    assert bytes(back.body) == bytes(raw)


def test_an_answer_is_read_back() -> None:
    answer = Answer(COMMAND.message_id, NOW, "ESGW0000000001", 409, "command.profile", msgspec.Raw(b"null"))
    back = decode_answer(encode_answer(answer))
    assert (back.status, back.code, bytes(back.body)) == (409, "command.profile", b"null")


def test_the_same_command_gives_the_same_octets() -> None:
    assert encode_command(COMMAND) == encode_command(decode_command(encode_command(COMMAND)))


@pytest.mark.req("WAN-08")
@pytest.mark.parametrize("age", [COMMAND_AGE + timedelta(microseconds=1), -COMMAND_AGE - timedelta(microseconds=1)])
def test_a_command_too_old_or_from_the_future_is_refused(age: timedelta) -> None:
    with pytest.raises(Replay, match=r"command\.age"):
        check_fresh(NOW - age, NOW)


@pytest.mark.req("WAN-08")
@pytest.mark.parametrize("age", [COMMAND_AGE, timedelta(), -COMMAND_AGE])
def test_a_command_of_ten_minutes_is_taken(age: timedelta) -> None:
    check_fresh((NOW - age).astimezone(timezone(timedelta(hours=5))), NOW)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(DecodeFault, match=r"command\.structure"):
        check_fresh(NOW.replace(tzinfo=None), NOW)
