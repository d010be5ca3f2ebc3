"""Real parts for tests of the gateway: journal, security module, identities of a small test PKI."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from smgw.core.profiles import CommunicationProfile, ConsumerProfile, EvaluationProfile, MeterProfile, Profile, RegisterProfile
from smgw.net.identity import Identity, create_keys, install_certificates, load_identity
from smgw.pki.deployment import PkiFolder
from smgw.pki.names import Role
from smgw.pki.triple import ADMINISTRATOR_KEYS, GATEWAY_KEYS, PARTICIPANT_KEYS, KeyNames
from smgw.simulation.provisioning import hex_der

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
GATEWAY_ID = "ESGW0000000001"
METER_ID = "1SGW0010000001"
SERVER_ID = bytes.fromhex("0a015347570000989681")


@cache
def pki() -> PkiFolder:
    """Found one test PKI for the whole test process."""
    return PkiFolder.found(Path(mkdtemp(prefix="smgw-pki-")), now=START, sub_name="Test")


@cache
def identity(role: Role, name: str, keys: KeyNames) -> Identity:
    """Give a role an identity certified by the test PKI."""
    folder = Path(mkdtemp(prefix="smgw-identity-"))
    package = create_keys(folder, keys, role, name)
    install_certificates(folder, pki().issue(package, role, now=START), [pki().sub().certificate])
    pki().trust(START).save(folder / "trust")
    return load_identity(folder, keys)


def gateway_identity() -> Identity:
    """Give the gateway's identity."""
    return identity(Role.SMGW, GATEWAY_ID, GATEWAY_KEYS)


def administrator_identity() -> Identity:
    """Give the administrator's identity."""
    return identity(Role.GWA, "test", ADMINISTRATOR_KEYS)


def participant_identity() -> Identity:
    """Give the participant's identity."""
    return identity(Role.EMT, "test", PARTICIPANT_KEYS)


def meter_profile(version: int = 1) -> MeterProfile:
    """Give the profile of the test meter."""
    registers = (RegisterProfile("1-0:1.8.0*255"), RegisterProfile("1-0:2.8.0*255"))
    return MeterProfile(METER_ID, SERVER_ID.hex(), registers, "optical", version=version)


def communication_profile(port: int = 4711) -> CommunicationProfile:
    """Give the profile of the test participant."""
    triple = participant_identity().triple
    return CommunicationProfile("emt1.sm", "127.0.0.1", port, hex_der(triple.tls), hex_der(triple.sig), hex_der(triple.enc))


def consumer_profile(consumer_id: str = "consumer1.sm", user: str = "consumer") -> ConsumerProfile:
    """Give the profile of a test consumer."""
    return ConsumerProfile(consumer_id, user, "0" * 32, "0" * 64)


def evaluation_profile(taf: int = 7, delivery: str = "period", **changes: object) -> EvaluationProfile:
    """Give a contract over both registers."""
    values: dict[str, object] = {
        "profile_id": f"taf{taf}-1.sm",
        "taf": taf,
        "meter_id": METER_ID,
        "registers": ("1-0:1.8.0*255", "1-0:2.8.0*255"),
        "consumer_id": "consumer1.sm",
        "usage_point_name": "BEZUG",
        "metering_point_id": "DE0001",
        "valid_from": START,
        "recipients": ("emt1.sm",),
        "delivery": delivery,
    }
    return EvaluationProfile(**{**values, **changes})  # type: ignore[arg-type]


def all_profiles() -> list[Profile]:
    """Give one profile of each kind, in the order of installation."""
    return [communication_profile(), meter_profile(), consumer_profile(), evaluation_profile()]
