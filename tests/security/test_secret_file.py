"""Secret files: made once, long enough, and of no use once others can read them."""

import stat
from pathlib import Path

import pytest

from smgw.core.errors import ConfigError
from smgw.security.secret_file import SECRET_OCTETS, create_secret, load_secret

pytestmark = pytest.mark.req("SEC-01")


def test_a_missing_secret_is_named_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^secret\.missing: module\.secret$"):
        load_secret(tmp_path / "module.secret")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o610, 0o601])
def test_a_secret_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "module.secret"
    secret = create_secret(path)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=r"secret\.readable") as fault:
        load_secret(path)
    assert secret.decode() not in str(fault.value)


def test_a_secret_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "module.secret"
    secret = create_secret(path)
    with pytest.raises(ConfigError, match=r"secret\.exists"):
        create_secret(path)
    assert load_secret(path) == secret


def test_a_folder_is_no_secret(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"secret\.missing"):
        load_secret(tmp_path)


def test_a_new_secret_is_its_owner_s_alone_and_its_content_is_what_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "module.secret"
    secret = create_secret(path)
    assert load_secret(path) == secret
    assert len(bytes.fromhex(secret.decode())) == SECRET_OCTETS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert create_secret(tmp_path / "other") != secret


def test_line_ends_of_an_editor_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "module.secret"
    path.write_bytes(b"  a secret of my own \r\n")
    path.chmod(0o600)
    assert load_secret(path) == b"a secret of my own"
