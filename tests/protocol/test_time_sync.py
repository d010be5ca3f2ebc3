"""Time over TLS: every rule of acceptance has its own refusal."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.codec.ntp import PACKET_OCTETS, NtpPacket, decode_packet, encode_packet, timestamp_of
from smgw.core.errors import PeerFault, Replay, UsageError
from smgw.protocol.time_sync import TimeClient, TimeMeasurement, reply

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def random(octets: int) -> bytes:
    return b"\x5a" * octets


def ms(count: float) -> timedelta:
    return timedelta(milliseconds=count)


def exchange(
    change: dict[str, int] | None = None,
    *,
    ahead: timedelta = timedelta(),
    way: timedelta = timedelta(milliseconds=20),
    synchronised: bool = True,
) -> TimeMeasurement:
    """Run one exchange with a server whose clock is `ahead`, over a network that takes `way` in each direction."""
    client = TimeClient()
    question = client.request(NOW, random)
    arrived = NOW + way + ahead
    answer = decode_packet(reply(question, arrived, arrived + ms(1)))
    return client.response(
        encode_packet(msgspec.structs.replace(answer, **(change or {}))), NOW + 2 * way + ms(1), synchronised=synchronised
    )


@pytest.mark.req("TIME-01")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"originate_timestamp": 1}, "time.originate"),
        ({"originate_timestamp": 0}, "time.originate"),
        ({"mode": 3}, "time.mode"),
        ({"mode": 5}, "time.mode"),
        ({"version": 3}, "time.version"),
        ({"leap": 3}, "time.leap"),
        ({"stratum": 0}, "time.stratum"),
        ({"stratum": 16}, "time.stratum"),
        ({"receive_timestamp": 0}, "time.none"),
        ({"transmit_timestamp": 0}, "time.none"),
        ({"transmit_timestamp": timestamp_of(NOW)}, "time.round_trip"),
    ],
)
def test_each_rule_refuses_by_its_own_code(change: dict[str, int], code: str) -> None:
    with pytest.raises(PeerFault) as fault:
        exchange(change)
    assert fault.value.code == code


@pytest.mark.req("TIME-01")
@pytest.mark.parametrize(("way_ms", "accepted"), [(4500, True), (4501, False), (-50, True), (-51, False)])
def test_a_round_trip_of_nine_seconds_is_the_limit(way_ms: int, accepted: bool) -> None:
    if accepted:
        assert exchange(way=ms(way_ms)).round_trip == max(ms(2 * way_ms), ms(0))
        return
    with pytest.raises(PeerFault) as fault:
        exchange(way=ms(way_ms))
    assert fault.value.code == "time.round_trip"


@pytest.mark.req("TIME-01")
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_valid_clock_does_not_follow_a_jump_but_an_unset_one_does(sign: int) -> None:
    just, more = sign * timedelta(seconds=1000), sign * timedelta(seconds=1001)
    assert exchange(ahead=just).offset == just
    with pytest.raises(PeerFault) as fault:
        exchange(ahead=more)
    assert fault.value.code == "time.jump"
    assert exchange(ahead=more, synchronised=False).offset == more
    assert exchange(ahead=sign * timedelta(days=9000), synchronised=False).offset == sign * timedelta(days=9000)


@pytest.mark.req("TIME-01")
def test_at_most_one_poll_a_minute() -> None:
    client = TimeClient()
    assert client.next_poll(NOW) == NOW
    client.request(NOW, random)
    with pytest.raises(UsageError) as fault:
        client.request(NOW + timedelta(seconds=59.999), random)
    assert fault.value.code == "time.poll_too_soon"
    assert client.next_poll(NOW + timedelta(seconds=1)) == NOW + timedelta(minutes=1)
    client.request(NOW + timedelta(minutes=1), random)
    client.request(NOW - timedelta(hours=1), random)


def test_an_answer_counts_once_and_only_when_asked() -> None:
    client = TimeClient()
    question = client.request(NOW, random)
    answer = reply(question, NOW, NOW)
    assert client.response(answer, NOW, synchronised=True) == TimeMeasurement(ms(0), ms(0))
    for late in (answer, reply(question, NOW, NOW)):
        with pytest.raises(Replay) as fault:
            client.response(late, NOW, synchronised=True)
        assert fault.value.code == "time.unexpected"


def test_a_refused_answer_ends_the_exchange() -> None:
    client = TimeClient()
    good = reply(client.request(NOW, random), NOW, NOW)
    with pytest.raises(PeerFault) as fault:
        client.response(good[:-1], NOW, synchronised=True)
    assert fault.value.code == "time.packet"
    with pytest.raises(Replay):
        client.response(good, NOW, synchronised=True)


@pytest.mark.req("TIME-01")
def test_the_request_says_nothing_of_the_client() -> None:
    packet = decode_packet(TimeClient().request(NOW, random))
    assert packet == NtpPacket(version=4, mode=3, precision=32, transmit_timestamp=0x5A5A5A5A5A5A5A5A)
    assert decode_packet(TimeClient().request(NOW, bytes)).transmit_timestamp != 0


@pytest.mark.req("TIME-01", "ADM-07")
@pytest.mark.parametrize(("change", "code"), [({"mode": 4}, "time.mode"), ({"version": 3}, "time.version")])
def test_the_server_answers_clients_only(change: dict[str, int], code: str) -> None:
    question = encode_packet(msgspec.structs.replace(NtpPacket(), **change))
    with pytest.raises(PeerFault) as fault:
        reply(question, NOW, NOW)
    assert fault.value.code == code
    with pytest.raises(PeerFault):
        reply(question[:-1], NOW, NOW)


@pytest.mark.req("ADM-07")
def test_a_server_without_time_says_so() -> None:
    client = TimeClient()
    answer = reply(client.request(NOW, random), NOW, NOW, synchronised=False, stratum=3)
    assert decode_packet(answer).stratum == 3
    with pytest.raises(PeerFault) as fault:
        client.response(answer, NOW, synchronised=False)
    assert fault.value.code == "time.leap"


@given(ahead=st.integers(-999_000, 999_000), there=st.integers(0, 4000), back=st.integers(0, 4000), work=st.integers(0, 1000))
def test_the_error_is_at_most_half_the_round_trip(ahead: int, there: int, back: int, work: int) -> None:
    client = TimeClient()
    question = client.request(NOW, random)
    received = NOW + ms(there + ahead)
    answer = reply(question, received, received + ms(work))
    measured = client.response(answer, NOW + ms(there + work + back), synchronised=True)
    assert measured.round_trip == ms(there + back)
    assert abs(measured.offset - ms(ahead)) <= measured.round_trip / 2


@given(st.binary(min_size=PACKET_OCTETS, max_size=PACKET_OCTETS))
def test_any_packet_is_refused_or_measured(data: bytes) -> None:
    for act in (
        lambda: TimeClient().response(data, NOW, synchronised=False),
        lambda: reply(data, NOW, NOW),
    ):
        try:
            act()
        except PeerFault as fault:
            assert fault.code.startswith("time.")
