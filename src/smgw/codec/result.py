"""Results of commands that took longer than their answer could wait, as JSON inside the content protection (COSEM/HTTP: Notify).

A result carries the command's id, the correlation id of both; the same id stands in `x-CID`.
Our choice: the public sources leave the JSON form open. Source: WAN-08; 20-wan-crypto-pki 1.2, 1.4.
"""

from datetime import datetime
from typing import Annotated

import msgspec

from smgw.core.errors import DecodeFault, LimitFault

RESULTS = "/smgw/gwa/v1/results"
"""Where an administrator takes results unless its command names another address."""
RESULT_LIMIT = 64 * 1024
"""Largest result in octets."""


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Tell how the work of one command ended."""

    message_id: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")]
    """Id of the command; a repetition is the same result."""
    device: Annotated[str, msgspec.Meta(max_length=20)]
    status: Annotated[int, msgspec.Meta(ge=200, le=599)]
    """As the answer of a command: 200 for what was done, 500 for what failed."""
    code: Annotated[str, msgspec.Meta(max_length=80)]
    """Error code when the status is 400 or higher."""
    body: msgspec.Raw
    accepted_at: datetime
    ended_at: datetime
    contact: Annotated[str, msgspec.Meta(max_length=400)] = RESULTS
    """Path of the administrator's service that it is posted to."""


_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(Result)


def encode_result(result: Result) -> bytes:
    """Write a result as JSON, UTF-8."""
    return _ENCODER.encode(result)


def decode_result(data: bytes) -> Result:
    """Read a result. Raises: DecodeFault result.structure, LimitFault result.size."""
    if len(data) > RESULT_LIMIT:
        raise LimitFault("result.size", f"{len(data)} octets")
    try:
        result = _DECODER.decode(data)
        # What is kept undecoded must be JSON through and through: it is shown to whoever lists the commands.
        msgspec.json.decode(result.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise DecodeFault("result.structure", "result") from problem
    if result.accepted_at.tzinfo is None or result.ended_at.tzinfo is None:
        raise DecodeFault("result.structure", "time without zone")
    return result
