"""Verify and decrypt what wireless meters send, with the keys that came with their profiles.

A profile carries its meter's key sealed for this gateway, so nobody on the way or in front of a screen can read it. It is opened when the
profile is installed, and kept in the journal, which is encrypted.
Source: LMN-03, LMN-04, LMN-05; TR-03109-1 Annex VI, table 1 steps 2.2 to 2.4.
"""

from datetime import datetime

from smgw.codec.cms import authenveloped
from smgw.codec.oms import KEY_OCTETS, main_register, open_telegram, read_telegram
from smgw.core.errors import Replay, SecurityFault
from smgw.core.profiles import MeterProfile
from smgw.gateway.acquisition import Record, Value
from smgw.security.content import ContentKeys, Credential, decrypt_envelope
from smgw.storage.journal import Journal


def keep_key(journal: Journal, profile: MeterProfile, before: MeterProfile | None, module: ContentKeys, recipient: Credential) -> None:
    """Open a profile's sealed key and keep it; one that was opened before stays. Joins an open transaction.

    Raises: PeerFault cms.*; SecurityFault oms.key for the key of another meter.
    """
    if before is not None and (before.sealed_key, before.server_id) == (profile.sealed_key, profile.server_id):
        return
    if before is not None and before.server_id != profile.server_id:
        journal.set_state(_key(before.server_id), b"")
    key = b""
    if profile.sealed_key:
        envelope = authenveloped.read(bytes.fromhex(profile.sealed_key))
        content = decrypt_envelope(envelope, module=module, recipient=recipient)
        server_id, key = content[:-KEY_OCTETS], content[-KEY_OCTETS:]
        if server_id.hex() != profile.server_id or len(key) != KEY_OCTETS:
            raise SecurityFault("oms.key", profile.meter_id)
    journal.set_state(_key(profile.server_id), key)


class Wireless:
    """Take telegrams of wireless meters; each meter's counter must rise."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def take(self, octets: bytes, captured: datetime) -> Record:
        """Give a telegram's record; one of a meter without profile has no values, for it isn't opened.

        Raises: DecodeFault oms.structure, oms.value; SecurityFault oms.unprotected, oms.key, oms.mac; Replay oms.replayed.
        """
        telegram = read_telegram(octets)
        server_id = telegram.server_id.hex()
        profiles = (p for p in self._journal.profiles("meter") if isinstance(p, MeterProfile))
        if not any(profile.active and profile.server_id == server_id for profile in profiles):
            return Record(telegram.server_id, captured, {}, None)
        key = self._journal.get_state(_key(server_id))
        if not key:
            raise SecurityFault("oms.key", server_id)
        content = open_telegram(telegram, key)
        last = self._journal.get_state(_counter(server_id))
        if last is not None and telegram.counter <= int.from_bytes(last, "big"):
            raise Replay("oms.replayed", server_id)
        self._journal.set_state(_counter(server_id), telegram.counter.to_bytes(4, "big"))
        amount = main_register(content, telegram.device_type)
        return Record(telegram.server_id, captured, {amount.code: Value(amount.raw, amount.scaler, amount.unit)}, None, captured)


def _key(server_id: str) -> str:
    return f"meter-key/{server_id}"


def _counter(server_id: str) -> str:
    return f"meter-counter/{server_id}"
