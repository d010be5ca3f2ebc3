import pytest
from tests.codec.sml.samples import ENTRIES, IMPORT, METER_FILE, OPEN_RESPONSE, SECONDS, SERVER_ID, messages

from smgw.codec.sml import (
    AttentionResponse,
    Checksum,
    GetListResponse,
    GetProfileListResponse,
    ListEntry,
    PublicCloseResponse,
    PublicOpenResponse,
    SmlMessage,
    SmlTime,
    TimeKind,
    decode_frame,
    encode_frame,
    encode_messages,
)
from smgw.core.errors import UsageError


def list_of(entry: ListEntry) -> tuple[SmlMessage, ...]:
    return messages(GetListResponse(b"S", (entry,)))


@pytest.mark.parametrize(
    "file",
    [
        list_of(ListEntry(IMPORT, value=2**64)),
        list_of(ListEntry(IMPORT, value=-(2**63) - 1)),
        list_of(ListEntry(IMPORT, value=256, value_format=0x62)),
        list_of(ListEntry(IMPORT, value=-1, value_format=0x65)),
        list_of(ListEntry(IMPORT, value=1, value_format=0x07)),
        list_of(ListEntry(IMPORT, value=1, value_format=0x6A)),
        list_of(ListEntry(IMPORT, value=1, value_format=0x161)),
        list_of(ListEntry(IMPORT, status=2**64)),
        list_of(ListEntry(IMPORT, status=-1)),
        list_of(ListEntry(IMPORT, unit=256)),
        list_of(ListEntry(IMPORT, scaler=-129)),
        list_of(ListEntry(IMPORT, val_time=SmlTime(TimeKind.SEC_INDEX, 2**32))),
        list_of(ListEntry(IMPORT, val_time=SmlTime(TimeKind.LOCAL_TIMESTAMP, 0, 40_000))),
        list_of(ListEntry(IMPORT, signature=bytes(70_000))),
        messages(PublicOpenResponse(b"1", None)),  # type: ignore[arg-type]
        messages(GetProfileListResponse(b"S", None, 1, (), SmlTime(TimeKind.TIMESTAMP, 0), 0, ())),  # type: ignore[arg-type]
        (SmlMessage(b"1", AttentionResponse(b"S", b""), group_no=256),),
    ],
)
def test_what_no_element_can_hold(file: tuple[SmlMessage, ...]) -> None:
    with pytest.raises(UsageError, match=r"sml\.encode"):
        encode_messages(file)


def test_the_octets_stay_the_same() -> None:
    """Whoever changes the encoder sees it here."""
    file = messages(OPEN_RESPONSE, GetListResponse(SERVER_ID, ENTRIES[2:5], act_sensor_time=SECONDS), PublicCloseResponse())
    golden = bytes.fromhex(
        "1b1b1b1b01010101760400000062006200726500000101760107636c69656e740766696c652d310b0a01534d470000bc614e72620165017162a8"
        "620163efbd0076040000016200620072650000070177010b0a01534d470000bc614e0172620165017162a87377070100010800ff65001c010472"
        "620165017162a8621e52ff6501677c7a0177070100020800ff01726202656ab13b80621e52ff6900000000000000110177070100100700ff0101"
        "621b520053fe88010101639588007604000002620062007265000002017101634526000000001b1b1b1b1a039f25"
    )
    assert encode_frame(file) == golden
    assert decode_frame(golden) == file


@pytest.mark.parametrize("checksum", Checksum)
def test_written_values_keep_their_form(checksum: Checksum) -> None:
    frame = encode_frame(METER_FILE, checksum=checksum)
    assert encode_frame(decode_frame(frame, checksum=checksum), checksum=checksum) == frame
    assert len(frame) % 4 == 0


def test_the_encoder_writes_any_order() -> None:
    """Meters and their faults are simulated with it; only the decoder holds files to their rule."""
    assert encode_frame(METER_FILE[:1])
    assert encode_frame([])
