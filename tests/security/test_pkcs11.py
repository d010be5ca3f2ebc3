"""What only a token can do or suffer: unextractable keys, wrong PINs, halves left by a power cut, a token that goes away, no engine."""

import itertools
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pkcs11
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import Attribute, ObjectClass
from pkcs11.exceptions import PKCS11Error
from tests.pki_builders import NOW, SmallPki
from tests.softhsm import LABELS, PIN, UNTOUCHED, engine, fresh_token, library, missing

from smgw.core.errors import ConfigError, SmgwError, Unavailable
from smgw.pki.names import Role
from smgw.pki.requests import make_request_package
from smgw.pki.triple import KeyNames
from smgw.security import tls, token_tls
from smgw.security.pkcs11 import STORAGE_LABEL, Pkcs11Module, token_of
from smgw.security.policy import CURVES


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "module.lock"


@pytest.fixture
def module(lock: Path) -> Pkcs11Module:
    return Pkcs11Module.create(library(), fresh_token(), PIN.encode(), lock)


@pytest.fixture
def session(module: Pkcs11Module) -> pkcs11.Session:
    return token_of(library(), LABELS[0], PIN.encode()).session


def code_of(call: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(SmgwError) as caught:
        call(*arguments)
    return caught.value.code


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.req("SEC-01", "LIFE-03")
def test_a_private_key_and_the_storage_key_never_leave(module: Pkcs11Module, session: pkcs11.Session, curve: str) -> None:
    module.generate("GW_WAN_ENC", curve)
    held = [
        *session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY}),
        *session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY}),
    ]
    assert {one[Attribute.LABEL] for one in held} == {"GW_WAN_ENC", STORAGE_LABEL}
    for one in held:
        assert (one[Attribute.SENSITIVE], one[Attribute.EXTRACTABLE], one[Attribute.PRIVATE]) == (True, False, True)
        assert (one[Attribute.ALWAYS_SENSITIVE], one[Attribute.NEVER_EXTRACTABLE], one[Attribute.LOCAL]) == (True, True, True)
        with pytest.raises(PKCS11Error):
            _ = one[Attribute.VALUE]


@pytest.mark.req("SEC-01")
def test_the_token_knows_what_a_key_is_for(module: Pkcs11Module, session: pkcs11.Session) -> None:
    for name in ("GW_WAN_SIG", "GW_WAN_ENC"):
        module.generate(name, "brainpoolP256r1")
    private = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
    assert {one[Attribute.LABEL]: one[Attribute.DERIVE] for one in private} == {"GW_WAN_SIG": False, "GW_WAN_ENC": True}


@pytest.mark.req("SEC-01")
def test_a_shared_secret_leaves_nothing_in_the_token(module: Pkcs11Module, session: pkcs11.Session) -> None:
    public = module.generate("GW_WAN_ENC", "brainpoolP256r1")
    before = len(list(session.get_objects({})))
    for _ in range(5):
        module.ecdh("GW_WAN_ENC", ec.generate_private_key(public.curve).public_key())
    assert len(list(session.get_objects({}))) == before


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.req("SEC-01", "WAN-03")
def test_a_point_that_reads_like_an_octet_string_is_still_a_point(module: Pkcs11Module, curve: str) -> None:
    public = module.generate("GW_WAN_ENC", curve)
    found = 0
    for number in itertools.count(1):
        peer = ec.derive_private_key(number, public.curve)
        point = peer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        if point[1] == len(point) - 2:
            assert module.ecdh("GW_WAN_ENC", peer.public_key()) == peer.exchange(ec.ECDH(), public)
            found += 1
            if found == 3:
                return


@pytest.mark.req("SEC-01")
def test_a_wrong_pin_locks_before_and_after_the_log_in(module: Pkcs11Module, lock: Path) -> None:
    for label in (LABELS[0], UNTOUCHED):
        for wrong in (b"wrong-pin", b"", PIN.encode() + b"\n", b"\xff\xff\xff\xff"):
            assert code_of(Pkcs11Module.open, library(), label, wrong, lock) == "module.locked"
    assert Pkcs11Module.open(library(), LABELS[0], PIN.encode(), lock).names() == []


def test_what_can_t_be_reached_is_named(module: Pkcs11Module, lock: Path, tmp_path: Path) -> None:
    text = tmp_path / "no-library.so"
    text.write_text("text")
    assert code_of(Pkcs11Module.open, str(text), LABELS[0], PIN.encode(), lock) == "module.library"
    assert code_of(Pkcs11Module.open, str(tmp_path / "none.so"), LABELS[0], PIN.encode(), lock) == "module.library"
    assert code_of(Pkcs11Module.open, library(), "no such token", PIN.encode(), lock) == "module.missing"


def test_an_empty_token_is_no_module_yet(lock: Path) -> None:
    assert code_of(Pkcs11Module.open, library(), fresh_token(1), PIN.encode(), lock) == "module.missing"


def test_a_half_key_of_a_power_cut_is_no_key_and_in_nobodys_way(module: Pkcs11Module, session: pkcs11.Session) -> None:
    for half in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY):
        module.generate("K", "secp256r1")
        next(iter(list(session.get_objects({Attribute.CLASS: half, Attribute.LABEL: "K"})))).destroy()
        assert module.names() == []
        module.generate("K", "secp256r1")
        module.sign_digest("K", bytes(32))
        module.destroy("K")
    assert [one[Attribute.LABEL] for one in session.get_objects({})] == [STORAGE_LABEL]


def data_objects(session: pkcs11.Session) -> list[pkcs11.Object]:
    return list(session.get_objects({Attribute.CLASS: ObjectClass.DATA}))


def test_a_file_cut_between_new_and_old_is_the_new_one(module: Pkcs11Module, session: pkcs11.Session) -> None:
    module.put_file("F", b"old")
    value = data_objects(session)[0][Attribute.VALUE]
    module.put_file("F", b"new")
    template = {Attribute.CLASS: ObjectClass.DATA, Attribute.TOKEN: True, Attribute.LABEL: "F", Attribute.APPLICATION: "smgw"}
    session.create_object({**template, Attribute.VALUE: value})
    assert module.get_file("F") == b"new"
    session.create_object({**template, Attribute.VALUE: (9).to_bytes(8, "big") + bytes(32) + b"not whole"})
    session.create_object({**template, Attribute.VALUE: b"x"})
    assert module.get_file("F") == b"new"
    module.put_file("F", b"newest")
    assert (len(data_objects(session)), module.get_file("F")) == (1, b"newest")
    data_objects(session)[0].destroy()
    session.create_object({**template, Attribute.VALUE: b"x"})
    assert code_of(module.get_file, "F") == "module.damaged"
    module.delete_file("F")
    assert module.files() == []


def test_objects_of_others_are_no_files(module: Pkcs11Module, session: pkcs11.Session) -> None:
    session.create_object(
        {
            Attribute.CLASS: ObjectClass.DATA,
            Attribute.TOKEN: True,
            Attribute.LABEL: "F",
            Attribute.APPLICATION: "other",
            Attribute.VALUE: b"x",
        }
    )
    assert module.files() == []


@pytest.mark.req("SEC-01")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_lost_session_is_opened_anew(module: Pkcs11Module) -> None:
    """The library complains, once a search, that it can't end a search in a session that is gone."""
    public = module.generate("GW_WAN_ENC", "secp256r1")
    key = module.storage_key("journal")
    for call in (
        lambda: module.sign_digest("GW_WAN_ENC", bytes(32)),
        lambda: module.ecdh("GW_WAN_ENC", public),
        lambda: module.names() == ["GW_WAN_ENC"] or pytest.fail("names"),
        lambda: module.put_file("F", b"x"),
        lambda: module.get_file("F") == b"x" or pytest.fail("file"),
        lambda: module.storage_key("journal") == key or pytest.fail("storage key"),
        lambda: module.random(8),
    ):
        token_of(library(), LABELS[0], PIN.encode()).session.close()
        call()
    assert module.public_key("GW_WAN_ENC") == public


@pytest.mark.req("SEC-01")
def test_a_token_that_is_away_is_waited_for(module: Pkcs11Module, monkeypatch: pytest.MonkeyPatch) -> None:
    module.generate("K", "secp256r1")
    token = token_of(library(), LABELS[0], PIN.encode())
    with monkeypatch.context() as patch:
        patch.setattr(token, "label", "a token that was pulled out")
        token.session.close()
        for _ in range(2):
            with pytest.raises(Unavailable) as caught:
                module.sign_digest("K", bytes(32))
            assert caught.value.code == "module.token"
    module.sign_digest("K", bytes(32))


def test_nothing_secret_is_shown(module: Pkcs11Module) -> None:
    assert repr(module) == f"<Pkcs11Module {LABELS[0]}>"
    with pytest.raises(ConfigError) as caught:
        token_of(library(), LABELS[0], b"another pin")
    assert "pin" not in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("ENGINE", b"no-such-engine"), ("_SIGNATURES", {"ENGINE_of_no_library": (None, ())})])
@pytest.mark.req("SEC-01", "SEC-03")
def test_tls_is_refused_where_openssl_can_t_use_a_token(
    module: Pkcs11Module, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    module.generate("GW_WAN_TLS", "brainpoolP256r1")
    monkeypatch.setattr(token_tls, name, value)
    for cached in (token_tls._engine, token_tls._native):
        cached.cache_clear()
    try:
        fault = code_of(module.tls_attach, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "GW_WAN_TLS", b"")
    finally:
        for cached in (token_tls._engine, token_tls._native):
            cached.cache_clear()
    assert fault == "module.token_tls"


@pytest.mark.req("SEC-01")
def test_threads_sign_while_tls_shakes_hands(module: Pkcs11Module, tmp_path: Path) -> None:
    if not engine():
        missing("OpenSSL's engine for PKCS#11 is not installed: `apt-get install libengine-pkcs11-openssl`")
    pki, keys = SmallPki.make(tmp_path / "pki"), KeyNames.of("GW_WAN")
    for name in keys:
        module.generate(name, "brainpoolP256r1")
    triple = pki.sub.issue_triple(make_request_package(module, keys, Role.SMGW, "EBSI0012345678"), Role.SMGW, now=NOW)
    peer, anchors = pki.party(Role.GWA, "test"), [pki.root.certificate, pki.sub.certificate]
    own = tls.TlsIdentity(keys.tls, (triple.tls, pki.sub.certificate))
    ours = tls.wan_context(server=True, module=module, identity=own, anchors=anchors)
    theirs = tls.wan_context(server=False, module=peer.module, identity=peer.tls, anchors=anchors)
    public, digest, signed = module.public_key(keys.sig), bytes(32), []

    def sign() -> None:
        for _ in range(100):
            public.verify(module.sign_digest(keys.sig, digest), digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
            signed.append(len(module.ecdh(keys.enc, public)))

    threads = [threading.Thread(target=sign) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        tls.handshake_in_memory(ours, theirs)
    for thread in threads:
        thread.join(60)
    assert signed == [32] * 300
