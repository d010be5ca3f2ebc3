"""The inventory: what is refused changes nothing, also on a full disk, and what is noted is there after a restart."""

import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.administrator.administrator_parts import add_gateway
from tests.gateway.gateway_parts import GATEWAY_ID, START, all_profiles, gateway_identity, meter_profile

from smgw.administrator.inventory import Inventory
from smgw.core.errors import DomainFault, IntegrityFault, Unavailable
from smgw.core.profiles import PROFILE_KINDS, profile_key


@pytest.fixture
def inventory(tmp_path: Path) -> Iterator[Inventory]:
    inventory = Inventory(tmp_path / "inventory.db")
    add_gateway(inventory)
    yield inventory
    inventory.close()


@pytest.mark.parametrize("content", [b"no database at all" * 500, b"SQLite format 3\0" + bytes(4080)], ids=["text", "empty header"])
def test_a_file_that_is_no_inventory_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "inventory.db"
    path.write_bytes(content)
    with pytest.raises(IntegrityFault, match=r"administrator\.damaged"):
        Inventory(path)
    assert path.read_bytes() == content


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"administrator\.store"):
        Inventory(tmp_path / "nowhere" / "inventory.db")


@pytest.mark.req("ADM-02")
@pytest.mark.parametrize("version", [1, 0])
def test_a_profile_needs_a_higher_version_than_the_last(inventory: Inventory, version: int) -> None:
    inventory.put_profile(GATEWAY_ID, meter_profile(1), START, "test")
    with pytest.raises(DomainFault, match=r"profile\.version"):
        inventory.put_profile(GATEWAY_ID, msgspec.structs.replace(meter_profile(), version=version), START, "test")
    assert inventory.revision() == 1
    assert [entry["action"] for entry in inventory.audit_trail()] == ["put meter profile version 1", "add gateway"]


@pytest.mark.req("ADM-01")
def test_a_profile_of_an_unknown_gateway_is_refused(inventory: Inventory) -> None:
    with pytest.raises(DomainFault, match=r"administrator\.unknown_gateway"):
        inventory.put_profile("ESGW0000000002", meter_profile(), START, "test")
    assert inventory.revision() == 0


@pytest.mark.req("OPS-05")
def test_a_full_disk_changes_nothing_and_is_told(inventory: Inventory) -> None:
    inventory._database.execute("PRAGMA max_page_count=1")
    with pytest.raises(Unavailable, match=r"administrator\.store"):
        for version in range(1, 1000):
            inventory.put_profile(GATEWAY_ID, meter_profile(version), START, "test")
    revision = inventory.revision()
    assert len(inventory.audit_trail(10_000)) == revision + 1
    inventory._database.execute("PRAGMA max_page_count=100000")
    inventory.put_profile(GATEWAY_ID, meter_profile(1000), START, "test")
    assert inventory.revision() == revision + 1


@pytest.mark.req("ADM-01", "ADM-02")
def test_what_is_noted_is_there_after_a_restart_in_the_order_of_installation(inventory: Inventory, tmp_path: Path) -> None:
    for profile in reversed(all_profiles()):
        inventory.put_profile(GATEWAY_ID, profile, START, "test")
    inventory.put_profile(GATEWAY_ID, meter_profile(2), START, "test")
    inventory.note_contact(GATEWAY_ID, START, "normal", b'{"state": "normal"}')
    inventory.close()
    again = Inventory(tmp_path / "inventory.db")
    assert [kind for kind, _ in again.profiles(GATEWAY_ID)] == ["communication", "meter", "consumer", "evaluation"]
    assert all(isinstance(profile, PROFILE_KINDS[kind]) for kind, profile in again.profiles(GATEWAY_ID))
    assert {profile_key(profile): profile.version for _, profile in again.profiles(GATEWAY_ID)}["1SGW0010000001"] == 2
    (status,) = again.status(START + timedelta(days=1))
    assert (status.device_id, status.state, status.profiles, status.last_contact) == (GATEWAY_ID, "normal", 4, "2026-03-01T12:00:00Z")
    assert status.certificate_days_left > 300
    again.close()


@pytest.mark.req("ADM-10")
def test_the_audit_trail_is_newest_first_and_bounded(inventory: Inventory) -> None:
    for number in range(5):
        inventory.audit(START, "ann", f"step {number}", GATEWAY_ID, "done")
    trail = inventory.audit_trail(2)
    assert [entry["action"] for entry in trail] == ["step 4", "step 3"]
    assert trail[0] == {"at": "2026-03-01T12:00:00Z", "actor": "ann", "action": "step 4", "subject": GATEWAY_ID, "result": "done"}


def test_a_gateway_s_certificates_are_kept_and_can_be_exchanged(inventory: Inventory) -> None:
    held = inventory.gateway(GATEWAY_ID)
    assert held is not None
    assert (held.tls, held.sig, held.enc) == tuple(gateway_identity().triple)
    triple = gateway_identity().triple
    inventory.add_gateway(GATEWAY_ID, triple.sig, triple.sig, triple.enc, START, "test")
    assert inventory.gateways() == [GATEWAY_ID]
    exchanged = inventory.gateway(GATEWAY_ID)
    assert exchanged is not None
    assert exchanged.tls == triple.sig
    assert inventory.gateway("ESGW0000000009") is None


def test_the_file_is_its_owner_s_alone(inventory: Inventory, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "inventory.db").stat().st_mode) == 0o600
