"""A whole system whose keys lie in tokens (SoftHSM2): commands are answered, readings are delivered, receipts are verified."""

from pathlib import Path

import pytest
from tests.scenario.whole_gateway import FOUNDED, World, until, world
from tests.softhsm import LABELS, PIN, library, write_configuration

from smgw.administrator.config import AdministratorFolder
from smgw.net.identity import create_keys, install_certificates, open_module
from smgw.pki.names import Role
from smgw.pki.triple import ADMINISTRATOR_KEYS, GATEWAY_KEYS, PARTICIPANT_KEYS
from smgw.security.module_folder import CONFIG_FILE, MODULE_FILE, SECRET_FILE, MixedModule
from smgw.security.pkcs11 import Pkcs11Module, token_of
from smgw.simulation.provisioning import DEFAULT_GATEWAY_ID, ORGANISATION


def move_into_token(state: World, role: Role, tls_keys: str, number: int) -> None:
    """Give a role new keys in a token, and certificates for them."""
    folder, keys, name = {
        Role.SMGW: (state.layout.gateway, GATEWAY_KEYS, DEFAULT_GATEWAY_ID),
        Role.GWA: (state.layout.administrator, ADMINISTRATOR_KEYS, ORGANISATION),
        Role.EMT: (state.layout.participant, PARTICIPANT_KEYS, ORGANISATION),
    }[role]
    # What a gateway has kept under its old keys goes with them.
    for left in (MODULE_FILE, SECRET_FILE, "life.json", "boot.json", "journal.db", "journal.db-wal", "journal.db-shm"):
        (folder / left).unlink(missing_ok=True)
    write_configuration(folder, tls_keys, number)
    state.identities[role] = state.pki.issue(create_keys(folder, keys, role, name), role, now=FOUNDED)
    install_certificates(folder, state.identities[role], [state.pki.sub().certificate])


@pytest.mark.parametrize("tls_keys", ["token", "software"])
@pytest.mark.req("SEC-01", "WAN-01", "WAN-03")
async def test_with_keys_in_tokens_commands_are_answered_and_readings_delivered(tmp_path: Path, tls_keys: str) -> None:
    roles = (Role.SMGW, Role.GWA, Role.EMT) if tls_keys == "token" else (Role.SMGW,)

    def prepare(state: World) -> None:
        for number, role in enumerate(roles):
            move_into_token(state, role, tls_keys, number)
        AdministratorFolder(state.layout.administrator).inventory.unlink()
        state.provision()

    async with world(tmp_path, prepare=prepare) as state:
        assert isinstance(state.gateway.identity.module, Pkcs11Module if tls_keys == "token" else MixedModule)
        # Profiles come by commands: opened with the ENC key, answered with the SIG key.
        await until(lambda: len(state.gateway.journal.profiles("evaluation")) == 2, "profiles")
        await state.move_to(FOUNDED.replace(second=10))
        await state.feed(state.meter.telegram(state.clock.now()))
        for _ in range(2):
            await state.quarter()
        await state.delivered()
        assert state.totals().readings >= 2
        assert state.refusals() == []
    folder = state.layout.gateway
    assert (folder / MODULE_FILE).exists() == (tls_keys == "software")
    assert (folder / CONFIG_FILE).exists()
    assert open_module(folder).names() == sorted({*GATEWAY_KEYS, "GW_HAN_TLS"})


@pytest.mark.req("SEC-01", "MEAS-01")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_token_that_is_away_for_a_while_costs_no_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(state: World) -> None:
        move_into_token(state, Role.SMGW, "software", 0)
        AdministratorFolder(state.layout.administrator).inventory.unlink()
        state.provision()

    async with world(tmp_path, prepare=prepare) as state:
        await until(lambda: len(state.gateway.journal.profiles("evaluation")) == 2, "profiles")
        await state.move_to(FOUNDED.replace(second=10))
        await state.feed(state.meter.telegram(state.clock.now()))
        first = await state.quarter()
        await state.delivered()
        token = token_of(library(), LABELS[0], PIN.encode())
        with monkeypatch.context() as patch:
            patch.setattr(token, "label", "pulled out")
            token.session.close()
            second = await state.quarter()
            assert second not in state.readings()
        third = await state.quarter()
        await state.delivered()
        assert {first, second, third} <= set(state.readings())
        assert None not in state.readings().values()
        assert state.refusals() == []
