"""A small SM-PKI that the tests of this folder read; tests that change standing make their own."""

import pytest
from tests.pki_builders import DEVICE_ID, Party, SmallPki

from smgw.pki.names import Role


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> SmallPki:
    return SmallPki.make(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def gateway(pki: SmallPki) -> Party:
    return pki.party(Role.SMGW, DEVICE_ID)


@pytest.fixture(scope="session")
def participant(pki: SmallPki) -> Party:
    return pki.party(Role.EMT, "Netz")
