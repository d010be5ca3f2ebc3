"""Founding a system: whole or not at all, the same when done twice, and every profile one that the gateway takes."""

from pathlib import Path

import msgspec
import pytest
from tests.gateway.gateway_parts import START

from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorFolder
from smgw.core.profiles import PROFILE_KINDS, Profile
from smgw.gateway.config import GatewayFolder, LinkConfig, WakeUpConfig
from smgw.net.identity import TRIPLE_FILE, load_identity
from smgw.pki.names import Role
from smgw.pki.profile_rules import check_profile
from smgw.pki.triple import GATEWAY_KEYS, CertificateTriple
from smgw.simulation.provisioning import (
    DEFAULT_GATEWAY_ID,
    Layout,
    Ports,
    System,
    found_identities,
    open_pki,
    profiles_of,
    provision_administrator,
    provision_gateway,
    simulated_meter,
)

METERS = (simulated_meter("household", 10_000_001, "BEZUG"), simulated_meter("heat-pump", 10_000_002, "WÄRMEPUMPE"))
SYSTEM = System(DEFAULT_GATEWAY_ID, START, Ports(1, 2, 3, 4, 5, 6, 7), METERS)


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    layout = Layout(tmp_path_factory.mktemp("system"))
    found_identities(layout, DEFAULT_GATEWAY_ID, START)
    return layout


def identities(layout: Layout) -> dict[Role, CertificateTriple]:
    return found_identities(layout, DEFAULT_GATEWAY_ID, START)


@pytest.mark.req("OPS-05")
def test_a_power_cut_while_founding_leaves_nothing_that_the_next_start_can_t_replace(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    for name in ("pki.new", "gateway.new", "participant.new"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "module.secret").write_bytes(b"half")
    found = found_identities(layout, DEFAULT_GATEWAY_ID, START)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["administrator", "gateway", "participant", "pki"]
    assert load_identity(layout.gateway, GATEWAY_KEYS).triple == found[Role.SMGW]


def test_what_is_founded_stays(layout: Layout) -> None:
    module = (layout.gateway / "module.smgwkeys").read_bytes()
    assert identities(layout) == identities(layout)
    assert (layout.gateway / "module.smgwkeys").read_bytes() == module
    assert open_pki(layout, START).sub().name == "smgw-demo.CA"


def test_a_folder_without_its_mark_is_founded_anew(tmp_path: Path) -> None:
    (tmp_path / "gateway").mkdir()
    found_identities(Layout(tmp_path), DEFAULT_GATEWAY_ID, START)
    assert (tmp_path / "gateway" / TRIPLE_FILE).exists()


@pytest.mark.req("ADM-02")
def test_every_profile_is_one_that_the_gateway_takes_in_the_order_of_the_inventory(layout: Layout, tmp_path: Path) -> None:
    books = open_books(tmp_path / "inventory.db")
    inventory = books.inventory
    found = identities(layout)
    inventory.add_gateway(DEFAULT_GATEWAY_ID, *found[Role.SMGW], START, "test")
    for profile in profiles_of(SYSTEM, found[Role.EMT], "secret"):
        inventory.put_profile(DEFAULT_GATEWAY_ID, profile, START, "test")
    installed: dict[str, list[Profile]] = {kind: [] for kind in PROFILE_KINDS}
    for kind, profile in inventory.profiles(DEFAULT_GATEWAY_ID):
        check_profile(profile, installed, START)
        installed[kind].append(profile)
    books.close()
    assert {kind: len(profiles) for kind, profiles in installed.items()} == {"meter": 2, "communication": 1, "evaluation": 4, "consumer": 1}


@pytest.mark.req("CON-01")
def test_the_password_leaves_only_as_digests(layout: Layout) -> None:
    profiles = profiles_of(SYSTEM, identities(layout)[Role.EMT], "a very secret password")
    assert b"a very secret password" not in msgspec.json.encode(profiles)


def test_provisioning_twice_changes_nothing_and_a_higher_version_everything(layout: Layout) -> None:
    found = identities(layout)

    def provision(system: System) -> int:
        provision_administrator(layout, system, found[Role.SMGW], found[Role.EMT], "secret", START)
        books = open_books(AdministratorFolder(layout.administrator).inventory)
        revision = books.inventory.revision()
        books.close()
        return revision

    first = provision(SYSTEM)
    assert provision(SYSTEM) == first
    assert provision(msgspec.structs.replace(SYSTEM, profile_version=2)) == 2 * first
    assert AdministratorFolder(layout.administrator).load().management_port == SYSTEM.ports.management


@pytest.mark.req("LIFE-05")
def test_the_gateway_gets_a_configuration_that_it_loads(layout: Layout) -> None:
    provision_gateway(layout, SYSTEM, identities(layout)[Role.GWA], (LinkConfig("household", "pty:///run/household"),))
    config = GatewayFolder(layout.gateway).load()
    assert (config.device_id, config.han_port, config.administrator.time_port) == (DEFAULT_GATEWAY_ID, 7, 3)
    assert [link.name for link in config.links] == ["household"]


@pytest.mark.req("WAN-04")
def test_how_a_gateway_is_called_stays_as_it_was_set(layout: Layout) -> None:
    administrator, folder = identities(layout)[Role.GWA], GatewayFolder(layout.gateway)
    provision_gateway(layout, SYSTEM, administrator, ())
    config = folder.load()
    on_wake_up = msgspec.structs.replace(config.administrator, connection="on_wake_up")
    folder.save(msgspec.structs.replace(config, administrator=on_wake_up, wake_up=WakeUpConfig(host="127.0.0.1", port=15_200)))
    provision_gateway(layout, SYSTEM, administrator, ())
    again = folder.load()
    assert (again.administrator.connection, again.wake_up.port) == ("on_wake_up", 15_200)
    folder.config.write_bytes(b"{}")
    provision_gateway(layout, SYSTEM, administrator, ())
    assert folder.load().administrator.connection == "permanent"
