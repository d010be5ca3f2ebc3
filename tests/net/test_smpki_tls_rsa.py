"""A client whose certificate holds an RSA key, signed by the right authority, gets nothing from a listener of the SM-PKI."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.net.test_smpki_tls import LIMIT_S, World, foreign_context, listening, refusal_of, shared_world, world

from smgw.pki.maker import sign_certificate

__all__ = ["shared_world", "world"]


def rsa_context(world: World, folder: Path) -> ssl.SSLContext:
    """Make the context of a gateway with an RSA key; the authority issues no such certificate, so it is made past its checks."""
    key = rsa.generate_private_key(65537, 2048)
    sub, model = world.pki.sub.certificate, world.gateway.triple.tls
    builder = x509.CertificateBuilder().subject_name(model.subject).issuer_name(sub.subject).public_key(key.public_key())
    builder = builder.serial_number(11).not_valid_before(model.not_valid_before_utc).not_valid_after(model.not_valid_after_utc)
    for extension in model.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    chain = (sign_certificate(builder, world.pki.module, "CA_SIG_Test"), sub)
    pem = serialization.Encoding.PEM
    (folder / "key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    (folder / "chain").write_bytes(b"".join(one.public_bytes(pem) for one in chain))
    return foreign_context(lambda context: context.load_cert_chain(folder / "chain", folder / "key"))


@pytest.mark.req("SEC-04", "SEC-03")
async def test_a_client_with_an_rsa_key(world: World, tmp_path: Path) -> None:
    context = rsa_context(world, tmp_path)
    async with listening(world) as state:
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            async with asyncio.timeout(LIMIT_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", state.port, ssl=context)
                writer.write(b"hello\n")
                assert await reader.read() == b""
        assert await refusal_of(state) in ("tls.no_certificate", "tls.handshake", "pki.curve")
