"""The inventory: what is refused changes nothing, also on a full disk, and what is noted is there after a restart."""

import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.administrator.administrator_parts import add_gateway
from tests.gateway.gateway_parts import GATEWAY_ID, METER_ID, START, all_profiles, gateway_identity, meter_profile

from smgw.administrator.books import Books, open_books
from smgw.core.errors import DomainFault, IntegrityFault, Unavailable
from smgw.core.profiles import PROFILE_KINDS, profile_key


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    books = open_books(tmp_path / "inventory.db")
    add_gateway(books.inventory)
    yield books
    books.close()


@pytest.mark.parametrize("content", [b"no database at all" * 500, b"SQLite format 3\0" + bytes(4080)], ids=["text", "empty header"])
def test_a_file_that_is_no_inventory_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "inventory.db"
    path.write_bytes(content)
    with pytest.raises(IntegrityFault, match=r"administrator\.damaged"):
        open_books(path)
    assert path.read_bytes() == content


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"administrator\.store"):
        open_books(tmp_path / "nowhere" / "inventory.db")


@pytest.mark.req("ADM-02")
@pytest.mark.parametrize("version", [1, 0])
def test_a_profile_needs_a_higher_version_than_the_last(books: Books, version: int) -> None:
    books.inventory.put_profile(GATEWAY_ID, meter_profile(1), START, "test")
    with pytest.raises(DomainFault, match=r"profile\.version"):
        books.inventory.put_profile(GATEWAY_ID, msgspec.structs.replace(meter_profile(), version=version), START, "test")
    assert books.inventory.revision() == 1
    assert [entry["action"] for entry in books.audit.newest()] == ["put meter profile version 1", "add gateway"]


@pytest.mark.req("ADM-01")
def test_a_profile_of_an_unknown_gateway_is_refused(books: Books) -> None:
    with pytest.raises(DomainFault, match=r"administrator\.unknown_gateway"):
        books.inventory.put_profile("ESGW0000000002", meter_profile(), START, "test")
    assert books.inventory.revision() == 0


@pytest.mark.req("OPS-05")
def test_a_full_disk_changes_nothing_and_is_told(books: Books) -> None:
    books.store._database.execute("PRAGMA max_page_count=1")
    with pytest.raises(Unavailable, match=r"administrator\.store"):
        for version in range(1, 1000):
            books.inventory.put_profile(GATEWAY_ID, meter_profile(version), START, "test")
    revision = books.inventory.revision()
    assert len(books.audit.newest(10_000)) == revision + 1
    books.store._database.execute("PRAGMA max_page_count=100000")
    books.inventory.put_profile(GATEWAY_ID, meter_profile(1000), START, "test")
    assert books.inventory.revision() == revision + 1


@pytest.mark.req("ADM-01", "ADM-02")
def test_what_is_noted_is_there_after_a_restart_in_the_order_of_installation(books: Books, tmp_path: Path) -> None:
    for profile in reversed(all_profiles()):
        books.inventory.put_profile(GATEWAY_ID, profile, START, "test")
    books.inventory.put_profile(GATEWAY_ID, meter_profile(2), START, "test")
    books.inventory.note_contact(GATEWAY_ID, START, "normal", b'{"state": "normal"}')
    books.close()
    reopened = open_books(tmp_path / "inventory.db")
    again = reopened.inventory
    assert [kind for kind, _ in again.profiles(GATEWAY_ID)] == ["communication", "meter", "consumer", "evaluation"]
    assert all(isinstance(profile, PROFILE_KINDS[kind]) for kind, profile in again.profiles(GATEWAY_ID))
    assert {profile_key(profile): profile.version for _, profile in again.profiles(GATEWAY_ID)}["1SGW0010000001"] == 2
    (status,) = again.status(START + timedelta(days=1))
    assert (status.device_id, status.state, status.profiles, status.last_contact) == (GATEWAY_ID, "normal", 4, "2026-03-01T12:00:00Z")
    assert status.certificate_days_left > 300
    reopened.close()


@pytest.mark.req("ADM-10")
def test_the_audit_trail_is_newest_first_and_bounded(books: Books) -> None:
    for number in range(5):
        books.audit.note(START, "op1", f"step {number}", GATEWAY_ID, "done")
    trail = books.audit.newest(2)
    assert [entry["action"] for entry in trail] == ["step 4", "step 3"]
    expected = {"at": "2026-03-01T12:00:00Z", "actor": "op1", "action": "step 4", "subject": GATEWAY_ID, "result": "done"}
    assert trail[0] == {"id": "6", **expected}


def test_a_gateway_s_certificates_are_kept_and_can_be_exchanged(books: Books) -> None:
    held = books.inventory.gateway(GATEWAY_ID)
    assert held is not None
    assert (held.tls, held.sig, held.enc) == tuple(gateway_identity().triple)
    triple = gateway_identity().triple
    books.inventory.add_gateway(GATEWAY_ID, triple.sig, triple.sig, triple.enc, START, "test")
    assert books.inventory.gateways() == [GATEWAY_ID]
    exchanged = books.inventory.gateway(GATEWAY_ID)
    assert exchanged is not None
    assert exchanged.tls == triple.sig
    assert books.inventory.gateway("ESGW0000000009") is None


def test_the_file_is_its_owner_s_alone(books: Books, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "inventory.db").stat().st_mode) == 0o600


@pytest.mark.req("ADM-02")
def test_a_profile_that_was_removed_is_held_no_more_until_a_higher_version_comes(books: Books) -> None:
    add_gateway(books.inventory)
    for profile in all_profiles():
        books.inventory.put_profile(GATEWAY_ID, profile, START, "op1")
    count = books.inventory.status(START)[0].profiles
    books.inventory.remove_profile(GATEWAY_ID, "meter", METER_ID, START, "op1")
    assert "meter" not in [kind for kind, _ in books.inventory.profiles(GATEWAY_ID)]
    assert books.inventory.status(START)[0].profiles == count - 1
    for kind, profile_id in (("meter", METER_ID), ("meter", "other"), ("other", METER_ID)):
        with pytest.raises(DomainFault, match=r"administrator\.unknown_profile"):
            books.inventory.remove_profile(GATEWAY_ID, kind, profile_id, START, "op1")
    with pytest.raises(DomainFault, match=r"profile\.version"):
        books.inventory.put_profile(GATEWAY_ID, meter_profile(version=1), START, "op1")
    books.inventory.put_profile(GATEWAY_ID, meter_profile(version=2), START, "op1")
    assert "meter" in [kind for kind, _ in books.inventory.profiles(GATEWAY_ID)]
    assert books.inventory.status(START)[0].profiles == count


@pytest.mark.req("ADM-06")
def test_a_gateway_is_connected_while_one_of_its_channels_is(books: Books) -> None:
    inventory = books.inventory
    assert not inventory.is_connected(GATEWAY_ID)
    with inventory.connected(GATEWAY_ID):
        with inventory.connected(GATEWAY_ID):
            assert inventory.is_connected(GATEWAY_ID)
        assert inventory.is_connected(GATEWAY_ID)
    assert not inventory.is_connected(GATEWAY_ID)


@pytest.mark.req("ADM-01")
def test_one_gateway_is_shown_as_the_list_shows_it(books: Books) -> None:
    for number in range(1, 4):
        add_gateway(books.inventory, f"ESGW{number:010d}")
    listed = books.inventory.status(START)
    assert [books.inventory.status(START, status.device_id) for status in listed] == [[status] for status in listed]
    assert books.inventory.status(START, "ESGW0000000009") == []
