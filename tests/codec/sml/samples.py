"""SML files of an invented meter, one for each message, and a way to build wrong ones whose checksums are right."""

from smgw.codec.sml import (
    AttentionResponse,
    Body,
    Checksum,
    GetListRequest,
    GetListResponse,
    GetProcParameterRequest,
    GetProcParameterResponse,
    GetProfileListRequest,
    GetProfileListResponse,
    GetProfilePackRequest,
    GetProfilePackResponse,
    ListEntry,
    ParameterChoice,
    ParameterValue,
    PeriodEntry,
    ProfileHeader,
    ProfilePeriod,
    ProfileValue,
    PublicCloseRequest,
    PublicCloseResponse,
    PublicOpenRequest,
    PublicOpenResponse,
    SetProcParameterRequest,
    SmlMessage,
    SmlTime,
    TimeKind,
    Tree,
    TupleEntry,
    encode_frame,
)
from smgw.codec.sml.transport import build_frame

SERVER_ID = bytes.fromhex("0a01534d470000bc614e")
IMPORT = bytes.fromhex("0100010800ff")
EXPORT = bytes.fromhex("0100020800ff")
POWER = bytes.fromhex("0100100700ff")
PROFILE = bytes.fromhex("8181c78610ff")

SECONDS = SmlTime(TimeKind.SEC_INDEX, 24_208_040)
TIMESTAMP = SmlTime(TimeKind.TIMESTAMP, 1_790_000_000)
LOCAL = SmlTime(TimeKind.LOCAL_TIMESTAMP, 1_790_000_000, 60, -60)
UNTAGGED = SmlTime(TimeKind.UNTAGGED, 77)

ENTRIES = (
    ListEntry(bytes.fromhex("010060320101"), value=b"SMG"),
    ListEntry(bytes.fromhex("0100600100ff"), value=SERVER_ID),
    ListEntry(IMPORT, 0x1C0104, SECONDS, 30, -1, 23_559_290),
    ListEntry(EXPORT, None, TIMESTAMP, 30, -1, 17, value_format=0x69),
    ListEntry(POWER, None, None, 27, 0, -376),
    ListEntry(bytes.fromhex("0100240700ff"), 0x80, UNTAGGED, 27, -2, 5, value_format=0x55),
    ListEntry(bytes.fromhex("8181c78205ff"), value=bytes(range(48))),
    ListEntry(bytes.fromhex("0100600500ff"), value=True),
    ListEntry(bytes.fromhex("0100600501ff")),
    ListEntry(bytes.fromhex("010000090bff"), None, LOCAL, None, None, LOCAL),
    ListEntry(b"ab", value=b"x" * 300, signature=b"s" * 64),
)

TREE = Tree(
    PROFILE,
    ParameterValue(ParameterChoice.VALUE, 900),
    (
        Tree(b"\x01" * 6, ParameterValue(ParameterChoice.TIME, TIMESTAMP)),
        Tree(b"\x02" * 6, ParameterValue(ParameterChoice.PERIOD_ENTRY, PeriodEntry(IMPORT, 30, -1, 12345, b"sig"))),
        Tree(b"\x03" * 6, ParameterValue(ParameterChoice.LIST_ENTRY, ENTRIES[2])),
        Tree(
            b"\x04" * 6,
            ParameterValue(
                ParameterChoice.TUPLE_ENTRY,
                TupleEntry(SERVER_ID, SECONDS, 4, 30, -1, 1, 32, 0, -2, 32, 0, 3, b"plus", 30, -1, 4, 32, 0, 5, 32, 0, -6, b"minus"),
            ),
        ),
        Tree(b"\x05" * 6, None, ()),
        Tree(b"\x06" * 6, ParameterValue(ParameterChoice.VALUE, None)),
    ),
)

OPEN_REQUEST = PublicOpenRequest(b"client", b"file-1", SERVER_ID, b"user", b"secret", b"ISO 8859-15", 1)
OPEN_RESPONSE = PublicOpenResponse(b"file-1", SERVER_ID, b"client", SECONDS, None, 1)
LIST_RESPONSE = GetListResponse(SERVER_ID, ENTRIES, None, bytes.fromhex("0100620affff"), SECONDS, b"list signature", TIMESTAMP)

REQUESTS: tuple[Body, ...] = (
    GetListRequest(b"client", SERVER_ID, b"user", b"secret", b"list"),
    GetProcParameterRequest((PROFILE, IMPORT), SERVER_ID, b"user", b"secret", b"attribute"),
    SetProcParameterRequest((PROFILE,), TREE, SERVER_ID, b"user", b"secret"),
    GetProfilePackRequest((PROFILE,), SERVER_ID, b"user", b"secret", True, TIMESTAMP, LOCAL, (IMPORT, EXPORT), TREE),
    GetProfileListRequest((PROFILE,), with_raw_data=False),
)
RESPONSES: tuple[Body, ...] = (
    LIST_RESPONSE,
    GetProcParameterResponse(SERVER_ID, (PROFILE,), TREE),
    GetProfilePackResponse(
        SERVER_ID,
        TIMESTAMP,
        900,
        (PROFILE,),
        (ProfileHeader(IMPORT, 30, -1), ProfileHeader(EXPORT, 30, -1)),
        (
            ProfilePeriod(TIMESTAMP, 4, (ProfileValue(100), ProfileValue(7, b"sig")), b"row"),
            ProfilePeriod(None, 0, (ProfileValue(None), ProfileValue(-7))),
        ),
        b"raw",
        b"profile",
    ),
    GetProfileListResponse(
        SERVER_ID,
        TIMESTAMP,
        900,
        (PROFILE,),
        LOCAL,
        0x1FFFFFFFF,
        (PeriodEntry(IMPORT, 30, -1, 2**64 - 1), PeriodEntry(POWER, 27, 0, -(2**63))),
        b"raw",
    ),
    AttentionResponse(SERVER_ID, bytes.fromhex("8181c7c7fe02"), b"no", TREE),
)


def messages(*bodies: Body) -> tuple[SmlMessage, ...]:
    """Number some bodies as the messages of one file."""
    return tuple(SmlMessage(bytes((0, 0, number)), body) for number, body in enumerate(bodies))


RESPONSE_FILE = messages(OPEN_RESPONSE, *RESPONSES, PublicCloseResponse(b"global"))
REQUEST_FILE = messages(OPEN_REQUEST, *REQUESTS, PublicCloseRequest())
METER_FILE = messages(OPEN_RESPONSE, GetListResponse(SERVER_ID, ENTRIES[:6], act_sensor_time=SECONDS), PublicCloseResponse())
"""What a meter pushes every few seconds."""

METER_FRAME = encode_frame(METER_FILE)


def raw_message(body: bytes, *, head: str = "7604000001 6200 6200", end: bytes = b"\x00") -> bytes:
    """Build a message from a written body; its checksum is right."""
    content = bytes.fromhex(head) + body
    return content + b"\x63" + Checksum.X25.of(content).to_bytes(2, "big") + end


def raw_frame(*parts: bytes) -> bytes:
    """Build a frame from written messages; its checksum is right."""
    return build_frame(b"".join(parts), Checksum.X25)


RAW_OPEN = raw_message(bytes.fromhex("7263 0101 76 01 01 0246 0253 01 01"))
RAW_CLOSE = raw_message(bytes.fromhex("7263 0201 71 01"))


def raw_list(*entries: str) -> bytes:
    """Build a list response from entries written in hex."""
    return raw_message(bytes.fromhex(f"7263 0701 77 01 0253 01 01 7{len(entries):x} {''.join(entries)} 01 01"))
