"""`smgw decode cms|cert`: whatever comes gives lines or an object and an exit code."""

import base64
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from tests.cms_parties import NOT_AFTER, NOT_BEFORE, parties, revocation_list

from smgw.cli.decode_cms import run_certificate, run_cms
from smgw.codec.cms import algorithms as table
from smgw.codec.cms import der, signed
from smgw.security.content import key_identifier, seal, sign_detached, verify_only


def as_json(run: Callable[..., int], data: bytes) -> tuple[int, list[dict[str, Any]]]:
    out = io.StringIO()
    code = run(data, as_json=True, out=out)
    return code, [json.loads(line) for line in out.getvalue().splitlines()]


def as_text(run: Callable[..., int], data: bytes) -> tuple[int, str]:
    out = io.StringIO()
    return run(data, as_json=False, out=out), out.getvalue()


def message(**choices: Any) -> bytes:
    people = parties()
    return seal(b"<report/>", module=people.module, signer=people.signer, recipient=people.recipient.certificate, **choices)


def pem(label: str, encoded: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n".encode() + base64.encodebytes(encoded) + f"-----END {label}-----\n".encode()


class TestRefused:
    @pytest.mark.parametrize(
        ("data", "offset"),
        [
            (b"", 0),
            (b"no message at all", 1),
            (b"\x30\x80\x00\x00", 1),
            (b"text -----BEGIN CMS-----\nabc", 5),
            (b"-----BEGIN CMS-----\n!!!\n-----END CMS-----\n", 14),
            (b"-----BEGIN CMS", 0),
            (b"-----BEGIN " + b"A" * 50 + b"----------END " + b"A" * 50 + b"-----", 0),
        ],
    )
    def test_no_message(self, data: bytes, offset: int) -> None:
        code, [fault] = as_json(run_cms, data)
        assert code == 4
        assert (fault["ok"], fault["code"], fault["offset"]) == (False, "cms.structure", offset)
        code, text = as_text(run_cms, data)
        assert code == 4
        assert f"FAULT at {offset}: cms.structure" in text

    def test_der_that_is_no_message(self) -> None:
        code, [fault] = as_json(run_cms, b"\x30\x03\x02\x01\x05")
        assert (code, fault["code"]) == (4, "cms.structure")

    def test_a_message_with_an_algorithm_outside_the_profile_is_still_dissected(self) -> None:
        other = message().replace(der.oid(table.CONTENT_CIPHERS["aes128-gcm"].oid), der.oid(table.Oid("2.16.840.1.101.3.4.1.2")))
        code, text = as_text(run_cms, other)
        assert code == 4
        assert "authEncryptedContentInfo" in text
        assert "FAULT: cms.algorithm" in text
        assert as_json(run_cms, other)[1] == [
            {"ok": False, "code": "cms.algorithm", "offset": None, "detail": "content cipher 2.16.840.1.101.3.4.1.2"}
        ]

    def test_a_message_cut_off(self) -> None:
        assert as_json(run_cms, message()[:-1])[1][0]["offset"] == 1

    @pytest.mark.parametrize("make", [bytes, lambda: b"\x30\x00", lambda: revocation_list()[:-3], message])
    def test_no_certificate(self, make: Callable[[], bytes]) -> None:
        data = make()
        code, [fault] = as_json(run_certificate, data)
        assert code == 4
        assert (fault["ok"], fault["code"]) == (False, "pki.malformed")
        assert as_text(run_certificate, data)[0] == 4

    def test_one_bad_certificate_in_a_chain_does_not_hide_the_good_ones(self) -> None:
        good = parties().signer.certificate.public_bytes(Encoding.PEM)
        code, objects = as_json(run_certificate, good + pem("CERTIFICATE", b"\x30\x00") + good)
        assert code == 4
        assert [found["ok"] for found in objects] == [True, False, True]


class TestMessages:
    @pytest.mark.parametrize(
        "form", [bytes, lambda data: data.hex().encode(), lambda data: pem("CMS", data), lambda data: data.hex(":", 2).upper().encode()]
    )
    def test_a_sealed_message_as_der_hex_and_pem(self, form: Callable[[bytes], bytes]) -> None:
        people = parties()
        data = message(compress=True)
        code, [found] = as_json(run_cms, form(data))
        assert code == 0
        assert found["content_types"] == ["id-signedData", "id-ct-authEnvelopedData", "id-ct-compressedData"]
        assert found["size"] == len(data)
        assert found["signer"] == {"ski": key_identifier(people.signer.certificate).hex(), "issuer_and_serial": None}
        assert (found["digest"], found["signature_algorithm"]) == ("sha256", "ecdsa-with-SHA256")
        assert [certificate["serial"] for certificate in found["certificates"]] == ["5a17"]
        assert found["recipients"] == [
            {
                "ski": key_identifier(people.recipient.certificate).hex(),
                "issuer_and_serial": None,
                "key_agreement": "ecka-eg-X963KDF-SHA256",
                "key_agreement_oid": "0.4.0.127.0.7.1.1.5.1.1.3",
                "key_wrap": "id-aes128-wrap",
            }
        ]
        assert (found["cipher"], found["cipher_oid"]) == ("aes128-gcm", "2.16.840.1.101.3.4.1.6")
        assert found["content_size"] == len(verify_only(data, signer=people.trust).envelope.encrypted_content)
        assert found["verified"] is False

    def test_a_detached_signature(self) -> None:
        people = parties()
        code, [found] = as_json(run_cms, sign_detached(b"x", module=people.module, signer=people.signer, include_certificate=False))
        assert code == 0
        assert found["content_types"] == ["id-signedData", "id-data"]
        assert (found["detached"], found["content_size"], found["certificates"]) == (True, None, [])

    def test_an_envelope_without_a_signature_around_it(self) -> None:
        inner = signed.read(message()).encapsulated_content_info.content
        assert inner is not None
        code, [found] = as_json(run_cms, der.tlv(der.SEQUENCE, der.oid(table.ID_AUTH_ENVELOPED_DATA), der.context(0, inner)))
        assert code == 0
        assert found["content_types"] == ["id-ct-authEnvelopedData", "id-data"]
        assert "signer" not in found

    def test_the_dissection(self) -> None:
        code, text = as_text(run_cms, message())
        assert code == 0
        heading, columns, first, *_ = text.splitlines()
        assert heading.startswith("DER, ")
        assert columns.split() == ["offset", "length", "meaning"]
        assert first.endswith("ContentInfo SEQUENCE  [RFC 5652 3]")


class TestCertificates:
    def test_a_certificate(self) -> None:
        certificate = parties("brainpoolP256r1").recipient.certificate
        code, [found] = as_json(run_certificate, certificate.public_bytes(Encoding.DER))
        assert code == 0
        assert found == {
            "ok": True,
            "type": "certificate",
            "subject": "O=SM-Test-PKI-DE,CN=recipient.EMT",
            "issuer": "O=SM-Test-PKI-DE,CN=Test.CA",
            "serial": "5a18",
            "not_before": "2026-01-01T00:00:00+00:00",
            "not_after": "2027-12-31T00:00:00+00:00",
            "curve": "brainpoolP256r1",
            "signature_algorithm": "ecdsa-with-SHA256",
            "ca": False,
            "path_length": None,
            "key_usage": ["key_agreement"],
            "extended_key_usage": [],
            "ski": key_identifier(certificate).hex(),
            "aki": None,
            "policies": [],
            "crl_urls": [],
            "subject_alt_names": [],
            "fingerprint_sha256": certificate.fingerprint(hashes.SHA256()).hex(),
        }

    def test_a_file_with_a_chain_and_a_revocation_list(self) -> None:
        people = parties()
        chain = people.signer.certificate.public_bytes(Encoding.PEM) + people.recipient.certificate.public_bytes(Encoding.PEM)
        code, objects = as_json(run_certificate, chain + pem("X509 CRL", revocation_list()))
        assert code == 0
        assert [found["type"] for found in objects] == ["certificate", "certificate", "crl"]
        code, text = as_text(run_certificate, chain + pem("X509 CRL", revocation_list()))
        assert code == 0
        assert text.count("CERTIFICATE, ") == 2
        assert "CertificateList SEQUENCE" in text

    def test_a_revocation_list_as_der(self) -> None:
        code, [found] = as_json(run_certificate, revocation_list())
        assert code == 0
        assert (found["type"], found["number"], found["issuer"]) == ("crl", 7, "CN=Test.CA")
        assert found["revoked"] == [{"serial": "5a17", "date": "2026-01-01T00:00:00+00:00", "reason": "keyCompromise"}]

    def test_extensions_of_the_sm_pki(self) -> None:
        people = parties()
        key = people.module.public_key(people.signer.key_name)
        url = x509.UniformResourceIdentifier("http://127.0.0.1/sub.crl")
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x.EMT")])
        certificate = (
            x509.CertificateBuilder(name, name, key, 1, NOT_BEFORE, NOT_AFTER)
            .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True)
            .add_extension(x509.CRLDistributionPoints([x509.DistributionPoint([url], None, None, None)]), critical=False)
            .add_extension(
                x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("0.4.0.127.0.7.3.4.1.1.1"), None)]), critical=False
            )
            .add_extension(x509.SubjectAlternativeName([x509.RFC822Name("a@b.invalid"), x509.DirectoryName(name)]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(ec.generate_private_key(ec.SECP384R1()), hashes.SHA384())
        )
        code, [found] = as_json(run_certificate, certificate.public_bytes(Encoding.DER))
        assert code == 0
        assert found["extended_key_usage"] == ["clientAuth"]
        assert found["crl_urls"] == ["http://127.0.0.1/sub.crl"]
        assert found["policies"] == ["0.4.0.127.0.7.3.4.1.1.1"]
        assert found["subject_alt_names"] == ["a@b.invalid", "CN=x.EMT"]
        assert found["aki"] == key_identifier(people.signer.certificate).hex()
        assert (found["ca"], found["path_length"], found["signature_algorithm"]) == (True, 0, "ecdsa-with-SHA384")
        assert (
            "uniformResourceIdentifier [6]: 'http://127.0.0.1/sub.crl'"
            in as_text(run_certificate, certificate.public_bytes(Encoding.DER))[1]
        )
