"""What a message is from outside, told before it is opened: so that whoever brings the wrong form or layer learns what to do."""

from smgw.codec.cms import algorithms as table
from smgw.codec.cms.oid_names import OID_NAMES
from smgw.codec.cms.structures import AnyContentInfo, decode
from smgw.core.errors import DecodeFault

_INDEFINITE = b"\x30\x80"
_MAIL = (b"mime-version:", b"content-type:", b"to:", b"from:", b"subject:")
_ADVICE = {
    (table.ID_SIGNED_DATA, "encrypted"): "a signed message; --layer both opens it, --layer signed takes its signature off",
    (table.ID_AUTH_ENVELOPED_DATA, "both"): "an encrypted message that nobody signed; --layer encrypted opens it",
    (table.ID_AUTH_ENVELOPED_DATA, "signed"): "an encrypted message that nobody signed; --layer encrypted opens it",
}


def content_type_of(message: bytes) -> table.Oid | None:
    """Tell the type of a ContentInfo (DER), of whatever kind; None for what is none.

    Raises: DecodeFault cms.structure for forms of CMS that are not DER, with what to do.
    """
    if message.startswith(_INDEFINITE):
        raise DecodeFault("cms.structure", "indefinite lengths (BER); write DER, with openssl without -stream and -indef")
    if message[:20].lower().startswith(_MAIL):
        raise DecodeFault("cms.structure", "S/MIME; write it with -outform DER or PEM")
    try:
        return decode(AnyContentInfo, message).content_type
    except DecodeFault:
        return None


def require_layer(message: bytes, layer: str) -> None:
    """Demand that a message (DER) can have the layer that is asked for; what is no ContentInfo at all is for the decoder to say.

    Raises: DecodeFault cms.structure with what stands there and what to do.
    """
    found = content_type_of(message)
    if found is not None:
        require_known(found)
        if (found, layer) in _ADVICE:
            raise DecodeFault("cms.structure", _ADVICE[found, layer])


def require_known(content_type: table.Oid) -> None:
    """Demand a type that messages of the WAN have outside. Raises: DecodeFault cms.structure."""
    if content_type not in (table.ID_SIGNED_DATA, table.ID_AUTH_ENVELOPED_DATA):
        name = OID_NAMES.get(content_type.dotted_string, content_type.dotted_string[:64])
        raise DecodeFault("cms.structure", f"{name}, neither SignedData nor AuthEnvelopedData")
