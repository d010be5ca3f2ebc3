"""A wireless meter at a gateway: its key comes sealed with its profile, and what it sends is verified, decrypted and stored, or refused."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.gateway.gateway_folder import gateway_folder
from tests.gateway.gateway_parts import START, administrator_identity, gateway_identity
from tests.gateway.management_channel import Channel
from tests.gateway.wan.wan_parts import until

from smgw.administrator.meter_keys import seal_meter_key
from smgw.codec.oms import write_telegram
from smgw.core.errors import ConfigError, PeerFault
from smgw.core.log_event import Log
from smgw.core.obis import Obis
from smgw.core.profiles import MeterProfile, RegisterProfile
from smgw.gateway.config import LinkConfig
from smgw.gateway.service import Gateway
from smgw.gateway.wireless import Wireless, keep_key
from smgw.net.clock import ManualClock
from smgw.net.links import open_pty

pytestmark = [pytest.mark.req("LMN-03", "LMN-04", "LMN-05"), pytest.mark.timeout(60)]

KEY, OTHER_KEY = bytes(range(16)), bytes(16)
SERVER_ID = bytes.fromhex("019315785634123307")
METER_ID, WATER = "8SGW0012345678", "8-0:1.0.0*255"


def sealed(key: bytes = KEY, server_id: bytes = SERVER_ID) -> str:
    return seal_meter_key(server_id, key, gateway_identity().triple.enc, administrator_identity().module)


def profile(version: int = 1, **changes: object) -> MeterProfile:
    registers = (RegisterProfile(WATER, shown_scaler=-3, unit=13),)
    whole = MeterProfile(METER_ID, SERVER_ID.hex(), registers, "radio", "water", version=version, sealed_key=sealed())
    return msgspec.structs.replace(whole, **changes)


def telegram(counter: int, litres: int, key: bytes = KEY, server_id: bytes = SERVER_ID) -> bytes:
    return write_telegram(server_id, key, counter, b"\x04\x13" + litres.to_bytes(4, "little"))


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Channel]:
    made = Channel(tmp_path / "journal.db")
    yield made
    made.journal.close()


def test_a_sealed_key_opens_at_its_gateway_and_values_come_out(channel: Channel) -> None:
    assert channel.put(profile()).status == 201
    wireless = Wireless(channel.journal)
    record = wireless.take(telegram(1, 1234), START)
    assert (record.server_id, record.captured) == (SERVER_ID, START)
    assert {str(code): tuple(value) for code, value in record.values.items()} == {WATER: (1234, -3, 13)}


def test_nobody_but_the_gateway_reads_the_key(channel: Channel) -> None:
    assert KEY.hex() not in profile().sealed_key
    assert sealed() != sealed(), "each time under another key of its own"
    assert channel.put(profile(sealed_key=sealed(server_id=bytes(9)))).code == "oms.key"
    other = seal_meter_key(SERVER_ID, KEY, administrator_identity().triple.enc, administrator_identity().module)
    assert channel.put(profile(sealed_key=other)).code == "cms.recipient"
    assert channel.put(profile(sealed_key="00")).code.startswith("cms.")
    assert channel.put(profile(sealed_key="zz")).code == "command.profile"
    assert channel.journal.profiles("meter") == []
    with pytest.raises(ConfigError, match=r"oms\.key"):
        sealed(b"short")


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (telegram(5, 1, OTHER_KEY), "oms.mac"),
        (telegram(5, 1)[:-1], "oms.structure"),
        (telegram(3, 1), "oms.replayed"),
        (telegram(4, 1), "oms.replayed"),
        (write_telegram(SERVER_ID, KEY, 5, b"\x04\x03" + bytes(4)), "oms.value"),
    ],
    ids=["another key", "cut", "older", "once more", "no volume"],
)
def test_what_is_not_acceptable_has_its_reason(channel: Channel, octets: bytes, code: str) -> None:
    channel.put(profile())
    Wireless(channel.journal).take(telegram(4, 1), START)
    with pytest.raises(PeerFault) as fault:
        Wireless(channel.journal).take(octets, START)
    assert fault.value.code == code


def test_a_meter_without_profile_is_not_opened_and_one_without_key_is_refused(channel: Channel) -> None:
    wireless = Wireless(channel.journal)
    assert wireless.take(telegram(1, 1), START).values == {}
    channel.put(profile(sealed_key=""))
    with pytest.raises(PeerFault, match=r"oms\.key"):
        wireless.take(telegram(2, 1), START)


def test_a_key_stays_over_a_new_version_and_gives_way_to_another(channel: Channel) -> None:
    first = profile()
    channel.put(first)
    own = gateway_identity()
    with channel.journal.transaction():
        # The keys of the gateway were renewed meanwhile: the profile's seal can't be opened once more, and needn't be.
        keep_key(channel.journal, first, first, administrator_identity().module, own.recipient)
    assert Wireless(channel.journal).take(telegram(1, 7), START).values
    assert channel.put(profile(2, sealed_key=sealed(OTHER_KEY))).status == 201
    with pytest.raises(PeerFault, match=r"oms\.mac"):
        Wireless(channel.journal).take(telegram(2, 8), START)
    assert Wireless(channel.journal).take(telegram(2, 8, OTHER_KEY), START).values


@pytest.mark.step("1.2.4", event="telegram_rejected")
async def test_a_whole_gateway_stores_what_a_wireless_meter_sends_and_tells_what_it_refuses(tmp_path: Path) -> None:
    line = open_pty(tmp_path / "radio.tty")
    folder = gateway_folder(tmp_path / "gateway")
    folder.save(msgspec.structs.replace(folder.load(), links=(LinkConfig("radio", f"pty://{line.path}", "oms"),)))
    gateway, stop = Gateway(folder, ManualClock(START), listeners=list), asyncio.Event()
    admitted = profile(sealed_key=seal_meter_key(SERVER_ID, KEY, gateway.identity.triple.enc, administrator_identity().module))
    with gateway.journal.transaction():
        keep_key(gateway.journal, admitted, None, gateway.identity.module, gateway.identity.recipient)
        gateway.journal.put_profile(admitted, b"", START)
    running = asyncio.create_task(gateway.run(lambda _: None, stop))
    await until(lambda: line.has_reader)

    async def send(*octets: bytes) -> None:
        for one in octets:
            await line.write(b"T1;1;1;2026-03-01 12:00:00.000;70;90;12345678;0x" + one.hex().encode() + b"\n")

    def refused() -> list[str]:
        entries = [stored.entry for stored in gateway.journal.log(Log.SYSTEM)]
        return [entry.parameters["code"] for entry in entries if entry.event == "telegram_rejected"]

    await send(telegram(2, 500, OTHER_KEY), telegram(2, 500), telegram(2, 500))
    await until(lambda: refused() == ["oms.mac", "oms.replayed"])
    assert gateway.files == 1
    current = gateway.acquisition.current(METER_ID)
    assert current is not None
    assert current.values[Obis.parse(WATER)].raw == 500
    stop.set()
    await running
    line.close()
