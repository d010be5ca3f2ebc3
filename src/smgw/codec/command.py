"""Commands of the administrator and their answers: JSON inside the content protection.

The envelope repeats method and resource, so that the signature covers what is to be done and to whom; HTTP only carries it.
Our choice: the public sources leave the JSON form at the WAN open (20-wan-crypto-pki 1.5, 1.6).
"""

from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec

from smgw.core.errors import DecodeFault, LimitFault, Replay

COMMAND_LIMIT = 1 << 20
"""Largest command or answer in octets."""

COMMAND_AGE = timedelta(minutes=10)
"""A command older or newer than this is refused."""

_Uuid = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")]


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Ask a gateway for one thing."""

    message_id: _Uuid
    """UUID in lower case; the same id is obeyed once."""
    created_at: datetime
    recipient: str
    """Device id of the gateway."""
    method: Literal["GET", "PUT", "POST", "DELETE"]
    resource: Annotated[str, msgspec.Meta(max_length=4000)]
    """Address at the point of contact, for example `/smgw/gwa/v1/rts/meter/1sgw0010000001`."""
    body: msgspec.Raw = msgspec.Raw(b"null")
    contact_uri: Annotated[str, msgspec.Meta(max_length=400)] = ""
    """Where the result is posted when the work takes longer (`x-ContactURI`); empty: to the administrator's usual address."""


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Answer one command."""

    message_id: _Uuid
    """The command's id."""
    created_at: datetime
    sender: str
    status: int
    """HTTP status of the result."""
    code: str = ""
    """Error code when the status is 400 or higher."""
    body: msgspec.Raw = msgspec.Raw(b"null")


_ENCODER = msgspec.json.Encoder(order="deterministic")
_COMMANDS = msgspec.json.Decoder(Command)
_ANSWERS = msgspec.json.Decoder(Answer)


def encode_command(command: Command) -> bytes:
    """Write a command as JSON, UTF-8."""
    return _ENCODER.encode(command)


def encode_answer(answer: Answer) -> bytes:
    """Write an answer as JSON, UTF-8."""
    return _ENCODER.encode(answer)


def decode_command(data: bytes) -> Command:
    """Read a command. Raises: DecodeFault command.structure, LimitFault command.size."""
    _check_size(data)
    try:
        command = _COMMANDS.decode(data)
        # What is left undecoded must be JSON through and through: whoever reads it later reckons with another form, not with octets.
        msgspec.json.decode(command.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise DecodeFault("command.structure", "command") from problem
    return command


def decode_answer(data: bytes) -> Answer:
    """Read an answer. Raises: DecodeFault command.structure, LimitFault command.size."""
    _check_size(data)
    try:
        answer = _ANSWERS.decode(data)
        # As above, and it is shown to whoever lists the commands.
        msgspec.json.decode(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise DecodeFault("command.structure", "answer") from problem
    return answer


def check_fresh(created_at: datetime, now: datetime) -> None:
    """Refuse what was made too long ago or in the future. Raises: DecodeFault command.structure, Replay command.age."""
    if created_at.tzinfo is None:
        raise DecodeFault("command.structure", "time without zone")
    if abs(now - created_at) > COMMAND_AGE:
        raise Replay("command.age")


def _check_size(data: bytes) -> None:
    if len(data) > COMMAND_LIMIT:
        raise LimitFault("command.size", f"{len(data)} octets")
