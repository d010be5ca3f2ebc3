"""Backups over the network, for whoever keeps them elsewhere; restoring is done at the machine. Source: OPS-03."""

import asyncio
from typing import Annotated

import msgspec

from smgw.administrator.api.endpoints import KEEPING, Call, Endpoint
from smgw.administrator.backup import make_backup


class BackupOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ask for a backup."""

    passphrase: Annotated[str, msgspec.Meta(min_length=12, max_length=1_000)]
    """Opens the backup again; nobody can do without."""


async def take(call: Call) -> bytes:
    """Give a backup, and note who took it. Raises: Unavailable administrator.store."""
    call.books.audit.note(call.now, call.user.name, "take backup", call.desk.office.name, "done")
    return await asyncio.to_thread(make_backup, call.desk.folder, call.body.passphrase, call.now)


ENDPOINTS = (
    Endpoint("POST", "/backup", KEEPING, take, "Take a backup of store and keys", bytes, BackupOrder, media="application/octet-stream"),
)
