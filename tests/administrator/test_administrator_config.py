"""The administrator's folder: what can't be used is refused with a code; writing leaves the old file or the new."""

from pathlib import Path

import pytest

from smgw.administrator.config import AdministratorConfig, AdministratorFolder
from smgw.core.errors import ConfigError


def test_a_folder_without_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"administrator\.config: administrator\.json: No such file"):
        AdministratorFolder(tmp_path).load()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[" * 100_000, b'{"name": "x", "colour": 1}', b'{"name": 7}'])
def test_what_is_no_configuration_is_refused(tmp_path: Path, content: bytes) -> None:
    folder = AdministratorFolder(tmp_path)
    folder.config.write_bytes(content)
    with pytest.raises(ConfigError, match=r"administrator\.config"):
        folder.load()


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    folder, config = AdministratorFolder(tmp_path / "gwa"), AdministratorConfig("test.GWA", management_port=4711)
    folder.save(config)
    folder.save(config)
    assert folder.load() == config
    assert [path.name for path in folder.path.iterdir()] == ["administrator.json"]
