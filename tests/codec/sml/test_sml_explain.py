import pytest
from tests.codec.sml.samples import (
    METER_FILE,
    METER_FRAME,
    RAW_CLOSE,
    RAW_OPEN,
    REQUEST_FILE,
    RESPONSE_FILE,
    raw_frame,
    raw_list,
    raw_message,
)

from smgw.codec.explain import Explained
from smgw.codec.sml import Checksum, encode_frame, explain
from smgw.codec.sml.transport import ESCAPE

REQUEST_FRAME = encode_frame(REQUEST_FILE)
RESPONSE_FRAME = encode_frame(RESPONSE_FILE)


def covering(frame: bytes, checksum: Checksum = Checksum.X25) -> list[Explained]:
    """Explain a frame and check that the lines cover it without gap or overlap."""
    lines = list(explain(frame, checksum=checksum))
    position = 0
    for line in lines:
        if line.length:
            assert line.offset == position
            position += line.length
        else:
            assert line is lines[-1]
            assert line.meaning.startswith("FAULT")
    assert position == len(frame)
    return lines


def texts(frame: bytes) -> list[str]:
    return [line.meaning for line in covering(frame)]


@pytest.mark.parametrize("frame", [METER_FRAME, RESPONSE_FRAME, REQUEST_FRAME], ids=["meter", "responses", "requests"])
def test_good_frames_are_explained_to_the_last_octet(frame: bytes) -> None:
    lines = covering(frame)
    assert not any("not understood" in line.meaning or line.meaning.startswith(("FAULT", "element")) for line in lines)
    assert lines[-1].meaning.endswith("right")


def test_elements_have_the_names_of_the_norm() -> None:
    found = covering(METER_FRAME)
    meanings = [line.meaning for line in found]
    for meaning in (
        "messageBody tag: 0701 (SML_GetList.Res)",
        "objName: 1-0:1.8.0*255",
        "status: 1835268 (0x1c0104)",
        "secIndex: 24208040 s since the meter's start",
        "timestamp: 1790000000 (2026-09-21T14:13:20Z)",
        "unit: 30 (Wh)",
        "scaler: -1 (times 10^-1)",
        "value: 23559290 (unsigned 32 bit) = 2355929.0 Wh",
        "value: -376 (signed 16 bit) = -376 W",
        "value: 53 4d 47 ('SMG')",
        "valTime: 77 s (deviation: the kind of time is not sent)",
        "valueSignature: absent",
        f"number of fill octets: {METER_FRAME[-3]}",
    ):
        assert meaning in meanings
    entry = next(line for line in found if line.meaning == "SML_ListEntry: list of 7")
    assert (entry.depth, entry.clause) == (4, "SML_ListEntry")


def test_rare_elements() -> None:
    found = texts(RESPONSE_FRAME)
    for meaning in (
        "attentionNo: 81 81 c7 c7 fe 02 (user name or password is wrong or not enough)",
        "local offset: 60 min",
        "season offset: -60 min",
        "value: true",
        "regPeriod: 900",
        "value_pA: 1",
        "valueSignature: " + " ".join(["73"] * 32) + " … (64 octets)",
    ):
        assert meaning in found


def test_passwords_are_not_shown() -> None:
    found = texts(REQUEST_FRAME)
    assert "password: 6 octets, not shown" in found
    assert not any("secret" in meaning or b"secret".hex(" ") in meaning for meaning in found)


def test_checksums_are_judged() -> None:
    payload = bytearray(METER_FRAME)
    payload[20] ^= 1
    found = texts(bytes(payload))
    assert sum(", wrong, " in meaning for meaning in found) == 2
    assert found[-1].startswith("FAULT sml.transport_crc")
    kermit = encode_frame(METER_FILE, checksum=Checksum.KERMIT)
    assert not any("wrong" in line.meaning for line in covering(kermit, Checksum.KERMIT))


@pytest.mark.parametrize("frame", [METER_FRAME, RESPONSE_FRAME, REQUEST_FRAME], ids=["meter", "responses", "requests"])
def test_frames_cut_anywhere(frame: bytes) -> None:
    for end in range(len(frame)):
        assert covering(frame[:end])[-1].meaning.startswith("FAULT sml.framing")


def test_frames_with_any_octet_changed() -> None:
    for place in range(len(METER_FRAME)):
        for change in (0x01, 0x10, 0x80, 0xFF):
            broken = bytearray(METER_FRAME)
            broken[place] ^= change
            assert covering(bytes(broken))[-1].meaning.startswith("FAULT sml.")


@pytest.mark.parametrize(
    ("frame", "meanings"),
    [
        (b"garbage", ["not understood: no start sequence", "FAULT sml.framing: no start sequence"]),
        (b"", ["FAULT sml.framing: no start sequence"]),
        (METER_FRAME + b"xy", ["not understood: octets behind the end", "FAULT sml.framing: octets behind the end of the frame"]),
        (
            METER_FRAME[:8] + METER_FRAME,
            ["not understood: neither data nor end of the frame", "FAULT sml.framing: a new frame starts inside"],
        ),
    ],
)
def test_what_is_not_a_frame(frame: bytes, meanings: list[str]) -> None:
    assert texts(frame)[-len(meanings) :] == meanings


def test_unknown_content_keeps_its_types() -> None:
    name = "07 0100010800ff"
    odd = [
        raw_message(bytes.fromhex("72 63 0909 72 6201 42 01")),
        raw_list(f"77 {name} 01 72 6209 6201 6507ffffff 65 0fffffff 72 6207 01 01"),
        raw_list(f"78 {name} 01 01 621e 5200 01 01 01"),
        raw_message(bytes.fromhex("72 63 0501 73 01 71 42 00 73 01 72 6209 01 70")),
        raw_message(bytes.fromhex("01")),
    ]
    for message in odd:
        found = texts(raw_frame(RAW_OPEN, message, RAW_CLOSE))
        assert not any("not understood" in meaning for meaning in found)
        assert found[-1].startswith("FAULT sml.s")


def test_a_scaler_that_is_none_scales_nothing() -> None:
    found = texts(raw_frame(RAW_OPEN, raw_list("77 07 0100010800ff 01 01 62ff 590fffffffffffffff 6207 01"), RAW_CLOSE))
    assert "value: 7 (unsigned 8 bit)" in found


def test_escapes_inside_and_fill_that_is_not_zero() -> None:
    frame = raw_frame(RAW_OPEN, raw_list("77 07 0100010800ff 01 01 01 01 05 1b1b1b1b 01"), RAW_CLOSE)
    line = next(line for line in covering(frame) if line.meaning == "value: 1b 1b 1b 1b")
    assert frame[line.offset : line.offset + line.length] == b"\x05" + ESCAPE * 2
    fill = frame[-3]
    assert fill
    odd = frame[: -8 - fill] + b"\x07" * fill + frame[-8:-2]
    found = texts(odd + Checksum.X25.of(odd).to_bytes(2, "big"))
    assert "fill octets, not zero" in found
    assert found[-1].endswith("right")


def test_nesting_is_bounded() -> None:
    frame = raw_frame(RAW_OPEN, b"\x71" * 5000, RAW_CLOSE)
    assert any("nested too deep" in meaning for meaning in texts(frame))
