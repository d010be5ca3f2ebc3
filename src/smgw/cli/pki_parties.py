"""Which keys a party of the SM-PKI asks for, and which issued certificates a command means."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from smgw.cli.pki_files import read_found
from smgw.core.errors import ConfigError, DomainFault, UsageError
from smgw.pki.authority import Authority
from smgw.pki.deployment import PkiFolder
from smgw.pki.describe import Description, describe_authentication_request, describe_request
from smgw.pki.names import END_ENTITY_ROLES, Role, role_of
from smgw.pki.requests import (
    make_authentication_request,
    make_request_package,
    read_authentication_request,
    read_request_package,
)
from smgw.pki.triple import ADMINISTRATOR_KEYS, AUTHENTICATION_KEY, GATEWAY_KEYS, PARTICIPANT_KEYS, KeyNames
from smgw.security.module import ModuleBackend
from smgw.security.policy import Use, preferred_curve

KEYS_OF_ROLE = {
    Role.SMGW: GATEWAY_KEYS,
    Role.GWA: ADMINISTRATOR_KEYS,
    Role.EMT: PARTICIPANT_KEYS,
    Role.GWH: KeyNames.of("GWH_WAN"),
    Role.TECHNICIAN: KeyNames.of("SRV_WAN"),
}


class Asked(NamedTuple):
    """Hold a request with the names of its keys and what it says."""

    keys: tuple[str, ...]
    document: bytes
    said: Description


def ask(module: ModuleBackend, role: Role, name: str, *, year: int, contact: str, suffix: str) -> Asked:
    """Make the three keys of a party where they are missing, and the package that asks for their certificates."""
    keys = KeyNames(*(f"{key}{suffix}" for key in KEYS_OF_ROLE[role]))
    _make_keys(module, keys, year)
    document = make_request_package(module, keys, role, name, contact=contact)
    return Asked(keys, document, describe_request(read_request_package(document)))


def ask_authentication(module: ModuleBackend, role: Role, name: str, *, year: int, contact: str) -> Asked:
    """Make an administrator's AUT key where it is missing, and the request for its certificate. Raises: UsageError pki.role."""
    if role is not Role.GWA:
        raise UsageError("pki.role", "only administrators have an AUT key")
    _make_keys(module, (AUTHENTICATION_KEY,), year)
    document = make_authentication_request(module, AUTHENTICATION_KEY, role, name, contact=contact)
    return Asked((AUTHENTICATION_KEY,), document, describe_authentication_request(read_authentication_request(document)[0]))


def _make_keys(module: ModuleBackend, names: Iterable[str], year: int) -> None:
    for name in names:
        if name not in module.names():
            module.generate(name, preferred_curve(Use.END_ENTITY, year))


def meant(pki: PkiFolder, file: Path | None, serials: list[str]) -> list[tuple[Authority, int]]:
    """Give the issuer and serial number of each end entity's certificate in a file, or of each serial number in hex.

    By its number a sub-CA can be named too; a root can't.
    Raises: ConfigError key.choice, pki.authority; UsageError pki.role; DomainFault pki.unknown_serial.
    """
    if (file is None) == (not serials):
        raise ConfigError("key.choice", "either --certificate or --serial")
    if file is not None:
        return [(pki.issuer_of(one), one.serial_number) for one in _end_entities(file)]
    return [_issued(pki, serial) for serial in serials]


def _end_entities(file: Path) -> list[x509.Certificate]:
    found = [one for one in read_found(file).certificates if role_of(one) in END_ENTITY_ROLES]
    if not found:
        raise UsageError("pki.role", "no end entity's certificate in the file")
    return found


def _issued(pki: PkiFolder, serial: str) -> tuple[Authority, int]:
    digits = serial.replace(":", "").lower()
    for authority in pki.authorities:
        for issued in authority.certificates():
            number = issued.certificate.serial_number
            if f"{number:x}" == digits.lstrip("0") and issued.certificate != pki.root.certificate:
                return authority, number
    raise DomainFault("pki.unknown_serial", serial[:48])
