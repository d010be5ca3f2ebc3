"""`smgw decode cms` and `smgw decode cert`: dissect messages, certificates and revocation lists, for the eye or as JSON.

Nothing is verified here and no key is used; what is printed is what stands there.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TextIO

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID

from smgw.cli.content_form import content_type_of, require_known
from smgw.cli.hex_input import unhexed
from smgw.codec.cms import algorithms as table
from smgw.codec.cms import authenveloped, signed
from smgw.codec.cms.explain import explain_certificate, explain_cms, explain_revocation_list
from smgw.codec.cms.oid_names import OID_NAMES
from smgw.codec.cms.structures import SignedData
from smgw.codec.explain import Explained
from smgw.core.errors import DecodeFault, PeerFault

_INDENT = "  "
_BEGIN, _END, _DASHES = b"-----BEGIN ", b"-----END ", b"-----"
_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
)  # fmt: skip


class _Kind(NamedTuple):
    """Join what belongs to one kind of structure: how it is dissected and how summed up."""

    explain: Callable[[bytes], Iterator[Explained]]
    summary: Callable[[bytes], dict[str, Any]]


def run_cms(data: bytes, *, as_json: bool, out: TextIO) -> int:
    """Write the dissection of a CMS message (DER, PEM or hex) to `out`; give the exit code, 0 or 4 when it is not well formed.

    As JSON one object: content types from the outside in, signer, digest, signature algorithm, carried certificates,
    recipients, cipher, sizes in octets. Octet strings are lower-case hex.
    """
    return _run(data, "cms.structure", lambda label, der: _Kind(explain_cms, _cms_summary), as_json, out)


def run_certificate(data: bytes, *, as_json: bool, out: TextIO) -> int:
    """Write the dissection of certificates and revocation lists (DER, PEM with any number of them, hex) to `out`.

    As JSON one object a line for each. Gives the exit code: 0, or 4 when any is not well formed.
    """
    return _run(data, "pki.malformed", _certificate_kind, as_json, out)


# ------------------------------------------------------------------------------------------------------------- reading


def _run(data: bytes, code: str, kind_of: Callable[[str, bytes], _Kind], as_json: bool, out: TextIO) -> int:
    try:
        blocks = list(_blocks(data, code))
    except PeerFault as fault:
        _write_fault(fault, as_json, out)
        return PeerFault.exit_code
    good = [_write(der, kind_of(label, der), label, as_json, out) for label, der in blocks]
    return 0 if all(good) else PeerFault.exit_code


def single_message(data: bytes) -> bytes:
    """Give the DER of one CMS message that comes as DER, PEM or hex. Raises: DecodeFault cms.structure."""
    found = [der for _, der in _blocks(data, "cms.structure")]
    if len(found) != 1:
        raise DecodeFault("cms.structure", f"{len(found)} messages")
    return found[0]


def _blocks(data: bytes, code: str) -> Iterator[tuple[str, bytes]]:
    """Yield label and DER of each PEM block, or the whole as DER or hex without a label."""
    if _BEGIN in data:
        yield from pem_blocks(data, code)
    else:
        yield "", unhexed(data)


def pem_blocks(data: bytes, code: str) -> Iterator[tuple[str, bytes]]:
    """Yield label and octets of each PEM block; text between them is passed over. Raises: DecodeFault of the code."""
    position = 0
    while (begin := data.find(_BEGIN, position)) >= 0:
        label_end = data.find(_DASHES, begin + len(_BEGIN))
        label = data[begin + len(_BEGIN) : label_end]
        end = data.find(_END + label + _DASHES, label_end) if label_end >= 0 else -1
        if end < 0 or len(label) > 40:
            raise DecodeFault(code, "PEM block without end", offset=begin)
        try:
            der = base64.b64decode(b"".join(data[label_end + len(_DASHES) : end].split()), validate=True)
        except binascii.Error as problem:
            raise DecodeFault(code, "PEM block is not base64", offset=label_end) from problem
        yield label.decode("ascii", "replace"), der
        position = end + len(_END)


def _certificate_kind(label: str, der: bytes) -> _Kind:
    """Tell certificates and revocation lists apart by their label, or else by what can be read."""
    if label == "X509 CRL" or (not label and _is_revocation_list(der)):
        return _Kind(explain_revocation_list, _revocation_list_summary)
    return _Kind(explain_certificate, _certificate_summary)


def _is_revocation_list(der: bytes) -> bool:
    try:
        x509.load_der_x509_crl(der)
    except (ValueError, x509.InvalidVersion, Warning):
        return False
    return True


# ------------------------------------------------------------------------------------------------------------- writing


def _write(der: bytes, kind: _Kind, label: str, as_json: bool, out: TextIO) -> bool:
    if as_json:
        try:
            out.write(json.dumps({"ok": True, **_summed_up(der, kind)}) + "\n")
        except PeerFault as fault:
            _write_fault(fault, as_json, out)
            return False
        return True
    out.write(f"{label or 'DER'}, {len(der)} octets\n{'offset':>6}  length  meaning\n")
    try:
        for line in kind.explain(der):
            clause = f"  [{line.clause}]" if line.clause else ""
            out.write(f"{line.offset:>6}  {line.length:>6}  {_INDENT * line.depth}{line.meaning}{clause}\n")
        _summed_up(der, kind)
    except PeerFault as fault:
        _write_fault(fault, as_json, out)
        return False
    out.write("\n")
    return True


def _summed_up(der: bytes, kind: _Kind) -> dict[str, Any]:
    """Walk through the octets first, so that a fault of structure names its place."""
    for _ in kind.explain(der):
        pass
    return kind.summary(der)


def _write_fault(fault: PeerFault, as_json: bool, out: TextIO) -> None:
    offset = fault.offset if isinstance(fault, DecodeFault) else None
    if as_json:
        out.write(json.dumps({"ok": False, "code": fault.code, "offset": offset, "detail": fault.detail}) + "\n")
        return
    out.write(f"FAULT{'' if offset is None else f' at {offset}'}: {fault} ({fault.title})\n\n")


def _oid_name(oid: x509.ObjectIdentifier) -> str:
    return OID_NAMES.get(oid.dotted_string, oid.dotted_string)


def _hex(octets: bytes | None) -> str | None:
    return None if octets is None else octets.hex()


# ------------------------------------------------------------------------------------------------------------ messages


def _cms_summary(der: bytes) -> dict[str, Any]:
    content_type = content_type_of(der)
    if content_type is not None:
        require_known(content_type)
    if content_type == table.ID_AUTH_ENVELOPED_DATA:
        envelope = authenveloped.read_content_info(der)
        types = ["id-ct-authEnvelopedData", _oid_name(envelope.content_type)]
        return {"content_types": types, "size": len(der), **_envelope_summary(envelope)}
    signed_data = signed.read(der, limit=len(der))
    encapsulated = signed_data.encapsulated_content_info
    types = ["id-signedData", _oid_name(encapsulated.content_type)]
    summary = {"content_types": types, "size": len(der), "detached": encapsulated.content is None, **_signer_summary(signed_data)}
    if encapsulated.content_type == table.ID_AUTH_ENVELOPED_DATA and encapsulated.content is not None:
        envelope = authenveloped.read(encapsulated.content)
        types.append(_oid_name(envelope.content_type))
        return {**summary, **_envelope_summary(envelope)}
    return {**summary, "content_size": None if encapsulated.content is None else len(encapsulated.content)}


def _signer_summary(signed_data: SignedData) -> dict[str, Any]:
    claim = signed.claim_of(signed_data)
    signer_info = signed_data.signer_infos.as_list()[0]
    certificate = claim.certificate_der
    return {
        "signer": {"ski": _hex(claim.key_id), "issuer_and_serial": _hex(claim.issuer_and_serial)},
        "digest": _oid_name(signer_info.digest_algorithm.algorithm).removeprefix("id-"),
        "signature_algorithm": _oid_name(signer_info.signature_algorithm.algorithm),
        "certificates": [] if certificate is None else [_certificate_summary(certificate)],
        "verified": False,
    }


def _envelope_summary(envelope: authenveloped.Envelope) -> dict[str, Any]:
    return {
        "recipients": [
            {
                "ski": wrapped.recipient.hex() if wrapped.by_key_id else None,
                "issuer_and_serial": None if wrapped.by_key_id else wrapped.recipient.hex(),
                "key_agreement": wrapped.agreement.name,
                "key_agreement_oid": wrapped.agreement.oid.dotted_string,
                "key_wrap": wrapped.wrap.name,
            }
            for wrapped in envelope.wrapped_keys
        ],
        "cipher": envelope.cipher.name,
        "cipher_oid": envelope.cipher.oid.dotted_string,
        "content_size": len(envelope.encrypted_content),
    }


# ------------------------------------------------------------------------------------ certificates and revocation lists


def _certificate_summary(der: bytes) -> dict[str, Any]:
    try:
        certificate = x509.load_der_x509_certificate(der)
        public_key = certificate.public_key()
        return {
            "type": "certificate",
            "subject": certificate.subject.rfc4514_string(),
            "issuer": certificate.issuer.rfc4514_string(),
            "serial": f"{certificate.serial_number:x}",
            "not_before": certificate.not_valid_before_utc.isoformat(),
            "not_after": certificate.not_valid_after_utc.isoformat(),
            "curve": public_key.curve.name if isinstance(public_key, ec.EllipticCurvePublicKey) else None,
            "signature_algorithm": _oid_name(certificate.signature_algorithm_oid),
            **_extensions_summary(certificate.extensions),
            "fingerprint_sha256": certificate.fingerprint(hashes.SHA256()).hex(),
        }
    except (ValueError, TypeError, x509.InvalidVersion, x509.DuplicateExtension, UnsupportedAlgorithm, Warning) as problem:
        raise DecodeFault("pki.malformed", "certificate") from problem


def _extensions_summary(extensions: x509.Extensions) -> dict[str, Any]:
    values: dict[x509.ObjectIdentifier, Any] = {extension.oid: extension.value for extension in extensions}
    usage = values.get(ExtensionOID.KEY_USAGE)
    constraints = values.get(ExtensionOID.BASIC_CONSTRAINTS)
    ski = values.get(ExtensionOID.SUBJECT_KEY_IDENTIFIER)
    aki = values.get(ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    points = values.get(ExtensionOID.CRL_DISTRIBUTION_POINTS, ())
    return {
        "ca": constraints is not None and constraints.ca,
        "path_length": None if constraints is None else constraints.path_length,
        "key_usage": [] if usage is None else [name for name in _USAGES if getattr(usage, name)],
        "extended_key_usage": [_oid_name(purpose) for purpose in values.get(ExtensionOID.EXTENDED_KEY_USAGE, ())],
        "ski": None if ski is None else ski.digest.hex(),
        "aki": None if aki is None else _hex(aki.key_identifier),
        "policies": [policy.policy_identifier.dotted_string for policy in values.get(ExtensionOID.CERTIFICATE_POLICIES, ())],
        "crl_urls": [name.value for point in points for name in point.full_name or () if isinstance(name, x509.UniformResourceIdentifier)],
        "subject_alt_names": [_general_name(name) for name in values.get(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ())],
    }


def _general_name(name: x509.GeneralName) -> str:
    value = name.value
    return value.rfc4514_string() if isinstance(value, x509.Name) else str(value)


def _revocation_list_summary(der: bytes) -> dict[str, Any]:
    try:
        revocations = x509.load_der_x509_crl(der)
        number = next(
            (extension.value.crl_number for extension in revocations.extensions if isinstance(extension.value, x509.CRLNumber)), None
        )
        next_update = revocations.next_update_utc
        return {
            "type": "crl",
            "issuer": revocations.issuer.rfc4514_string(),
            "number": number,
            "this_update": revocations.last_update_utc.isoformat(),
            "next_update": None if next_update is None else next_update.isoformat(),
            "signature_algorithm": _oid_name(revocations.signature_algorithm_oid),
            "revoked": [
                {"serial": f"{entry.serial_number:x}", "date": entry.revocation_date_utc.isoformat(), "reason": _revocation_reason(entry)}
                for entry in revocations
            ],
            "fingerprint_sha256": revocations.fingerprint(hashes.SHA256()).hex(),
        }
    except (ValueError, TypeError, x509.InvalidVersion, x509.DuplicateExtension, UnsupportedAlgorithm, Warning) as problem:
        raise DecodeFault("pki.malformed", "revocation list") from problem


def _revocation_reason(entry: x509.RevokedCertificate) -> str | None:
    reasons = (extension.value.reason.value for extension in entry.extensions if isinstance(extension.value, x509.CRLReason))
    return next(reasons, None)
