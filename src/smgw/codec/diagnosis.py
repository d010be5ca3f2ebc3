"""What a technician's device hands over to the administrator: the gateway's sealed diagnosis, and the technician's own report, as JSON.

Our choice: the annex asks for both and leaves the form open. Source: DIAG-02; TR-03109-1 Annex VI, table 4 steps 4.1 to 4.3.
"""

import msgspec

from smgw.core.errors import DecodeFault, LimitFault

SUBMISSION_LIMIT = 1 << 20
"""Largest submission in octets."""


class Submission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Report on one case."""

    case: str
    report: str
    """In the technician's own words, with what was seen on the spot; at most 20,000 characters."""
    diagnosis: bytes
    """CMS message of the gateway, encrypted for its administrator."""


class SubmissionReceipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """State that a submission is stored; what stands on the technician's device must be deleted now."""

    case: str
    digest: str
    """SHA-256 of the submission as received, hex."""
    stored_at: str


_SUBMISSIONS = msgspec.json.Decoder(Submission)
_RECEIPTS = msgspec.json.Decoder(SubmissionReceipt)


def decode_submission(data: bytes) -> Submission:
    """Read a submission. Raises: DecodeFault diagnosis.structure, LimitFault diagnosis.size."""
    if len(data) > SUBMISSION_LIMIT:
        raise LimitFault("diagnosis.size", f"{len(data)} octets")
    try:
        return _SUBMISSIONS.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as problem:
        raise DecodeFault("diagnosis.structure", "submission") from problem


def decode_receipt(data: bytes) -> SubmissionReceipt:
    """Read a receipt. Raises: DecodeFault diagnosis.structure."""
    try:
        return _RECEIPTS.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise DecodeFault("diagnosis.structure", "receipt") from problem
