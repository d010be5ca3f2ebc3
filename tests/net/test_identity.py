"""A role's identity in its folder: opened whole or refused with the part that is missing."""

import shutil
import stat
from pathlib import Path

import pytest
from tests.gateway.gateway_parts import START, participant_identity, pki

from smgw.core.errors import ConfigError, SmgwError
from smgw.net.identity import (
    ISSUERS_FILE,
    MODULE_FILE,
    SECRET_FILE,
    TRIPLE_FILE,
    TRUST_FOLDER,
    create_keys,
    install_certificates,
    load_identity,
    open_module,
)
from smgw.pki.names import Role
from smgw.pki.triple import GATEWAY_KEYS, PARTICIPANT_KEYS


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("identity") / "gateway"
    package = create_keys(folder, GATEWAY_KEYS, Role.SMGW, "ESGW0000000042")
    install_certificates(folder, pki().issue(package, Role.SMGW, now=START), [pki().sub().certificate])
    pki().trust(START).save(folder / TRUST_FOLDER)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "gateway")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (TRIPLE_FILE, "identity.missing"),
        (ISSUERS_FILE, "identity.missing"),
        (MODULE_FILE, "module.missing"),
        (SECRET_FILE, "secret.missing"),
        (TRUST_FOLDER, "pki.trust_folder"),
    ],
)
def test_a_part_that_is_missing_is_named(folder: Path, name: str, code: str) -> None:
    path = folder / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(ConfigError) as fault:
        load_identity(folder, GATEWAY_KEYS)
    assert fault.value.code == code


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        (TRIPLE_FILE, b"", "pki.malformed"),
        (TRIPLE_FILE, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "pki.malformed"),
        (MODULE_FILE, b"x" * 500, "module.damaged"),
        (SECRET_FILE, b"another secret than the right one", "module.locked"),
        (SECRET_FILE, b"", "module.locked"),
    ],
)
def test_a_part_that_is_damaged_is_named(folder: Path, name: str, content: bytes, code: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(SmgwError) as fault:
        load_identity(folder, GATEWAY_KEYS)
    assert fault.value.code == code
    assert "secret than" not in str(fault.value)


def test_certificates_that_can_t_be_read_are_told(folder: Path) -> None:
    (folder / TRIPLE_FILE).unlink()
    (folder / TRIPLE_FILE).mkdir()
    with pytest.raises(ConfigError, match=r"identity\.unreadable: Is a directory"):
        load_identity(folder, GATEWAY_KEYS)


def test_certificates_of_three_subjects_make_no_identity(folder: Path) -> None:
    mixed = load_identity(folder, GATEWAY_KEYS).triple._replace(enc=participant_identity().triple.enc)
    (folder / TRIPLE_FILE).write_bytes(mixed.to_pem())
    with pytest.raises(SmgwError, match=r"pki\.triple"):
        load_identity(folder, GATEWAY_KEYS)


@pytest.mark.req("SEC-01")
def test_keys_are_never_overwritten(folder: Path) -> None:
    before = (folder / MODULE_FILE).read_bytes()
    with pytest.raises(ConfigError, match=r"secret\.exists"):
        create_keys(folder, PARTICIPANT_KEYS, Role.EMT, "test")
    assert (folder / MODULE_FILE).read_bytes() == before


@pytest.mark.req("SEC-01", "PKI-01")
def test_a_whole_identity_is_opened(folder: Path) -> None:
    identity = load_identity(folder, GATEWAY_KEYS)
    assert identity.triple.common_name == "ESGW0000000042.SMGW"
    assert identity.tls.chain[0] == identity.triple.tls
    assert open_module(folder).names() == sorted(GATEWAY_KEYS)
    for name in (MODULE_FILE, SECRET_FILE):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
