"""Who takes part in a gateway's life, with real keys: the SM-PKI, an integrator, a first configurator, an administrator, the gateway."""

import hashlib
from base64 import b64decode, b64encode
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.gateway.gateway_parts import START, administrator_identity, pki

from smgw.administrator.initial_configuration import Address, make_initial_configuration
from smgw.core.identifiers import DeviceId
from smgw.core.life_cycle import Action, Actor, Phase
from smgw.core.log_event import Log
from smgw.gateway.commissioning import Workshop, manufacture, open_workshop
from smgw.gateway.config import GatewayFolder
from smgw.gateway.lifecycle import LifeKeeper
from smgw.gateway.local_interface import answer
from smgw.net.clock import ManualClock
from smgw.pki.names import Role
from smgw.pki.requests import make_authentication_request
from smgw.pki.triple import AUTHENTICATION_KEY
from smgw.security.tls import pem_bundle

DEVICE_ID = "ESGW0000000042"
INTEGRATOR, CONFIGURATOR = Actor.INTEGRATOR, Actor.FIRST_CONFIGURATOR
A = Action

Asked = tuple[Actor, Action, dict[str, object]]


@cache
def authentication() -> x509.Certificate:
    """Give the administrator's AUT certificate."""
    module = administrator_identity().module
    if AUTHENTICATION_KEY not in module.names():
        module.generate(AUTHENTICATION_KEY, "brainpoolP256r1")
    request = make_authentication_request(module, AUTHENTICATION_KEY, Role.GWA, "test")
    return pki().issue_authentication(request, now=START)


def configuration_file(device_id: str = DEVICE_ID, management_port: int = 9, time_port: int = 9) -> bytes:
    """Let the administrator make its initial configuration file."""
    address = Address("127.0.0.1", management_port, time_port)
    return make_initial_configuration(administrator_identity(), authentication(), address, DeviceId.parse(device_id), START)


def base64(data: bytes) -> str:
    """Write octets as the local interface wants them."""
    return b64encode(data).decode()


class World:
    """Hold one gateway and everybody's part in its life."""

    def __init__(self, path: Path) -> None:
        self.folder = GatewayFolder(path)
        self.clock = ManualClock(START)
        self.pins = manufacture(self.folder, DEVICE_ID, self.clock)
        self.signed = 0
        self._open()

    @classmethod
    def of(cls, path: Path, pins: dict[Actor, str]) -> "World":
        """Take a gateway that exists."""
        world = cls.__new__(cls)
        world.folder, world.clock, world.pins, world.signed = GatewayFolder(path), ManualClock(START), pins, 0
        world._open()
        return world

    def _open(self) -> None:
        self.keeper = LifeKeeper.open(self.folder, self.clock)
        try:
            self.shop: Workshop = open_workshop(self.keeper, self.clock, self._sign)
        except BaseException:
            self.keeper.close()
            raise

    def _sign(self) -> None:
        self.signed += 1

    def power_cycle(self) -> None:
        """Take the power and give it back: nothing is left but the folder."""
        self.keeper.close()
        self._open()

    @property
    def phase(self) -> Phase:
        """Give the gateway's phase."""
        return self.keeper.phase

    def ask(self, actor: Actor, action: str, pin: str | None = None, **fields: object) -> dict[str, Any]:
        """Open a session at the local interface and give one order; gives the last reply."""
        opening = {"role": actor, "pin": self.pins[actor] if pin is None else pin}
        reply, session = answer(self.shop, None, msgspec.json.encode(opening))
        if session is None:
            return reply
        return answer(self.shop, session, msgspec.json.encode({"action": action, **fields}))[0]

    def do(self, actor: Actor, action: str, **fields: object) -> dict[str, Any]:
        """Give an order that must be obeyed; gives its result."""
        reply = self.ask(actor, action, **fields)
        assert reply["ok"], reply
        result: dict[str, Any] = reply["result"]
        return result

    def root(self) -> dict[str, object]:
        """Give what the integrator has of the root: the certificate, and its fingerprint by another way."""
        der = pki().root.certificate.public_bytes(Encoding.DER)
        return {"certificates": base64(der), "fingerprint": hashlib.sha256(der).hexdigest()}

    def seal(self) -> dict[str, object]:
        """Have the SM-PKI issue seal certificates for the gateway's request."""
        package = b64decode(self.do(INTEGRATOR, A.REQUEST_SEAL)["request"])
        triple = pki().issue(package, Role.SMGW, now=START)
        return {"certificates": base64(triple.to_pem() + pem_bundle([pki().sub().certificate]))}

    def fields(self, action: Action) -> dict[str, object]:
        """Give what an action is asked with."""
        match action:
            case A.IMPORT_ROOT:
                return self.root()
            case A.IMPORT_SEAL:
                return self.seal()
            case A.LOAD_CONFIGURATION:
                return {"document": base64(configuration_file())}
            case A.SET_NETWORK:
                return {"links": [{"name": "optical", "url": "pty:///dev/none"}], "han_port": 8443}
            case A.CORRECT_ADDRESS:
                return {"host": "gwa.example", "management_port": 7001, "time_port": 7002}
        return {}

    def through(self, *actions: Action) -> None:
        """Do actions one after another."""
        for action in actions:
            self.do(CONFIGURATOR if action in BY_CONFIGURATOR else INTEGRATOR, action, **self.fields(action))

    def events(self) -> list[str]:
        """List the system log's events, those that wait for a journal among them."""
        from smgw.gateway.commissioning import open_journal

        waiting = [entry.event for entry in self.keeper.record.waiting]
        if not self.folder.journal.exists():
            return waiting
        with open_journal(self.folder, self.shop.module) as journal:
            return [stored.entry.event for stored in journal.log(Log.SYSTEM)] + waiting


BY_CONFIGURATOR = frozenset({A.SET_NETWORK, A.READ_SYSTEM_LOG, A.CORRECT_ADDRESS, A.FINISH_INSTALLATION})
SEAL_FIRST = (A.IMPORT_ROOT, A.MAKE_PROVISIONAL_KEYS, A.IMPORT_SEAL, A.MAKE_STORAGE_KEY, A.PAIR_MODULE)
MODULE_FIRST = (A.MAKE_STORAGE_KEY, A.PAIR_MODULE, A.IMPORT_ROOT, A.MAKE_PROVISIONAL_KEYS, A.IMPORT_SEAL)
TO_INSTALLATION = (A.LOAD_CONFIGURATION, A.ERASE_IMPORT_KEYS)
INSTALLATION = (A.SET_NETWORK, A.CORRECT_ADDRESS, A.READ_SYSTEM_LOG, A.FINISH_INSTALLATION)


@cache
def model(*actions: Action) -> tuple[Path, dict[Actor, str]]:
    """Make a gateway once and lead it through some actions; give its folder, to be copied, with its PINs."""
    if not actions:
        path = Path(mkdtemp(prefix="smgw-life-")) / "gateway"
        world = World(path)
        world.keeper.close()
        return path, world.pins
    world = copy_of(Path(mkdtemp(prefix="smgw-life-")) / "gateway", *actions[:-1])
    world.through(actions[-1])
    world.keeper.close()
    return world.folder.path, world.pins


def copy_of(path: Path, *actions: Action) -> World:
    """Give a gateway that was led through some actions."""
    import shutil

    source, pins = model(*actions)
    shutil.copytree(source, path)
    return World.of(path, pins)
