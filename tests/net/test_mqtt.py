"""Publishing by MQTT: octets as the standard writes them, and a broker that refuses, hangs up or takes it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from smgw.core.errors import PeerFault
from smgw.net.mqtt import connect_packet, publish

pytestmark = pytest.mark.req("ADM-06")


class Broker:
    """Take packets and answer them as told."""

    def __init__(self, *answers: bytes) -> None:
        self.packets: list[bytes] = []
        self._answers = list(answers)
        self.gone = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while first := await reader.read(1):
                length = shift = 0
                while True:
                    (octet,) = await reader.readexactly(1)
                    length, shift = length | (octet & 0x7F) << shift, shift + 7
                    if not octet & 0x80:
                        break
                self.packets.append(first + await reader.readexactly(length))
                if first[0] == 0xE0:
                    return
                if not self._answers:
                    return
                writer.write(self._answers.pop(0))
        finally:
            writer.close()
            self.gone.set()


@asynccontextmanager
async def listening(broker: Broker) -> AsyncIterator[tuple[str, int]]:
    async with await asyncio.start_server(broker.serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield host, port


async def test_a_message_is_published_and_acknowledged() -> None:
    broker, payload = Broker(b"\x20\x02\x00\x00", b"\x40\x02\x00\x01"), b"x" * 300
    async with listening(broker) as place:
        await publish(place, "a/b", payload, client_id="c", login=("u", b"secret"))
        await broker.gone.wait()
    connect, published, disconnect = broker.packets
    assert connect == b"\x10\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01c\x00\x01u\x00\x06secret"
    assert published == b"\x32\x00\x03a/b\x00\x01" + payload
    assert disconnect == b"\xe0"


def test_the_first_packet_is_that_of_the_standard() -> None:
    # MQTT 3.1.1, figure 3.6 and 3.1.3: protocol name, level 4, flags, keep alive, client identifier.
    assert connect_packet("smgw", None) == bytes.fromhex("1010 0004 4d515454 04 02 003c 0004 736d6777")


@pytest.mark.parametrize("answers", [(b"\x20\x02\x00\x05",), (b"\x20\x02\x00\x00", b"\x40\x02\x00\x02"), (b"HTTP",)])
async def test_a_broker_that_refuses(answers: tuple[bytes, ...]) -> None:
    async with listening(Broker(*answers)) as place:
        with pytest.raises(PeerFault, match=r"mqtt\.refused"):
            await publish(place, "a", b"", client_id="c")


@pytest.mark.parametrize("answers", [(), (b"\x20\x02\x00\x00",)])
async def test_a_broker_that_hangs_up(answers: tuple[bytes, ...]) -> None:
    async with listening(Broker(*answers)) as place:
        with pytest.raises(ConnectionError, match=r"hung up"):
            await publish(place, "a", b"", client_id="c")
