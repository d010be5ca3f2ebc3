"""The switch from brainpoolP256r1 to brainpoolP384r1: a gateway with keys and certificates on the new curve among partners on the old."""

from pathlib import Path

import pytest
from tests.scenario.whole_gateway import FOUNDED, World, until, world

from smgw.administrator.config import AdministratorFolder
from smgw.net.identity import install_certificates
from smgw.pki.names import Role
from smgw.pki.requests import make_request_package
from smgw.pki.triple import GATEWAY_KEYS, KeyNames
from smgw.security.module_folder import open_backend
from smgw.security.policy import curve_name
from smgw.simulation.provisioning import DEFAULT_GATEWAY_ID

NEXT_KEYS = KeyNames.of("GW_WAN", "_G2")


def switch(state: World) -> None:
    """Let the gateway have the next generation of keys and certificates, the old keys still beside them."""
    module = open_backend(state.layout.gateway)
    for name in NEXT_KEYS:
        module.generate(name, "brainpoolP384r1")
    package = make_request_package(module, NEXT_KEYS, Role.SMGW, DEFAULT_GATEWAY_ID)
    state.identities[Role.SMGW] = state.pki.issue(package, Role.SMGW, now=FOUNDED)
    install_certificates(state.layout.gateway, state.identities[Role.SMGW], [state.pki.sub().certificate])
    AdministratorFolder(state.layout.administrator).inventory.unlink()
    state.provision()


@pytest.mark.req("SEC-04", "WAN-01", "WAN-03")
async def test_a_switched_gateway_is_commanded_and_delivers(tmp_path: Path) -> None:
    async with world(tmp_path, prepare=switch) as state:
        identity = state.gateway.identity
        assert (identity.tls.key_name, identity.signer.key_name, identity.recipient.key_name) == NEXT_KEYS
        assert curve_name(identity.module.public_key(identity.signer.key_name)) == "brainpoolP384r1"
        assert set(GATEWAY_KEYS) < set(identity.module.names())
        await until(lambda: len(state.gateway.journal.profiles("evaluation")) == 2, "profiles")
        await state.move_to(FOUNDED.replace(second=10))
        await state.feed(state.meter.telegram(state.clock.now()))
        for _ in range(2):
            await state.quarter()
        await state.delivered()
        assert state.refusals() == []
        assert state.totals().readings >= 2
