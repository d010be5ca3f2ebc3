"""The module's rules: PIN and lock, authentication before key changes, generations, imports, power cuts."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from tests.pki_builders import NOW, Party, SmallPki
from tests.softhsm import write_configuration

from smgw.core.errors import SmgwError
from smgw.core.key_inventory import AUTHENTICATION_KEY, IMPORT_KEY, ROOT_CERTIFICATE
from smgw.pki.assembly import sign_certificate
from smgw.pki.names import Role
from smgw.pki.requests import make_request_package
from smgw.pki.triple import KeyNames
from smgw.security.key_guard import (
    AUTHENTICATION_S,
    CHALLENGE_S,
    RECORD,
    SESSION_S,
    KeyGuard,
    KeyState,
    ModuleState,
    sign_challenge,
)
from smgw.security.module import ModuleBackend
from smgw.security.module_folder import create_backend
from smgw.security.module_inventory import take_inventory
from smgw.security.policy import curve_name

pytestmark = pytest.mark.usefixtures("cheap_derivation")

PIN = b"0123456789"
PRE = tuple(f"GW_WAN_{kind}_PRE" for kind in ("TLS", "SIG", "ENC"))
"""Names of the provisional keys."""


class Ticks:
    """Count seconds that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> SmallPki:
    return SmallPki.make(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def administrator(pki: SmallPki) -> Party:
    return pki.party(Role.GWA, "test")


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture(params=["software", "token"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> ModuleBackend:
    if request.param == "token":
        write_configuration(tmp_path / "role", "token")
    return create_backend(tmp_path / "role")


@pytest.fixture
def guard(backend: ModuleBackend, ticks: Ticks) -> KeyGuard:
    return KeyGuard.initialise(backend, ticks)


def der(certificate: object) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)  # type: ignore[attr-defined, no-any-return]


def code_of(call: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(SmgwError) as caught:
        call(*arguments)
    return caught.value.code


def with_root(guard: KeyGuard, pki: SmallPki) -> KeyGuard:
    root = der(pki.root.certificate)
    guard.import_root(root, hashlib.sha256(root).digest())
    return guard


def with_administrator(guard: KeyGuard, pki: SmallPki, administrator: Party) -> KeyGuard:
    """Pair, and import the administrator's keys; a SIG certificate stands in for the AUT certificate."""
    with_root(guard, pki).pair(PIN)
    for kind, certificate in zip(("TLS", "SIG", "ENC", "AUT"), (*administrator.triple, administrator.triple.sig), strict=True):
        guard.import_certificate(f"GWADM_{kind}", der(certificate), [der(pki.sub.certificate)])
    return guard


def authenticate(guard: KeyGuard, administrator: Party) -> None:
    challenge = guard.challenge()
    guard.authenticate_admin(challenge, sign_challenge(administrator.module, "GW_WAN_SIG", challenge))


@pytest.mark.req("LIFE-04")
def test_pairing_binds_for_good(guard: KeyGuard, backend: ModuleBackend, ticks: Ticks) -> None:
    assert guard.state is ModuleState.INITIALISED
    assert code_of(guard.open_session, PIN) == "module.state"
    assert code_of(guard.pair, b"123456789") == "module.weak_pin"
    guard.pair(PIN)
    assert guard.state is ModuleState.PAIRED
    assert code_of(guard.pair, PIN) == "module.state"
    again = KeyGuard(backend, ticks)
    assert again.state is ModuleState.PAIRED
    assert code_of(again.storage_key, "journal") == "module.session"
    again.open_session(PIN)
    assert again.storage_key("journal") == guard.storage_key("journal")
    assert PIN not in backend.get_file(RECORD)


@pytest.mark.req("LIFE-04", "LIFE-06")
def test_three_wrong_pins_lock_for_good(guard: KeyGuard, backend: ModuleBackend, ticks: Ticks) -> None:
    guard.pair(PIN)
    assert code_of(guard.open_session, b"wrong") == "module.pin"
    assert code_of(guard.sign_digest, IMPORT_KEY, bytes(32)) == "module.session"
    # The count survives a restart, and a right PIN sets it back.
    again = KeyGuard(backend, ticks)
    assert code_of(again.open_session, b"wrong") == "module.pin"
    again.open_session(PIN)
    assert [code_of(KeyGuard(backend, ticks).open_session, b"wrong") for _ in range(3)] == ["module.pin", "module.pin", "module.pin_locked"]
    locked = KeyGuard(backend, ticks)
    assert locked.state is ModuleState.LOCKED
    assert code_of(locked.open_session, PIN) == "module.pin_locked"
    assert code_of(locked.sign_digest, IMPORT_KEY, bytes(32)) == "module.pin_locked"


@pytest.mark.req("LIFE-04")
def test_a_power_cut_gives_no_further_guess(guard: KeyGuard, backend: ModuleBackend, ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> None:
    guard.pair(PIN)

    def cut(*_: object) -> bool:
        raise KeyboardInterrupt

    for _ in range(3):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("smgw.security.key_guard.hmac", SimpleNamespace(compare_digest=cut))
            KeyGuard(backend, ticks).open_session(b"wrong")
    assert code_of(KeyGuard(backend, ticks).open_session, PIN) == "module.pin_locked"


@pytest.mark.req("SEC-01")
def test_a_session_ends_after_48_hours(guard: KeyGuard, backend: ModuleBackend, ticks: Ticks) -> None:
    guard.generate("GW_HAN_TLS", "secp384r1")
    guard.pair(PIN)
    ticks.now += SESSION_S - 1
    guard.sign_digest("GW_HAN_TLS", bytes(32))
    ticks.now += 1
    assert code_of(guard.sign_digest, "GW_HAN_TLS", bytes(32)) == "module.session"
    own = KeyGuard(backend, ticks, pin=lambda: PIN)
    own.sign_digest("GW_HAN_TLS", bytes(32))
    ticks.now += SESSION_S
    own.sign_digest("GW_HAN_TLS", bytes(32))


@pytest.mark.req("LIFE-03")
def test_the_root_comes_once_and_only_with_its_fingerprint(guard: KeyGuard, pki: SmallPki) -> None:
    root, sub = der(pki.root.certificate), der(pki.sub.certificate)
    assert code_of(guard.import_root, root, bytes(32)) == "pki.signature"
    assert code_of(guard.import_root, b"x", hashlib.sha256(b"x").digest()) == "pki.malformed"
    assert code_of(guard.import_root, sub, hashlib.sha256(sub).digest()) == "pki.signature"
    assert code_of(guard.import_certificate, "GWADM_TLS", sub) == "module.no_file"
    with_root(guard, pki)
    assert code_of(guard.import_root, root, hashlib.sha256(root).digest()) == "module.import"
    guard.erase_import_keys()
    guard.erase_import_keys()
    assert guard.names() == []
    assert guard.get_file(ROOT_CERTIFICATE) == root


@pytest.mark.req("LIFE-05")
def test_only_what_leads_to_the_root_is_imported(guard: KeyGuard, pki: SmallPki, administrator: Party, tmp_path: Path) -> None:
    with_root(guard, pki)
    sub, sig = der(pki.sub.certificate), der(administrator.triple.sig)
    other = SmallPki.make(tmp_path / "other")
    assert code_of(guard.import_certificate, "GWADM_SIG", sig) == "pki.signature"
    assert code_of(guard.import_certificate, "GWADM_SIG", sig, [der(other.sub.certificate)]) == "pki.signature"
    assert code_of(guard.import_certificate, "GWADM_SIG", sig[:-1], [sub]) == "pki.malformed"
    assert code_of(guard.import_certificate, "GWADM_SIG", der(other.sub.certificate), [der(other.root.certificate)]) == "pki.signature"
    assert code_of(guard.import_certificate, "SOMETHING", sig, [sub]) == "module.file"
    assert guard.files() == [ROOT_CERTIFICATE]
    guard.import_certificate("GWADM_SIG", sig, [sub])
    assert guard.files() == ["GWADM_SIG_PUB", ROOT_CERTIFICATE]


@pytest.mark.req("LIFE-05")
def test_an_end_entity_issues_nothing(guard: KeyGuard, pki: SmallPki, administrator: Party) -> None:
    """A certificate that the administrator's own key signed is refused although every signature is right."""
    with_root(guard, pki)
    issuer, model = administrator.triple.sig, administrator.triple.tls
    builder = x509.CertificateBuilder().subject_name(model.subject).issuer_name(issuer.subject).serial_number(7)
    builder = builder.not_valid_before(NOW).not_valid_after(NOW.replace(year=NOW.year + 1)).public_key(model.public_key())
    forged = der(sign_certificate(builder, administrator.module, "GW_WAN_SIG"))
    assert code_of(guard.import_certificate, "GWADM_TLS", forged, [der(issuer), der(pki.sub.certificate)]) == "pki.not_ca"


@pytest.mark.req("LIFE-03")
def test_a_seal_certificate_belongs_to_its_key(backend: ModuleBackend, ticks: Ticks, pki: SmallPki) -> None:
    guard = with_root(KeyGuard.initialise(backend, ticks), pki)
    for name in PRE:
        guard.generate(name, "brainpoolP256r1")
    package = make_request_package(guard, KeyNames(*PRE), Role.SMGW, "EBSI0012345678")
    triple, chain = pki.sub.issue_triple(package, Role.SMGW, now=NOW), [der(pki.sub.certificate)]
    assert code_of(guard.import_certificate, "GW_WAN_TLS_CRT_PRE", der(triple.sig), chain) == "pki.triple"
    for kind, certificate in zip(("TLS", "SIG", "ENC"), triple, strict=True):
        guard.import_certificate(f"GW_WAN_{kind}_CRT_PRE", der(certificate), chain)
    inventory = take_inventory(guard)
    assert [file.subject for file in inventory.files if file.name == "GW_WAN_SIG_CRT_PRE"] == [
        "SERIALNUMBER=1,CN=EBSI0012345678.SMGW,O=SM-Test-PKI-DE,C=DE"
    ]
    assert {key.state for key in inventory.keys if key.name in PRE} == {"prepared"}
    assert {key.name: key.use for key in inventory.keys} == {
        "IMPORT": "any",
        "GW_WAN_TLS_PRE": "sign",
        "GW_WAN_SIG_PRE": "sign",
        "GW_WAN_ENC_PRE": "agree",
    }


def test_protected_files_come_by_import_only(guard: KeyGuard) -> None:
    for name in (RECORD, "GW_WAN_TLS_CRT", "GWADM_AUT_PUB", ROOT_CERTIFICATE):
        assert code_of(guard.put_file, name, b"x") == "module.file"
    assert code_of(guard.get_file, RECORD) == "module.no_file"
    guard.put_file("MTR_LMN_TLS_CRT", b"der")
    assert guard.files() == ["MTR_LMN_TLS_CRT"]


@pytest.mark.req("LIFE-08", "SEC-01")
def test_wan_keys_change_only_for_the_authenticated_administrator(
    guard: KeyGuard, pki: SmallPki, administrator: Party, ticks: Ticks
) -> None:
    guard.generate("GW_WAN_TLS_PRE", "brainpoolP256r1")
    guard.activate(["GW_WAN_TLS_PRE"])
    with_administrator(guard, pki, administrator)
    for call in (
        lambda: guard.generate("GW_WAN_TLS", "brainpoolP256r1"),
        lambda: guard.prepare_generation("GW_WAN", "brainpoolP256r1", 2026),
        lambda: guard.activate(["GW_WAN_TLS_PRE"]),
        lambda: guard.deactivate(["GW_WAN_TLS_PRE"]),
        lambda: guard.destroy("GW_WAN_TLS_PRE"),
        lambda: guard.import_certificate("GWADM_AUT", der(administrator.triple.sig), [der(pki.sub.certificate)]),
        guard.terminate,
    ):
        assert code_of(call) == "module.authentication_needed"
    guard.sign_digest("GW_WAN_TLS_PRE", bytes(32))
    guard.generate("GW_HAN_TLS", "secp384r1")
    authenticate(guard, administrator)
    guard.generate("GW_WAN_TLS", "brainpoolP256r1")
    ticks.now += AUTHENTICATION_S
    assert code_of(guard.destroy, "GW_WAN_TLS") == "module.authentication_needed"


@pytest.mark.req("LIFE-08")
def test_a_challenge_counts_once_in_time_and_for_its_key(guard: KeyGuard, pki: SmallPki, administrator: Party, ticks: Ticks) -> None:
    challenge = guard.challenge()
    right = sign_challenge(administrator.module, "GW_WAN_SIG", challenge)
    assert code_of(guard.authenticate_admin, challenge, right) == "module.authentication"
    with_administrator(guard, pki, administrator)
    challenge = guard.challenge()
    foreign = sign_challenge(administrator.module, "GW_WAN_TLS", challenge)
    assert code_of(guard.authenticate_admin, challenge, foreign) == "module.authentication"
    right = sign_challenge(administrator.module, "GW_WAN_SIG", challenge)
    assert code_of(guard.authenticate_admin, challenge, right) == "module.authentication"
    challenge = guard.challenge()
    right = sign_challenge(administrator.module, "GW_WAN_SIG", challenge)
    ticks.now += CHALLENGE_S
    assert code_of(guard.authenticate_admin, challenge, right) == "module.authentication"
    for wrong in (b"", bytes(64), right[:-1], right + b"\x00"):
        assert code_of(guard.authenticate_admin, guard.challenge(), wrong) == "module.authentication"
    authenticate(guard, administrator)
    assert guard.authenticated
    guard.close_session()
    assert not guard.authenticated
    assert code_of(guard.challenge) == "module.session"


@pytest.mark.req("SEC-04", "LIFE-08")
def test_generations_stand_side_by_side_until_they_are_switched(
    guard: KeyGuard, backend: ModuleBackend, pki: SmallPki, administrator: Party, ticks: Ticks
) -> None:
    with_administrator(guard, pki, administrator)
    authenticate(guard, administrator)
    first = guard.prepare_generation("GW_WAN", "brainpoolP256r1", 2026)
    assert first == ("GW_WAN_TLS", "GW_WAN_SIG", "GW_WAN_ENC")
    guard.activate(first)
    assert code_of(lambda: guard.prepare_generation("GW_WAN", "brainpoolP384r1", 2025)) == "pki.curve"
    second = guard.prepare_generation("GW_WAN", "brainpoolP384r1", 2026)
    assert second == ("GW_WAN_TLS_G2", "GW_WAN_SIG_G2", "GW_WAN_ENC_G2")
    assert {curve_name(guard.public_key(name)) for name in second} == {"brainpoolP384r1"}
    assert {curve_name(guard.public_key(name)) for name in first} == {"brainpoolP256r1"}
    guard.sign_digest(first[1], bytes(32))
    guard.sign_digest(second[1], bytes(48))
    guard.activate(second)
    guard.deactivate(first)
    assert code_of(guard.sign_digest, first[1], bytes(32)) == "module.inactive"
    again = KeyGuard(backend, ticks, pin=lambda: PIN)
    assert [again.key_state(name) for name in (first[0], second[0])] == [KeyState.DEACTIVATED, KeyState.ACTIVE]
    assert code_of(guard.destroy, second[0]) == "module.active"
    for name in first:
        guard.destroy(name)
    assert guard.prepare_generation("GW_WAN", "brainpoolP384r1", 2026)[0] == "GW_WAN_TLS_G3"
    assert code_of(guard.activate, ["GW_WAN_TLS_G3", "GW_WAN_TLS_G9"]) == "module.no_key"
    assert guard.key_state("GW_WAN_TLS_G3") is KeyState.PREPARED
    assert {name for name in take_inventory(guard).names if name.startswith("GW_WAN_")} == {
        f"GW_WAN_{kind}_{half}" for kind in ("TLS", "SIG", "ENC") for half in ("PRV", "PUB")
    }


def test_a_generation_cut_short_is_made_anew(guard: KeyGuard) -> None:
    guard.generate("GW_WAN_TLS", "brainpoolP256r1")
    before = guard.public_key("GW_WAN_TLS")
    names = guard.prepare_generation("GW_WAN", "brainpoolP256r1", 2026)
    assert names[0] == "GW_WAN_TLS"
    assert guard.public_key("GW_WAN_TLS") != before
    guard.generate("GW_WAN_SIG_G2", "brainpoolP256r1")
    assert guard.prepare_generation("GW_WAN", "brainpoolP384r1", 2026)[1] == "GW_WAN_SIG_G2"
    assert curve_name(guard.public_key("GW_WAN_SIG_G2")) == "brainpoolP384r1"


@pytest.mark.req("LIFE-11")
def test_the_end_leaves_nothing_and_a_cut_is_finished(
    guard: KeyGuard, backend: ModuleBackend, pki: SmallPki, administrator: Party, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard.generate("GW_WAN_TLS_PRE", "brainpoolP256r1")
    with_administrator(guard, pki, administrator)
    authenticate(guard, administrator)

    def cut(_: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(backend, "delete_file", cut)
        guard.terminate()
    again = KeyGuard(backend, ticks, pin=lambda: PIN)
    assert again.state is ModuleState.TERMINATED
    again.terminate()
    assert backend.names() == []
    assert backend.files() == [RECORD]
    assert take_inventory(again).names == frozenset()
    for call in (lambda: again.generate("GW_WAN_TLS", "brainpoolP256r1"), again.challenge, lambda: again.storage_key("journal")):
        assert code_of(call) == "module.state"


def test_a_damaged_record_is_told(guard: KeyGuard, backend: ModuleBackend, ticks: Ticks) -> None:
    for data in (b"", b"\xc1", b"\x90"):
        backend.put_file(RECORD, data)
        assert code_of(KeyGuard, backend, ticks) == "module.damaged"


def test_a_damaged_public_key_is_told(guard: KeyGuard, backend: ModuleBackend, pki: SmallPki, administrator: Party) -> None:
    with_administrator(guard, pki, administrator)
    backend.put_file(AUTHENTICATION_KEY, b"x")
    challenge = guard.challenge()
    right = sign_challenge(administrator.module, "GW_WAN_SIG", challenge)
    assert code_of(guard.authenticate_admin, challenge, right) == "module.damaged"


def test_to_prepare_twice_changes_nothing(guard: KeyGuard, backend: ModuleBackend, ticks: Ticks) -> None:
    guard.pair(PIN)
    assert KeyGuard.initialise(backend, ticks).state is ModuleState.PAIRED


@pytest.mark.req("LIFE-03", "SEC-04")
def test_a_new_root_comes_by_the_old_one_and_the_administrator(
    guard: KeyGuard, pki: SmallPki, administrator: Party, tmp_path: Path
) -> None:
    with_administrator(guard, pki, administrator)
    new, old = SmallPki.make(tmp_path / "new"), pki.root.certificate
    builder = x509.CertificateBuilder().subject_name(old.subject).issuer_name(old.subject).serial_number(9)
    builder = builder.not_valid_before(NOW).not_valid_after(NOW.replace(year=NOW.year + 1)).public_key(new.root.certificate.public_key())
    builder = builder.add_extension(x509.BasicConstraints(True, 1), True)
    link = der(sign_certificate(builder, pki.module, "CA_SIG_ROOT"))
    assert code_of(guard.import_certificate, ROOT_CERTIFICATE, link) == "module.authentication_needed"
    authenticate(guard, administrator)
    assert code_of(guard.import_certificate, ROOT_CERTIFICATE, der(new.root.certificate)) == "pki.signature"
    guard.import_certificate(ROOT_CERTIFICATE, link)
    assert guard.get_file(ROOT_CERTIFICATE) == link
    guard.import_certificate("GWADM_SIG", der(new.party(Role.GWA, "new").triple.sig), [der(new.sub.certificate)])
    assert code_of(guard.import_certificate, "GWADM_SIG", der(administrator.triple.sig), [der(pki.sub.certificate)]) == "pki.signature"
