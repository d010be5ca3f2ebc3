"""`smgw content`: seal files for a recipient, open and explain what was sealed, show vectors: so that others can test their side."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from cryptography import x509
from cryptography.hazmat import asn1

from smgw.cli import content_vector, decode_cms
from smgw.cli.content_form import content_type_of, require_layer
from smgw.cli.credentials import (
    LIMIT,
    Party,
    certificate_of,
    described,
    faults_shown,
    party,
    print_json,
    read_file,
    require_out,
    resolver,
    write_file,
)
from smgw.cli.option_values import moment_of
from smgw.codec.cms import algorithms as table
from smgw.codec.cms import authenveloped, der
from smgw.codec.cms.signed import read as read_signed
from smgw.codec.cms.structures import AuthEnvelopedContentInfo, decode
from smgw.core.errors import ConfigError, DecodeFault, LimitFault
from smgw.pki.certificate_profiles import Kind
from smgw.security.content import (
    MAX_CONTENT_OCTETS,
    SignerClaim,
    SignerResolver,
    decrypt_envelope,
    encrypt_envelope,
    open_content,
    sign_detached,
    sign_encapsulated,
    verify_detached,
    verify_encapsulated,
)
from smgw.security.pem_keys import PemKeys

app = typer.Typer(name="content", help="Seal, open and explain the WAN's CMS messages on files.", no_args_is_help=True)

Cipher = Literal["aes128-gcm", "aes192-gcm", "aes256-gcm", "aes128-cbc-cmac", "aes192-cbc-cmac", "aes256-cbc-cmac"]
Layer = Literal["both", "encrypted", "signed"]

STDOUT = Path("-")
_Content = Annotated[Path, typer.Argument(help="File with the content, or - for standard input.", metavar="FILE")]
_Message = Annotated[Path, typer.Argument(help="File with the message (DER, PEM or hex), or - for standard input.", metavar="FILE")]
_Output = Annotated[Path, typer.Option("--out", help="File to write; standard output when left out.", metavar="FILE")]
_Folder = Annotated[Path | None, typer.Option("--module", help="Folder with security module and triple.", metavar="DIR")]
_Key = Annotated[Path | None, typer.Option("--key", help="Private key, PEM or DER; in place of --module.", metavar="FILE")]
_Certificate = Annotated[Path | None, typer.Option("--certificate", help="Certificate of the key; PEM or DER.", metavar="FILE")]
_Password = Annotated[Path | None, typer.Option("--password-file", help="File with the password of the key.", metavar="FILE")]
_Layer = Annotated[Layer, typer.Option(help="The whole message, or one of its layers as other programs make and read them.")]
_Json = Annotated[bool, typer.Option("--json", help="Print what was done as JSON; the result goes to --out.")]


@app.command("seal")
def seal_command(
    content: _Content,
    out: _Output = STDOUT,
    to: Annotated[Path | None, typer.Option("--to", help="Recipient's ENC certificate, or its triple.", metavar="FILE")] = None,
    module: _Folder = None,
    key: _Key = None,
    certificate: _Certificate = None,
    password: _Password = None,
    profile: Annotated[table.OidProfile, typer.Option(help="Identifiers of the key agreement: the BSI's, or those of RFC 5753.")] = "tr",
    cipher: Annotated[Cipher, typer.Option(help="Cipher of the content.")] = "aes128-gcm",
    shared_info: Annotated[table.SharedInfoForm, typer.Option(help="SharedInfo of the key derivation.")] = "rfc5753",
    zlib: Annotated[bool, typer.Option("--zlib", help="Compress before encrypting.")] = False,
    with_certificate: Annotated[bool, typer.Option(help="Let the signer's certificate travel along.")] = True,
    layer: _Layer = "both",
    detached: Annotated[
        bool, typer.Option("--detached", help="Leave the content out of the signed layer; it travels beside the message.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Compress if asked, encrypt for the recipient, sign; writes DER.

    The layer `signed` signs the file as it is: an AuthEnvelopedData (also one of another program, in its ContentInfo) as the whole message
    has it, anything else as data.
    """
    with faults_shown(as_json):
        require_out(out, as_json)
        if detached and layer != "signed":
            raise ConfigError("key.choice", "--detached is for --layer signed")
        facts: dict[str, Any] = {}
        signer = None if layer == "encrypted" else party(Kind.SIG, module, key, certificate, password)
        message = read_file(content)
        if not detached:
            _require_size(message)
        if layer != "signed":
            recipient = _recipient(to)
            facts["recipient"] = described(recipient)
            message = encrypt_envelope(
                message,
                module=PemKeys(),
                recipient=recipient,
                cipher=cipher,
                oid_profile=profile,
                shared_info=shared_info,
                compress=zlib,
            )
        message = _as_content_info(message) if signer is None else _signed(message, signer, with_certificate, detached)
        _require_size(message)
        if signer is not None:
            facts["signer"] = described(signer.credential.certificate)
        write_file(out, message)
    if as_json:
        print_json({"ok": True, "layer": layer, "octets": len(message), **facts})


def _require_size(data: bytes) -> None:
    """Demand what a receiver takes: content and message are bounded alike. Raises: LimitFault cms.size."""
    if len(data) > MAX_CONTENT_OCTETS:
        raise LimitFault("cms.size", f"{len(data)} octets, at most {MAX_CONTENT_OCTETS}")


def _recipient(path: Path | None) -> x509.Certificate:
    if path is None:
        raise ConfigError("key.choice", "--to names whom to encrypt for")
    return certificate_of(Kind.ENC, path)


def _as_content_info(envelope: bytes) -> bytes:
    """Put AuthEnvelopedData into a ContentInfo of its own, the form in which other programs know it."""
    return der.tlv(der.SEQUENCE, der.oid(table.ID_AUTH_ENVELOPED_DATA), der.context(0, envelope))


def _bare(data: bytes) -> bytes | None:
    """Give AuthEnvelopedData alone, from a file that holds it with or without a ContentInfo; None for anything else."""
    with suppress(DecodeFault):
        return asn1.encode_der(decode(AuthEnvelopedContentInfo, data).content)
    with suppress(DecodeFault):
        authenveloped.read(data)
        return data
    return None


def _signed(data: bytes, signer: Party, with_certificate: bool, detached: bool) -> bytes:
    if detached:
        return sign_detached(data, module=signer.module, signer=signer.credential, include_certificate=with_certificate)
    envelope = _bare(data)
    return sign_encapsulated(
        data if envelope is None else envelope,
        module=signer.module,
        signer=signer.credential,
        content_type=table.ID_DATA if envelope is None else table.ID_AUTH_ENVELOPED_DATA,
        include_certificate=with_certificate,
    )


@app.command("open")
def open_command(
    message: _Message,
    out: _Output = STDOUT,
    module: _Folder = None,
    key: _Key = None,
    certificate: _Certificate = None,
    password: _Password = None,
    signer: Annotated[Path | None, typer.Option(help="Sender's SIG certificate, or its triple.", metavar="FILE")] = None,
    trust: Annotated[
        Path | None,
        typer.Option(
            help="Trust folder or file with root, sub-CA and lists, in place of --signer: any end entity under it.", metavar="DIR|FILE"
        ),
    ] = None,
    accept: Annotated[table.OidProfile, typer.Option(help="Outer form that is accepted: strictly the guideline's, or RFC 5652's.")] = "tr",
    at: Annotated[str | None, typer.Option(help="Time at which --trust is asked; now when left out.", metavar="TIME")] = None,
    layer: _Layer = "both",
    beside: Annotated[
        Path | None, typer.Option("--content", help="What a detached signature signs; with --layer signed.", metavar="FILE")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Verify the signature, decrypt, decompress where needed; writes the content.

    The layer `encrypted` reads what nobody signed, so it is not known from whom it is. The layer `signed` writes what is inside; an
    encrypted message comes in a ContentInfo of its own, as other programs read it. Exit code 4 or 5: refused, with the reason.
    """
    with faults_shown(as_json):
        require_out(out, as_json)
        if beside is not None and layer != "signed":
            raise ConfigError("key.choice", "--content is for --layer signed")
        data = decode_cms.single_message(read_file(message))
        require_layer(data, layer)
        facts: dict[str, Any] = {}

        def found(claim: SignerClaim) -> x509.Certificate:
            chosen = resolve(claim)
            facts["signer"] = described(chosen)
            return chosen

        if layer != "encrypted":
            resolve = resolver(signer, trust, None if at is None else moment_of(at))
        ours = None if layer == "signed" else party(Kind.ENC, module, key, certificate, password)
        if layer == "encrypted":
            assert ours is not None
            content = decrypt_envelope(_envelope(data), module=ours.module, recipient=ours.credential)
        else:
            with _wider_form_named(data, accept):
                if ours is not None:
                    content = open_content(data, module=ours.module, recipient=ours.credential, signer=found, accept=accept).content
                elif beside is not None:
                    content = verify_detached(data, read_file(beside), signer=found, accept=accept, limit=LIMIT).content
                else:
                    content = _verified(data, found, accept)
        write_file(out, content)
    if as_json:
        print_json({"ok": True, "layer": layer, "octets": len(content), **facts})


def _envelope(data: bytes) -> authenveloped.Envelope:
    envelope = _bare(data)
    if envelope is None:
        # What is meant to be one says best itself what is wrong with it.
        return authenveloped.read_content_info(data)
    return authenveloped.read(envelope)


@contextmanager
def _wider_form_named(data: bytes, accept: str) -> Iterator[None]:
    """Where the strict form of a signed message is asked for and isn't there, say that there is a wider one."""
    try:
        yield
    except DecodeFault as problem:
        if accept != "tr" or problem.code != "cms.structure" or content_type_of(data) != table.ID_SIGNED_DATA:
            raise
        raise DecodeFault(problem.code, f"{problem.detail}; --accept rfc5753 takes more forms", offset=problem.offset) from problem


def _verified(data: bytes, signer: SignerResolver, accept: str) -> bytes:
    """Verify the outer layer alone and give what is inside."""
    if read_signed(data).encapsulated_content_info.content is None:
        raise ConfigError("key.choice", "a detached signature: name the content with --content")
    try:
        return verify_encapsulated(data, signer=signer, accept=accept).content
    except DecodeFault as not_data:
        try:
            inside = verify_encapsulated(data, signer=signer, content_type=table.ID_AUTH_ENVELOPED_DATA, accept=accept)
        except DecodeFault:
            raise not_data from None
        return _as_content_info(inside.content)


@app.command("explain")
def explain_command(message: _Message, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say what stands in a message, without any key; nothing is verified. Exit code 4 when it is not well formed."""
    with faults_shown(as_json):
        data = read_file(message)
    raise typer.Exit(decode_cms.run_cms(data, as_json=as_json, out=sys.stdout))


@app.command("vector")
def vector_command(
    cipher: Annotated[Cipher, typer.Option(help="Cipher of the content.")] = "aes128-gcm",
    profile: Annotated[table.OidProfile, typer.Option(help="Identifiers of the key agreement.")] = "tr",
    shared_info: Annotated[table.SharedInfoForm, typer.Option(help="SharedInfo of the key derivation.")] = "rfc5753",
    text: Annotated[str, typer.Option(help="Content; it stands where the compressed data would.")] = content_vector.TEXT,
    recipient: Annotated[str, typer.Option(help="Recipient's private key, a number in hex on brainpoolP256r1.")] = content_vector.RECIPIENT,
    ephemeral: Annotated[str, typer.Option(help="Ephemeral private key, in hex.")] = content_vector.EPHEMERAL,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print every intermediate value of an encryption with known keys, to compare with another implementation.

    Key and nonce of the content count up from 00; never use what is printed for anything else.
    """
    with faults_shown(as_json):
        values = content_vector.vector(
            text.encode(), recipient=recipient, ephemeral=ephemeral, cipher=cipher, oid_profile=profile, shared_info=shared_info
        )
    if as_json:
        print_json({"ok": True, **values})
        return
    for name, value in values.items():
        typer.echo(f"{name:<24} {value}")
