"""The software security module: what it does, and how it meets wrong secrets, damage and power cuts."""

import hashlib
import os
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.pki_builders import SmallPki

from smgw.core.errors import ConfigError, IntegrityFault, SecurityFault, SmgwError, UsageError
from smgw.security.module import SecurityModule
from smgw.security.software import SoftwareModule
from smgw.security.tls import pem_bundle

SECRET = b"correct horse battery"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def module(path: Path) -> SoftwareModule:
    return SoftwareModule.create(path, SECRET)


def code_of(call: object, *arguments: object) -> str:
    assert callable(call)
    with pytest.raises(SmgwError) as caught:
        call(*arguments)
    return caught.value.code


@pytest.mark.req("SEC-01")
def test_a_wrong_secret_locks_and_leaves_the_file_alone(module: SoftwareModule, path: Path) -> None:
    before = path.read_bytes()
    for wrong in (b"", b"wrong", SECRET + b"\n", SECRET[:-1]):
        with pytest.raises(ConfigError) as caught:
            SoftwareModule.open(path, wrong)
        assert caught.value.code == "module.locked"
    assert path.read_bytes() == before


def test_a_missing_or_empty_file(path: Path) -> None:
    assert code_of(SoftwareModule.open, path, SECRET) == "module.missing"
    path.touch(mode=0o600)
    assert code_of(SoftwareModule.open, path, SECRET) == "module.damaged"


def test_a_store_is_never_overwritten(module: SoftwareModule, path: Path) -> None:
    assert code_of(SoftwareModule.create, path, SECRET) == "module.exists"


def test_a_short_secret_is_refused(path: Path) -> None:
    assert code_of(SoftwareModule.create, path, b"123456789") == "module.weak_secret"
    assert not path.exists()


def test_a_file_that_others_may_read_is_refused(module: SoftwareModule, path: Path) -> None:
    for mode in (0o640, 0o604, 0o660):
        path.chmod(mode)
        assert code_of(SoftwareModule.open, path, SECRET) == "module.permissions"


@pytest.mark.req("SEC-01")
def test_one_flipped_bit_in_any_octet_is_damage(module: SoftwareModule, path: Path) -> None:
    module.generate("A", "brainpoolP256r1")
    good = path.read_bytes()
    header = 8 + 4 + 32 + 32
    # Past the header each try costs a scrypt run, so the sealed part is sampled; the header is tried octet by octet.
    for at in (*range(header), *range(header, len(good), 61), len(good) - 1):
        bad = bytearray(good)
        bad[at] ^= 1 << (at % 8)
        path.write_bytes(bad)
        with pytest.raises(IntegrityFault) as caught:
            SoftwareModule.open(path, SECRET)
        assert caught.value.code == "module.damaged", at
    path.write_bytes(good)
    assert SoftwareModule.open(path, SECRET).names() == ["A"]


@pytest.mark.req("SEC-01", "ADM-01")
def test_a_random_secret_is_not_stretched_and_the_file_says_so(path: Path) -> None:
    secret = bytes(range(32))
    SoftwareModule.create(path, secret, random_secret=True).generate("A", "secp256r1")
    stretched = SoftwareModule.create(path.with_name("stretched"), secret)
    stretched.generate("B", "secp256r1")
    assert (path.read_bytes()[9:12], path.with_name("stretched").read_bytes()[9:12]) == (bytes((10, 8, 1)), bytes((15, 8, 1)))
    assert SoftwareModule.open(path, secret).names() == ["A"]
    assert SoftwareModule.open(path.with_name("stretched"), secret).names() == ["B"]


@given(data=st.binary(max_size=200), cut=st.integers(0, 400))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_foreign_or_cut_files_are_damage(module: SoftwareModule, path: Path, data: bytes, cut: int) -> None:
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[: min(cut, len(whole) - 1)] if cut % 2 else data)
        assert code_of(SoftwareModule.open, path, SECRET) == "module.damaged"
    finally:
        path.write_bytes(whole)


def test_a_store_exchanged_while_open_is_noticed(module: SoftwareModule, path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    SoftwareModule.create(other, SECRET)
    other.replace(path)
    assert code_of(module.generate, "A", "secp256r1") == "module.damaged"


@pytest.mark.parametrize("curve", ["brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1", "secp256r1", "secp384r1"])
@pytest.mark.req("SEC-01")
def test_signatures_and_shared_secrets_fit_the_public_key(module: SoftwareModule, curve: str) -> None:
    public = module.generate("K", curve)
    assert module.public_key("K") == public
    for algorithm in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        digest = hashlib.new(algorithm.name, b"text").digest()
        public.verify(module.sign_digest("K", digest), digest, ec.ECDSA(utils.Prehashed(algorithm)))
    peer = ec.generate_private_key(public.curve)
    secret = module.ecdh("K", peer.public_key())
    assert secret == peer.exchange(ec.ECDH(), public)
    assert len(secret) == (public.key_size + 7) // 8


def test_a_peer_key_on_another_curve_is_refused(module: SoftwareModule) -> None:
    module.generate("K", "brainpoolP256r1")
    with pytest.raises(SecurityFault) as caught:
        module.ecdh("K", ec.generate_private_key(ec.SECP256R1()).public_key())
    assert caught.value.code == "module.peer_key"


def test_wrong_calls(module: SoftwareModule) -> None:
    module.generate("K", "secp256r1")
    assert code_of(module.generate, "K", "secp256r1") == "module.key_exists"
    assert code_of(module.generate, "L", "secp521r1") == "module.curve"
    assert code_of(module.public_key, "L") == "module.no_key"
    assert code_of(module.sign_digest, "L", bytes(32)) == "module.no_key"
    assert code_of(module.sign_digest, "K", bytes(20)) == "module.digest"
    assert code_of(module.ecdh, "L", module.public_key("K")) == "module.no_key"
    assert code_of(module.destroy, "L") == "module.no_key"
    assert code_of(module.random, -1) == "module.random"
    assert code_of(module.random, 1 << 21) == "module.random"
    assert module.names() == ["K"]


@pytest.mark.req("LIFE-10")
def test_keys_and_storage_keys_survive_a_restart(module: SoftwareModule, path: Path) -> None:
    public = module.generate("B", "brainpoolP256r1")
    module.generate("A", "secp384r1")
    key = module.storage_key("journal")
    again = SoftwareModule.open(path, SECRET)
    assert again.names() == ["A", "B"]
    assert again.public_key("B") == public
    assert again.storage_key("journal") == key
    assert len(key) == 32
    assert again.storage_key("other") != key
    assert SoftwareModule.create(path.with_name("second"), SECRET).storage_key("journal") != key


@pytest.mark.req("LIFE-11")
def test_a_destroyed_key_is_gone_after_a_restart(module: SoftwareModule, path: Path) -> None:
    module.generate("A", "secp256r1")
    module.destroy("A")
    assert module.names() == []
    assert SoftwareModule.open(path, SECRET).names() == []
    assert [one.name for one in path.parent.iterdir() if not one.name.endswith(".lock")] == ["keys"]


def test_two_processes_do_not_lose_each_others_keys(module: SoftwareModule, path: Path) -> None:
    modules = [module, SoftwareModule.open(path, SECRET)]
    threads = [
        threading.Thread(target=lambda one=one, number=number: [one.generate(f"{number}-{k}", "secp256r1") for k in range(5)])
        for number, one in enumerate(modules)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(SoftwareModule.open(path, SECRET).names()) == 10


def test_a_failed_write_changes_nothing(module: SoftwareModule, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module.generate("A", "secp256r1")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert code_of(module.generate, "B", "secp256r1") == "module.write"
    assert code_of(module.destroy, "A") == "module.write"
    monkeypatch.undo()
    assert module.names() == ["A"]
    assert SoftwareModule.open(path, SECRET).names() == ["A"]
    module.generate("B", "secp256r1")


@pytest.mark.req("LIFE-03")
def test_the_file_is_private_and_holds_no_plain_key(module: SoftwareModule, path: Path) -> None:
    module.generate("GW_WAN_TLS", "brainpoolP256r1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    data = path.read_bytes()
    assert b"GW_WAN" not in data
    form = module._find("GW_WAN_TLS").private_numbers().private_value.to_bytes(32, "big")
    assert form not in data


def test_nothing_secret_is_shown(module: SoftwareModule, path: Path) -> None:
    module.generate("A", "secp256r1")
    assert repr(module) == "<SoftwareModule keys, 1 keys>"
    assert SECRET.decode() not in repr(vars(module))
    with pytest.raises(ConfigError) as caught:
        SoftwareModule.open(path, b"another secret")
    assert "another" not in str(caught.value)


@pytest.mark.req("SEC-03")
def test_a_tls_context_takes_the_key_and_nothing_stays_behind(tmp_path: Path) -> None:
    pki = SmallPki.make(tmp_path)
    module = pki.module
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    before = len(list(Path("/proc/self/fd").iterdir()))
    module.tls_attach(context, "CA_SIG_ROOT", pem_bundle([pki.root.certificate]))
    with pytest.raises(UsageError) as caught:
        module.tls_attach(context, "CA_SIG_Test", pem_bundle([pki.root.certificate]))
    assert caught.value.code == "module.tls"
    assert code_of(module.tls_attach, context, "none", b"") == "module.no_key"
    assert code_of(module.tls_attach, context, "CA_SIG_ROOT", b"") == "module.tls"
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_it_is_a_security_module(module: SoftwareModule) -> None:
    interface: SecurityModule = module
    assert len(interface.random(16)) == 16
    assert interface.random(16) != interface.random(16)
