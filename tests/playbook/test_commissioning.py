"""From the works to the first call, told step by step: both orders of integration, every refusal, the power cut anywhere."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.gateway.gateway_parts import administrator_identity, pki
from tests.playbook.life_world import (
    CONFIGURATOR,
    DEVICE_ID,
    INSTALLATION,
    INTEGRATOR,
    MODULE_FIRST,
    SEAL_FIRST,
    TO_INSTALLATION,
    A,
    World,
    base64,
    configuration_file,
    copy_of,
)

from smgw.core.errors import ConfigError, Unavailable
from smgw.core.key_inventory import Place, compare
from smgw.core.life_cycle import RULES, Action, Actor, Mark, Phase, phases_of
from smgw.gateway.commissioning import manufacture
from smgw.gateway.config import GatewayFolder
from smgw.gateway.lifecycle import LifeKeeper, load_record
from smgw.net.clock import ManualClock
from smgw.security.content import sign_encapsulated
from smgw.security.module_inventory import take_inventory

ORDERS = pytest.mark.parametrize("order", [SEAL_FIRST, MODULE_FIRST], ids=["seal first", "integration first"])
ALL = (*SEAL_FIRST, *TO_INSTALLATION, *INSTALLATION)
LOCAL = [rule for rule in RULES if rule.actor in (INTEGRATOR, CONFIGURATOR)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = copy_of(tmp_path / "gateway")
    yield made
    made.keeper.close()


@pytest.mark.req("LIFE-01", "LIFE-03", "LIFE-04", "LIFE-05", "LIFE-06", "LIFE-07")
@ORDERS
@pytest.mark.step("2.3.1.1", event="certificate_changed")
@pytest.mark.step("2.3.1.3", event="initial_configuration_loaded")
@pytest.mark.step("2.3.1.3", "2.3.2", event="local_access_granted")
@pytest.mark.step("2.3.2", event="local_interface_disabled")
@pytest.mark.step("2.3.3", event="phase_changed")
def test_a_gateway_comes_from_the_works_to_its_first_call(tmp_path: Path, order: tuple[Action, ...]) -> None:
    world = copy_of(tmp_path / "gateway")
    met = [world.phase]
    for action in (*order, *TO_INSTALLATION, *INSTALLATION):
        world.through(action)
        world.power_cycle()
        met += [world.phase] if world.phase is not met[-1] else []
    first, second = Phase.PRE_PERSONALISATION_1, Phase.INTEGRATION
    middle = [first, second] if order is SEAL_FIRST else [second, first]
    assert met == [Phase.MANUFACTURED, *middle, Phase.PRE_PERSONALISATION_2, Phase.INSTALLATION, Phase.PERSONALISATION]
    config = world.folder.load()
    assert (config.administrator.host, config.administrator.management_port) == ("gwa.example", 7001)
    assert config.han_port == 8443 and config.links[0].name == "optical"
    assert world.signed == 1
    events = world.events()
    assert events.count("phase_changed") == 5
    assert events.count("initial_configuration_loaded") == 1
    assert events.count("local_interface_disabled") == 1
    assert {"certificate_changed", "local_access_granted"} <= set(events)
    assert not world.keeper.record.waiting
    world.keeper.close()


@pytest.mark.req("LIFE-10")
@ORDERS
def test_after_each_phase_the_module_holds_exactly_what_the_annex_lists(tmp_path: Path, order: tuple[Action, ...]) -> None:
    world, compared = copy_of(tmp_path / "gateway"), 0
    for action in (*order, *TO_INSTALLATION):
        before = world.phase
        world.through(action)
        begins = Phase.MANUFACTURED in (before, world.phase)
        if world.phase is not before and not begins:
            assert compare(world.keeper.life, take_inventory(world.shop.module).names, Place.MODULE) == []
            compared += 1
    assert compared == 3
    world.keeper.close()


@pytest.mark.req("LIFE-01")
@pytest.mark.parametrize("phase", [phase for phase in Phase if phase in {rule.phase for rule in LOCAL}])
def test_every_action_of_another_phase_is_refused_with_the_phase_it_needs(tmp_path: Path, phase: Phase) -> None:
    ways = {
        Phase.MANUFACTURED: (),
        Phase.PRE_PERSONALISATION_1: SEAL_FIRST[:2],
        Phase.INTEGRATION: SEAL_FIRST[:3],
        Phase.PRE_PERSONALISATION_2: SEAL_FIRST,
        Phase.INSTALLATION: (*SEAL_FIRST, *TO_INSTALLATION),
    }
    world = copy_of(tmp_path / "gateway", *ways[phase])
    assert world.phase is phase
    before = world.keeper.life
    for rule in LOCAL:
        if phase in phases_of(rule.action):
            continue
        reply = world.ask(rule.actor, rule.action)
        assert reply["code"] == "lifecycle.phase", rule.action
        assert all(needed in reply["detail"] for needed in phases_of(rule.action))
    assert world.keeper.life == before
    world.keeper.close()


@pytest.mark.req("LIFE-06")
def test_each_role_has_its_own_rights(tmp_path: Path) -> None:
    world = copy_of(tmp_path / "gateway", *SEAL_FIRST, *TO_INSTALLATION)
    for action in (A.SET_NETWORK, A.READ_SYSTEM_LOG, A.CORRECT_ADDRESS, A.FINISH_INSTALLATION):
        assert world.ask(INTEGRATOR, action)["code"] == "local.role"
    assert world.ask(CONFIGURATOR, A.RESET_PIN)["code"] == "local.role"
    world.keeper.close()


@pytest.mark.req("LIFE-06")
def test_the_first_configurator_has_no_right_of_the_integrator(world: World) -> None:
    for action in (A.IMPORT_ROOT, A.MAKE_STORAGE_KEY):
        assert world.ask(CONFIGURATOR, action, **world.fields(action))["code"] == "local.role"
    assert world.phase is Phase.MANUFACTURED


@pytest.mark.req("LIFE-06")
@pytest.mark.step("2.3.1.3", event="local_access_refused")
def test_three_wrong_pins_lock_whatever_happens_to_the_power(world: World) -> None:
    assert world.ask(INTEGRATOR, A.IMPORT_ROOT, pin="0")["code"] == "local.pin"
    world.power_cycle()
    assert world.ask(INTEGRATOR, A.IMPORT_ROOT, pin=world.pins[CONFIGURATOR])["code"] == "local.pin"
    world.power_cycle()
    assert world.ask(INTEGRATOR, A.IMPORT_ROOT, pin="1")["code"] == "local.locked"
    world.power_cycle()
    assert world.ask(INTEGRATOR, A.IMPORT_ROOT, **world.root())["code"] == "local.locked"
    assert world.events().count("local_access_refused") == 4


@pytest.mark.req("LIFE-06")
def test_the_right_pin_forgives_wrong_ones(world: World) -> None:
    for pin in ("0", "1"):
        world.ask(INTEGRATOR, A.IMPORT_ROOT, pin=pin)
    world.through(A.IMPORT_ROOT)
    for pin in ("0", "1"):
        assert world.ask(INTEGRATOR, A.IMPORT_ROOT, pin=pin)["code"] == "local.pin"


@pytest.mark.req("LIFE-06")
def test_the_integrator_gives_a_new_pin_for_a_locked_one(tmp_path: Path) -> None:
    world = copy_of(tmp_path / "gateway", *SEAL_FIRST, *TO_INSTALLATION)
    for _ in range(3):
        world.ask(CONFIGURATOR, A.SET_NETWORK, pin="0")
    assert world.ask(CONFIGURATOR, A.SET_NETWORK)["code"] == "local.locked"
    pin = world.do(INTEGRATOR, A.RESET_PIN)["pin"]
    assert world.ask(CONFIGURATOR, A.SET_NETWORK, pin=pin)["ok"]
    world.keeper.close()


@pytest.mark.req("LIFE-06", "LIFE-07")
def test_after_installation_the_local_interface_stays_off(tmp_path: Path) -> None:
    world = copy_of(tmp_path / "gateway", *ALL)
    assert world.keeper.record.pins == {}
    for actor in (INTEGRATOR, CONFIGURATOR):
        for _ in range(2):
            world.power_cycle()
            assert world.ask(actor, A.READ_SYSTEM_LOG)["code"] == "local.off"
    with pytest.raises(ConfigError, match=r"lifecycle\.exists"):
        manufacture(world.folder, DEVICE_ID, world.clock)
    world.keeper.close()


# ------------------------------------------------------------------------------------------------ nothing is stored unless all is right


@pytest.mark.req("LIFE-03")
def test_a_root_with_another_fingerprint_is_refused(world: World) -> None:
    reply = world.ask(INTEGRATOR, A.IMPORT_ROOT, **{**world.root(), "fingerprint": "00" * 32})
    assert reply["code"] == "lifecycle.root"
    assert world.phase is Phase.MANUFACTURED
    assert "ROOT_WAN_SIG_CRT" not in world.shop.module.files()
    assert world.events()[-1] == "local_action_refused"


WRONG_ON_SITE: dict[str, tuple[Action, dict[str, object], str]] = {
    "no host": (A.CORRECT_ADDRESS, {"host": ""}, "administrator.host"),
    "blanks in the host": (A.CORRECT_ADDRESS, {"host": "a b;c"}, "administrator.host"),
    "an address that is none": (A.CORRECT_ADDRESS, {"host": "300.1.1.1"}, "administrator.host"),
    "port 0": (A.CORRECT_ADDRESS, {"management_port": 0}, "administrator.management_port"),
    "a port too high": (A.CORRECT_ADDRESS, {"time_port": 65_536}, "administrator.time_port"),
    "no name of a line": (A.SET_NETWORK, {"links": [{"name": "", "url": "pty:///dev/none"}]}, "links"),
    "one line twice": (A.SET_NETWORK, {"links": [{"name": "a", "url": "pty:///a"}, {"name": "a", "url": "pty:///b"}]}, "links"),
    "no form of a line": (A.SET_NETWORK, {"links": [{"name": "a", "url": "gopher://x"}]}, "not one of the forms"),
    "a speed that there is not": (A.SET_NETWORK, {"links": [{"name": "a", "url": "serial:///dev/ttyS0?baud=1"}]}, "baud"),
    "a HAN address that is none": (A.SET_NETWORK, {"han_host": "1.2.3"}, "han_host"),
    "a HAN port that is none": (A.SET_NETWORK, {"han_port": 99_999}, "han_port"),
    "a WAN address that is none": (A.SET_NETWORK, {"wan_address": "my house"}, "wan_address"),
}


@pytest.mark.req("LIFE-07")
@pytest.mark.parametrize("name", WRONG_ON_SITE)
def test_what_nobody_could_correct_after_the_installation_is_refused_on_site(tmp_path: Path, name: str) -> None:
    """With a wrong address the gateway would never call anybody, and the interface to correct it is off for good."""
    action, changes, says = WRONG_ON_SITE[name]
    world = copy_of(tmp_path / "gateway", *SEAL_FIRST, *TO_INSTALLATION)
    before = world.folder.config.read_bytes()
    reply = world.ask(CONFIGURATOR, action, **{**world.fields(action), **changes})
    assert reply["code"] in ("gateway.config", "link.url") and says in reply["detail"]
    assert world.folder.config.read_bytes() == before
    assert world.events()[-1] == "local_action_refused"
    world.through(*INSTALLATION)
    world.keeper.close()


@pytest.mark.req("LIFE-03")
def test_seal_certificates_of_another_gateway_or_for_other_keys_are_refused(tmp_path: Path) -> None:
    world = copy_of(tmp_path / "gateway", *SEAL_FIRST[:2])
    from tests.gateway.gateway_parts import gateway_identity

    stranger = gateway_identity().triple.to_pem() + pki().sub().certificate.public_bytes(_pem())
    assert world.ask(INTEGRATOR, A.IMPORT_SEAL, certificates=base64(stranger))["code"] == "lifecycle.seal"
    own = msgspec.json.decode(msgspec.json.encode(world.seal()))["certificates"]
    without_issuer = base64(b"".join(_pem_blocks(_decode(own))[:3]))
    assert world.ask(INTEGRATOR, A.IMPORT_SEAL, certificates=without_issuer)["code"] == "pki.unknown_issuer"
    two = base64(b"".join(_pem_blocks(_decode(own))[1:]))
    assert world.ask(INTEGRATOR, A.IMPORT_SEAL, certificates=two)["code"] == "pki.triple"
    assert world.phase is Phase.PRE_PERSONALISATION_1
    assert not world.folder.seal.exists()
    assert not [name for name in world.shop.module.files() if "CRT_PRE" in name]
    assert world.ask(INTEGRATOR, A.IMPORT_SEAL, certificates=own)["ok"]
    world.keeper.close()


def _pem() -> "object":
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.PEM


def _decode(text: str) -> bytes:
    from base64 import b64decode

    return b64decode(text)


def _pem_blocks(bundle: bytes) -> list[bytes]:
    end = b"-----END CERTIFICATE-----\n"
    return [block + end for block in bundle.split(end)[:-1]]


def _forged(document: bytes) -> bytes:
    return document[:-8] + bytes([document[-8] ^ 1]) + document[-7:]


def _by_the_gateway() -> bytes:
    """Sign the administrator's content by somebody else."""
    from tests.gateway.gateway_parts import gateway_identity

    from smgw.codec.cms import signed

    content = signed.read(configuration_file()).encapsulated_content_info.content
    assert content is not None
    return sign_encapsulated(content, module=gateway_identity().module, signer=gateway_identity().signer)


def _changed(**changes: object) -> bytes:
    """Let the administrator sign other content."""
    from smgw.codec.cms import signed

    content = signed.read(configuration_file()).encapsulated_content_info.content
    assert content is not None
    value = {**msgspec.json.decode(content), **changes}
    identity = administrator_identity()
    return sign_encapsulated(msgspec.json.encode(value), module=identity.module, signer=identity.signer)


def _participant_certificate() -> str:
    from cryptography.hazmat.primitives.serialization import Encoding
    from tests.gateway.gateway_parts import participant_identity

    return base64(participant_identity().triple.sig.public_bytes(Encoding.DER))


BAD_FILES = {
    "forged signature": (lambda: _forged(configuration_file()), "cms.signature"),
    "another signer": (_by_the_gateway, "cms.signature"),
    "for another gateway": (lambda: configuration_file("ESGW0000000043"), "initial_configuration.device"),
    "no chain": (lambda: _changed(chain=[]), "initial_configuration.structure"),
    "another role's certificate": (lambda: _changed(aut_certificate=_participant_certificate()), "pki.role"),
    "another name": (lambda: _changed(administrator="other.GWA"), "initial_configuration.administrator"),
    "not the format": (lambda: _changed(format="other"), "initial_configuration.structure"),
    "no file at all": (lambda: b"\x30\x00", "cms.structure"),
    "a password": (lambda: _changed(password="x"), "initial_configuration.structure"),
    "a host with a blank": (lambda: _changed(host="a b"), "initial_configuration.structure"),
}


@pytest.mark.req("LIFE-05")
@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.step("2.3.1.3", event="initial_configuration_refused")
def test_of_a_bad_initial_configuration_file_nothing_is_stored(tmp_path: Path, name: str) -> None:
    make, code = BAD_FILES[name]
    world = copy_of(tmp_path / "gateway", *SEAL_FIRST)
    files = sorted(path.relative_to(world.folder.path) for path in world.folder.path.rglob("*"))
    held = world.shop.module.files()
    assert world.ask(INTEGRATOR, A.LOAD_CONFIGURATION, document=base64(make()))["code"] == code
    assert world.shop.module.files() == held
    after = sorted(path.relative_to(world.folder.path) for path in world.folder.path.rglob("*") if "journal" not in path.name)
    assert after == [path for path in files if "journal" not in path.name]
    assert world.events()[-1] == "initial_configuration_refused"
    assert world.phase is Phase.PRE_PERSONALISATION_2
    world.through(*TO_INSTALLATION)
    world.keeper.close()


@pytest.mark.req("LIFE-05")
def test_the_file_is_refused_in_every_other_phase(tmp_path: Path) -> None:
    document = base64(configuration_file())
    for number, count in enumerate((0, 2, 3, len(SEAL_FIRST) + 2)):
        world = copy_of(tmp_path / str(number), *ALL[:count])
        assert world.phase is not Phase.PRE_PERSONALISATION_2
        assert world.ask(INTEGRATOR, A.LOAD_CONFIGURATION, document=document)["code"] == "lifecycle.phase"
        world.keeper.close()
    world = copy_of(tmp_path / "twice", *SEAL_FIRST, A.LOAD_CONFIGURATION)
    assert world.ask(INTEGRATOR, A.LOAD_CONFIGURATION, document=document)["code"] == "lifecycle.order"
    world.keeper.close()


# ------------------------------------------------------------------------------------------------ power cuts


class Cut(Exception):
    """The power failed."""


@pytest.mark.req("LIFE-01")
@pytest.mark.parametrize("action", ALL)
def test_a_power_cut_at_any_write_of_an_action_leaves_it_undone_or_done(
    tmp_path: Path, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write of a file is taken from the action in turn; then it is done again, and leaves what it leaves without a cut."""
    import smgw.security.files

    before = ALL[: ALL.index(action)]
    real, left = smgw.security.files.write_durably, [10**6]

    def failing(path: Path, data: bytes, mode: int = 0o644) -> None:
        if left[0] == 0:
            raise Cut
        left[0] -= 1
        real(path, data, mode)

    for module in ("smgw.security.software", "smgw.gateway.config", "smgw.pki.trust"):
        monkeypatch.setattr(f"{module}.write_durably", failing)
    whole = copy_of(tmp_path / "whole", *before)
    whole.through(action)
    wanted = whole.keeper.life, take_inventory(whole.shop.module).names, sorted(set(whole.events()))
    whole.keeper.close()
    for number in range(40):
        world = copy_of(tmp_path / str(number), *before)
        fields, left[0] = world.fields(action), number
        cut = False
        try:
            world.ask(next(rule.actor for rule in RULES if rule.action is action), action, **fields)
        except Cut:
            cut = True
        left[0] = 10**6
        world.power_cycle()
        if wanted[0] != world.keeper.life or action in world.keeper.possible():
            world.through(action)
        assert (world.keeper.life, take_inventory(world.shop.module).names, sorted(set(world.events()))) == wanted
        assert world.events().count("phase_changed") == whole_changes(world)
        world.keeper.close()
        if not cut:
            assert number > 1
            return
    raise AssertionError("an action of more than 40 writes")


def whole_changes(world: World) -> int:
    """Count the changes of phase that lie behind a gateway."""
    return list(Phase).index(world.phase) if world.phase is not Phase.INTEGRATION else 2


# ------------------------------------------------------------------------------------------------ the record


@pytest.mark.req("LIFE-01", "LIFE-02")
def test_only_a_device_id_becomes_a_gateway(tmp_path: Path) -> None:
    from smgw.core.errors import PeerFault

    with pytest.raises(PeerFault, match=r"value\.device_id"):
        manufacture(GatewayFolder(tmp_path / "x"), "GATEWAY1", ManualClock(world_start()))
    assert not (tmp_path / "x").exists()


def world_start() -> "object":
    from tests.gateway.gateway_parts import START

    return START


@pytest.mark.req("LIFE-01")
def test_one_process_at_a_time_works_on_a_life(world: World) -> None:
    with pytest.raises(Unavailable, match=r"lifecycle\.locked"):
        LifeKeeper.open(world.folder, world.clock)


@pytest.mark.req("LIFE-01")
def test_a_damaged_record_opens_nothing(world: World) -> None:
    from smgw.core.errors import IntegrityFault

    world.folder.life.write_bytes(world.folder.life.read_bytes()[:-20])
    with pytest.raises(IntegrityFault, match=r"lifecycle\.record"):
        load_record(world.folder)


@pytest.mark.req("LIFE-01")
def test_a_gateway_of_before_there_were_records_is_at_work_and_closed(tmp_path: Path) -> None:
    from tests.gateway.gateway_folder import gateway_folder

    record = load_record(gateway_folder(tmp_path / "old"))
    assert record.phase is Phase.NORMAL_OPERATION
    assert Mark.METERS in record.marks
    assert record.pins == dict[Actor, object]()
