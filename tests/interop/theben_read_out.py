"""Read out a gateway with the published client library, in a process of its own: python theben_read_out.py PEERS HOST USER PASSWORD.

The library declares a newer Python because of deferred annotations; compiling its unchanged file with the matching flag is all it needs.
Prints one JSON object.
"""

import __future__

import asyncio
import dataclasses
import json
import sys
import types
from pathlib import Path
from typing import Any

import aiohttp


def load(peers: Path) -> types.ModuleType:
    """Compile the library's one file as it is."""
    source = peers / "theben_conexa_smgw" / "smgw.py"
    module = types.ModuleType("theben_conexa_smgw")
    sys.modules[module.__name__] = module
    exec(compile(source.read_text(), str(source), "exec", flags=__future__.annotations.compiler_flag), module.__dict__)
    return module


async def read_out(library: Any, host: str, user: str, password: str) -> dict[str, Any]:
    """Do what home automation does: find the address, read information and latest values, twice."""
    async with aiohttp.ClientSession() as session:
        try:
            gateway = await library.ConexaSMGW.create(session, host, user, password)
        except library.ConexaSmgwErr as problem:
            return {"error": type(problem).__name__}
        values = [await gateway.getLatestValues() for _ in range(2)]
        return {
            "m2m_url": gateway.m2mUrl,
            "info": dataclasses.asdict(gateway.gatewayInfo),
            "values": {obis: dataclasses.asdict(value) for obis, value in values[1].items()},
        }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(read_out(load(Path(sys.argv[1])), *sys.argv[2:]))))
