"""Lead a new gateway through every phase of its life up to normal operation, in this process and without a network.

The works, the integrator, the first configurator, the administrator and the SM-PKI are all here, each with its own keys; the steps are the
real ones, in the real order, and the log tells of each. The gateway's checks at start stand in for its first self-test.
Source: LIFE-01 to LIFE-09.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from smgw.administrator.initial_configuration import AUTHENTICATION_FILE, Address, load_authentication, make_initial_configuration
from smgw.core.errors import IntegrityFault
from smgw.core.identifiers import DeviceId
from smgw.core.life_cycle import Action
from smgw.gateway import boot, commissioning
from smgw.gateway.commissioning import Workshop
from smgw.gateway.config import GatewayFolder
from smgw.gateway.firmware_model import running_files
from smgw.gateway.key_desk import Desk, KeyDesk
from smgw.gateway.lifecycle import LifeKeeper, Tell
from smgw.gateway.own_identity import own_identity, provisional_identity
from smgw.gateway.phases import sign_installed_program
from smgw.net.identity import TRIPLE_FILE, load_identity, open_module
from smgw.pki.authorised import SIGNED_REQUEST, read_signed_package
from smgw.pki.deployment import PkiFolder
from smgw.pki.names import Role
from smgw.pki.requests import make_authentication_request
from smgw.pki.triple import ADMINISTRATOR_KEYS, AUTHENTICATION_KEY, CertificateTriple, read_certificates, triple_of
from smgw.security.content import verify_encapsulated
from smgw.security.files import write_durably
from smgw.security.key_guard import sign_challenge
from smgw.security.policy import Use, preferred_curve
from smgw.security.tls import pem_bundle
from smgw.storage.journal import Journal


class _Still:
    """Show one moment: the founding takes no time of the system's."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        """Give the moment."""
        return self._moment


class Took(NamedTuple):
    """Hold how long one step took."""

    step: str
    wall_s: float
    cpu_s: float


Watch = Callable[[Took], None]


def found_authentication(folder: Path, pki: PkiFolder, now: datetime) -> None:
    """Give an administrator its AUT key and certificate; what exists is kept."""
    if (folder / AUTHENTICATION_FILE).exists():
        return
    module, name = open_module(folder), load_identity(folder, ADMINISTRATOR_KEYS).triple.common_name.partition(".")[0]
    if AUTHENTICATION_KEY not in module.names():
        module.generate(AUTHENTICATION_KEY, preferred_curve(Use.END_ENTITY, now.year))
    request = make_authentication_request(module, AUTHENTICATION_KEY, Role.GWA, name)
    write_durably(folder / AUTHENTICATION_FILE, pem_bundle([pki.issue_authentication(request, now=now)]))


def found_gateway(
    path: Path, device_id: str, administrator: Path, address: Address, pki: PkiFolder, now: datetime, watch: Watch = lambda _: None
) -> CertificateTriple:
    """Make a gateway in an empty folder that is ready for its profiles; gives its operational certificates.

    `administrator` is the folder of its administrator, with an AUT certificate. Raises: as the steps.
    """
    folder, clock = GatewayFolder(path), _Still(now)
    _timed("manufactured", lambda: commissioning.manufacture(folder, device_id, clock), watch)
    with LifeKeeper.open(folder, clock) as keeper:
        shop = commissioning.open_workshop(keeper, clock, lambda: sign_installed_program(folder, now))
        _timed("pre-personalisation 1", lambda: _pre_personalise(shop, pki, now), watch)
        _timed("integration", lambda: _integrate(shop), watch)
        _timed("pre-personalisation 2", lambda: _configure(shop, administrator, address, now), watch)
        _timed("installation", lambda: commissioning.finish_installation(shop), watch)
        _timed("personalisation", lambda: _personalise(keeper, administrator, pki, now), watch)
        _timed("self-test", lambda: _test(keeper, now), watch)
    return triple_of(read_certificates((path / TRIPLE_FILE).read_bytes()))


def _timed(step: str, deed: Callable[[], object], watch: Watch) -> None:
    wall, cpu = perf_counter(), process_time()
    deed()
    watch(Took(step, perf_counter() - wall, process_time() - cpu))


def _pre_personalise(shop: Workshop, pki: PkiFolder, now: datetime) -> None:
    root = pki.root.certificate.public_bytes(Encoding.DER)
    commissioning.import_root(shop, root, hashlib.sha256(root).hexdigest())
    commissioning.make_provisional_keys(shop)
    seal = pki.issue(commissioning.request_seal(shop), Role.SMGW, now=now)
    commissioning.import_seal(shop, _bundle(seal, pki))


def _integrate(shop: Workshop) -> None:
    commissioning.make_storage_key(shop)
    commissioning.pair_module(shop)


def _configure(shop: Workshop, administrator: Path, address: Address, now: datetime) -> None:
    identity, authentication = load_identity(administrator, ADMINISTRATOR_KEYS), load_authentication(administrator)
    device = DeviceId.parse(shop.keeper.record.device_id)
    commissioning.load_configuration(shop, make_initial_configuration(identity, authentication.certificate, address, device, now))
    commissioning.erase_import_keys(shop)


def _personalise(keeper: LifeKeeper, administrator: Path, pki: PkiFolder, now: datetime) -> None:
    identity = provisional_identity(keeper.folder)
    name = keeper.folder.load().administrator.name
    with Journal.open(keeper.folder.journal, identity.module.storage_key(commissioning.JOURNAL_PURPOSE)) as journal:
        keeper.attach(journal)
        desk = KeyDesk(Desk(keeper, identity, _Still(now), name, lambda: (), lambda: None), lambda: None)
        challenge = desk.challenge()
        keeper.tell(desk.authenticate(challenge, sign_challenge(open_module(administrator), AUTHENTICATION_KEY, challenge)))
        signed, tells = desk.prepare(preferred_curve(Use.END_ENTITY, now.year))
        keeper.tell(*tells)
        desk.keys_made()
        desk.install(_bundle(_certify(signed, identity.triple.sig, pki, now), pki))()
        keeper.done(Action.BEGIN_OPERATION)
        desk.retire()
        keeper.attach(None)


def _certify(signed: bytes, known: x509.Certificate, pki: PkiFolder, now: datetime) -> CertificateTriple:
    read_signed_package(signed, known)
    package = verify_encapsulated(signed, signer=lambda _claim: known, content_type=SIGNED_REQUEST).content
    return pki.issue(package, Role.SMGW, now=now)


def _test(keeper: LifeKeeper, now: datetime) -> None:
    """Check what a start checks; this computer's clock is the system's time."""
    folder, identity = keeper.folder, own_identity(keeper.folder)
    with Journal.open(folder.journal, identity.module.storage_key(commissioning.JOURNAL_PURPOSE)) as journal:
        subject = boot.Subject(folder, identity, journal, boot.load_record(folder), running_files(), version("smgw"), now)
        failures = boot.run_boot_checks(subject)
        if failures:
            raise IntegrityFault("boot.failed", ", ".join(failure.code for failure in failures))
        keeper.attach(journal)
        keeper.done(Action.SYNCHRONISE_TIME)
        keeper.done(Action.TEST_ITSELF, Tell("self_test_passed"))
        keeper.attach(None)


def _bundle(triple: CertificateTriple, pki: PkiFolder) -> bytes:
    return triple.to_pem() + pem_bundle([pki.issuer_of(triple.tls).certificate])
