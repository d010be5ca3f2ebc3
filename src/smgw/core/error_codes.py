"""The error catalogue as data: one row a code. `docs/errors.md` is generated from it.

A code is `area.reason`; it never changes its meaning. Every code that the program can raise stands here.
"""

from typing import NamedTuple


class ErrorCode(NamedTuple):
    """Describe one code: what happened, and what the user can do."""

    title: str
    hint: str


_MESSAGE_HINT = "Capture the bytes and run `smgw decode` on them; the offset names the first byte that does not fit."
_SECURITY_HINT = "The system log of the refusing side names the peer; compare the certificates on both sides."

ERROR_CODES: dict[str, ErrorCode] = {
    # SML (see smgw.codec.sml)
    "sml.framing": ErrorCode("An SML transport frame is broken or was restarted", _MESSAGE_HINT),
    "sml.transport_crc": ErrorCode("The checksum of an SML file does not match", "Check the optical head's position and the cable."),
    "sml.message_crc": ErrorCode("The checksum of an SML message does not match", _MESSAGE_HINT),
    "sml.structure": ErrorCode("An SML message is not well formed", _MESSAGE_HINT),
    "sml.semantic": ErrorCode("An SML message is well formed but breaks a rule of its kind", _MESSAGE_HINT),
    # identifiers and values
    "value.obis": ErrorCode("Not an OBIS code", "Write it as A-B:C.D.E*F, for example 1-0:1.8.0*255."),
    "value.device_id": ErrorCode("Not a device id after DIN 43849", "14 characters: medium, three letters, two hex digits, eight digits."),
    "value.time": ErrorCode("Not a time", "Write it as 2026-11-21T00:15:00Z."),
    "value.unit": ErrorCode("Two quantities have different units", "Only quantities of one unit can be compared or added."),
    "value.scale": ErrorCode(
        "A value can't be written with that scaler without losing digits",
        "Use a scaler at most as large as the value's own.",
    ),
    "value.status_word": ErrorCode("Not a status word", "16 hex digits: gateway word, meter word."),
    # security module (see smgw.security)
    "module.no_key": ErrorCode("The security module holds no key of that name", "List the keys with `smgw pki keys`."),
    "module.key_exists": ErrorCode(
        "The security module already holds a key of that name", "Destroy the old key first, or choose another name."
    ),
    "module.curve": ErrorCode(
        "The crypto policy does not allow that curve for this use", "See docs/crypto-policy.md for what is allowed and until when."
    ),
    "module.peer_key": ErrorCode("A public key is not a point of the expected curve", _SECURITY_HINT),
    "module.locked": ErrorCode(
        "The security module can't be opened with that secret", "Check the passphrase or secret file; the keys are unchanged."
    ),
    "module.damaged": ErrorCode(
        "The security module's key store is damaged", "Restore it from a backup; without it the identities are lost."
    ),
}
