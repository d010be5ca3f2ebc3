"""The security module's rules: PIN and lock, the administrator's authentication before key changes, generations of keys, file objects.

A guard wraps a backend. To sign and to agree on keys it asks for a session only, opened with the gateway system PIN (German:
Gateway-System-PIN); to change WAN keys or the administrator's public keys it asks for the administrator's AUT key too, once that is held.
What it must not forget (state, PIN, wrong attempts, active keys) is one file object of the backend, written as a whole before it counts.
The PIN stands in for PACE: it pairs gateway and module, but there is no channel between them to protect.
Source: SEC-01; LIFE-03; LIFE-04; LIFE-06; LIFE-08; LIFE-11; 20-wan-crypto-pki 4.4 and 6.
"""

import hashlib
import hmac
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from smgw.core.errors import CertificateRejected, IntegrityFault, SecurityFault, UsageError
from smgw.core.key_inventory import AUTHENTICATION_KEY, IMPORT_KEY, ROOT_CERTIFICATE, WAN_KINDS, generation_suffix, split_generation
from smgw.security.module import ModuleBackend, SecurityModule
from smgw.security.octet_signature import sign_octets, verify_octets
from smgw.security.policy import Use, require_curve

RECORD = "MODULE_RECORD"
"""File object with what the guard must not forget; never listed."""
SESSION_S = 48 * 3600
AUTHENTICATION_S = 3600
"""So long after the administrator's authentication keys may be changed."""
CHALLENGE_S = 300
CHALLENGE_OCTETS = 32
MAX_WRONG_PINS = 3
MIN_PIN = 10
ADMINISTRATOR = "GWADM_"
NEXT = "GWADM_NEXT_"
SUCCESSOR_USES = ("TLS", "SIG", "ENC", "AUT")
"""The administrator's keys; AUT last, because it opens the others."""
MAX_CHAIN = 4

_MARK = b"smgw module authentication 1\x00"
COST = 14
"""Cost of new PINs: the logarithm of scrypt's n; the record names that of its own."""
_PARSE_FAULTS = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


class ModuleState(StrEnum):
    """Name the state of the security module."""

    INITIALISED = "initialised"
    """Made, not yet bound to a gateway; whoever holds it may use it."""
    PAIRED = "paired"
    """Bound to one gateway by the system PIN."""
    LOCKED = "locked"
    """Three wrong PINs; for good."""
    TERMINATED = "terminated"
    """Emptied at the end of life; for good."""


class KeyState(StrEnum):
    """Name what a WAN key may do."""

    PREPARED = "prepared"
    """Made and usable, for its own request and in personalisation; never put into regular use, or not yet."""
    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    """Kept, and used no more."""


class _Record(msgspec.Struct):
    state: ModuleState = ModuleState.INITIALISED
    salt: bytes = b""
    reference: bytes = b""
    wrong_pins: int = 0
    pin_cost: int = 14
    keys: dict[str, KeyState] = {}


class KeyGuard:
    """Offer a backend's keys under the module's rules; it is a `SecurityModule` itself.

    `elapsed` gives seconds that never go back. With `pin` a session that is over is opened anew by itself.
    """

    def __init__(self, backend: ModuleBackend, elapsed: Callable[[], float], pin: Callable[[], bytes] | None = None) -> None:
        """Take a backend that `initialise` has prepared. Raises: UsageError module.no_file; IntegrityFault module.damaged."""
        self._backend = backend
        self._elapsed = elapsed
        self._pin = pin
        self._session_until = self._authenticated_until = self._challenge_until = float("-inf")
        self._challenge = b""
        self._record = self._read()

    @classmethod
    def initialise(cls, backend: ModuleBackend, elapsed: Callable[[], float]) -> "KeyGuard":
        """Prepare a new module as its maker does: empty, with an import key; doing it twice changes nothing."""
        if RECORD not in backend.files():
            if IMPORT_KEY not in backend.names():
                backend.generate(IMPORT_KEY, "brainpoolP256r1")
            backend.put_file(RECORD, msgspec.msgpack.encode(_Record()))
        return cls(backend, elapsed)

    # State, PIN, authentication

    @property
    def state(self) -> ModuleState:
        """Give the module's state."""
        return self._record.state

    @property
    def authenticated(self) -> bool:
        """Tell whether the administrator is authenticated now."""
        return self._elapsed() < self._authenticated_until

    def pair(self, pin: bytes) -> None:
        """Bind the module to the gateway that holds this PIN (at least 10 octets), and open a session.

        Raises: UsageError module.state, module.weak_pin.
        """
        self._require_state(ModuleState.INITIALISED)
        if len(pin) < MIN_PIN:
            raise UsageError("module.weak_pin")
        salt = self._backend.random(16)
        reference = _derive(pin, salt, COST)
        self._write(msgspec.structs.replace(self._read(), state=ModuleState.PAIRED, salt=salt, reference=reference, pin_cost=COST))
        self._session_until = self._elapsed() + SESSION_S

    def open_session(self, pin: bytes) -> None:
        """Open a session for 48 hours at most. An attempt counts before it is judged; the third wrong one locks the module for good.

        Raises: UsageError module.state; SecurityFault module.pin, module.pin_locked.
        """
        record = self._read()
        if record.state is ModuleState.LOCKED:
            raise SecurityFault("module.pin_locked")
        self._require_state(ModuleState.PAIRED)
        wrong, derived = record.wrong_pins + 1, _derive(pin, record.salt, record.pin_cost)
        state = ModuleState.LOCKED if wrong >= MAX_WRONG_PINS else ModuleState.PAIRED
        # Even the right PIN counts as wrong until it is judged, so that cutting the power gives no further guess.
        self._write(msgspec.structs.replace(record, wrong_pins=wrong, state=state))
        if not hmac.compare_digest(derived, record.reference):
            self.close_session()
            raise SecurityFault("module.pin_locked" if state is ModuleState.LOCKED else "module.pin")
        self._write(msgspec.structs.replace(record, wrong_pins=0))
        self._session_until = self._elapsed() + SESSION_S

    def close_session(self) -> None:
        """End session and authentication."""
        self._session_until = float("-inf")
        self.end_authentication()

    def challenge(self) -> bytes:
        """Give 32 unpredictable octets for `authenticate_admin`; valid once, for five minutes."""
        self._require_session()
        self._challenge = self._backend.random(CHALLENGE_OCTETS)
        self._challenge_until = self._elapsed() + CHALLENGE_S
        return self._challenge

    def authenticate_admin(self, challenge: bytes, signature: bytes) -> None:
        """Take the administrator's signature (`sign_challenge`) over the last challenge; for an hour it may then change keys.

        Raises: UsageError module.session; SecurityFault module.authentication.
        """
        self._require_session()
        expected, in_time = self._challenge, self._elapsed() < self._challenge_until
        self._challenge = b""
        self.end_authentication()
        if AUTHENTICATION_KEY not in self._backend.files() or not expected or not in_time or not hmac.compare_digest(expected, challenge):
            raise SecurityFault("module.authentication")
        verify_octets(_MARK + challenge, signature, self._public(AUTHENTICATION_KEY), "module.authentication")
        self._authenticated_until = self._elapsed() + AUTHENTICATION_S

    def end_authentication(self) -> None:
        """Forget the administrator's authentication."""
        self._authenticated_until = float("-inf")

    # Use of keys: a session is enough

    def names(self) -> list[str]:
        """List the names of all keys held, sorted."""
        return self._backend.names()

    def public_key(self, name: str) -> ec.EllipticCurvePublicKey:
        """Give the public half. Raises: UsageError module.no_key."""
        return self._backend.public_key(name)

    def sign_digest(self, name: str, digest: bytes) -> bytes:
        """Sign a digest with ECDSA; returns DER (r, s). Raises: UsageError module.session, module.inactive, as the backend."""
        self._require_use(name)
        return self._backend.sign_digest(name, digest)

    def ecdh(self, name: str, peer: ec.EllipticCurvePublicKey) -> bytes:
        """Give the shared x-coordinate. Raises: UsageError module.session, module.inactive, as the backend."""
        self._require_use(name)
        return self._backend.ecdh(name, peer)

    def random(self, count: int) -> bytes:
        """Give unpredictable octets."""
        return self._backend.random(count)

    def storage_key(self, purpose: str) -> bytes:
        """Derive the key of one encrypted store. Raises: UsageError module.session."""
        self._require_session()
        return self._backend.storage_key(purpose)

    def tls_attach(self, context: ssl.SSLContext, name: str, chain_pem: bytes) -> None:
        """Let a TLS context prove possession of a key. Raises: UsageError module.session, module.inactive, as the backend."""
        self._require_use(name)
        self._backend.tls_attach(context, name, chain_pem)

    # Change of keys: WAN keys only by the authenticated administrator, once one is known

    def generate(self, name: str, curve: str) -> ec.EllipticCurvePublicKey:
        """Make a key pair. Raises: UsageError module.session, module.key_exists; SecurityFault module.authentication_needed."""
        self._require_change(name)
        return self._backend.generate(name, curve)

    def destroy(self, name: str) -> None:
        """Erase a key pair for good; an active WAN key must be deactivated first.

        Raises: UsageError module.session, module.active, module.no_key; SecurityFault module.authentication_needed.
        """
        self._require_change(name)
        if self.key_state(name) is KeyState.ACTIVE and _is_wan(name):
            raise UsageError("module.active", name)
        self._set_states({name: None})
        self._backend.destroy(name)

    def prepare_generation(self, prefix: str, curve: str, year: int) -> tuple[str, str, str]:
        """Make TLS, SIG and ENC key of the next generation beside what is held; gives their names.

        A generation that a power cut left incomplete is made anew. `prefix` is `GW_WAN`, `year` that of now for the crypto policy.
        Raises: SecurityFault pki.curve, module.authentication_needed; UsageError module.session.
        """
        require_curve(curve, Use.END_ENTITY, year)
        stems = [f"{prefix}_{kind}" for kind in WAN_KINDS]
        self._require_change(stems[0])
        held = set(self.names())
        latest = max((split_generation(name)[1] for name in held if split_generation(name)[0] in stems), default=0)
        begun = [name for name in (stem + generation_suffix(latest) for stem in stems) if name in held] if latest else []
        if 0 < len(begun) < len(stems):
            for name in begun:
                self.destroy(name)
            latest -= 1
        suffix = generation_suffix(latest + 1)
        for stem in stems:
            self._backend.generate(stem + suffix, curve)
        return (stems[0] + suffix, stems[1] + suffix, stems[2] + suffix)

    def activate(self, names: Iterable[str]) -> None:
        """Put keys into use, all at once. Raises: UsageError module.no_key, module.session; SecurityFault module.authentication_needed."""
        self._switch(names, KeyState.ACTIVE)

    def deactivate(self, names: Iterable[str]) -> None:
        """Take keys out of use, all at once; raises as `activate`."""
        self._switch(names, KeyState.DEACTIVATED)

    def key_state(self, name: str) -> KeyState:
        """Tell what a key may do; keys that are no WAN keys are always active."""
        return self._record.keys.get(name, KeyState.PREPARED if _is_wan(name) else KeyState.ACTIVE)

    def erase_import_keys(self) -> None:
        """Erase the import key at the end of pre-personalisation; doing it twice changes nothing."""
        self._require_session()
        if IMPORT_KEY in self.names():
            self._backend.destroy(IMPORT_KEY)

    def terminate(self) -> None:
        """Erase every key and file for good; what a power cut interrupts is finished by calling it again.

        Raises: UsageError module.session; SecurityFault module.authentication_needed.
        """
        if self.state is not ModuleState.TERMINATED:
            self._require_change("GW_WAN_")
            self._write(_Record(state=ModuleState.TERMINATED))
        self.close_session()
        for name in self.names():
            self._backend.destroy(name)
        for name in self.files():
            self._backend.delete_file(name)
        self._backend.forget_storage()

    # File objects

    def files(self) -> list[str]:
        """List the names of all file objects, sorted."""
        return [name for name in self._backend.files() if name != RECORD]

    def get_file(self, name: str) -> bytes:
        """Read a file object: a certificate (DER) or a public key (SubjectPublicKeyInfo). Raises: UsageError module.no_file."""
        if name == RECORD:
            raise UsageError("module.no_file", name)
        return self._backend.get_file(name)

    def put_file(self, name: str, data: bytes) -> None:
        """Write a file object that needs no proof; certificates of WAN, administrator and root come by the imports.

        Raises: UsageError module.session, module.file.
        """
        if name == RECORD or name.startswith(("GW_WAN_", ADMINISTRATOR, "ROOT_")):
            raise UsageError("module.file", name)
        self._require_session()
        self._backend.put_file(name, data)

    def import_root(self, der: bytes, fingerprint: bytes) -> None:
        """Take the root certificate, compared with a SHA-256 that came another way; only while the import key is held.

        Raises: UsageError module.import, module.session; CertificateRejected pki.malformed, pki.signature.
        """
        self._require_session()
        if IMPORT_KEY not in self.names() or ROOT_CERTIFICATE in self._backend.files():
            raise UsageError("module.import", ROOT_CERTIFICATE)
        certificate = _load(der)
        if not hmac.compare_digest(hashlib.sha256(der).digest(), fingerprint):
            raise CertificateRejected("pki.signature", "fingerprint of the root")
        _require_issued(certificate, certificate)
        self._backend.put_file(ROOT_CERTIFICATE, der)

    def import_certificate(self, name: str, der: bytes, issuers: Sequence[bytes] = ()) -> None:
        """Take a certificate whose signatures lead by `issuers` (its own first, without root) to the root that is held.

        `GWADM_TLS` and the like are kept as public key only (`GWADM_TLS_PUB`), `GW_WAN_TLS_CRT_PRE` and the like must hold the public key
        of `GW_WAN_TLS_PRE`, and a new `ROOT_WAN_SIG_CRT` must be signed by the old root. Names, times and usages are for `smgw.pki`.
        Raises: UsageError module.session, module.file, module.no_file; SecurityFault module.authentication_needed;
        CertificateRejected pki.malformed, pki.signature, pki.not_ca, pki.triple.
        """
        self._require_session()
        if AUTHENTICATION_KEY in self._backend.files():
            self._require_administrator()
        chain = [_load(one) for one in (der, *issuers[:MAX_CHAIN], self._backend.get_file(ROOT_CERTIFICATE))]
        for certificate, issuer in pairwise(chain):
            _require_issued(certificate, issuer)
        if name.startswith(ADMINISTRATOR):
            self._backend.put_file(f"{name}_PUB", _spki(chain[0].public_key()))
        elif name.startswith("GW_WAN_") and "_CRT" in name:
            if _spki(chain[0].public_key()) != _spki(self.public_key(name.replace("_CRT", "", 1))):
                raise CertificateRejected("pki.triple", name)
            self._backend.put_file(name, der)
        elif name == ROOT_CERTIFICATE:
            self._backend.put_file(name, der)
        else:
            raise UsageError("module.file", name[:80])

    def stage_successor(self, certificates: Mapping[str, bytes], issuers: Sequence[bytes]) -> None:
        """Take the keys of an administrator to be (TLS, SIG, ENC, AUT), which count for nothing before `take_successor`.

        Raises: as `import_certificate`.
        """
        for use in SUCCESSOR_USES:
            self.import_certificate(f"{NEXT}{use}", certificates[use], issuers)

    def take_successor(self) -> None:
        """Let the administrator to be take the present one's place; without one nothing happens. The AUT key changes last."""
        self._require_session()
        staged = {use: f"{NEXT}{use}_PUB" for use in SUCCESSOR_USES if f"{NEXT}{use}_PUB" in self._backend.files()}
        for use, name in staged.items():
            self._backend.put_file(f"{ADMINISTRATOR}{use}_PUB", self._backend.get_file(name))
        self.end_authentication()
        self.drop_successor()

    def drop_successor(self) -> None:
        """Forget an administrator to be."""
        for use in SUCCESSOR_USES:
            if f"{NEXT}{use}_PUB" in self._backend.files():
                self._backend.delete_file(f"{NEXT}{use}_PUB")

    # Inside

    def _read(self) -> _Record:
        try:
            return msgspec.msgpack.decode(self._backend.get_file(RECORD), type=_Record)
        except (msgspec.MsgspecError, ValueError) as problem:
            raise IntegrityFault("module.damaged", RECORD) from problem

    def _write(self, record: _Record) -> None:
        self._backend.put_file(RECORD, msgspec.msgpack.encode(record))
        self._record = record

    def _require_state(self, state: ModuleState) -> None:
        if self._record.state is not state:
            raise UsageError("module.state", f"{self._record.state}, needed: {state}")

    def _require_session(self) -> None:
        if self.state is ModuleState.INITIALISED or (self.state is ModuleState.PAIRED and self._elapsed() < self._session_until):
            return
        if self.state is ModuleState.PAIRED and self._pin is not None:
            self.open_session(self._pin())
            return
        if self.state is ModuleState.LOCKED:
            raise SecurityFault("module.pin_locked")
        raise UsageError("module.state" if self.state is ModuleState.TERMINATED else "module.session", self.state)

    def _require_use(self, name: str) -> None:
        self._require_session()
        if self.key_state(name) is KeyState.DEACTIVATED:
            raise UsageError("module.inactive", name)

    def _require_change(self, name: str) -> None:
        self._require_session()
        if _is_wan(name) and AUTHENTICATION_KEY in self._backend.files():
            self._require_administrator()

    def _require_administrator(self) -> None:
        if not self.authenticated:
            raise SecurityFault("module.authentication_needed")

    def _switch(self, names: Iterable[str], state: KeyState) -> None:
        chosen, held = list(names), set(self.names())
        for name in chosen:
            if name not in held:
                raise UsageError("module.no_key", name)
            self._require_change(name)
        self._set_states(dict.fromkeys(chosen, state))

    def _set_states(self, states: dict[str, KeyState | None]) -> None:
        record = self._read()
        merged = {**record.keys, **states}
        kept = {name: state for name, state in merged.items() if state is not None}
        if kept != record.keys:
            self._write(msgspec.structs.replace(record, keys=kept))

    def _public(self, name: str) -> ec.EllipticCurvePublicKey:
        try:
            key = serialization.load_der_public_key(self._backend.get_file(name))
        except _PARSE_FAULTS as problem:
            raise IntegrityFault("module.damaged", name) from problem
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise IntegrityFault("module.damaged", name)
        return key


def sign_challenge(module: SecurityModule, key_name: str, challenge: bytes) -> bytes:
    """Answer a module's challenge with the administrator's AUT key; gives r‖s."""
    return sign_octets(module, key_name, _MARK + challenge)


def _is_wan(name: str) -> bool:
    return name.startswith("GW_WAN_")


def _derive(pin: bytes, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(pin, salt=salt, n=1 << cost, r=8, p=1, dklen=32)


def _load(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except _PARSE_FAULTS as problem:
        raise CertificateRejected("pki.malformed", f"{len(der)} octets") from problem


def _require_issued(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    try:
        certificate.verify_directly_issued_by(issuer)
        authority = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (InvalidSignature, x509.ExtensionNotFound, *_PARSE_FAULTS) as problem:
        raise CertificateRejected("pki.signature") from problem
    if not authority:
        raise CertificateRejected("pki.not_ca")


def _spki(key: object) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise CertificateRejected("pki.curve", "not an elliptic curve key")
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
