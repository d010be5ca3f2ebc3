"""The administrator's time server: one 48-octet packet each way inside TLS (NTP over TLS, WKS4).

Source: ADM-07, TIME-01; 20-wan-crypto-pki 1.8.
"""

import asyncio

import structlog

from smgw.codec.ntp import PACKET_OCTETS
from smgw.core.errors import PeerFault
from smgw.core.instant import Clock
from smgw.net.clock import ClockPort
from smgw.protocol.time_sync import reply

log = structlog.get_logger(__name__)

IDLE_S = 30.0
"""A connection that asks nothing for so long is closed."""

REQUESTS_PER_CONNECTION = 16


async def serve_time(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, clock: ClockPort, reference: Clock) -> None:
    """Answer the requests of one connection with the reference's time; anything but a client packet ends it."""
    try:
        for _ in range(REQUESTS_PER_CONNECTION):
            async with asyncio.timeout(IDLE_S):
                packet = await reader.readexactly(PACKET_OCTETS)
            with clock.hold():
                received = reference.now()
                writer.write(reply(packet, received, reference.now()))
                await writer.drain()
    except PeerFault as fault:
        log.info("time_request_refused", code=fault.code)
    except (TimeoutError, asyncio.IncompleteReadError, OSError):
        return
    finally:
        writer.close()
