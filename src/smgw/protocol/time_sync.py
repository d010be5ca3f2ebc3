"""Time synchronisation over a TLS channel: the client's rules of acceptance and the server's answer.

Source: TIME-01; 20-wan-crypto-pki 1.8.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from smgw.codec.ntp import LEAP_UNSYNCHRONISED, Mode, NtpPacket, decode_packet, encode_packet, moment_of, timestamp_of
from smgw.core.errors import PeerFault, Replay, UsageError

VERSION: Final = 4
POLL_INTERVAL: Final = timedelta(minutes=1)
ROUND_TRIP_LIMIT: Final = timedelta(seconds=9)
JUMP_LIMIT: Final = timedelta(seconds=1000)
RESPONSE_TIMEOUT: Final = ROUND_TRIP_LIMIT
"""Waiting longer is useless: the answer would be discarded."""

REQUEST_PRECISION: Final = 32
_LAST_STRATUM: Final = 15
_BACKWARD_LIMIT: Final = timedelta(milliseconds=100)
"""A round trip may look this much shorter than nothing, because two clocks of different speed measured it."""


class TimeMeasurement(NamedTuple):
    """Say how far the server's clock is ahead of the client's, and how long the exchange took in the network."""

    offset: timedelta
    round_trip: timedelta


class TimeClient:
    """Ask for the time and judge the answer; one request at a time, at most one a minute."""

    def __init__(self) -> None:
        self._asked: tuple[int, datetime] | None = None
        self._last_poll: datetime | None = None

    def next_poll(self, now: datetime) -> datetime:
        """Give the first moment at which a request is allowed."""
        return now if self._last_poll is None or now < self._last_poll else max(now, self._last_poll + POLL_INTERVAL)

    def request(self, now: datetime, random: Callable[[int], bytes]) -> bytes:
        """Make a request that says nothing of the client: its transmit time is random. An unanswered one before it is forgotten.

        `now` is the time of the clock to be measured, which must not be stepped before the answer. Raises: UsageError time.poll_too_soon.
        """
        if self.next_poll(now) > now:
            raise UsageError("time.poll_too_soon")
        nonce = int.from_bytes(random(8), "big") or 1
        self._asked = (nonce, now)
        self._last_poll = now
        return encode_packet(NtpPacket(version=VERSION, mode=Mode.CLIENT, precision=REQUEST_PRECISION, transmit_timestamp=nonce))

    def response(self, data: bytes, now: datetime, *, synchronised: bool) -> TimeMeasurement:
        """Judge the answer to the request.

        `now` is the same clock's time at which the last octet came. A clock that is `synchronised` does not follow a jump of more than
        1000 s. A refused answer ends the exchange. Raises: PeerFault time.*, one code for each rule.
        """
        asked, self._asked = self._asked, None
        packet = decode_packet(data)
        if asked is None:
            raise Replay("time.unexpected")
        nonce, sent_at = asked
        for broken, code in (
            (packet.originate_timestamp != nonce, "time.originate"),
            (packet.mode != Mode.SERVER, "time.mode"),
            (packet.version < VERSION, "time.version"),
            (packet.leap == LEAP_UNSYNCHRONISED, "time.leap"),
            (not 1 <= packet.stratum <= _LAST_STRATUM, "time.stratum"),
            (not packet.receive_timestamp or not packet.transmit_timestamp, "time.none"),
        ):
            if broken:
                raise PeerFault(code)
        received, transmitted = moment_of(packet.receive_timestamp), moment_of(packet.transmit_timestamp)
        round_trip = (now - sent_at) - (transmitted - received)
        if not -_BACKWARD_LIMIT <= round_trip <= ROUND_TRIP_LIMIT or transmitted < received:
            raise PeerFault("time.round_trip", f"{round_trip.total_seconds():.3f} s")
        offset = ((received - sent_at) + (transmitted - now)) / 2
        if synchronised and abs(offset) > JUMP_LIMIT:
            raise PeerFault("time.jump", f"{offset.total_seconds():.0f} s")
        return TimeMeasurement(offset, max(round_trip, timedelta()))


def reply(data: bytes, received: datetime, transmitted: datetime, *, synchronised: bool = True, stratum: int = 2) -> bytes:
    """Answer a client's packet, as a server that took it at `received` and sends this at `transmitted`.

    A server without reliable time says so by leap 3. Raises: PeerFault time.packet, time.mode, time.version.
    """
    packet = decode_packet(data)
    if packet.mode != Mode.CLIENT:
        raise PeerFault("time.mode", str(packet.mode))
    if packet.version < VERSION:
        raise PeerFault("time.version", str(packet.version))
    return encode_packet(
        NtpPacket(
            leap=0 if synchronised else LEAP_UNSYNCHRONISED,
            version=VERSION,
            mode=Mode.SERVER,
            stratum=stratum,
            poll=packet.poll,
            precision=-10,
            reference_timestamp=timestamp_of(received),
            originate_timestamp=packet.transmit_timestamp,
            receive_timestamp=timestamp_of(received),
            transmit_timestamp=timestamp_of(transmitted),
        )
    )
