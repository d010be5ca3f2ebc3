"""Publish one message to an MQTT 3.1.1 broker and wait until the broker has taken it.

Source: OASIS MQTT Version 3.1.1, 2.2, 3.1 to 3.4, 3.14.
"""

import asyncio
import ssl
from contextlib import suppress

from smgw.core.errors import PeerFault

_CONNECT, _CONNACK, _PUBLISH_QOS_1, _PUBACK, _DISCONNECT = 0x10, 0x20, 0x32, 0x40, 0xE0
_CLEAN_SESSION, _HAS_PASSWORD, _HAS_USER = 0x02, 0x40, 0x80
_KEEP_ALIVE_S = 60
_PACKET_ID = b"\x00\x01"


async def publish(
    place: tuple[str, int],
    topic: str,
    payload: bytes,
    *,
    client_id: str,
    login: tuple[str, bytes] | None = None,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Publish with quality of service 1: at least once. The caller bounds the time.

    Raises: OSError where nobody listens or the broker hangs up, PeerFault mqtt.refused where it refuses.
    """
    reader, writer = await asyncio.open_connection(*place, ssl=tls)
    try:
        await _exchange(reader, writer, connect_packet(client_id, login), _CONNACK)
        await _exchange(reader, writer, _packet(_PUBLISH_QOS_1, _text(topic.encode()) + _PACKET_ID + payload), _PUBACK)
        writer.write(_packet(_DISCONNECT, b""))
        await writer.drain()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def connect_packet(client_id: str, login: tuple[str, bytes] | None) -> bytes:
    """Give the packet that begins a clean session."""
    flags = _CLEAN_SESSION | (_HAS_USER | _HAS_PASSWORD if login else 0)
    fields = [client_id.encode()] + ([login[0].encode(), login[1]] if login else [])
    head = _text(b"MQTT") + bytes([4, flags]) + _KEEP_ALIVE_S.to_bytes(2, "big")
    return _packet(_CONNECT, head + b"".join(map(_text, fields)))


def _packet(kind: int, body: bytes) -> bytes:
    length, left = b"", len(body)
    while True:
        left, low = divmod(left, 128)
        length += bytes([low | (0x80 if left else 0)])
        if not left:
            return bytes([kind]) + length + body


def _text(octets: bytes) -> bytes:
    return len(octets).to_bytes(2, "big") + octets


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, packet: bytes, expected: int) -> None:
    """Send a packet and read its acknowledgement, which has four octets: kind, length 2, and for a log-in the return code last."""
    writer.write(packet)
    await writer.drain()
    try:
        answer = await reader.readexactly(4)
    except asyncio.IncompleteReadError as problem:
        raise ConnectionResetError("broker hung up") from problem
    good = bytes([expected, 2]) + (b"\x00\x00" if expected == _CONNACK else _PACKET_ID)
    if answer != good:
        raise PeerFault("mqtt.refused", answer.hex())
