"""A whole test PKI in one folder: root, sub-CAs, and the security module with their keys.

The folder holds `module.smgwkeys` and `module.secret`, `root/`, and `sub/<name>/` for each sub-CA.
Source: PKI-01.
"""

from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from smgw.core.errors import ConfigError
from smgw.pki.authority import DEFAULT_ADDRESS, LEDGER_FILE, Authority
from smgw.pki.crl import read_revocation_list
from smgw.pki.facts import read_facts
from smgw.pki.names import Role
from smgw.pki.triple import CertificateTriple
from smgw.pki.trust import TrustStore
from smgw.security.secret_file import create_secret, load_secret
from smgw.security.software import SoftwareModule

MODULE_FILE = "module.smgwkeys"
SECRET_FILE = "module.secret"  # noqa: S105 - a file name
ROOT_FOLDER = "root"
SUBS_FOLDER = "sub"
DEFAULT_SUB_NAME = "Test"


class PkiFolder:
    """Hold the authorities of one test PKI."""

    def __init__(self, folder: Path, module: SoftwareModule, root: Authority, subs: dict[str, Authority]) -> None:
        self.folder = folder
        self.module = module
        self.root = root
        self.subs = subs

    @classmethod
    def found(
        cls,
        folder: Path,
        *,
        now: datetime,
        sub_name: str = DEFAULT_SUB_NAME,
        address: str = DEFAULT_ADDRESS,
        crl_signer: bool = False,
    ) -> "PkiFolder":
        """Make secret, module, root and one sub-CA `<sub_name>.CA`.

        Raises: ConfigError pki.authority_exists, secret.exists; UsageError pki.name.
        """
        if (folder / ROOT_FOLDER / LEDGER_FILE).exists():
            raise ConfigError("pki.authority_exists", str(folder))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        module = SoftwareModule.create(folder / MODULE_FILE, create_secret(folder / SECRET_FILE), random_secret=True)
        root = Authority.init_root(folder / ROOT_FOLDER, module, now=now, address=address, crl_signer=crl_signer)
        pki = cls(folder, module, root, {})
        pki.found_sub(sub_name, now=now)
        return pki

    @classmethod
    def open(cls, folder: Path) -> "PkiFolder":
        """Open a folder that `found` made. Raises: ConfigError pki.authority, secret.missing; faults of the module."""
        if not (folder / ROOT_FOLDER / LEDGER_FILE).exists():
            raise ConfigError("pki.authority", str(folder))
        module = SoftwareModule.open(folder / MODULE_FILE, load_secret(folder / SECRET_FILE))
        subs = {path.name: Authority.open(path, module) for path in sorted((folder / SUBS_FOLDER).iterdir())}
        return cls(folder, module, Authority.open(folder / ROOT_FOLDER, module), subs)

    def found_sub(self, name: str, *, now: datetime) -> Authority:
        """Make one more sub-CA. Raises: ConfigError pki.authority_exists; UsageError pki.name."""
        sub = Authority.init_sub(self.folder / SUBS_FOLDER / name, self.module, self.root, name, now=now, address=self.root.address)
        self.subs[name] = sub
        return sub

    @property
    def authorities(self) -> tuple[Authority, ...]:
        """Give the root and the sub-CAs."""
        return (self.root, *self.subs.values())

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """Give the certificates that others need to check a path: root, CRL signer, sub-CAs."""
        signer = () if self.root.crl_signer is None else (self.root.crl_signer,)
        return (self.root.certificate, *signer, *(sub.certificate for sub in self.subs.values()))

    def sub(self, name: str = "") -> Authority:
        """Give a sub-CA by its bare name, or the only one. Raises: ConfigError pki.authority."""
        if not name and len(self.subs) == 1:
            return next(iter(self.subs.values()))
        if name not in self.subs:
            raise ConfigError("pki.authority", f"sub-CA {name!r}; there are {', '.join(self.subs)}")
        return self.subs[name]

    def authority_named(self, common_name: str) -> Authority | None:
        """Give the authority of a common name."""
        return next((authority for authority in self.authorities if authority.name == common_name), None)

    def issuer_of(self, certificate: x509.Certificate) -> Authority:
        """Give the authority that issued a certificate. Raises: ConfigError pki.authority."""
        facts = read_facts(certificate)
        for authority in self.authorities:
            if read_facts(authority.certificate).subject_key == facts.authority_key:
                return authority
        raise ConfigError("pki.authority", f"{facts.common_name} was issued elsewhere")

    def issue(
        self, package: bytes, role: Role, *, now: datetime, sub_name: str = "", validity: timedelta | None = None
    ) -> CertificateTriple:
        """Issue a triple from a sub-CA; see `Authority.issue_triple`."""
        return self.sub(sub_name).issue_triple(package, role, now=now, validity=validity)

    def issue_authentication(self, request: bytes, *, now: datetime, sub_name: str = "") -> x509.Certificate:
        """Issue an administrator's AUT certificate from a sub-CA; see `Authority.issue_authentication`."""
        return self.sub(sub_name).issue_authentication(request, now=now)

    def trust(self, now: datetime) -> TrustStore:
        """Give a trust store with the present revocation lists: what an administrator or a participant starts with."""
        lists = [read_revocation_list(authority.crl(now)) for authority in self.authorities]
        return TrustStore([self.root.certificate], self.certificates[1:], lists)
