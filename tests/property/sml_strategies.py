"""SML values of every kind that the wire can carry, for hypothesis."""

from hypothesis import strategies as st

from smgw.codec.sml import (
    ESCAPE,
    FRAME_START,
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
)

u8, u32, u64 = (st.integers(0, 2**bits - 1) for bits in (8, 32, 64))
i8, i16, i64 = (st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 64))
LIKE_TRANSPORT = [b"\x1b" * 4, b"\x1b" * 5, b"\x1b" * 11, FRAME_START, ESCAPE + b"\x1a\x00\x00\x00", bytes(48), bytes(300)]
octets = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(LIKE_TRANSPORT),
)
present = octets.filter(len)
maybe_octets = st.none() | present
names = st.binary(min_size=6, max_size=6) | octets

times = st.one_of(
    st.builds(SmlTime, st.sampled_from([TimeKind.UNTAGGED, TimeKind.SEC_INDEX, TimeKind.TIMESTAMP]), u32),
    st.builds(SmlTime, st.just(TimeKind.LOCAL_TIMESTAMP), u32, i16, i16),
)
maybe_times = st.none() | times
integers = u64 | i64 | u8
values = st.one_of(integers, integers, st.booleans(), maybe_octets, times)


def fits(value: int, width: int, *, signed: bool) -> bool:
    bits = 8 * width
    return -(2 ** (bits - 1)) <= value < 2 ** (bits - 1) if signed else 0 <= value < 2**bits


@st.composite
def list_entries(draw: st.DrawFn) -> ListEntry:
    """Draw an entry whose integer has any form that holds it."""
    value = draw(values)
    form = 0
    if isinstance(value, int) and not isinstance(value, bool):
        forms = [
            (0x51 if signed else 0x61) + width for signed in (True, False) for width in range(1, 9) if fits(value, width, signed=signed)
        ]
        form = draw(st.sampled_from(forms))
    return ListEntry(
        obis=draw(names),
        status=draw(st.none() | u64 | u8),
        val_time=draw(maybe_times),
        unit=draw(st.none() | u8),
        scaler=draw(st.none() | i8),
        value=value,
        signature=draw(maybe_octets),
        value_format=form,
    )


QUADRANT = (u8, i8, i64)
period_entries = st.builds(PeriodEntry, names, u8, i8, values, maybe_octets)
tuple_entries = st.builds(TupleEntry, octets, times, u64, *QUADRANT * 3, octets, *QUADRANT * 3, octets)
parameter_values = st.one_of(
    st.builds(ParameterValue, st.just(ParameterChoice.VALUE), values),
    st.builds(ParameterValue, st.just(ParameterChoice.PERIOD_ENTRY), period_entries),
    st.builds(ParameterValue, st.just(ParameterChoice.TUPLE_ENTRY), tuple_entries),
    st.builds(ParameterValue, st.just(ParameterChoice.TIME), times),
    st.builds(ParameterValue, st.just(ParameterChoice.LIST_ENTRY), list_entries()),
)


def many(of: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(of, max_size=4).map(tuple)


trees = st.recursive(
    st.builds(Tree, names, st.none() | parameter_values),
    lambda inner: st.builds(Tree, names, st.none() | parameter_values, st.none() | many(inner)),
    max_leaves=5,
)
paths = many(octets)
credentials = {"server_id": maybe_octets, "username": maybe_octets, "password": maybe_octets}
profile_request = {
    **credentials,
    "with_raw_data": st.none() | st.booleans(),
    "begin": maybe_times,
    "end": maybe_times,
    "objects": st.none() | paths,
    "details": st.none() | trees,
}
profile_values = st.builds(ProfileValue, values, maybe_octets)
requests = st.one_of(
    st.builds(GetListRequest, octets, **credentials, list_name=maybe_octets),
    st.builds(GetProcParameterRequest, paths, **credentials, attribute=maybe_octets),
    st.builds(SetProcParameterRequest, paths, trees, **credentials),
    st.builds(GetProfilePackRequest, paths, **profile_request),
    st.builds(GetProfileListRequest, paths, **profile_request),
)
several_entries = st.lists(list_entries(), max_size=20).map(tuple)
list_responses = st.builds(GetListResponse, octets, several_entries, maybe_octets, maybe_octets, maybe_times, maybe_octets, maybe_times)
responses = st.one_of(
    list_responses,
    list_responses,
    st.builds(GetProcParameterResponse, octets, paths, trees),
    st.builds(
        GetProfilePackResponse,
        octets,
        times,
        u32,
        paths,
        many(st.builds(ProfileHeader, names, u8, i8)),
        many(st.builds(ProfilePeriod, maybe_times, u64, many(profile_values), maybe_octets)),
        maybe_octets,
        maybe_octets,
    ),
    st.builds(GetProfileListResponse, octets, times, u32, paths, times, u64, many(period_entries), maybe_octets, maybe_octets),
    st.builds(AttentionResponse, octets, octets, maybe_octets, st.none() | trees),
)
open_responses = st.builds(PublicOpenResponse, octets, octets, maybe_octets, maybe_times, maybe_octets, st.none() | u8)
open_requests = st.builds(PublicOpenRequest, octets, octets, maybe_octets, maybe_octets, maybe_octets, maybe_octets, st.none() | u8)


@st.composite
def files(draw: st.DrawFn) -> tuple[SmlMessage, ...]:
    """Draw a whole file of requests or responses."""
    if draw(st.booleans()):
        bodies = [draw(open_responses), *draw(st.lists(responses, max_size=3)), PublicCloseResponse(draw(maybe_octets))]
    else:
        bodies = [draw(open_requests), *draw(st.lists(requests, max_size=3)), PublicCloseRequest(draw(maybe_octets))]
    return tuple(SmlMessage(draw(octets), body, draw(u8), draw(u8)) for body in bodies)
