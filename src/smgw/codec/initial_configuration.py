"""The initial configuration file: where a gateway finds its administrator, and by which certificates it knows it (German: Initiale
Konfigurationsdatei).

JSON, carried and signed as CMS SignedData (DER) by the administrator's SIG key. It names the one gateway that it is for. The chain holds
the authorities between the administrator's certificates and the root, without the root.
Source: LIFE-05; TR-03109-1 Annex VI, 2.3.1.3. The form inside is our choice.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from smgw.core.errors import DecodeFault, LimitFault

MAX_OCTETS = 64 * 1024
"""Octets of a file at most, its signature included."""

FORMAT = "smgw-initial-configuration-1"

_Certificate = Annotated[bytes, msgspec.Meta(min_length=1, max_length=8192)]
_Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]


class InitialConfiguration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag=FORMAT):
    """Hold what the file says; certificates are DER."""

    device_id: str
    """The gateway that it is for."""
    created_at: datetime
    administrator: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    """Common name."""
    host: Annotated[str, msgspec.Meta(min_length=1, max_length=253, pattern=r"\A[0-9A-Za-z.:\-]+\Z")]
    management_port: _Port
    time_port: _Port
    tls_certificate: _Certificate
    sig_certificate: _Certificate
    enc_certificate: _Certificate
    aut_certificate: _Certificate
    chain: Annotated[tuple[_Certificate, ...], msgspec.Meta(min_length=1, max_length=4)]
    service_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    """Where notices are taken; 0: nowhere."""

    @property
    def certificates(self) -> dict[Literal["TLS", "SIG", "ENC", "AUT"], bytes]:
        """Give the administrator's four certificates by their use."""
        return {"TLS": self.tls_certificate, "SIG": self.sig_certificate, "ENC": self.enc_certificate, "AUT": self.aut_certificate}


_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(InitialConfiguration)


def encode_initial_configuration(configuration: InitialConfiguration) -> bytes:
    """Write what is signed."""
    return _ENCODER.encode(configuration)


def decode_initial_configuration(data: bytes) -> InitialConfiguration:
    """Read the signed content. Raises: LimitFault initial_configuration.size, DecodeFault initial_configuration.structure."""
    if len(data) > MAX_OCTETS:
        raise LimitFault("initial_configuration.size", f"{len(data)} octets")
    try:
        configuration = _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise DecodeFault("initial_configuration.structure", str(problem)[:200]) from problem
    if configuration.created_at.tzinfo is None:
        raise DecodeFault("initial_configuration.structure", "time without zone")
    return configuration
