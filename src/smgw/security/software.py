"""The security module in software: private keys in one encrypted file (German: Software-Sicherheitsmodul).

The file is `header, nonce, sealed`: the header names the format, the scrypt cost, the salt and a check value for the secret and ends with
its own SHA-256; the keys (PKCS#8) and the master key are sealed together by AES-256-GCM with the header as associated data. Every change
writes a new file beside the old one, syncs it and takes its place, so that a power cut leaves either the old or the new keys. It can't stop
someone who copies the file back from an earlier day, and it can't stop the owner of the machine: it isn't a certified module.
Source: SEC-01; 20-wan-crypto-pki 6; 40-crypto-stack 3.
"""

import fcntl
import hashlib
import hmac
import os
import ssl
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from smgw.core.errors import ConfigError, IntegrityFault, SecurityFault, Unavailable, UsageError
from smgw.security.files import write_durably
from smgw.security.module import require_agreement, require_file, require_name
from smgw.security.policy import curve_named, digest_hash

_MAGIC = b"SMGWKEYS"
_VERSION = 1
_HEADER = struct.Struct(">8sBBBB16s16s")
_HEADER_SIZE = _HEADER.size + 32
_NONCE_SIZE = 12
_COST = (15, 8, 1)
"""Of scrypt (logarithm of the rounds, block size, lanes) for a secret that a person may have chosen: a tenth of a second, 32 MB."""
_COST_OF_RANDOM = (10, 8, 1)
"""For 32 octets from the system's random source: nobody guesses these, however fast each try is."""
_MIN_SECRET = 10
_MAX_FILE = 4 << 20
_MAX_RANDOM = 1 << 20


class _Contents(msgspec.Struct):
    """Hold what is sealed: the master key, the keys as PKCS#8, and file objects."""

    master: bytes
    keys: dict[str, bytes]
    files: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"<sealed contents, {len(self.keys)} keys>"


class _Seal:
    """Seal and open contents under one secret and header; the key-encryption key stays inside."""

    def __init__(self, secret: bytes, cost: tuple[int, int, int], salt: bytes) -> None:
        log2_n, block, parallel = cost
        derived = Scrypt(salt=salt, length=48, n=1 << log2_n, r=block, p=parallel).derive(secret)
        self._aead = AESGCM(derived[:32])
        body = _HEADER.pack(_MAGIC, _VERSION, log2_n, block, parallel, salt, derived[32:])
        self.header = body + hashlib.sha256(body).digest()

    @classmethod
    def of_file(cls, data: bytes, secret: bytes) -> "_Seal":
        header = data[:_HEADER_SIZE]
        body, checksum = header[: _HEADER.size], header[_HEADER.size :]
        if not hmac.compare_digest(hashlib.sha256(body).digest(), checksum):
            raise IntegrityFault("module.damaged", "header")
        magic, version, log2_n, block, parallel, salt, _ = _HEADER.unpack(body)
        if magic != _MAGIC or version != _VERSION or not 10 <= log2_n <= 20 or not 1 <= block <= 16 or not 1 <= parallel <= 4:
            raise IntegrityFault("module.damaged", "not a key store of this program's version")
        seal = cls(secret, (log2_n, block, parallel), salt)
        if not hmac.compare_digest(seal.header, header):
            raise ConfigError("module.locked")
        return seal

    def close(self, contents: _Contents) -> bytes:
        nonce = os.urandom(_NONCE_SIZE)
        return self.header + nonce + self._aead.encrypt(nonce, msgspec.msgpack.encode(contents), self.header)

    def open(self, data: bytes) -> _Contents:
        if not hmac.compare_digest(data[:_HEADER_SIZE], self.header):
            raise IntegrityFault("module.damaged", "header changed while open")
        nonce, sealed = data[_HEADER_SIZE : _HEADER_SIZE + _NONCE_SIZE], data[_HEADER_SIZE + _NONCE_SIZE :]
        try:
            return msgspec.msgpack.decode(self._aead.decrypt(nonce, sealed, self.header), type=_Contents)
        except (InvalidTag, ValueError, msgspec.DecodeError) as problem:
            raise IntegrityFault("module.damaged", "seal") from problem


class SoftwareModule:
    """Keep keys in one encrypted file and use them without giving them away; see `smgw.security.module.SecurityModule`."""

    def __init__(self, path: Path, seal: _Seal, contents: _Contents) -> None:
        self._path = path
        self._seal = seal
        self._load(contents)

    @classmethod
    def create(cls, path: Path, secret: bytes, *, random_secret: bool = False) -> "SoftwareModule":
        """Make an empty key store (mode 0600) under a secret of at least 10 octets.

        With `random_secret`, for one that `create_secret` made, opening costs no stretching; the header names the cost.

        Raises: ConfigError module.exists, module.weak_secret.
        """
        if len(secret) < _MIN_SECRET:
            raise ConfigError("module.weak_secret")
        if path.exists():
            raise ConfigError("module.exists", str(path))
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        module = cls(path, _Seal(secret, _COST_OF_RANDOM if random_secret else _COST, os.urandom(16)), _Contents(os.urandom(32), {}))
        with module._locked():
            if path.exists():
                raise ConfigError("module.exists", str(path))
            module._write()
        return module

    @classmethod
    def open(cls, path: Path, secret: bytes) -> "SoftwareModule":
        """Open a key store.

        Raises: ConfigError module.missing, module.locked (wrong secret), module.permissions; IntegrityFault module.damaged.
        """
        data = _read(path)
        seal = _Seal.of_file(data, secret)
        return cls(path, seal, seal.open(data))

    def __repr__(self) -> str:
        return f"<SoftwareModule {self._path.name}, {len(self._keys)} keys>"

    def names(self) -> list[str]:
        """List the names of all keys held, sorted."""
        return sorted(self._keys)

    def generate(self, name: str, curve: str) -> ec.EllipticCurvePublicKey:
        """Make a key pair on a named curve of the crypto policy and store it durably; returns the public key.

        Raises: UsageError module.key_exists, module.curve, module.name; Unavailable module.write.
        """
        shape = curve_named(curve)
        require_name(name)
        with self._changing():
            if name in self._keys:
                raise UsageError("module.key_exists", name)
            self._keys[name] = ec.generate_private_key(shape)
        return self._keys[name].public_key()

    def public_key(self, name: str) -> ec.EllipticCurvePublicKey:
        """Give the public half. Raises: UsageError module.no_key."""
        return self._find(name).public_key()

    def sign_digest(self, name: str, digest: bytes) -> bytes:
        """Sign a SHA-256, SHA-384 or SHA-512 digest (told apart by length) with ECDSA; returns DER (r, s)."""
        return self._find(name).sign(digest, ec.ECDSA(utils.Prehashed(digest_hash(digest))))

    def ecdh(self, name: str, peer: ec.EllipticCurvePublicKey) -> bytes:
        """Give the shared x-coordinate at the curve's full length.

        Raises: UsageError module.use for a key that only signs; SecurityFault module.peer_key for a peer off the curve.
        """
        key = self._find(name)
        require_agreement(name)
        if type(peer.curve) is not type(key.curve):
            raise SecurityFault("module.peer_key", peer.curve.name)
        try:
            return key.exchange(ec.ECDH(), peer)
        except ValueError as problem:
            raise SecurityFault("module.peer_key") from problem

    def random(self, count: int) -> bytes:
        """Give unpredictable octets, at most 1 MiB."""
        if not 0 <= count <= _MAX_RANDOM:
            raise UsageError("module.random", f"{count}")
        return os.urandom(count)

    def destroy(self, name: str) -> None:
        """Erase a key pair for good. Raises: UsageError module.no_key."""
        with self._changing():
            if self._keys.pop(name, None) is None:
                raise UsageError("module.no_key", name)

    def files(self) -> list[str]:
        """List the names of all file objects, sorted."""
        return sorted(self._files)

    def get_file(self, name: str) -> bytes:
        """Read a file object as it now stands. Raises: UsageError module.no_file."""
        with self._locked():
            self._load(self._seal.open(_read(self._path)))
        if name not in self._files:
            raise UsageError("module.no_file", name[:80])
        return self._files[name]

    def put_file(self, name: str, data: bytes) -> None:
        """Write a file object of at most 64 KiB durably and as a whole; an old one is replaced. Raises: UsageError module.file."""
        require_file(name, data)
        with self._changing():
            self._files[name] = data

    def delete_file(self, name: str) -> None:
        """Remove a file object durably. Raises: UsageError module.no_file."""
        with self._changing():
            if self._files.pop(name, None) is None:
                raise UsageError("module.no_file", name[:80])

    def forget_storage(self) -> None:
        """Exchange the secret that storage keys come from: what was stored under them can never be read again."""
        with self._changing():
            self._master = os.urandom(32)

    def storage_key(self, purpose: str) -> bytes:
        """Derive the 32-octet key of one encrypted store; the same purpose always gives the same key."""
        info = b"smgw storage key\x00" + purpose.encode()
        return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(self._master)

    def tls_attach(self, context: ssl.SSLContext, name: str, chain_pem: bytes) -> None:
        """Let a TLS context prove possession of a key; `chain_pem` holds the end-entity certificate first.

        The key passes through an anonymous memory file, encrypted under a password that lives for this call only.
        Raises: UsageError module.no_key, module.tls (certificate and key do not belong together).
        """
        password = os.urandom(32).hex().encode()
        key_pem = self._find(name).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(password)
        )
        handle = os.memfd_create("smgw-tls", os.MFD_CLOEXEC)
        try:
            with open(handle, "wb", closefd=False) as file:
                file.write(chain_pem + b"\n" + key_pem)
            context.load_cert_chain(f"/proc/self/fd/{handle}", password=lambda: password)
        except ssl.SSLError as problem:
            raise UsageError("module.tls", f"{name}: {problem.reason}") from problem
        finally:
            os.close(handle)

    def _load(self, contents: _Contents) -> None:
        try:
            keys = {name: serialization.load_der_private_key(data, None) for name, data in contents.keys.items()}
        except (ValueError, TypeError) as problem:
            raise IntegrityFault("module.damaged", "key") from problem
        self._master = contents.master
        self._files = dict(contents.files)
        self._keys = {name: key for name, key in keys.items() if isinstance(key, ec.EllipticCurvePrivateKey)}

    def _find(self, name: str) -> ec.EllipticCurvePrivateKey:
        if name not in self._keys:
            raise UsageError("module.no_key", name)
        return self._keys[name]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        handle = os.open(self._path.with_name(self._path.name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Change keys on top of what stands on disk, so that no key of another process is lost; undo in memory when writing fails."""
        with self._locked():
            self._load(self._seal.open(_read(self._path)))
            before = dict(self._keys), dict(self._files), self._master
            try:
                yield
                self._write()
            except BaseException:
                self._keys, self._files, self._master = before
                raise

    def _write(self) -> None:
        form = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        keys = {name: key.private_bytes(*form) for name, key in self._keys.items()}
        data = self._seal.close(_Contents(self._master, keys, self._files))
        try:
            write_durably(self._path, data, 0o600)
        except OSError as problem:
            raise Unavailable("module.write", f"{self._path}: {problem.strerror}") from problem


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise ConfigError("module.permissions", str(path))
            data = file.read(_MAX_FILE + 1)
    except FileNotFoundError as problem:
        raise ConfigError("module.missing", str(path)) from problem
    if not _HEADER_SIZE + _NONCE_SIZE + 16 <= len(data) <= _MAX_FILE:
        raise IntegrityFault("module.damaged", f"{len(data)} octets")
    return data
