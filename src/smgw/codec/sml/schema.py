"""The shape of every SML structure as data: which elements, in which order, of which kind.

Decoder, encoder and dissection all read these tables; none of them knows a message by name.
"""

from enum import Enum, auto
from typing import NamedTuple

from msgspec import Struct

from smgw.codec.sml.messages import (
    AttentionResponse,
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
    PeriodEntry,
    ProfileHeader,
    ProfilePeriod,
    ProfileValue,
    PublicCloseRequest,
    PublicCloseResponse,
    PublicOpenRequest,
    PublicOpenResponse,
    SetProcParameterRequest,
    Tree,
    TupleEntry,
)


class Kind(Enum):
    """Name the kinds of elements."""

    OCTETS = auto()
    OBIS = auto()
    BOOLEAN = auto()
    UNSIGNED = auto()
    UNIT = auto()
    SIGNED = auto()
    TIME = auto()
    VALUE = auto()
    STRUCT = auto()
    STRUCTS = auto()
    OCTET_LIST = auto()
    PARAMETER_VALUE = auto()


class Field(NamedTuple):
    """Describe one element: attribute of the value, name in the norm, kind, and what belongs to the kind.

    `width` is the largest number of octets of an integer; `of` the structure inside.
    """

    attribute: str
    name: str
    kind: Kind
    optional: bool = False
    width: int = 0
    of: type[Struct] | None = None


def _octets(attribute: str, name: str) -> Field:
    return Field(attribute, name, Kind.OCTETS)


def _octets_opt(attribute: str, name: str) -> Field:
    return Field(attribute, name, Kind.OCTETS, optional=True)


def _unsigned(attribute: str, name: str, width: int, *, optional: bool = False) -> Field:
    return Field(attribute, name, Kind.UNSIGNED, optional, width)


def _time(attribute: str, name: str, *, optional: bool = False) -> Field:
    return Field(attribute, name, Kind.TIME, optional)


def _many(attribute: str, name: str, of: type[Struct]) -> Field:
    return Field(attribute, name, Kind.STRUCTS, of=of)


def _tree(attribute: str, name: str, *, optional: bool = False) -> Field:
    return Field(attribute, name, Kind.STRUCT, optional, of=Tree)


def _unit(attribute: str = "unit", name: str = "unit", *, optional: bool = False) -> Field:
    return Field(attribute, name, Kind.UNIT, optional, 1)


def _scaler(attribute: str = "scaler", name: str = "scaler", *, optional: bool = False) -> Field:
    return Field(attribute, name, Kind.SIGNED, optional, 1)


def _quadrant(attribute: str, name: str) -> tuple[Field, Field, Field]:
    value = Field(f"value_{attribute}", f"value_{name}", Kind.SIGNED, width=8)
    return _unit(f"unit_{attribute}", f"unit_{name}"), _scaler(f"scaler_{attribute}", f"scaler_{name}"), value


_OBJ_NAME = Field("obis", "objName", Kind.OBIS)
_VALUE = Field("value", "value", Kind.VALUE)
_SERVER = _octets("server_id", "serverId")
_PATH = Field("parameter_path", "parameterTreePath", Kind.OCTET_LIST)
_VALUE_SIGNATURE = _octets_opt("signature", "valueSignature")
_CREDENTIALS = (
    _octets_opt("server_id", "serverId"),
    _octets_opt("username", "username"),
    _octets_opt("password", "password"),
)
_PROFILE_REQUEST = (
    *_CREDENTIALS,
    Field("with_raw_data", "withRawdata", Kind.BOOLEAN, optional=True),
    _time("begin", "beginTime", optional=True),
    _time("end", "endTime", optional=True),
    _PATH,
    Field("objects", "object_List", Kind.OCTET_LIST, optional=True),
    _tree("details", "dasDetails", optional=True),
)

SCHEMAS: dict[type[Struct], tuple[Field, ...]] = {
    PublicOpenRequest: (
        _octets_opt("codepage", "codepage"),
        _octets("client_id", "clientId"),
        _octets("req_file_id", "reqFileId"),
        *_CREDENTIALS,
        _unsigned("sml_version", "smlVersion", 1, optional=True),
    ),
    PublicOpenResponse: (
        _octets_opt("codepage", "codepage"),
        _octets_opt("client_id", "clientId"),
        _octets("req_file_id", "reqFileId"),
        _SERVER,
        _time("ref_time", "refTime", optional=True),
        _unsigned("sml_version", "smlVersion", 1, optional=True),
    ),
    PublicCloseRequest: (_octets_opt("global_signature", "globalSignature"),),
    PublicCloseResponse: (_octets_opt("global_signature", "globalSignature"),),
    GetProfilePackRequest: _PROFILE_REQUEST,
    GetProfilePackResponse: (
        _SERVER,
        _time("act_time", "actTime"),
        _unsigned("register_period", "regPeriod", 4),
        _PATH,
        _many("headers", "header_List", ProfileHeader),
        _many("periods", "period_List", ProfilePeriod),
        _octets_opt("raw_data", "rawdata"),
        _octets_opt("signature", "profileSignature"),
    ),
    GetProfileListRequest: _PROFILE_REQUEST,
    GetProfileListResponse: (
        _SERVER,
        _time("act_time", "actTime"),
        _unsigned("register_period", "regPeriod", 4),
        _PATH,
        _time("val_time", "valTime"),
        _unsigned("status", "status", 8),
        _many("entries", "period_List", PeriodEntry),
        _octets_opt("raw_data", "rawdata"),
        _octets_opt("signature", "periodSignature"),
    ),
    GetProcParameterRequest: (*_CREDENTIALS, _PATH, _octets_opt("attribute", "attribute")),
    GetProcParameterResponse: (_SERVER, _PATH, _tree("tree", "parameterTree")),
    SetProcParameterRequest: (*_CREDENTIALS, _PATH, _tree("tree", "parameterTree")),
    GetListRequest: (_octets("client_id", "clientId"), *_CREDENTIALS, _octets_opt("list_name", "listName")),
    GetListResponse: (
        _octets_opt("client_id", "clientId"),
        _SERVER,
        _octets_opt("list_name", "listName"),
        _time("act_sensor_time", "actSensorTime", optional=True),
        _many("entries", "valList", ListEntry),
        _octets_opt("list_signature", "listSignature"),
        _time("act_gateway_time", "actGatewayTime", optional=True),
    ),
    AttentionResponse: (
        _SERVER,
        _octets("number", "attentionNo"),
        _octets_opt("text", "attentionMsg"),
        _tree("details", "attentionDetails", optional=True),
    ),
    ListEntry: (
        _OBJ_NAME,
        _unsigned("status", "status", 8, optional=True),
        _time("val_time", "valTime", optional=True),
        _unit(optional=True),
        _scaler(optional=True),
        _VALUE,
        _VALUE_SIGNATURE,
    ),
    PeriodEntry: (_OBJ_NAME, _unit(), _scaler(), _VALUE, _VALUE_SIGNATURE),
    ProfileHeader: (_OBJ_NAME, _unit(), _scaler()),
    ProfilePeriod: (
        _time("val_time", "valTime", optional=True),
        _unsigned("status", "status", 8),
        _many("values", "value_List", ProfileValue),
        _octets_opt("signature", "periodSignature"),
    ),
    ProfileValue: (_VALUE, _VALUE_SIGNATURE),
    Tree: (
        Field("name", "parameterName", Kind.OBIS),
        Field("value", "parameterValue", Kind.PARAMETER_VALUE, optional=True),
        Field("children", "child_List", Kind.STRUCTS, optional=True, of=Tree),
    ),
    TupleEntry: (
        _SERVER,
        _time("sec_index", "secIndex"),
        _unsigned("status", "status", 8),
        *_quadrant("plus_p", "pA"),
        *_quadrant("r1", "R1"),
        *_quadrant("r4", "R4"),
        _octets("signature_plus", "signature_pA_R1_R4"),
        *_quadrant("minus_p", "mA"),
        *_quadrant("r2", "R2"),
        *_quadrant("r3", "R3"),
        _octets("signature_minus", "signature_mA_R2_R3"),
    ),
}

BODIES: dict[int, tuple[str, type[Struct]]] = {
    0x0100: ("SML_PublicOpen.Req", PublicOpenRequest),
    0x0101: ("SML_PublicOpen.Res", PublicOpenResponse),
    0x0200: ("SML_PublicClose.Req", PublicCloseRequest),
    0x0201: ("SML_PublicClose.Res", PublicCloseResponse),
    0x0300: ("SML_GetProfilePack.Req", GetProfilePackRequest),
    0x0301: ("SML_GetProfilePack.Res", GetProfilePackResponse),
    0x0400: ("SML_GetProfileList.Req", GetProfileListRequest),
    0x0401: ("SML_GetProfileList.Res", GetProfileListResponse),
    0x0500: ("SML_GetProcParameter.Req", GetProcParameterRequest),
    0x0501: ("SML_GetProcParameter.Res", GetProcParameterResponse),
    0x0600: ("SML_SetProcParameter.Req", SetProcParameterRequest),
    0x0700: ("SML_GetList.Req", GetListRequest),
    0x0701: ("SML_GetList.Res", GetListResponse),
    0xFF01: ("SML_Attention.Res", AttentionResponse),
}
"""Tag of the message body: name in the norm and type of the value."""

BODY_TAGS: dict[type[Struct], int] = {body: tag for tag, (_, body) in BODIES.items()}

STRUCT_NAMES: dict[type[Struct], str] = {
    ListEntry: "SML_ListEntry",
    PeriodEntry: "SML_PeriodEntry",
    ProfileHeader: "SML_ProfObjHeaderEntry",
    ProfilePeriod: "SML_ProfObjPeriodEntry",
    ProfileValue: "SML_ValueEntry",
    Tree: "SML_Tree",
    TupleEntry: "SML_TupelEntry",
    **{body: name for name, body in BODIES.values()},
}

PARAMETER_CONTENTS: dict[ParameterChoice, Field] = {
    ParameterChoice.VALUE: Field("content", "smlValue", Kind.VALUE),
    ParameterChoice.PERIOD_ENTRY: Field("content", "smlPeriodEntry", Kind.STRUCT, of=PeriodEntry),
    ParameterChoice.TUPLE_ENTRY: Field("content", "smlTupelEntry", Kind.STRUCT, of=TupleEntry),
    ParameterChoice.TIME: Field("content", "smlTime", Kind.TIME),
    ParameterChoice.LIST_ENTRY: Field("content", "smlListEntry", Kind.STRUCT, of=ListEntry),
}
"""What stands behind each choice of SML_ProcParValue."""

LIST_VALUE_TIME = 1
"""The only choice of SML_ListType, a list as value: a time."""

ATTENTION_NUMBERS: dict[bytes, str] = {
    bytes.fromhex("8181c7c7fd00"): "accepted",
    bytes.fromhex("8181c7c7fd01"): "will be carried out later",
    bytes.fromhex("8181c7c7fe00"): "error of no other kind",
    bytes.fromhex("8181c7c7fe01"): "unknown SML identifier",
    bytes.fromhex("8181c7c7fe02"): "user name or password is wrong or not enough",
    bytes.fromhex("8181c7c7fe03"): "server id is not available",
    bytes.fromhex("8181c7c7fe04"): "request file id is not available",
    bytes.fromhex("8181c7c7fe05"): "an attribute can't be written",
    bytes.fromhex("8181c7c7fe06"): "an attribute can't be read",
    bytes.fromhex("8181c7c7fe07"): "the meter can't be reached",
    bytes.fromhex("8181c7c7fe08"): "raw data can't be read",
    bytes.fromhex("8181c7c7fe09"): "value out of its range",
    bytes.fromhex("8181c7c7fe0a"): "not carried out",
    bytes.fromhex("8181c7c7fe0b"): "wrong checksum",
    bytes.fromhex("8181c7c7fe0c"): "broadcast is not supported",
    bytes.fromhex("8181c7c7fe0d"): "unexpected message",
    bytes.fromhex("8181c7c7fe0e"): "object is not in the profile",
    bytes.fromhex("8181c7c7fe0f"): "type of data is not supported",
    bytes.fromhex("8181c7c7fe10"): "optional element is not supported",
    bytes.fromhex("8181c7c7fe11"): "profile is empty",
    bytes.fromhex("8181c7c7fe12"): "end lies before begin",
    bytes.fromhex("8181c7c7fe13"): "no entry in the asked range",
    bytes.fromhex("8181c7c7fe14"): "file ended without close",
    bytes.fromhex("8181c7c7fe15"): "profile is busy for the moment",
}
"""What the numbers of an `AttentionResponse` mean; others are the manufacturer's."""
