"""Dissect messages, certificates and revocation lists without any key, line by line."""

from collections.abc import Iterator

from smgw.codec.cms.grammar import CERTIFICATE, CONTENT_INFO, REVOCATION_LIST
from smgw.codec.cms.oid_names import OID_NAMES
from smgw.codec.der_explain import explain_der
from smgw.codec.explain import Explained


def explain_cms(data: bytes) -> Iterator[Explained]:
    """Yield one line a tag-length-value of a ContentInfo. Raises: DecodeFault cms.structure where it is not DER."""
    return explain_der(data, CONTENT_INFO, OID_NAMES, code="cms.structure")


def explain_certificate(data: bytes) -> Iterator[Explained]:
    """Yield one line a tag-length-value of a certificate. Raises: DecodeFault pki.malformed where it is not DER."""
    return explain_der(data, CERTIFICATE, OID_NAMES, code="pki.malformed")


def explain_revocation_list(data: bytes) -> Iterator[Explained]:
    """Yield one line a tag-length-value of a revocation list. Raises: DecodeFault pki.malformed where it is not DER."""
    return explain_der(data, REVOCATION_LIST, OID_NAMES, code="pki.malformed")
