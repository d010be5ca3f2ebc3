"""The gateway's folder: a configuration that can't be used is refused with its key, and writing leaves the old file or the new."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.gateway.gateway_parts import GATEWAY_ID, participant_identity
from tests.gateway.wan.wan_parts import administrator_config

from smgw.core.errors import ConfigError, Unavailable
from smgw.gateway.config import GatewayConfig, GatewayFolder, LinkConfig
from smgw.simulation.provisioning import hex_der

CONFIG = GatewayConfig(GATEWAY_ID, administrator_config(4711), (LinkConfig("optical", "pty:///tmp/meter"),))


def refusal(folder: GatewayFolder) -> str:
    with pytest.raises(ConfigError) as fault:
        folder.load()
    assert fault.value.exit_code == 3
    return str(fault.value)


@pytest.fixture
def folder(tmp_path: Path) -> GatewayFolder:
    folder = GatewayFolder(tmp_path / "gateway")
    folder.save(CONFIG)
    return folder


def test_a_folder_without_a_gateway_is_named(tmp_path: Path) -> None:
    assert refusal(GatewayFolder(tmp_path / "nothing")) == "gateway.not_initialised: nothing"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"device_id": 7}'])
def test_what_is_no_configuration_is_refused(folder: GatewayFolder, content: bytes) -> None:
    folder.config.write_bytes(content)
    assert refusal(folder).startswith("gateway.config: ")


def test_a_configuration_that_can_t_be_read_is_refused(folder: GatewayFolder) -> None:
    folder.config.unlink()
    folder.config.mkdir()
    assert refusal(folder) == "gateway.config: Is a directory"


@pytest.mark.req("LIFE-05")
@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"device_id": "ESGW"}, "device_id"),
        ({"device_id": "esgw0000000001"}, "device_id"),
        ({"han_port": 70_000}, "han_port"),
        ({"wake_up": {"port": 70_000}}, "wake_up.port"),
        ({"wake_up": {"window_s": 301}}, "wake_up.window_s"),
        ({"administrator": {"connection": "on_wake_up"}}, "wake_up.host"),
        ({"han_digest": "SHA-1"}, "han_digest"),
        ({"colour": "red"}, "colour"),
        ({"administrator": {"management_port": 0}}, "administrator.management_port"),
        ({"administrator": {"time_port": -1}}, "administrator.time_port"),
        ({"administrator": {"tls_certificate": ""}}, "administrator.tls_certificate"),
        ({"administrator": {"sig_certificate": "zz"}}, "administrator.sig_certificate"),
        ({"administrator": {"enc_certificate": "3000"}}, "administrator.enc_certificate"),
        ({"administrator": {"enc_certificate": hex_der(participant_identity().triple.enc)}}, "administrator.enc_certificate"),
        ({"links": [{"name": "a", "url": "x"}, {"name": "a", "url": "y"}]}, "links"),
    ],
)
def test_a_value_that_can_t_be_used_is_named(folder: GatewayFolder, changes: dict[str, Any], key: str) -> None:
    document = json.loads(folder.config.read_bytes())
    for name, value in changes.items():
        document[name] = {**document[name], **value} if isinstance(value, dict) else value
    folder.config.write_text(json.dumps(document))
    assert key in refusal(folder)


def test_what_is_saved_is_loaded(folder: GatewayFolder) -> None:
    assert folder.load() == CONFIG
    changed = msgspec.structs.replace(CONFIG, han_port=8443)
    folder.save(changed)
    assert folder.load() == changed
    assert sorted(path.name for path in folder.path.iterdir()) == ["gateway.json"]


@pytest.mark.req("OPS-05")
def test_a_disk_that_refuses_leaves_the_old_file(folder: GatewayFolder) -> None:
    with pytest.raises(Unavailable, match=r"gateway\.files: x"):
        folder.write(folder.config / "x", b"new")
    assert folder.load() == CONFIG
