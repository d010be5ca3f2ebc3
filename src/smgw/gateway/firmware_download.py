"""Fetch a firmware package piece by piece over mutual TLS; what is safe on the disk is never fetched twice.

Source: ADM-05; annex VI 3.3.5 of TR-03109-1; 20-wan-crypto-pki 1.9.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

from smgw.core.errors import PeerFault, Unavailable
from smgw.core.instant import Clock
from smgw.gateway.config import AdministratorConfig
from smgw.gateway.firmware_record import Order
from smgw.net.http_exchange import HttpClient, Streams
from smgw.net.identity import Identity
from smgw.net.smpki_tls import dial
from smgw.pki.names import Role
from smgw.pki.parsing import load_certificate
from smgw.protocol.tunnel_http import Response

PIECE = 256 << 10
"""Octets asked for at once."""

_RANGE = re.compile(r"bytes (\d{1,9})-(\d{1,9})/(\d{1,9})\Z", re.ASCII)


async def download(
    path: Path,
    order: Order,
    received: int,
    keep: Callable[[int], None],
    *,
    administrator: AdministratorConfig,
    identity: Identity,
    clock: Clock,
) -> bool:
    """Go on from `received` octets until the package is whole; tells whether its hash is the ordered one.

    Each piece is on the disk before `keep` is told how far it reaches.
    Raises: Unavailable, PeerFault, SecurityFault; what was kept stays.
    """
    digest = hashlib.sha256()
    received = await asyncio.to_thread(_take_up, path, received, digest.update)
    if received < order.size:
        channel = await dial(
            order.host,
            order.port,
            module=identity.module,
            identity=identity.tls,
            trust=identity.trust,
            clock=clock,
            roles=frozenset({Role.GWA}),
            pinned=load_certificate(bytes.fromhex(administrator.tls_certificate)),
            timeout_s=10.0,
        )
        async with channel:
            client = HttpClient(Streams(channel.reader, channel.writer), order.host)
            while received < order.size:
                last = min(received + PIECE, order.size) - 1
                response = await client.request("GET", order.path, {"Range": f"bytes={received}-{last}"}, b"")
                piece = _checked(response, received, order)
                await asyncio.to_thread(_append, path, received, piece)
                digest.update(piece)
                received += len(piece)
                keep(received)
    return digest.hexdigest() == order.sha256


def _checked(response: Response, start: int, order: Order) -> bytes:
    """Give the piece that was asked for. Raises: PeerFault firmware.range, http.refused."""
    if response.status != 206:
        raise PeerFault("http.refused", f"status {response.status}")
    match = _RANGE.match(dict(response.headers).get("content-range", ""))
    numbers = tuple(int(group) for group in match.groups()) if match else ()
    if not response.body or numbers != (start, start + len(response.body) - 1, order.size):
        raise PeerFault("firmware.range", f"at {start}")
    return response.body


def _take_up(path: Path, received: int, update: Callable[[bytes], object]) -> int:
    """Cut the file to what is known to be safe and hash it; a file that is shorter, or gone, counts from its end."""
    try:
        with path.open("r+b" if path.exists() else "w+b") as file:
            received = min(received, file.seek(0, os.SEEK_END))
            file.truncate(received)
            file.seek(0)
            while chunk := file.read(PIECE):
                update(chunk)
    except OSError as problem:
        raise Unavailable("gateway.files", f"{path.name}: {problem.strerror}") from problem
    return received


def _append(path: Path, at: int, piece: bytes) -> None:
    try:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    except OSError as problem:
        raise Unavailable("gateway.files", f"{path.name}: {problem.strerror}") from problem
