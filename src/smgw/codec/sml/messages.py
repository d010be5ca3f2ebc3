"""The SML messages as frozen values.

Octet strings are `bytes`: an empty required one is `b""`, an absent optional element is `None` (both are the same octet on
the wire). Integers are exact; scaler (power of ten) and unit (DLMS code) stand apart.

Source: SML 1.03, chapter of the messages; BSI TR-03109-1 Anlage IVb; MEAS-01, MEAS-03.
"""

from enum import IntEnum
from typing import TypeAlias

import msgspec
from msgspec import Struct


class TimeKind(IntEnum):
    """Say what the seconds of an `SmlTime` count.

    UNTAGGED is a deviation: HOLLEY DTZ541 sends the bare number without saying which kind it is.
    """

    UNTAGGED = 0
    SEC_INDEX = 1
    TIMESTAMP = 2
    LOCAL_TIMESTAMP = 3


class SmlTime(Struct, frozen=True, gc=False):
    """Hold a meter's time.

    `seconds` counts from the meter's start (SEC_INDEX) or from 1970-01-01 UTC (both timestamps), 0…2³²-1. The offsets are
    minutes, -32768…32767, and are sent with LOCAL_TIMESTAMP alone: local to UTC, and daylight saving to local.
    """

    kind: TimeKind
    seconds: int
    local_offset: int = 0
    season_offset: int = 0


Value: TypeAlias = int | bool | bytes | SmlTime | None
"""An SML_Value; `None` is an element without content, as some meters send in a list."""


def integer_format(value: int) -> int:
    """Give the type-length octet of the smallest usual form (1, 2, 4, 8 octets): unsigned, or signed when negative."""
    for width in (1, 2, 4, 8):
        if value >= 0 and value < 1 << 8 * width:
            return 0x61 + width
        if value < 0 and value >= -(1 << 8 * width - 1):
            return 0x51 + width
    return 0


class ListEntry(Struct, frozen=True, gc=False):
    """Hold one value of a list: SML_ListEntry.

    `obis` is the raw objName, six octets as a rule. `value_format` is the type-length octet of an integer value
    (0x52…0x59 signed, 0x62…0x69 unsigned of 1…8 octets), else 0; left out, the smallest usual form is taken.
    """

    obis: bytes
    status: int | None = None
    val_time: SmlTime | None = None
    unit: int | None = None
    scaler: int | None = None
    value: Value = None
    signature: bytes | None = None
    value_format: int = 0

    def __post_init__(self) -> None:
        if not self.value_format and isinstance(self.value, int) and not isinstance(self.value, bool):
            msgspec.structs.force_setattr(self, "value_format", integer_format(self.value))


class PeriodEntry(Struct, frozen=True, gc=False):
    """Hold one value of a billing period: SML_PeriodEntry."""

    obis: bytes
    unit: int
    scaler: int
    value: Value
    signature: bytes | None = None


class TupleEntry(Struct, frozen=True, gc=False):
    """Hold energy and power of all four quadrants at one moment: SML_TupelEntry.

    P is active, R1…R4 reactive by quadrant; `plus` is import, `minus` export. Values are signed 64 bit.
    """

    server_id: bytes
    sec_index: SmlTime
    status: int
    unit_plus_p: int
    scaler_plus_p: int
    value_plus_p: int
    unit_r1: int
    scaler_r1: int
    value_r1: int
    unit_r4: int
    scaler_r4: int
    value_r4: int
    signature_plus: bytes
    unit_minus_p: int
    scaler_minus_p: int
    value_minus_p: int
    unit_r2: int
    scaler_r2: int
    value_r2: int
    unit_r3: int
    scaler_r3: int
    value_r3: int
    signature_minus: bytes


class ParameterChoice(IntEnum):
    """Name the alternatives of SML_ProcParValue."""

    VALUE = 1
    PERIOD_ENTRY = 2
    TUPLE_ENTRY = 3
    TIME = 4
    LIST_ENTRY = 5


ParameterContent: TypeAlias = int | bool | bytes | SmlTime | PeriodEntry | TupleEntry | ListEntry | None


class ParameterValue(Struct, frozen=True, gc=False):
    """Hold the value of a parameter: SML_ProcParValue."""

    choice: ParameterChoice
    content: ParameterContent


class Tree(Struct, frozen=True, gc=False):
    """Hold a parameter with its children: SML_Tree."""

    name: bytes
    value: ParameterValue | None = None
    children: "tuple[Tree, ...] | None" = None


Path: TypeAlias = tuple[bytes, ...]
"""SML_TreePath: the parameter names from the root down."""


class ProfileHeader(Struct, frozen=True, gc=False):
    """Name a column of a profile: SML_ProfObjHeaderEntry."""

    obis: bytes
    unit: int
    scaler: int


class ProfileValue(Struct, frozen=True, gc=False):
    """Hold one cell of a profile: SML_ValueEntry."""

    value: Value
    signature: bytes | None = None


class ProfilePeriod(Struct, frozen=True, gc=False):
    """Hold one row of a profile: SML_ProfObjPeriodEntry; values in the order of the header."""

    val_time: SmlTime | None
    status: int
    values: tuple[ProfileValue, ...]
    signature: bytes | None = None


class _Request(Struct, frozen=True, gc=False):
    """Keep the password out of every printed form."""

    def __repr__(self) -> str:
        shown = (
            f"{name}={'…' if name == 'password' and value else repr(value)}"
            for name in self.__struct_fields__
            for value in (getattr(self, name),)
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class PublicOpenRequest(_Request, frozen=True, gc=False):
    """Open a file of requests: SML_PublicOpen.Req."""

    client_id: bytes
    req_file_id: bytes
    server_id: bytes | None = None
    username: bytes | None = None
    password: bytes | None = None
    codepage: bytes | None = None
    sml_version: int | None = None


class PublicOpenResponse(Struct, frozen=True, gc=False):
    """Open a file of responses: SML_PublicOpen.Res."""

    req_file_id: bytes
    server_id: bytes
    client_id: bytes | None = None
    ref_time: SmlTime | None = None
    codepage: bytes | None = None
    sml_version: int | None = None


class PublicCloseRequest(Struct, frozen=True, gc=False):
    """Close a file of requests: SML_PublicClose.Req."""

    global_signature: bytes | None = None


class PublicCloseResponse(Struct, frozen=True, gc=False):
    """Close a file of responses: SML_PublicClose.Res."""

    global_signature: bytes | None = None


class GetProfilePackRequest(_Request, frozen=True, gc=False):
    """Ask for a profile with one header for all rows: SML_GetProfilePack.Req."""

    parameter_path: Path
    server_id: bytes | None = None
    username: bytes | None = None
    password: bytes | None = None
    with_raw_data: bool | None = None
    begin: SmlTime | None = None
    end: SmlTime | None = None
    objects: tuple[bytes, ...] | None = None
    details: Tree | None = None


class GetProfilePackResponse(Struct, frozen=True, gc=False):
    """Give a profile with one header for all rows: SML_GetProfilePack.Res; `register_period` in seconds."""

    server_id: bytes
    act_time: SmlTime
    register_period: int
    parameter_path: Path
    headers: tuple[ProfileHeader, ...]
    periods: tuple[ProfilePeriod, ...]
    raw_data: bytes | None = None
    signature: bytes | None = None


class GetProfileListRequest(_Request, frozen=True, gc=False):
    """Ask for a profile row by row: SML_GetProfileList.Req."""

    parameter_path: Path
    server_id: bytes | None = None
    username: bytes | None = None
    password: bytes | None = None
    with_raw_data: bool | None = None
    begin: SmlTime | None = None
    end: SmlTime | None = None
    objects: tuple[bytes, ...] | None = None
    details: Tree | None = None


class GetProfileListResponse(Struct, frozen=True, gc=False):
    """Give one row of a profile: SML_GetProfileList.Res; `register_period` in seconds."""

    server_id: bytes
    act_time: SmlTime
    register_period: int
    parameter_path: Path
    val_time: SmlTime
    status: int
    entries: tuple[PeriodEntry, ...]
    raw_data: bytes | None = None
    signature: bytes | None = None


class GetProcParameterRequest(_Request, frozen=True, gc=False):
    """Ask for a parameter: SML_GetProcParameter.Req."""

    parameter_path: Path
    server_id: bytes | None = None
    username: bytes | None = None
    password: bytes | None = None
    attribute: bytes | None = None


class GetProcParameterResponse(Struct, frozen=True, gc=False):
    """Give a parameter: SML_GetProcParameter.Res."""

    server_id: bytes
    parameter_path: Path
    tree: Tree


class SetProcParameterRequest(_Request, frozen=True, gc=False):
    """Set a parameter: SML_SetProcParameter.Req; answered by an `AttentionResponse`."""

    parameter_path: Path
    tree: Tree
    server_id: bytes | None = None
    username: bytes | None = None
    password: bytes | None = None


class GetListRequest(_Request, frozen=True, gc=False):
    """Ask for a list of current values: SML_GetList.Req."""

    client_id: bytes
    server_id: bytes | None = None
    username: bytes | None = None
    password: bytes | None = None
    list_name: bytes | None = None


class GetListResponse(Struct, frozen=True, gc=False):
    """Give a list of current values: SML_GetList.Res. Signatures are opaque octets."""

    server_id: bytes
    entries: tuple[ListEntry, ...]
    client_id: bytes | None = None
    list_name: bytes | None = None
    act_sensor_time: SmlTime | None = None
    list_signature: bytes | None = None
    act_gateway_time: SmlTime | None = None


class AttentionResponse(Struct, frozen=True, gc=False):
    """Say that a request failed, or that it succeeded without content: SML_Attention.Res.

    `number` is the error as six octets, 81 81 C7 C7 FE xx for the ones of the norm.
    """

    server_id: bytes
    number: bytes
    text: bytes | None = None
    details: Tree | None = None


Body: TypeAlias = (
    PublicOpenRequest
    | PublicOpenResponse
    | PublicCloseRequest
    | PublicCloseResponse
    | GetProfilePackRequest
    | GetProfilePackResponse
    | GetProfileListRequest
    | GetProfileListResponse
    | GetProcParameterRequest
    | GetProcParameterResponse
    | SetProcParameterRequest
    | GetListRequest
    | GetListResponse
    | AttentionResponse
)


class SmlMessage(Struct, frozen=True, gc=False):
    """Hold one message: SML_Message without its checksum.

    Messages of one `group_no` may be handled in any order; `abort_on_error` says what becomes of the rest of the file
    when this one fails (0 go on, 1 next group, 2 stop after this group, 255 stop at once).
    """

    transaction_id: bytes
    body: Body
    group_no: int = 0
    abort_on_error: int = 0
