"""Servers that notifications go to over TLS, with certificates of an authority of their own: good ones, and such as must be refused."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Kind = Literal["good", "of another authority", "for another name", "expired"]
REFUSED: tuple[Kind, ...] = ("of another authority", "for another name", "expired")


def _certificate(
    subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey, *, days: int = 1, name: str = ""
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=not name, path_length=None), critical=True)
    )
    if name:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def server_context(folder: Path, kind: Kind = "good") -> ssl.SSLContext:
    """Make a server's context and write `ca.pem`, which a client trusts; the server's certificate fits it or doesn't."""
    authority, other, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    root = _certificate("authority", authority, "authority", authority)
    (folder / "ca.pem").write_bytes(root.public_bytes(Encoding.PEM))
    signer = other if kind == "of another authority" else authority
    name = "127.0.0.2" if kind == "for another name" else "127.0.0.1"
    certificate = _certificate("server", own, "authority", signer, days=-1 if kind == "expired" else 1, name=name)
    file = folder / "server.pem"
    key = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(key + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@asynccontextmanager
async def serving(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve on loopback, over TLS from the first octet where a context is given; gives the port."""
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


class MailServer:
    """Take mail by SMTP, with STARTTLS where a context is given, and with a log-in."""

    def __init__(self, starttls: ssl.SSLContext | None = None) -> None:
        self.mails: list[bytes] = []
        self.in_clear: list[bytes] = []
        """Lines that came without protection."""
        self.protected: list[bytes] = []
        """Lines that came over TLS."""
        self._starttls = starttls

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        writer.write(b"220 here\r\n")
        # A client that does not believe our certificate hangs up in the middle of the handshake.
        with suppress(ssl.SSLError, ConnectionError, asyncio.IncompleteReadError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := (await reader.readline()).strip():
            over_tls = writer.get_extra_info("ssl_object") is not None
            (self.protected if over_tls else self.in_clear).append(line)
            verb = line.upper().split()[0]
            if verb == b"STARTTLS" and self._starttls is not None:
                writer.write(b"220 go\r\n")
                await writer.start_tls(self._starttls)
            elif verb == b"EHLO":
                offers = [b"AUTH PLAIN"] if over_tls else [b"STARTTLS"] if self._starttls is not None else []
                lines = [b"here", *offers]
                writer.write(b"".join(b"250%c%s\r\n" % (b" -"[number < len(lines) - 1], text) for number, text in enumerate(lines)))
            elif verb == b"AUTH":
                writer.write(b"235 welcome\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go\r\n")
                self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
                writer.write(b"250 taken\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
            else:
                writer.write(b"250 ok\r\n")
            await writer.drain()
