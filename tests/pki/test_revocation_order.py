"""Orders to revoke, signed by the holder or by an administrator: who may, what counts, and that nothing is half revoked."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from tests.pki_builders import DEVICE_ID, KEYS, NOW, SECRET

from smgw.core.errors import SmgwError
from smgw.pki.deployment import PkiFolder
from smgw.pki.names import Role
from smgw.pki.requests import make_request_package
from smgw.pki.revocation_order import MOST_CERTIFICATES, SIGNED_REVOCATION, make_revocation_order, obey_revocation_order
from smgw.pki.triple import CertificateTriple
from smgw.security.content import Credential, sign_encapsulated
from smgw.security.software import SoftwareModule

pytestmark = pytest.mark.req("PKI-01")


class Holder:
    """Hold keys and the triple that the PKI issued for them."""

    def __init__(self, pki: PkiFolder, folder: Path, role: Role, name: str) -> None:
        self.module = SoftwareModule.create(folder / f"{role}-{name}", SECRET)
        for key in KEYS:
            self.module.generate(key, "brainpoolP256r1")
        self.triple: CertificateTriple = pki.issue(make_request_package(self.module, KEYS, role, name), role, now=NOW)
        self.signer = Credential(self.triple.sig, KEYS.sig)

    def order(self, *certificates: x509.Certificate) -> bytes:
        return make_revocation_order(certificates or self.triple, "key_compromise", module=self.module, signer=self.signer)

    def signed(self, content: bytes, **more: Any) -> bytes:
        return sign_encapsulated(content, module=self.module, signer=self.signer, **({"content_type": SIGNED_REVOCATION} | more))


class World:
    """Hold a PKI with a gateway, another one, an administrator and a participant."""

    def __init__(self, folder: Path) -> None:
        self.pki = PkiFolder.found(folder / "pki", now=NOW)
        self.gateway = Holder(self.pki, folder, Role.SMGW, DEVICE_ID)
        self.other = Holder(self.pki, folder, Role.SMGW, "EBSI0012345679")
        self.administrator = Holder(self.pki, folder, Role.GWA, "test")
        self.participant = Holder(self.pki, folder, Role.EMT, "test")

    def obey(self, order: bytes) -> str:
        """Have an order obeyed; gives who signed, or the code of the refusal."""
        try:
            return obey_revocation_order(order, self.pki, self.pki.trust(NOW), NOW)[1]
        except SmgwError as fault:
            return fault.code

    def revoked(self) -> set[int]:
        return {one.serial_number for one in x509.load_der_x509_crl(self.pki.sub().crl(NOW + timedelta(hours=1)))}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def serials(triple: CertificateTriple) -> set[int]:
    return {one.serial_number for one in triple}


@pytest.mark.parametrize("by", ["gateway", "administrator"])
def test_a_gateway_s_triple_is_revoked_by_itself_or_by_an_administrator(world: World, by: str) -> None:
    holder: Holder = getattr(world, by)
    assert world.obey(holder.order(*world.gateway.triple)) == holder.triple.sig.subject.rfc4514_string().split("CN=")[1].split(",")[0]
    assert world.revoked() == serials(world.gateway.triple)
    reasons = {
        entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
        for entry in x509.load_der_x509_crl(world.pki.sub().crl(NOW + timedelta(hours=1)))
    }
    assert reasons == {x509.ReasonFlags.key_compromise}


def test_an_order_that_comes_again_changes_nothing_and_completes_what_was_begun(world: World) -> None:
    order = world.administrator.order(*world.gateway.triple)
    world.pki.sub().revoke(world.gateway.triple.tls.serial_number, x509.ReasonFlags.superseded, NOW)
    for _ in range(2):
        assert world.obey(order) == "test.GWA"
        assert world.revoked() == serials(world.gateway.triple)


@pytest.mark.parametrize(
    ("by", "of"),
    [
        ("other", "gateway"), ("participant", "gateway"), ("gateway", "administrator"), ("administrator", "participant"),
        ("participant", "administrator"),
    ],
)  # fmt: skip
def test_nobody_revokes_what_is_another_s(world: World, by: str, of: str) -> None:
    signer, holder = getattr(world, by), getattr(world, of)
    assert world.obey(signer.order(*holder.triple)) == "pki.holder"
    assert world.revoked() == set()


def test_a_revoked_holder_orders_nothing_more(world: World) -> None:
    world.pki.sub().revoke(world.gateway.triple.sig.serial_number, x509.ReasonFlags.key_compromise, NOW)
    assert world.obey(world.gateway.order(world.gateway.triple.tls)) == "pki.revoked"
    assert world.revoked() == {world.gateway.triple.sig.serial_number}


def _content(world: World, **changes: object) -> bytes:
    right = {"common_name": f"{DEVICE_ID}.SMGW", "serials": [f"{world.gateway.triple.tls.serial_number:x}"], "reason": "superseded"}
    return msgspec.json.encode(right | changes)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"reason": "certificate_hold"}, "pki.malformed"),
        ({"reason": "remove_from_crl"}, "pki.malformed"),
        ({"serials": []}, "pki.malformed"),
        ({"serials": ["1"] * (MOST_CERTIFICATES + 1)}, "pki.malformed"),
        ({"serials": ["0x1"]}, "pki.malformed"),
        ({"serials": ["1\n"]}, "pki.malformed"),
        ({"common_name": ""}, "pki.malformed"),
        ({"more": 1}, "pki.malformed"),
        ({"serials": ["1"]}, "pki.unknown_serial"),
        ({"common_name": "EBSI0012345679.SMGW"}, "pki.unknown_serial"),
        ({"common_name": "Test.CA"}, "pki.unknown_serial"),
    ],
)
def test_what_does_not_fit_revokes_nothing(world: World, changes: dict[str, object], code: str) -> None:
    assert world.obey(world.gateway.signed(_content(world, **changes))) == code
    assert world.revoked() == set()


def test_one_unknown_certificate_among_known_ones_revokes_none(world: World) -> None:
    held = [f"{serial:x}" for serial in serials(world.gateway.triple)]
    assert world.obey(world.gateway.signed(_content(world, serials=[*held, "abc"]))) == "pki.unknown_serial"
    assert world.revoked() == set()


def test_the_signature_is_what_counts(world: World) -> None:
    order, gateway = world.gateway.order(), world.gateway
    assert world.obey(order[:-1] + bytes([order[-1] ^ 1])).startswith("cms.")
    assert world.obey(b"") != DEVICE_ID
    assert world.obey(gateway.signed(_content(world), include_certificate=False)).startswith(("pki.", "cms."))
    assert world.obey(gateway.signed(_content(world), content_type=x509.ObjectIdentifier("0.4.0.127.0.7.4.1.1.2"))).startswith("cms.")
    assert world.obey(gateway.signed(b"\xff{")) == "pki.malformed"
    enc = sign_encapsulated(
        _content(world), module=gateway.module, signer=Credential(gateway.triple.tls, KEYS.tls), content_type=SIGNED_REVOCATION
    )
    assert world.obey(enc) in ("pki.usage", "cms.key_usage")
    assert world.revoked() == set()


def test_an_order_is_for_one_holder(world: World) -> None:
    for wanted in ((*world.gateway.triple, *world.other.triple), world.gateway.triple * (MOST_CERTIFICATES // 3 + 1)):
        with pytest.raises(SmgwError) as caught:
            world.administrator.order(*wanted)
        assert caught.value.code == "pki.holder"
