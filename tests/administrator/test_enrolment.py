"""Enrolment: a gateway is taken in once, by certificates of our SM-PKI; one at work keeps the certificates that it calls with."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.gateway.gateway_parts import START, administrator_identity, gateway_identity, participant_identity

from smgw.administrator.books import Books, open_books
from smgw.administrator.enrolment import check_seal, require_new
from smgw.administrator.exchanges import PERSONALISATION, RENEWAL, Exchanges
from smgw.core.errors import CertificateRejected, DomainFault
from smgw.pki.trust import TrustStore

pytestmark = pytest.mark.req("ADM-01", "LIFE-08")
P256 = "brainpoolP256r1"


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    opened = open_books(tmp_path / "inventory.db")
    yield opened
    opened.close()


def test_a_seal_of_our_pki_is_taken() -> None:
    check_seal(gateway_identity().triple, administrator_identity().trust, START)


@pytest.mark.req("PKI-02")
@pytest.mark.parametrize("case", ["another role", "another PKI", "over"])
def test_any_other_seal_is_refused(case: str) -> None:
    triple = participant_identity().triple if case == "another role" else gateway_identity().triple
    trust = TrustStore([]) if case == "another PKI" else administrator_identity().trust
    with pytest.raises(CertificateRejected):
        check_seal(triple, trust, START + timedelta(days=4000 if case == "over" else 0))


def test_a_gateway_at_work_is_not_enrolled_again(books: Books) -> None:
    triple = gateway_identity().triple
    device_id = str(triple.device_id)
    exchanges = Exchanges(books.store, books.audit, books.inventory)
    require_new(books.inventory, exchanges, device_id)
    books.inventory.add_gateway(device_id, *triple, START, "operator")
    with pytest.raises(DomainFault, match=r"administrator\.known_gateway"):
        require_new(books.inventory, exchanges, device_id)
    exchanges.order(device_id, RENEWAL, P256, START, "operator")
    with pytest.raises(DomainFault, match=r"administrator\.known_gateway"):
        require_new(books.inventory, exchanges, device_id)


def test_while_it_waits_for_its_personalisation_a_seal_may_be_corrected(books: Books) -> None:
    triple = gateway_identity().triple
    device_id = str(triple.device_id)
    exchanges = Exchanges(books.store, books.audit, books.inventory)
    books.inventory.add_gateway(device_id, *triple, START, "operator")
    exchanges.order(device_id, PERSONALISATION, P256, START, "operator")
    require_new(books.inventory, exchanges, device_id)
    exchanges.issued(device_id, b"-----BEGIN", START, "operator")
    with pytest.raises(DomainFault, match=r"administrator\.known_gateway"):
        require_new(books.inventory, exchanges, device_id)
