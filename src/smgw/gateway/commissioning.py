"""What integrator and first configurator do to a gateway: one function for each action of the table of life.

Each checks everything before it stores anything. What it stores before the action counts is stored again, the same, when a power cut made
it end half-way and it is called once more.
Source: LIFE-03 to LIFE-07; TR-03109-1 Annex VI, 2.3.1 and 2.3.2.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import msgspec
from cryptography import x509

from smgw.core.errors import CertificateRejected, ConfigError, SecurityFault, SmgwError
from smgw.core.identifiers import DeviceId
from smgw.core.instant import Clock, utc_text
from smgw.core.key_inventory import IMPORT_KEY, ROOT_CERTIFICATE
from smgw.core.life_cycle import Action, Actor, Mark, Phase
from smgw.core.log_event import Log
from smgw.gateway.certificate_check import check_own_triple
from smgw.gateway.config import AdministratorConfig, GatewayConfig, GatewayFolder, LinkConfig, check_config
from smgw.gateway.initial_configuration import VerifiedConfiguration, verify_initial_configuration
from smgw.gateway.lifecycle import LifeKeeper, Tell
from smgw.gateway.local_pin import make_pin
from smgw.gateway.own_identity import PROVISIONAL_KEYS, der_of
from smgw.net.identity import PIN_FILE, TRUST_FOLDER, guarded
from smgw.net.links import check_link_url
from smgw.pki.names import Role
from smgw.pki.parsing import load_certificate
from smgw.pki.requests import make_request_package
from smgw.pki.triple import read_certificates
from smgw.pki.trust import TrustStore
from smgw.security.key_guard import RECORD, KeyGuard, ModuleState
from smgw.security.module_folder import create_backend, discard_beginnings, open_backend
from smgw.security.policy import Use, preferred_curve
from smgw.security.secret_file import create_secret, load_secret
from smgw.security.tls import pem_bundle
from smgw.storage.journal import Journal

JOURNAL_PURPOSE = "journal"
LOG_PAGE = 200
LOCAL = (Actor.INTEGRATOR, Actor.FIRST_CONFIGURATOR)


class Workshop(NamedTuple):
    """Hold what is worked on and with."""

    keeper: LifeKeeper
    module: KeyGuard
    clock: Clock
    sign_program: Callable[[], object]
    """Makes the manifest of the installed program that a start demands, signed by the gateway's own key."""

    @property
    def folder(self) -> GatewayFolder:
        """Give the gateway's folder."""
        return self.keeper.folder


def manufacture(folder: GatewayFolder, device_id: str, clock: Clock) -> dict[Actor, str]:
    """Make a gateway as it leaves the works: device id and an initialised security module; gives the PINs, which are kept nowhere else.

    Raises: ConfigError lifecycle.exists; PeerFault value.device_id; Unavailable lifecycle.locked.
    """
    device = DeviceId.parse(device_id)
    folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.life.exists():
        raise ConfigError("lifecycle.exists", folder.path.name)
    # A module without the record of a life is what a power cut left: no key of a gateway can be in it.
    discard_beginnings(folder.path, frozenset({IMPORT_KEY}), frozenset({RECORD}))
    module = KeyGuard.initialise(create_backend(folder.path), time.monotonic)
    made = {actor: make_pin(module.random) for actor in LOCAL}
    with LifeKeeper.create(folder, device, {actor: record for actor, (_, record) in made.items()}, clock):
        return {actor: pin for actor, (pin, _) in made.items()}


def open_workshop(keeper: LifeKeeper, clock: Clock, sign_program: Callable[[], object]) -> Workshop:
    """Open the security module, and write what waits into the journal if there is one already.

    Raises: ConfigError secret.missing, module.missing; UsageError module.no_file for a module that no maker has prepared.
    """
    folder = keeper.folder
    workshop = Workshop(keeper, guarded(folder.path, open_backend(folder.path)), clock, sign_program)
    with suppress(SmgwError):
        _write_waiting(workshop)
    return workshop


def _write_waiting(workshop: Workshop) -> None:
    keeper = workshop.keeper
    if Mark.PAIRED in keeper.life.marks and keeper.record.waiting:
        with open_journal(workshop.folder, workshop.module) as journal:
            keeper.attach(journal)
            keeper.attach(None)


def open_journal(folder: GatewayFolder, module: KeyGuard) -> Journal:
    """Open the journal under the module's storage key."""
    return Journal.open(folder.journal, module.storage_key(JOURNAL_PURPOSE))


def _done(workshop: Workshop, action: Action, *tells: Tell, drop_pins: bool = False) -> None:
    workshop.keeper.done(action, *tells, drop_pins=drop_pins)
    _write_waiting(workshop)


# ------------------------------------------------------------------------------------------------ pre-personalisation 1


def import_root(workshop: Workshop, certificate: bytes, fingerprint: str) -> None:
    """Take the root certificate of the SM-PKI; `fingerprint` is its SHA-256 in hex, which came by another way.

    Raises: DecodeFault pki.malformed; SecurityFault lifecycle.root for another fingerprint; CertificateRejected pki.role and others.
    """
    workshop.keeper.require(Action.IMPORT_ROOT)
    found = read_certificates(certificate)
    if len(found) != 1:
        raise CertificateRejected("pki.role", f"{len(found)} certificates")
    trust, der = TrustStore(found), der_of(found[0])
    digest = hashlib.sha256(der).hexdigest()
    if digest != fingerprint.replace(":", "").replace(" ", "").lower():
        raise SecurityFault("lifecycle.root", f"SHA-256 {digest}")
    if not (ROOT_CERTIFICATE in workshop.module.files() and workshop.module.get_file(ROOT_CERTIFICATE) == der):
        workshop.module.import_root(der, bytes.fromhex(digest))
    trust.save(workshop.folder.trust)
    _done(workshop, Action.IMPORT_ROOT, Tell("certificate_changed", {"use": "SIG", "owner": "SM-PKI root", "change": "imported"}))


def make_provisional_keys(workshop: Workshop) -> None:
    """Make the three provisional key pairs inside the module; those that a power cut left are kept."""
    workshop.keeper.require(Action.MAKE_PROVISIONAL_KEYS)
    curve = preferred_curve(Use.END_ENTITY, workshop.clock.now().year)
    for name in PROVISIONAL_KEYS:
        if name not in workshop.module.names():
            workshop.module.generate(name, curve)
    tells = (_own(workshop, use, "provisional key made") for use in ("TLS", "SIG", "ENC"))
    _done(workshop, Action.MAKE_PROVISIONAL_KEYS, *tells)


def request_seal(workshop: Workshop) -> bytes:
    """Give the request package for the seal certificates; the same keys may be asked for again."""
    workshop.keeper.require(Action.REQUEST_SEAL)
    return make_request_package(workshop.module, PROVISIONAL_KEYS, Role.SMGW, workshop.keeper.record.device_id)


def import_seal(workshop: Workshop, certificates: bytes) -> None:
    """Take the seal certificates with those of their issuer, as PEM; nothing is stored unless all are right.

    Raises: CertificateRejected, DecodeFault; PeerFault lifecycle.seal for another device or other keys.
    """
    workshop.keeper.require(Action.IMPORT_SEAL)
    root = load_certificate(workshop.module.get_file(ROOT_CERTIFICATE))
    triple, issuers = check_own_triple(
        certificates, workshop.module, PROVISIONAL_KEYS, workshop.keeper.record.device_id, workshop.clock.now(), anchors=[root]
    )
    workshop.folder.write(workshop.folder.seal, triple.to_pem() + pem_bundle(issuers))
    _add_trust(workshop, issuers)
    chain = [der_of(issuer) for issuer in issuers]
    for use, certificate in zip(("TLS", "SIG", "ENC"), triple, strict=True):
        workshop.module.import_certificate(f"GW_WAN_{use}_CRT_PRE", der_of(certificate), chain)
    _done(workshop, Action.IMPORT_SEAL, *(_own(workshop, use, "seal imported") for use in ("TLS", "SIG", "ENC")))


def _own(workshop: Workshop, use: str, change: str) -> Tell:
    return Tell("certificate_changed", {"use": use, "owner": workshop.keeper.record.device_id, "change": change})


def _add_trust(workshop: Workshop, authorities: list[x509.Certificate]) -> None:
    held = TrustStore.load(workshop.folder.path / TRUST_FOLDER)
    known = {der_of(one) for one in held.intermediates}
    new = [one for one in authorities if der_of(one) not in known]
    if new:
        TrustStore(held.anchors, (*held.intermediates, *new)).save(workshop.folder.trust)


# ------------------------------------------------------------------------------------------------ integration


def make_storage_key(workshop: Workshop) -> None:
    """Make the key of the encrypted storage, and the empty store under it."""
    workshop.keeper.require(Action.MAKE_STORAGE_KEY)
    open_journal(workshop.folder, workshop.module).close()
    _done(workshop, Action.MAKE_STORAGE_KEY)


def pair_module(workshop: Workshop) -> None:
    """Make the gateway system PIN and bind gateway and security module to each other."""
    workshop.keeper.require(Action.PAIR_MODULE)
    path = workshop.folder.path / PIN_FILE
    pin = load_secret(path) if path.exists() else create_secret(path)
    if workshop.module.state is ModuleState.INITIALISED:
        workshop.module.pair(pin)
    workshop.module.open_session(pin)
    _done(workshop, Action.PAIR_MODULE)


# ------------------------------------------------------------------------------------------------ pre-personalisation 2


def load_configuration(workshop: Workshop, document: bytes) -> str:
    """Take the administrator's initial configuration file; gives the administrator's name. Nothing is stored unless all of it is right.

    Raises: DomainFault lifecycle.phase, lifecycle.order; DecodeFault, SecurityFault, PeerFault of the file, each logged.
    """
    try:
        workshop.keeper.require(Action.LOAD_CONFIGURATION)
        root = load_certificate(workshop.module.get_file(ROOT_CERTIFICATE))
        found = verify_initial_configuration(document, root, workshop.keeper.record.device_id, workshop.clock.now())
    except SmgwError as fault:
        workshop.keeper.tell(Tell("initial_configuration_refused", {"code": fault.code}, success=False))
        _write_waiting(workshop)
        raise
    _store_configuration(workshop, found)
    tells = [Tell("initial_configuration_loaded", {"partner": found.content.administrator})]
    _done(workshop, Action.LOAD_CONFIGURATION, *tells)
    return found.content.administrator


def _store_configuration(workshop: Workshop, found: VerifiedConfiguration) -> None:
    """Store in an order that can be gone through again: once the AUT key is in the module, nothing but the record is missing."""
    content, folder = found.content, workshop.folder
    _add_trust(workshop, found.chain)
    administrator = AdministratorConfig(
        name=content.administrator,
        host=content.host,
        management_port=content.management_port,
        time_port=content.time_port,
        tls_certificate=content.tls_certificate.hex(),
        sig_certificate=content.sig_certificate.hex(),
        enc_certificate=content.enc_certificate.hex(),
        aut_certificate=content.aut_certificate.hex(),
        service_port=content.service_port,
    )
    folder.save(GatewayConfig(workshop.keeper.record.device_id, administrator, ()))
    chain = [der_of(one) for one in found.chain]
    if "GWADM_AUT_PUB" not in workshop.module.files():
        for use, certificate in content.certificates.items():
            workshop.module.import_certificate(f"GWADM_{use}", certificate, chain)


def erase_import_keys(workshop: Workshop) -> None:
    """Erase the import keys of the module: the end of pre-personalisation."""
    workshop.keeper.require(Action.ERASE_IMPORT_KEYS)
    workshop.module.erase_import_keys()
    _done(workshop, Action.ERASE_IMPORT_KEYS)


# ------------------------------------------------------------------------------------------------ installation


def set_network(
    workshop: Workshop, links: tuple[LinkConfig, ...], han_host: str | None, han_port: int | None, wan_address: str | None
) -> None:
    """Set the lines to meters and own addresses; what is None stays. Raises: ConfigError gateway.config with the key, link.url."""
    workshop.keeper.require(Action.SET_NETWORK)
    for link in links:
        check_link_url(link.url)
    given = {"links": links or None, "han_host": han_host, "han_port": han_port, "wan_address": wan_address}
    changes = {key: value for key, value in given.items() if value is not None}
    _save(workshop, msgspec.structs.replace(workshop.folder.load(), **changes))
    what = ", ".join(changes) or "nothing"
    _done(workshop, Action.SET_NETWORK, Tell("network_configured", {"role": Actor.FIRST_CONFIGURATOR, "what": what}))


def correct_address(workshop: Workshop, host: str, management_port: int, time_port: int) -> None:
    """Exchange the administrator's address; its certificates stay. Raises: ConfigError gateway.config with the key."""
    workshop.keeper.require(Action.CORRECT_ADDRESS)
    config = workshop.folder.load()
    before = config.administrator
    after = msgspec.structs.replace(before, host=host, management_port=management_port, time_port=time_port)
    _save(workshop, msgspec.structs.replace(config, administrator=after))
    facts = {"before": f"{before.host}:{before.management_port}", "after": f"{host}:{management_port}"}
    _done(workshop, Action.CORRECT_ADDRESS, Tell("administrator_address_corrected", facts))


def _save(workshop: Workshop, config: GatewayConfig) -> None:
    """Write a configuration with which the gateway can start, or none: after the installation nobody could correct it any more."""
    check_config(config)
    workshop.folder.save(config)


def read_system_log(workshop: Workshop, start: int) -> list[dict[str, object]]:
    """Read a page of the system log, for the diagnosis on site."""
    workshop.keeper.require(Action.READ_SYSTEM_LOG)
    with open_journal(workshop.folder, workshop.module) as journal:
        entries = journal.log(Log.SYSTEM, from_index=start, count=LOG_PAGE)
    return [{"index": stored.index, "time": utc_text(stored.entry.time), "text": stored.entry.text("en")} for stored in entries]


def reset_pin(workshop: Workshop) -> str:
    """Give the first configurator a new PIN, in place of a locked or forgotten one."""
    workshop.keeper.require(Action.RESET_PIN)
    pin, record = make_pin(workshop.module.random)
    workshop.keeper.note_pin(Actor.FIRST_CONFIGURATOR, record, Tell("local_pin_reset", {"role": Actor.FIRST_CONFIGURATOR}))
    _write_waiting(workshop)
    return pin


def finish_installation(workshop: Workshop) -> None:
    """Switch the local interface off for good: the PINs are forgotten in the same step."""
    workshop.keeper.require(Action.FINISH_INSTALLATION)
    workshop.sign_program()
    _done(workshop, Action.FINISH_INSTALLATION, Tell("local_interface_disabled"), drop_pins=True)


def is_local(phase: Phase) -> bool:
    """Tell whether the local interface exists in a phase."""
    return tuple(Phase).index(phase) <= tuple(Phase).index(Phase.INSTALLATION)
