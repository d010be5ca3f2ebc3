"""The security module in a token: keys inside a smart card, HSM or SoftHSM, reached through its PKCS#11 library.

A token serves one module and holds nothing else. Private keys are made inside, sensitive and not extractable; the storage keys are derived
inside as well (HMAC-SHA-256). What leaves it: signatures, public keys, random octets, and the shared secret of a key agreement, whose KDF
runs outside. File objects are data objects `number, hash, octets`: a new one is written before the old one goes, so that a power cut leaves
one of both. Each process logs in once to a token.
Source: SEC-01; 20-wan-crypto-pki 6; 40-crypto-stack 3.
"""

import ctypes
import fcntl
import functools
import hashlib
import hmac
import os
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pkcs11
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.exceptions import (
    DeviceRemoved,
    NoSuchToken,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    SessionClosed,
    SessionHandleInvalid,
    TokenNotPresent,
    UserNotLoggedIn,
)

from smgw.core.errors import ConfigError, IntegrityFault, SecurityFault, Unavailable, UsageError
from smgw.security.module import may_agree, require_agreement, require_file, require_name
from smgw.security.policy import curve_named, digest_hash
from smgw.security.token_tls import attach_token_key

STORAGE_LABEL = "GW_STORAGE_KEY"
_APPLICATION = "smgw"
_FILE = struct.Struct(">Q32s")
_MAX_RANDOM = 1 << 20
_OS_LOCKING = 2
"""CKF_OS_LOCKING_OK"""
_OIDS = {
    "brainpoolP256r1": "06092b2403030208010107",
    "brainpoolP384r1": "06092b240303020801010b",
    "brainpoolP512r1": "06092b240303020801010d",
    "secp256r1": "06082a8648ce3d030107",
    "secp384r1": "06052b81040022",
}
"""Curve of the policy -> CKA_EC_PARAMS: its object identifier in DER."""
_CURVES = {bytes.fromhex(oid): name for name, oid in _OIDS.items()}
_GONE = (DeviceRemoved, SessionClosed, SessionHandleInvalid, TokenNotPresent, UserNotLoggedIn)
_WRONG_PIN = (PinIncorrect, PinInvalid, PinLenRange, PinLocked)

T = TypeVar("T")


class _Key(NamedTuple):
    private: Any
    """The library's classes for keys are made at run time, by what a key can do."""
    public: ec.EllipticCurvePublicKey


class _Version(NamedTuple):
    """Hold one data object of a file."""

    number: int
    whole: bool
    data: bytes
    stored: Any


class _Token:
    """Hold this process's one session with a token; it is opened anew when the token was away."""

    def __init__(self, library: str, label: str, pin: bytes) -> None:
        self.library, self.label = library, label
        self.lock = threading.RLock()
        self.pin = pin
        self.session = self._open()
        self.count = 1
        """Sessions so far; handles of objects belong to one of them."""

    def _open(self) -> pkcs11.Session:
        loaded = _load_library(self.library)
        try:
            session: pkcs11.Session = loaded.get_token(token_label=self.label).open(rw=True, user_pin=self.pin.decode())
            return session
        except NoSuchToken as problem:
            raise ConfigError("module.missing", f"token {self.label}") from problem
        except (*_WRONG_PIN, UnicodeDecodeError) as problem:
            raise ConfigError("module.locked", type(problem).__name__) from problem
        except PKCS11Error as problem:
            raise Unavailable("module.token", type(problem).__name__) from problem

    def has_pin(self, pin: bytes) -> bool:
        return hmac.compare_digest(self.pin, pin)

    def use(self, call: Callable[[pkcs11.Session], T]) -> T:
        """Make one call; where the session was lost, once more in a new one.

        Raises: Unavailable module.token when the token is away or fails.
        """
        with self.lock:
            try:
                try:
                    return call(self.session)
                except _GONE:
                    self._reopen()
                    return call(self.session)
            except PKCS11Error as problem:
                raise Unavailable("module.token", type(problem).__name__) from problem

    def _reopen(self) -> None:
        try:
            self.session = self._open()
        except ConfigError as problem:
            raise Unavailable("module.token", problem.code) from problem
        self.count += 1


class _InitializeArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS of PKCS#11."""

    _fields_ = (
        ("create_mutex", ctypes.c_void_p),
        ("destroy_mutex", ctypes.c_void_p),
        ("lock_mutex", ctypes.c_void_p),
        ("unlock_mutex", ctypes.c_void_p),
        ("flags", ctypes.c_ulong),
        ("reserved", ctypes.c_void_p),
    )


@functools.cache
def _load_library(path: str) -> Any:
    """Load a token's library once a process, ready for several threads. Raises: ConfigError module.library.

    python-pkcs11 promises the library that only one thread will call it; but TLS calls it too, from whichever thread shakes hands. So it is
    closed again and opened with locks of the operating system, before the first session.
    """
    try:
        loaded = pkcs11.lib(path)
        native = ctypes.CDLL(path)
        arguments = _InitializeArguments(flags=_OS_LOCKING)
        if native.C_Finalize(None) == 0 and native.C_Initialize(ctypes.byref(arguments)) == 0:
            return loaded
    except (RuntimeError, OSError, AttributeError) as problem:
        raise ConfigError("module.library", path) from problem
    raise ConfigError("module.library", f"{path} takes no locks")


_TOKENS: dict[tuple[str, str], _Token] = {}
_TOKENS_LOCK = threading.Lock()


def token_of(library: str, label: str, pin: bytes) -> _Token:
    """Give this process's session with a token. Raises: ConfigError module.missing, module.locked, module.library; Unavailable."""
    with _TOKENS_LOCK:
        held = _TOKENS.get((library, label))
        if held is None:
            held = _TOKENS[library, label] = _Token(library, label, pin)
        if not held.has_pin(pin):
            raise ConfigError("module.locked")
        return held


class Pkcs11Module:
    """Use keys inside a token; see `smgw.security.module.ModuleBackend`.

    `lock` is a file that keeps processes from changing keys at once.
    """

    def __init__(self, token: _Token, lock: Path) -> None:
        self._token = token
        self._lock = lock
        self._handles: tuple[int, dict[str, _Key]] = (0, {})

    @classmethod
    def create(cls, library: str, label: str, pin: bytes, lock: Path) -> "Pkcs11Module":
        """Take an initialised token without keys into use.

        Raises: ConfigError module.exists, module.missing, module.locked, module.library; Unavailable module.token.
        """
        module = cls(token_of(library, label, pin), lock)
        with module._changing():
            if module.names() or module.files():
                raise ConfigError("module.exists", f"token {label}")
            module._token.use(_renew_storage_key)
        return module

    @classmethod
    def open(cls, library: str, label: str, pin: bytes, lock: Path) -> "Pkcs11Module":
        """Open a token that `create` has taken into use.

        Raises: ConfigError module.missing, module.locked, module.library; Unavailable module.token.
        """
        module = cls(token_of(library, label, pin), lock)
        if module._token.use(_storage) is None:
            raise ConfigError("module.missing", f"token {label} is empty")
        return module

    def __repr__(self) -> str:
        return f"<Pkcs11Module {self._token.label}>"

    def names(self) -> list[str]:
        """List the names of all keys held, sorted."""
        halves = (self._labels(ObjectClass.PRIVATE_KEY), self._labels(ObjectClass.PUBLIC_KEY))
        return sorted(halves[0] & halves[1])

    def generate(self, name: str, curve: str) -> ec.EllipticCurvePublicKey:
        """Make a key pair on a named curve of the crypto policy inside the token; returns the public key.

        Raises: UsageError module.key_exists, module.curve, module.name; Unavailable module.token.
        """
        curve_named(curve)
        require_name(name)
        with self._changing():
            if name in self.names():
                raise UsageError("module.key_exists", name)
            self._erase(name)
            self._token.use(lambda session: _make_pair(session, name, curve))
        return self._find(name).public

    def public_key(self, name: str) -> ec.EllipticCurvePublicKey:
        """Give the public half. Raises: UsageError module.no_key."""
        return self._find(name).public

    def sign_digest(self, name: str, digest: bytes) -> bytes:
        """Sign a SHA-256, SHA-384 or SHA-512 digest (told apart by length) with ECDSA; returns DER (r, s)."""
        digest_hash(digest)
        # A token need not cut a long digest to the length of its curve; for these curves that is whole octets.
        short = digest[: _octets(self._find(name).public)]
        plain = self._token.use(lambda session: self._key(session, name).private.sign(short, mechanism=Mechanism.ECDSA))
        half = len(plain) // 2
        return utils.encode_dss_signature(int.from_bytes(plain[:half], "big"), int.from_bytes(plain[half:], "big"))

    def ecdh(self, name: str, peer: ec.EllipticCurvePublicKey) -> bytes:
        """Give the shared x-coordinate at the curve's full length.

        Raises: UsageError module.use for a key that only signs; SecurityFault module.peer_key for a peer off the curve.
        """
        key = self._find(name)
        require_agreement(name)
        if type(peer.curve) is not type(key.public.curve):
            raise SecurityFault("module.peer_key", peer.curve.name)
        point = peer.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        return self._token.use(lambda session: _agree(self._key(session, name).private, point, _octets(key.public)))

    def random(self, count: int) -> bytes:
        """Give unpredictable octets, at most 1 MiB."""
        if not 0 <= count <= _MAX_RANDOM:
            raise UsageError("module.random", f"{count}")
        return self._token.use(lambda session: session.generate_random(count * 8)) if count else b""

    def destroy(self, name: str) -> None:
        """Erase a key pair for good. Raises: UsageError module.no_key."""
        with self._changing():
            if name not in self.names():
                raise UsageError("module.no_key", name)
            self._erase(name)

    def files(self) -> list[str]:
        """List the names of all file objects, sorted."""
        return sorted(self._labels(ObjectClass.DATA))

    def get_file(self, name: str) -> bytes:
        """Read a file object as it now stands. Raises: UsageError module.no_file; IntegrityFault module.damaged."""
        versions = self._versions(name)
        if not versions:
            raise UsageError("module.no_file", name[:80])
        whole = [version.data for version in versions if version.whole]
        if not whole:
            raise IntegrityFault("module.damaged", name)
        return whole[-1]

    def put_file(self, name: str, data: bytes) -> None:
        """Write a file object of at most 64 KiB durably and as a whole; an old one is replaced. Raises: UsageError module.file."""
        require_file(name, data)
        with self._changing():
            before = self._versions(name)
            number = before[-1].number + 1 if before else 1
            value = _FILE.pack(number, hashlib.sha256(data).digest()) + data
            self._token.use(lambda session: _make_file(session, name, value))
            self._token.use(lambda _: _destroy_each(before))

    def delete_file(self, name: str) -> None:
        """Remove a file object durably. Raises: UsageError module.no_file."""
        with self._changing():
            versions = self._versions(name)
            if not versions:
                raise UsageError("module.no_file", name[:80])
            self._token.use(lambda _: _destroy_each(versions))

    def forget_storage(self) -> None:
        """Exchange the secret that storage keys come from: what was stored under them can never be read again."""
        with self._changing():
            self._token.use(_renew_storage_key)

    def storage_key(self, purpose: str) -> bytes:
        """Derive the 32-octet key of one encrypted store inside the token; the same purpose always gives the same key."""
        text = b"smgw storage key\x00" + purpose.encode()
        return self._token.use(lambda session: _derive(session, text))

    def tls_attach(self, context: ssl.SSLContext, name: str, chain_pem: bytes) -> None:
        """Let a TLS context prove possession of a key inside the token; `chain_pem` holds the end-entity certificate first.

        Raises: UsageError module.no_key, module.tls; ConfigError module.token_tls where this machine's TLS can't use tokens.
        """
        self._find(name)
        token = self._token
        with token.lock:
            attach_token_key(context, token.library, token.label, name, token.pin, chain_pem)

    # Inside

    def _find(self, name: str) -> _Key:
        return self._token.use(lambda session: self._key(session, name))

    def _key(self, session: pkcs11.Session, name: str) -> _Key:
        """Give a key with a handle of this session."""
        if self._handles[0] != self._token.count:
            self._handles = (self._token.count, {})
        keys = self._handles[1]
        held = keys.get(name) or _load_key(session, name)
        if held is None:
            raise UsageError("module.no_key", name)
        keys[name] = held
        return held

    def _labels(self, kind: ObjectClass) -> set[str]:
        template: dict[Attribute, object] = {Attribute.CLASS: kind}
        if kind is ObjectClass.DATA:
            template[Attribute.APPLICATION] = _APPLICATION
        return self._token.use(lambda session: {one[Attribute.LABEL] for one in session.get_objects(template)})

    def _versions(self, name: str) -> list[_Version]:
        """Give what is stored under a name, the oldest first; more than one only after a power cut."""
        template = {Attribute.CLASS: ObjectClass.DATA, Attribute.APPLICATION: _APPLICATION, Attribute.LABEL: name}
        return sorted(self._token.use(lambda session: [_version(one) for one in session.get_objects(template)]), key=lambda one: one.number)

    def _erase(self, name: str) -> None:
        """Erase both halves, the private one first; a half that a power cut left goes too."""
        self._handles[1].pop(name, None)
        self._token.use(lambda session: _destroy_pair(session, name))

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep other processes and threads from changing objects, and make the change durable: SoftHSM keeps tokens in plain files."""
        self._lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self._lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
            os.sync()
        finally:
            os.close(handle)


def _storage(session: pkcs11.Session) -> Any:
    """Give the secret that storage keys come from, or None."""
    template = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: STORAGE_LABEL}
    return next(iter(list(session.get_objects(template))), None)


def _derive(session: pkcs11.Session, text: bytes) -> bytes:
    secret = _storage(session)
    if secret is None:
        raise IntegrityFault("module.damaged", STORAGE_LABEL)
    return bytes(secret.sign(text, mechanism=Mechanism.SHA256_HMAC))


def _renew_storage_key(session: pkcs11.Session) -> None:
    for stored in list(session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: STORAGE_LABEL})):
        stored.destroy()
    template = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True}
    session.generate_key(KeyType.GENERIC_SECRET, 256, label=STORAGE_LABEL, store=True, capabilities=MechanismFlag.SIGN, template=template)


def _make_pair(session: pkcs11.Session, name: str, curve: str) -> None:
    parameters = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: bytes.fromhex(_OIDS[curve])}, local=True)
    uses = MechanismFlag.SIGN | MechanismFlag.VERIFY
    parameters.generate_keypair(
        mechanism=Mechanism.EC_KEY_PAIR_GEN,
        store=True,
        label=name,
        id=hashlib.sha256(name.encode()).digest()[:16],
        capabilities=uses | MechanismFlag.DERIVE if may_agree(name) else uses,
        private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True},
    )


def _make_file(session: pkcs11.Session, name: str, value: bytes) -> None:
    session.create_object(
        {
            Attribute.CLASS: ObjectClass.DATA,
            Attribute.TOKEN: True,
            Attribute.PRIVATE: True,
            Attribute.APPLICATION: _APPLICATION,
            Attribute.LABEL: name,
            Attribute.VALUE: value,
        }
    )


def _version(stored: Any) -> _Version:
    value = bytes(stored[Attribute.VALUE])
    if len(value) < _FILE.size:
        return _Version(0, False, b"", stored)
    number, digest = _FILE.unpack(value[: _FILE.size])
    data = value[_FILE.size :]
    return _Version(number, hashlib.sha256(data).digest() == digest, data, stored)


def _destroy_each(versions: list[_Version]) -> None:
    for version in versions:
        version.stored.destroy()


def _destroy_pair(session: pkcs11.Session, name: str) -> None:
    for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY):
        for stored in list(session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: name})):
            stored.destroy()


def _load_key(session: pkcs11.Session, name: str) -> _Key | None:
    kinds = (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY)
    private, public = (list(session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: name})) for kind in kinds)
    if not private or not public:
        return None
    curve = _CURVES.get(bytes(public[0][Attribute.EC_PARAMS]))
    if curve is None:
        raise IntegrityFault("module.damaged", name)
    shape = curve_named(curve)
    # The point stands in an OCTET STRING, in some tokens bare: either way it is what comes last.
    point = bytes(public[0][Attribute.EC_POINT])[-(1 + 2 * ((shape.key_size + 7) // 8)) :]
    try:
        return _Key(private[0], ec.EllipticCurvePublicKey.from_encoded_point(shape, point))
    except ValueError as problem:
        raise IntegrityFault("module.damaged", name) from problem


def _agree(private: Any, point: bytes, octets: int) -> bytes:
    """Derive the raw shared secret as an object of this session, read it and destroy it: tokens know few KDFs."""
    try:
        secret = _shared_secret(private, point, octets)
    except PKCS11Error as problem:
        # Tokens tell a bare point from one in an OCTET STRING by its second octet. Where that happens to be the length of what follows
        # (one point of 170 on brainpoolP512r1), SoftHSM takes the point for the string.
        if isinstance(problem, _GONE) or point[1] != len(point) - 2:
            raise
        secret = _shared_secret(private, _octet_string(point), octets)
    try:
        return bytes(secret[Attribute.VALUE])
    finally:
        secret.destroy()


def _shared_secret(private: Any, point: bytes, octets: int) -> Any:
    return private.derive_key(
        KeyType.GENERIC_SECRET,
        octets * 8,
        mechanism=Mechanism.ECDH1_DERIVE,
        mechanism_param=(pkcs11.KDF.NULL, None, point),
        store=False,
        template={Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True},
    )


def _octet_string(data: bytes) -> bytes:
    """Give octets as a DER OCTET STRING of less than 256."""
    length = bytes((len(data),)) if len(data) < 0x80 else bytes((0x81, len(data)))
    return b"\x04" + length + data


def _octets(key: ec.EllipticCurvePublicKey) -> int:
    return (key.key_size + 7) // 8
