"""What every security module does, backend by backend: in software, in a token (SoftHSM2), and with keys of TLS in software."""

import hashlib
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from tests.pki_builders import NOW, SmallPki
from tests.softhsm import write_configuration

from smgw.core.errors import ConfigError, SecurityFault, SmgwError, UsageError
from smgw.pki.names import Role
from smgw.pki.requests import make_request_package
from smgw.pki.triple import KeyNames
from smgw.security import tls
from smgw.security.module import MAX_FILE_OCTETS, ModuleBackend
from smgw.security.module_folder import MixedModule, create_backend, open_backend
from smgw.security.policy import CURVES

pytestmark = pytest.mark.usefixtures("cheap_derivation")

KINDS = ("software", "token", "mixed")


@pytest.fixture(params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "role"
    if request.param != "software":
        write_configuration(path, "token" if request.param == "token" else "software")
    return path


@pytest.fixture
def module(folder: Path) -> ModuleBackend:
    return create_backend(folder)


def code_of(call: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(SmgwError) as caught:
        call(*arguments)
    return caught.value.code


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.req("SEC-01", "SEC-04")
def test_signatures_and_shared_secrets_fit_the_public_key_on_every_curve(module: ModuleBackend, curve: str) -> None:
    public = module.generate("K", curve)
    assert module.public_key("K") == public
    assert type(public.curve) is CURVES[curve]
    for algorithm in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        digest = hashlib.new(algorithm.name, b"text").digest()
        public.verify(module.sign_digest("K", digest), digest, ec.ECDSA(utils.Prehashed(algorithm)))
    for _ in range(3):
        peer = ec.generate_private_key(public.curve)
        secret = module.ecdh("K", peer.public_key())
        assert secret == peer.exchange(ec.ECDH(), public)
        assert len(secret) == (public.key_size + 7) // 8


@pytest.mark.req("SEC-01")
def test_wrong_calls_have_the_same_codes(module: ModuleBackend) -> None:
    module.generate("K", "secp256r1")
    module.generate("GW_WAN_SIG", "secp256r1")
    peer = ec.generate_private_key(ec.SECP256R1()).public_key()
    other = ec.generate_private_key(ec.BrainpoolP256R1()).public_key()
    assert code_of(module.generate, "K", "secp256r1") == "module.key_exists"
    assert code_of(module.generate, "L", "secp521r1") == "module.curve"
    for name in ("", "L" * 81, "a/b", "ä", "\n", "_x"):
        assert code_of(module.generate, name, "secp256r1") == "module.name"
        assert code_of(module.put_file, name, b"") == "module.name"
    for call in (module.public_key, module.destroy):
        assert code_of(call, "L") == "module.no_key"
    assert code_of(module.sign_digest, "L", bytes(32)) == "module.no_key"
    assert code_of(module.sign_digest, "K", bytes(20)) == "module.digest"
    assert code_of(module.ecdh, "L", peer) == "module.no_key"
    assert code_of(module.ecdh, "K", other) == "module.peer_key"
    assert code_of(module.ecdh, "GW_WAN_SIG", peer) == "module.use"
    assert code_of(module.random, -1) == "module.random"
    assert code_of(module.random, (1 << 20) + 1) == "module.random"
    assert code_of(module.get_file, "L") == "module.no_file"
    assert code_of(module.delete_file, "L") == "module.no_file"
    assert code_of(module.put_file, "L", bytes(MAX_FILE_OCTETS + 1)) == "module.file"
    assert code_of(module.tls_attach, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "L", b"") == "module.no_key"
    assert module.names() == ["GW_WAN_SIG", "K"]
    assert module.files() == []


def test_errors_are_of_the_right_kind(module: ModuleBackend) -> None:
    with pytest.raises(UsageError):
        module.public_key("none")
    module.generate("K", "secp256r1")
    with pytest.raises(SecurityFault):
        module.ecdh("K", ec.generate_private_key(ec.SECP384R1()).public_key())


@pytest.mark.parametrize("name", ["GW_WAN_TLS_PRE", "GW_WAN_SIG_G2", "GWADM_AUT"])
def test_keys_that_sign_agree_on_nothing(module: ModuleBackend, name: str) -> None:
    public = module.generate(name, "brainpoolP256r1")
    with pytest.raises(UsageError, match=r"module\.use"):
        module.ecdh(name, ec.generate_private_key(public.curve).public_key())


@pytest.mark.req("SEC-01", "LIFE-10")
def test_everything_survives_a_restart(module: ModuleBackend, folder: Path) -> None:
    public = [module.generate(name, "brainpoolP256r1") for name in ("GW_WAN_TLS", "GW_WAN_ENC")]
    module.put_file("ROOT_WAN_SIG_CRT", b"der")
    key = module.storage_key("journal")
    again = open_backend(folder)
    assert again.names() == ["GW_WAN_ENC", "GW_WAN_TLS"]
    assert [again.public_key(name) for name in ("GW_WAN_TLS", "GW_WAN_ENC")] == public
    assert again.get_file("ROOT_WAN_SIG_CRT") == b"der"
    assert (again.storage_key("journal"), len(key)) == (key, 32)
    assert again.storage_key("other") != key


@pytest.mark.req("LIFE-11")
def test_what_is_destroyed_is_gone_after_a_restart(module: ModuleBackend, folder: Path) -> None:
    for name in ("GW_WAN_TLS", "GW_WAN_ENC"):
        first = module.generate(name, "secp256r1")
        module.destroy(name)
        assert code_of(module.sign_digest, name, bytes(32)) == "module.no_key"
        assert module.generate(name, "secp256r1") != first
        module.destroy(name)
    key = module.storage_key("journal")
    module.forget_storage()
    assert module.storage_key("journal") != key
    again = open_backend(folder)
    assert again.names() == []
    assert again.storage_key("journal") == module.storage_key("journal")


def test_files_are_replaced_as_a_whole(module: ModuleBackend, folder: Path) -> None:
    for data in (b"", b"x", bytes(range(256)) * 256, b"short"):
        module.put_file("F", data)
        assert module.get_file("F") == data
    module.put_file("A", b"a")
    assert module.files() == ["A", "F"]
    assert open_backend(folder).get_file("F") == b"short"
    module.delete_file("F")
    assert open_backend(folder).files() == ["A"]


def test_another_process_sees_what_one_writes(module: ModuleBackend, folder: Path) -> None:
    other = open_backend(folder)
    module.put_file("F", b"1")
    assert other.get_file("F") == b"1"
    other.put_file("F", b"2")
    assert module.get_file("F") == b"2"


def test_two_at_once_lose_nothing(module: ModuleBackend, folder: Path) -> None:
    modules = [module, open_backend(folder)]
    threads = [
        threading.Thread(target=lambda one=one, number=number: [one.generate(f"K{number}-{k}", "secp256r1") for k in range(3)])
        for number, one in enumerate(modules)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(open_backend(folder).names()) == 6


def test_random_octets(module: ModuleBackend) -> None:
    assert module.random(0) == b""
    assert [len(module.random(count)) for count in (1, 31, 32, 5000)] == [1, 31, 32, 5000]
    assert len({module.random(16) for _ in range(50)}) == 50


@pytest.mark.req("SEC-01")
def test_a_module_is_never_made_over_another(module: ModuleBackend, folder: Path) -> None:
    module.generate("K", "secp256r1")
    with pytest.raises(ConfigError) as caught:
        create_backend(folder)
    assert caught.value.code in ("secret.exists", "module.exists")
    assert open_backend(folder).names() == ["K"]


@pytest.mark.req("SEC-01", "PKI-01")
def test_requests_certificates_and_tls_work_with_its_keys(module: ModuleBackend, tmp_path: Path) -> None:
    keys, pki = KeyNames.of("GW_WAN"), SmallPki.make(tmp_path / "pki")
    for name in keys:
        module.generate(name, "brainpoolP256r1")
    triple = pki.sub.issue_triple(make_request_package(module, keys, Role.SMGW, "EBSI0012345678"), Role.SMGW, now=NOW)
    peer = pki.party(Role.GWA, "test")
    anchors = [pki.root.certificate, pki.sub.certificate]
    own = tls.TlsIdentity(keys.tls, (triple.tls, pki.sub.certificate))
    for server in (True, False):
        ours = tls.wan_context(server=server, module=module, identity=own, anchors=anchors)
        theirs = tls.wan_context(server=not server, module=peer.module, identity=peer.tls, anchors=anchors)
        sides = tls.handshake_in_memory(ours, theirs) if server else tls.handshake_in_memory(theirs, ours)
        tls.require_parameters(sides[0])
    for wrong in (tls.TlsIdentity(keys.tls, (triple.sig,)), tls.TlsIdentity(keys.tls, (triple.enc, pki.sub.certificate))):
        with pytest.raises(UsageError, match=r"module\.tls"):
            tls.wan_context(server=True, module=module, identity=wrong, anchors=anchors)
    # A key that was made after the first one went to TLS is found too.
    module.generate("GW_HAN_TLS", "secp256r1")
    with pytest.raises(UsageError, match=r"module\.tls"):
        module.tls_attach(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "GW_HAN_TLS", tls.pem_bundle([triple.tls]))


@pytest.mark.req("SEC-01")
def test_keys_of_tls_lie_in_software_where_that_is_chosen(tmp_path: Path) -> None:
    write_configuration(tmp_path, "software")
    module = create_backend(tmp_path)
    assert isinstance(module, MixedModule)
    for name in ("GW_WAN_TLS", "GW_WAN_TLS_PRE", "GW_HAN_TLS", "GW_WAN_SIG", "GW_WAN_ENC"):
        module.generate(name, "brainpoolP256r1")
    assert module._software.names() == ["GW_HAN_TLS", "GW_WAN_TLS", "GW_WAN_TLS_PRE"]
    assert module._token.names() == ["GW_WAN_ENC", "GW_WAN_SIG"]
    assert len(module.names()) == 5
