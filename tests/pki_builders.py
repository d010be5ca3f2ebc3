"""Build a small SM-PKI in a folder: root, sub-CA, and end entities with their keys in software modules."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from smgw.pki.authority import Authority
from smgw.pki.crl import read_revocation_list
from smgw.pki.names import Role
from smgw.pki.requests import make_request_package
from smgw.pki.triple import CertificateTriple, KeyNames
from smgw.pki.trust import TrustStore
from smgw.security.software import SoftwareModule
from smgw.security.tls import TlsIdentity

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECRET = b"a secret for tests only"
KEYS = KeyNames.of("GW_WAN")
DEVICE_ID = "EBSI0012345678"


@dataclass
class SetClock:
    """Give the time that the test sets."""

    time: datetime = NOW

    def now(self) -> datetime:
        return self.time


@dataclass
class Party:
    """Hold one end entity: its module and triple."""

    module: SoftwareModule
    triple: CertificateTriple
    chain: tuple[x509.Certificate, ...]

    @property
    def tls(self) -> TlsIdentity:
        return TlsIdentity(KEYS.tls, (self.triple.tls, *self.chain))


@dataclass
class SmallPki:
    """Hold root and sub-CA, and make parties below the sub-CA."""

    folder: Path
    module: SoftwareModule
    root: Authority
    sub: Authority

    @classmethod
    def make(cls, folder: Path, *, now: datetime = NOW, crl_signer: bool = False) -> "SmallPki":
        folder.mkdir(parents=True, exist_ok=True)
        module = SoftwareModule.create(folder / "ca.keys", SECRET)
        root = Authority.init_root(folder / "root", module, now=now, crl_signer=crl_signer)
        sub = Authority.init_sub(folder / "sub", module, root, "Test", now=now)
        return cls(folder, module, root, sub)

    def party(self, role: Role, name: str, *, now: datetime = NOW, validity: timedelta | None = None) -> Party:
        module = SoftwareModule.create(self.folder / f"{name}-{role}-{len(list(self.folder.iterdir()))}.keys", SECRET)
        for key in KEYS:
            module.generate(key, "brainpoolP256r1")
        triple = self.sub.issue_triple(make_request_package(module, KEYS, role, name), role, now=now, validity=validity)
        return Party(module, triple, (self.sub.certificate,))

    def trust(self, now: datetime = NOW) -> TrustStore:
        lists = [read_revocation_list(authority.crl(now)) for authority in (self.root, self.sub)]
        signers = () if self.root.crl_signer is None else (self.root.crl_signer,)
        return TrustStore([self.root.certificate], [self.sub.certificate, *signers], lists)

    def gateway_trust(self) -> TrustStore:
        return TrustStore([self.root.certificate], [self.sub.certificate])
