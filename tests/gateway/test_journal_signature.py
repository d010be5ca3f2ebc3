"""Seals and cuts of a journal are signed by the gateway's own key, and by no other."""

from pathlib import Path

import pytest
from tests.gateway.gateway_parts import START, administrator_identity, gateway_identity
from tests.storage.samples import KEY, signed

from smgw.core.errors import SecurityFault
from smgw.gateway.journal_signature import journal_check, journal_signer
from smgw.net.clock import ManualClock
from smgw.pki.triple import ADMINISTRATOR_KEYS, GATEWAY_KEYS
from smgw.storage.journal import Journal

pytestmark = pytest.mark.req("LOG-02", "MEAS-04")


def test_what_somebody_else_signed_is_refused() -> None:
    signer = journal_signer(administrator_identity().module, ADMINISTRATOR_KEYS.sig)
    own = journal_check([gateway_identity().triple.sig])
    with pytest.raises(SecurityFault, match=r"journal\.signature: unknown key"):
        own(signer.key_id, b"octets", signer.sign(b"octets"))
    mine = journal_signer(gateway_identity().module, GATEWAY_KEYS.sig)
    with pytest.raises(SecurityFault, match=r"journal\.signature"):
        own(mine.key_id, b"octets", signer.sign(b"octets"))
    for signature in (b"", bytes(64), mine.sign(b"other octets"), mine.sign(b"octets") + b"\0"):
        with pytest.raises(SecurityFault, match=r"journal\.signature"):
            own(mine.key_id, b"octets", signature)


def test_a_key_for_something_else_is_not_taken() -> None:
    mine = journal_signer(gateway_identity().module, GATEWAY_KEYS.sig)
    with pytest.raises(SecurityFault, match="unknown key"):
        journal_check([gateway_identity().triple.tls])(mine.key_id, b"octets", mine.sign(b"octets"))


def test_seals_and_cuts_of_a_journal_verify(tmp_path: Path) -> None:
    signer = journal_signer(gateway_identity().module, GATEWAY_KEYS.sig)
    check = journal_check([administrator_identity().triple.sig, gateway_identity().triple.sig])
    with Journal.open(tmp_path / "journal.db", KEY) as journal:
        journal.seal_by(signer, ManualClock(START))
        journal.append_readings([signed(number) for number in range(1, 301)])
        journal.cut("readings", "", 100, START, signer)
        statements = list(journal.signed())
        assert [one.kind for one in statements] == ["seals", "cuts"]
        for one in statements:
            check(one.key_id, one.octets, one.signature)
        journal.verify_recent(check)
