"""Found a whole metering system in one folder: test PKI, identities, inventory, profiles.

What exists is kept; doing it twice changes nothing.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorConfig, AdministratorFolder
from smgw.administrator.initial_configuration import Address, load_authentication
from smgw.core.errors import ConfigError
from smgw.core.identifiers import DeviceId, server_id_of
from smgw.core.obis import Obis
from smgw.core.profiles import CommunicationProfile, ConsumerProfile, EvaluationProfile, MeterProfile, Profile, RegisterProfile, profile_key
from smgw.gateway.boot import sign_program
from smgw.gateway.config import AdministratorConfig as GatewayAdministrator
from smgw.gateway.config import GatewayConfig, GatewayFolder, LinkConfig
from smgw.net.identity import TRIPLE_FILE, TRUST_FOLDER, create_keys, install_certificates
from smgw.pki.deployment import ROOT_FOLDER, PkiFolder
from smgw.pki.maker import ANCHOR_FILE, found_maker
from smgw.pki.names import Role
from smgw.pki.triple import ADMINISTRATOR_KEYS, PARTICIPANT_KEYS, CertificateTriple, KeyNames, read_certificates, triple_of
from smgw.protocol.digest_auth import CONSUMER_REALM, Algorithm, ha1
from smgw.security.files import write_durably
from smgw.security.policy import Use, preferred_curve
from smgw.simulation.commissioned import found_authentication, found_gateway
from smgw.tariff.taf01 import MAX_REGISTERS as TAF1_REGISTERS

ORGANISATION = "smgw-demo"
PARTNER_ID = "emt1.sm"
CONSUMER_ID = "consumer1.sm"
CONSUMER_NAME = "consumer"
DEFAULT_GATEWAY_ID = "ESGW0000000001"
ACTOR = "first installation"


class Meter(msgspec.Struct, frozen=True):
    """Describe one meter of the system and where its octets come from."""

    name: str
    """Name of the link and of the process."""
    source: str
    """`sim:household`, `sim:heat-pump`, `sml:PATH`, `serial:///…` or `tcp://…`."""
    meter_id: str
    server_id: str
    registers: tuple[RegisterProfile, ...]
    label: str
    """Name of the contract as the consumer sees it."""
    removed_at: datetime | None = None
    """Since when the meter is no longer connected; its contracts end then."""


class Ports(msgspec.Struct, frozen=True):
    """Hold the ports, chosen once and then kept."""

    pki: int
    management: int
    time: int
    administrator: int
    deliveries: int
    participant: int
    han: int
    service: int = 0
    firmware: int = 0


class System(msgspec.Struct, frozen=True):
    """Hold what a second start needs of the first."""

    gateway_id: str
    founded_at: datetime
    ports: Ports
    meters: tuple[Meter, ...]
    period_s: int = 900
    """Register period of every meter."""
    profile_version: int = 1
    """Raised whenever ports or meters change, so that the gateway gets new profiles."""
    fleet: int = 1
    """Gateways in all; those beside the first are virtual ones."""
    simulated_until: datetime | None = None
    """Where simulated time stood when the system was last stopped, or a time it can't have passed."""

    @property
    def connected(self) -> tuple[Meter, ...]:
        """Give the meters that are connected now."""
        return tuple(meter for meter in self.meters if meter.removed_at is None)


class Layout(NamedTuple):
    """Name the folders of a system."""

    path: Path

    @property
    def state(self) -> Path:
        """Give the file that holds the `System`."""
        return self.path / "system.json"

    @property
    def pki(self) -> Path:
        """Give the folder of the certification authorities."""
        return self.path / "pki"

    @property
    def gateway(self) -> Path:
        """Give the gateway's folder."""
        return self.path / "gateway"

    @property
    def fleet(self) -> Path:
        """Give the folder of the virtual gateways."""
        return self.path / "fleet"

    @property
    def administrator(self) -> Path:
        """Give the administrator's folder."""
        return self.path / "administrator"

    @property
    def participant(self) -> Path:
        """Give the participant's folder."""
        return self.path / "participant"

    @property
    def maker(self) -> Path:
        """Give the folder of the maker of firmware."""
        return self.path / "maker"

    @property
    def password(self) -> Path:
        """Give the file with the consumer's password, readable by its owner alone."""
        return self.path / "consumer.password"


def simulated_meter(name: Literal["household", "heat-pump"], number: int, label: str) -> Meter:
    """Describe a simulated meter; `number` is its serial number."""
    device = DeviceId("1", "SGW", 0, number)
    codes = ("1-0:1.8.0*255", "1-0:2.8.0*255") if name == "household" else ("1-0:1.8.0*255",)
    return Meter(
        name=name,
        source=f"sim:{name}",
        meter_id=str(device),
        server_id=server_id_of(device).hex(),
        registers=tuple(RegisterProfile(code) for code in codes),
        label=label,
    )


@contextmanager
def _made_whole(folder: Path, mark: str) -> Iterator[Path | None]:
    """Give a place to make a folder in, None when it holds its mark already.

    It takes its name only once it is complete: a power cut leaves no half, and the next start makes it anew.
    """
    if (folder / mark).exists():
        yield None
        return
    staging = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(staging, ignore_errors=True)
    yield staging
    staging.rename(folder)


def open_pki(layout: Layout, now: datetime) -> PkiFolder:
    """Open the system's own test PKI, or found it."""
    with _made_whole(layout.pki, ROOT_FOLDER) as staging:
        if staging is not None:
            PkiFolder.found(staging, now=now, sub_name=ORGANISATION)
    return PkiFolder.open(layout.pki)


def found_identity(folder: Path, keys: KeyNames, role: Role, name: str, pki: PkiFolder, now: datetime) -> CertificateTriple:
    """Give a role its keys, its triple and its trust store; what exists is kept, with fresh revocation lists."""
    with _made_whole(folder, TRIPLE_FILE) as staging:
        if staging is not None:
            package = create_keys(staging, keys, role, name, curve=preferred_curve(Use.END_ENTITY, now.year))
            install_certificates(staging, pki.issue(package, role, now=now), [pki.sub().certificate])
    pki.trust(now).save(folder / TRUST_FOLDER)
    return triple_of(read_certificates((folder / TRIPLE_FILE).read_bytes()))


def hex_der(certificate: x509.Certificate) -> str:
    """Give a certificate as DER in hex, the form of profiles."""
    return certificate.public_bytes(Encoding.DER).hex()


def consumer_profile(password: str, version: int) -> ConsumerProfile:
    """Make the demonstration consumer's profile; only the digests leave this function."""
    return ConsumerProfile(
        consumer_id=CONSUMER_ID,
        user_name=CONSUMER_NAME,
        digest_md5=ha1(Algorithm.MD5, CONSUMER_NAME, CONSUMER_REALM, password),
        digest_sha256=ha1(Algorithm.SHA256, CONSUMER_NAME, CONSUMER_REALM, password),
        version=version,
    )


def profiles_of(system: System, participant: CertificateTriple, password: str) -> list[Profile]:
    """Make every profile the gateway shall hold: one meter, one TAF 7 and one TAF 1 profile for each meter, one partner, one consumer."""
    version = system.profile_version
    profiles: list[Profile] = [
        CommunicationProfile(
            partner_id=PARTNER_ID,
            host="127.0.0.1",
            port=system.ports.deliveries,
            tls_certificate=hex_der(participant.tls),
            sig_certificate=hex_der(participant.sig),
            enc_certificate=hex_der(participant.enc),
            version=version,
        ),
        consumer_profile(password, version),
    ]
    for index, meter in enumerate(system.meters, start=1):
        profiles.append(
            MeterProfile(
                meter_id=meter.meter_id,
                server_id=meter.server_id,
                registers=meter.registers,
                link=meter.name,
                period_s=system.period_s,
                active=meter.removed_at is None,
                version=version,
            )
        )
        ends = None if meter.removed_at is None else max(meter.removed_at, system.founded_at + timedelta(seconds=1))
        codes = tuple(register.obis for register in meter.registers)
        # Before all others come the totals: a TAF 1 contract has room for three registers only.
        totals = tuple(sorted(codes, key=lambda code: Obis.parse(code).e != 0))[:TAF1_REGISTERS]
        series: Literal["period", "daily"] = "daily" if meter.source == "sim:heat-pump" else "period"
        schedules: tuple[tuple[int, Literal["period", "daily", "billing"]], ...] = ((7, series), (1, "billing"))
        for taf, delivery in schedules:
            profiles.append(
                EvaluationProfile(
                    profile_id=f"taf{taf}-{index}.sm",
                    taf=taf,
                    meter_id=meter.meter_id,
                    registers=codes if taf == 7 else totals,
                    consumer_id=CONSUMER_ID,
                    usage_point_name=f"TAF{taf} {meter.label}",
                    metering_point_id=f"DE00000000000{index:020d}",
                    valid_from=system.founded_at,
                    valid_to=ends,
                    period_s=system.period_s,
                    recipients=(PARTNER_ID,),
                    delivery=delivery,
                    version=version,
                )
            )
    return profiles


def provision_administrator(
    layout: Layout, system: System, gateway: CertificateTriple, participant: CertificateTriple, password: str, now: datetime
) -> None:
    """Put the gateway and its profiles into the administrator's inventory, and write the administrator's configuration."""
    folder = AdministratorFolder(layout.administrator)
    folder.save(
        AdministratorConfig(
            name=f"{ORGANISATION}.GWA",
            management_port=system.ports.management,
            time_port=system.ports.time,
            service_port=system.ports.service,
            firmware_port=system.ports.firmware,
            api_port=system.ports.administrator,
            crl_url=f"http://127.0.0.1:{system.ports.pki}/pki/v1",
        )
    )
    provision_makers(layout, now)
    books = open_books(folder.inventory)
    inventory = books.inventory
    try:
        if inventory.gateway(system.gateway_id) is None:
            inventory.add_gateway(system.gateway_id, gateway.tls, gateway.sig, gateway.enc, now, ACTOR)
        held = {profile_key(profile): profile.version for _, profile in inventory.profiles(system.gateway_id)}
        for profile in profiles_of(system, participant, password):
            if held.get(profile_key(profile), 0) < profile.version:
                inventory.put_profile(system.gateway_id, profile, now, ACTOR)
    finally:
        books.close()


def provision_makers(layout: Layout, now: datetime) -> None:
    """Found a maker of firmware, and let administrator and gateway trust it."""
    if not layout.maker.exists():
        found_maker(layout.maker, ORGANISATION, now)
    anchor = (layout.maker / ANCHOR_FILE).read_bytes()
    for folder in (layout.administrator, layout.gateway):
        if not (folder / ANCHOR_FILE).exists():
            write_durably(folder / ANCHOR_FILE, anchor)


def administrator_of(system: System, triple: CertificateTriple, aut_certificate: str = "") -> GatewayAdministrator:
    """Describe the administrator as a gateway of the system knows it."""
    return GatewayAdministrator(
        name=f"{ORGANISATION}.GWA",
        host="127.0.0.1",
        management_port=system.ports.management,
        time_port=system.ports.time,
        tls_certificate=hex_der(triple.tls),
        sig_certificate=hex_der(triple.sig),
        enc_certificate=hex_der(triple.enc),
        service_port=system.ports.service,
        aut_certificate=aut_certificate,
    )


def provision_gateway(layout: Layout, system: System, administrator: CertificateTriple, links: tuple[LinkConfig, ...]) -> None:
    """Write the gateway's initial configuration, and sign the program that it will run: administrator, links, HAN port.

    When and how it is called by wake-up packet stays as somebody has set it.
    """
    folder = GatewayFolder(layout.gateway)
    config = GatewayConfig(
        device_id=system.gateway_id,
        administrator=administrator_of(system, administrator, hex_der(load_authentication(layout.administrator).certificate)),
        links=links,
        han_port=system.ports.han,
    )
    with suppress(ConfigError):
        before = folder.load()
        calling = msgspec.structs.replace(config.administrator, connection=before.administrator.connection)
        config = msgspec.structs.replace(config, administrator=calling, wake_up=before.wake_up)
    folder.save(config)
    sign_program(folder, system.founded_at)


def found_identities(layout: Layout, gateway_id: str, now: datetime) -> dict[Role, CertificateTriple]:
    """Found or open the identities of gateway, administrator and participant, all certified by the system's own test PKI."""
    pki = open_pki(layout, now)
    rows = (
        (Role.GWA, layout.administrator, ADMINISTRATOR_KEYS, ORGANISATION),
        (Role.EMT, layout.participant, PARTICIPANT_KEYS, ORGANISATION),
    )
    found = {role: found_identity(folder, keys, role, name, pki, now) for role, folder, keys, name in rows}
    found_authentication(layout.administrator, pki, now)
    return {Role.SMGW: _found_gateway(layout, gateway_id, pki, now), **found}


def _found_gateway(layout: Layout, gateway_id: str, pki: PkiFolder, now: datetime) -> CertificateTriple:
    """Lead a new gateway through its life up to normal operation; one that exists is kept, with fresh revocation lists.

    Its configuration, with the administrator's address, is written before each of its starts.
    """
    with _made_whole(layout.gateway, TRIPLE_FILE) as staging:
        if staging is not None:
            found_gateway(staging, gateway_id, layout.administrator, Address("127.0.0.1", 1, 1), pki, now)
    pki.trust(now).save(layout.gateway / TRUST_FOLDER)
    return triple_of(read_certificates((layout.gateway / TRIPLE_FILE).read_bytes()))
