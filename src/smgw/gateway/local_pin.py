"""PINs of the local interface: made once, kept as a derived value only, and locked by three wrong attempts in a row.

An attempt counts before it is judged, so that cutting the power gives no further guess. The security module has no part in this.
Source: LIFE-06; TR-03109-1 Annex VI, 2.3, note on the local interface.
"""

import hashlib
import hmac
from collections.abc import Callable

import msgspec

from smgw.core.errors import SecurityFault

MAX_WRONG = 3
DIGITS = 10
COST = 14
"""Cost of new PINs: the logarithm of scrypt's n; each record names its own."""


class PinRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold what is kept of one PIN."""

    salt: bytes
    reference: bytes
    wrong: int = 0
    """Attempts since the last right one."""
    cost: int = 14

    @property
    def is_locked(self) -> bool:
        """Tell whether no further attempt is taken."""
        return self.wrong >= MAX_WRONG


def make_pin(random: Callable[[int], bytes]) -> tuple[str, PinRecord]:
    """Make a PIN of ten digits and what is kept of it."""
    pin = f"{int.from_bytes(random(16), 'big') % 10**DIGITS:0{DIGITS}d}"
    salt = random(16)
    return pin, PinRecord(salt, _derive(pin, salt, COST), cost=COST)


def check_pin(pin: str, record: PinRecord, keep: Callable[[PinRecord], None]) -> None:
    """Judge an attempt; `keep` stores the changed record durably. Raises: SecurityFault local.pin, local.locked."""
    if record.is_locked:
        raise SecurityFault("local.locked")
    counted = msgspec.structs.replace(record, wrong=record.wrong + 1)
    keep(counted)
    if not hmac.compare_digest(_derive(pin, record.salt, record.cost), record.reference):
        raise SecurityFault("local.locked" if counted.is_locked else "local.pin")
    keep(msgspec.structs.replace(record, wrong=0))


def _derive(pin: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(pin.encode(errors="replace"), salt=salt, n=1 << cost, r=8, p=1, dklen=32)
