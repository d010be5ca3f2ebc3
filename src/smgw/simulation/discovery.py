"""Find out what a meter sends, as an installer would before writing its profile: server id and energy registers."""

import asyncio
from pathlib import Path

from smgw.codec.sml import GetListResponse
from smgw.core.errors import ConfigError
from smgw.core.identifiers import meter_id_of
from smgw.core.obis import Obis
from smgw.core.profiles import RegisterProfile
from smgw.core.quantity import Unit
from smgw.net.links import open_link
from smgw.protocol.sml_stream import SmlFileReceived, SmlStream
from smgw.simulation.provisioning import Meter

LISTEN_S = 15.0
"""A live meter is given so long to send its first whole file."""

DUMP_LIMIT = 64 << 20


def meter_of_dump(name: str, path: Path) -> Meter:
    """Describe the meter whose octets were recorded. Raises: ConfigError simulation.dump, simulation.no_meter."""
    try:
        data = path.read_bytes()[:DUMP_LIMIT]
    except OSError as problem:
        raise ConfigError("simulation.dump", str(problem)) from problem
    stream = SmlStream()
    files = [event for event in (*stream.receive_data(data), *stream.receive_eof()) if isinstance(event, SmlFileReceived)]
    return _describe(name, f"sml:{path.resolve()}", files)


async def meter_of_link(name: str, url: str) -> Meter:
    """Describe the meter that sends on a live link. Raises: Unavailable link.lost; ConfigError link.url, simulation.no_meter."""
    link = await open_link(url)
    stream, files = SmlStream(), list[SmlFileReceived]()
    try:
        async with asyncio.timeout(LISTEN_S):
            while not files and (data := await link.read()):
                files += [event for event in stream.receive_data(data) if isinstance(event, SmlFileReceived)]
    except TimeoutError:
        return _describe(name, url, files)
    finally:
        link.close()
    return _describe(name, url, files)


def _describe(name: str, source: str, files: list[SmlFileReceived]) -> Meter:
    """Take the union over all files: some meters send their registers in turns."""
    found: dict[Obis, RegisterProfile] = {}
    server_id = b""
    for file in files:
        for message in file.messages:
            body = message.body
            if not isinstance(body, GetListResponse) or not body.server_id:
                continue
            server_id = server_id or body.server_id
            for entry in body.entries if body.server_id == server_id else ():
                if len(entry.obis) == 6 and type(entry.value) is int and entry.unit is not None:
                    code = Obis.from_bytes(entry.obis)
                    found.setdefault(code, RegisterProfile(str(code), unit=entry.unit))
    energy = {code: register for code, register in found.items() if _is_energy(code, register)}
    registers = energy or found
    if not registers:
        raise ConfigError("simulation.no_meter", source)
    meter_id = meter_id_of(server_id)
    return Meter(name, source, meter_id, server_id.hex(), tuple(registers[code] for code in sorted(registers)[:20]), meter_id)


def _is_energy(code: Obis, register: RegisterProfile) -> bool:
    return code.c in (1, 2) and code.d == 8 and code.f == 255 and register.unit == Unit.WATT_HOUR
