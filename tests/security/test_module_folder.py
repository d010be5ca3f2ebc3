"""Which backend a role's folder has, and what a wrong configuration says."""

import json
from pathlib import Path

import pytest
from tests.softhsm import PIN, fresh_token, library, write_configuration

from smgw.core.errors import SmgwError
from smgw.security import module_folder, token_tls
from smgw.security.module_folder import (
    CONFIG_FILE,
    SECRET_FILE,
    MixedModule,
    create_backend,
    discard_beginnings,
    has_module,
    is_tls_key,
    module_config,
    open_backend,
    open_or_create_backend,
)
from smgw.security.pkcs11 import Pkcs11Module
from smgw.security.software import SoftwareModule

pytestmark = pytest.mark.usefixtures("cheap_derivation")


def configure(folder: Path, **values: object) -> None:
    (folder / CONFIG_FILE).write_text(json.dumps(values))


def code_of(folder: Path) -> str:
    with pytest.raises(SmgwError) as caught:
        open_backend(folder)
    return caught.value.code


@pytest.mark.req("SEC-01")
def test_without_a_configuration_keys_lie_in_software(tmp_path: Path) -> None:
    assert isinstance(create_backend(tmp_path), SoftwareModule)
    assert isinstance(open_backend(tmp_path), SoftwareModule)
    configure(tmp_path, backend="software")
    assert isinstance(open_backend(tmp_path), SoftwareModule)


@pytest.mark.parametrize(("tls_keys", "kind"), [("token", Pkcs11Module), ("software", MixedModule)])
@pytest.mark.req("SEC-01")
def test_a_token_is_used_where_one_is_named(tmp_path: Path, tls_keys: str, kind: type) -> None:
    write_configuration(tmp_path, tls_keys)
    assert isinstance(create_backend(tmp_path), kind)
    assert isinstance(open_backend(tmp_path), kind)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"backend": "tpm"}', '{"backend": "pkcs11"}', '{"library": 1}', '{"unknown": 1}', "\xff", "[" * 100_000],
)
def test_a_wrong_configuration_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / CONFIG_FILE).write_text(text, encoding="latin-1")
    assert code_of(tmp_path) == "module.config"


def test_a_configuration_that_can_t_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).mkdir()
    assert code_of(tmp_path) == "module.config"


def test_a_pin_file_is_secret(tmp_path: Path) -> None:
    write_configuration(tmp_path, "token")
    (tmp_path / "token.pin").chmod(0o644)
    assert code_of(tmp_path) == "secret.readable"
    (tmp_path / "token.pin").unlink()
    assert code_of(tmp_path) == "secret.missing"


def test_a_pin_file_may_lie_elsewhere(tmp_path: Path) -> None:
    folder, pin = tmp_path / "role", tmp_path / "elsewhere"
    folder.mkdir()
    pin.write_text(PIN + "\n")
    pin.chmod(0o600)
    configure(folder, backend="pkcs11", library=library(), token_label=fresh_token(), pin_file=str(pin))
    assert create_backend(folder).names() == []


@pytest.mark.req("SEC-01")
def test_the_extra_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_configuration(tmp_path, "token")

    def fail(_: str) -> None:
        raise ImportError

    monkeypatch.setattr(module_folder.importlib, "import_module", fail)
    assert code_of(tmp_path) == "module.library"


def test_names_tell_where_keys_lie() -> None:
    assert all(is_tls_key(name) for name in ("GW_WAN_TLS", "GW_WAN_TLS_PRE", "GW_WAN_TLS_G2", "GW_HAN_TLS", "GW_LMN_TLS"))
    assert not any(is_tls_key(name) for name in ("GW_WAN_SIG", "GW_WAN_ENC_G2", "GWADM_AUT", "IMPORT", "HTLSX"))
    assert module_config(Path("/nonexistent")).tls_keys == "token"


@pytest.mark.parametrize("kind", ["software", "token", "mixed"])
def test_to_open_or_create_makes_one_module(tmp_path: Path, kind: str) -> None:
    if kind != "software":
        write_configuration(tmp_path, "token" if kind == "token" else "software")
    assert has_module(tmp_path) == (kind != "software")
    open_or_create_backend(tmp_path).generate("GW_WAN_SIG", "secp256r1")
    assert open_or_create_backend(tmp_path).names() == ["GW_WAN_SIG"]
    assert has_module(tmp_path)


@pytest.mark.parametrize("kind", ["software", "token", "mixed"])
def test_beginnings_are_discarded_and_nothing_else(tmp_path: Path, kind: str) -> None:
    if kind != "software":
        write_configuration(tmp_path, "token" if kind == "token" else "software")
    keys, files = frozenset({"IMPORT"}), frozenset({"RECORD"})
    discard_beginnings(tmp_path, keys, files)
    for _ in range(2):
        module = create_backend(tmp_path)
        module.generate("IMPORT", "secp256r1")
        module.put_file("RECORD", b"x")
        discard_beginnings(tmp_path, keys, files)
    module = create_backend(tmp_path)
    module.generate("GW_WAN_SIG", "secp256r1")
    with pytest.raises(SmgwError, match=r"module\.exists"):
        discard_beginnings(tmp_path, keys, files)
    assert open_backend(tmp_path).names() == ["GW_WAN_SIG"]


def test_a_key_store_that_was_begun_and_not_finished_is_discarded(tmp_path: Path) -> None:
    (tmp_path / SECRET_FILE).write_text("secret")
    (tmp_path / SECRET_FILE).chmod(0o600)
    discard_beginnings(tmp_path, frozenset(), frozenset())
    assert not (tmp_path / SECRET_FILE).exists()


@pytest.mark.req("SEC-01", "SEC-03")
def test_without_the_engine_keys_of_tls_in_a_token_are_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_configuration(tmp_path, "token")
    create_backend(tmp_path)
    monkeypatch.setattr(token_tls, "ENGINE", b"no-such-engine")
    token_tls._engine.cache_clear()
    try:
        assert code_of(tmp_path) == "module.token_tls"
        write_configuration(tmp_path, "software")
        create_backend(tmp_path).generate("GW_WAN_TLS", "brainpoolP256r1")
        assert open_backend(tmp_path).names() == ["GW_WAN_TLS"]
    finally:
        token_tls._engine.cache_clear()
