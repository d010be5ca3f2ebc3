"""The management channel: the gateway dials its administrator, which then asks through reversed HTTP roles.

Each request carries a command whose content is signed by the administrator and encrypted to this gateway; so does each answer the other
way. A command is obeyed at most once: its answer is kept and given again when the command is repeated after a cut.
Source: WAN-03, WAN-08, LIFE-09; 20-wan-crypto-pki 1.2, 1.6.
"""

from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

import msgspec
from cryptography import x509

from smgw.codec.command import COMMAND_AGE, Answer, Command, check_fresh, decode_answer, decode_command, encode_answer
from smgw.codec.cosem_message import COSEM_ROOT
from smgw.core.errors import LimitFault, PeerFault, Replay, SecurityFault, SmgwError, Unavailable
from smgw.core.instant import local_day, microseconds
from smgw.gateway.wan.context import PREFIX, Call, Context, Outcome
from smgw.gateway.wan.cosem.service import obey_cosem, subject_of
from smgw.gateway.wan.permission import permitted, status_of
from smgw.security.content import SignerClaim, open_content, seal
from smgw.storage.journal import Journal

ACCEPTED = 202
ANSWERS_KEPT = 64
"""So many answers to the newest commands are kept to be given again."""
OBEYED_LIMIT = 1000
"""At most so many commands are obeyed within the time in which their repetitions aren't refused by age."""


class Obeyed(msgspec.Struct, array_like=True):
    """Remember one obeyed command: when it was made (microseconds since 1970), and its answer while that is kept."""

    created_at: int
    answer: bytes | None


class Reply(NamedTuple):
    """Hold a sealed answer, and the status that stands in it."""

    status: int
    document: bytes


def handle(context: Context, document: bytes) -> bytes:
    """Verify one sealed command, obey it and seal the answer. Raises: as `reply`."""
    return reply(context, document).document


def reply(context: Context, document: bytes, asked: tuple[str, str] | None = None) -> Reply:
    """Verify one sealed command, obey it and seal the answer; `asked` is what HTTP asks for, if that must be what the command says.

    Raises: SecurityFault, DecodeFault, Replay when the command itself is not acceptable; then nothing was done.
    """
    if context.successions is not None and context.successions.is_former(context.administrator_name):
        raise SecurityFault("succession.former", context.administrator_name)
    now = context.clock.now()
    opened = open_content(document, module=context.module, recipient=context.recipient, signer=lambda claim: _administrator(context, claim))
    command = decode_command(opened.content)
    if command.recipient != context.gateway_id:
        raise PeerFault("command.recipient", command.recipient[:20])
    if asked is not None and asked != (command.method, command.resource):
        raise PeerFault("command.mismatch", command.method)
    obeyed = _obeyed(context.journal)
    repeated = obeyed.get(command.message_id)
    if repeated is not None and repeated.answer is not None:
        return _seal(context, repeated.answer)
    check_fresh(command.created_at, now)
    if repeated is not None:
        raise Replay("command.replayed", command.message_id)
    obeyed = _still_needed(obeyed, now)
    if len(obeyed) >= OBEYED_LIMIT:
        raise LimitFault("command.rate")
    if command.method == "GET":
        # Nothing is changed, so it is answered even when the store takes nothing.
        return _seal(context, _answer(context, command, _obey(context, command, document, now), now))
    with context.journal.transaction():
        outcome = _obey(context, command, document, now)
        answer = _answer(context, command, outcome, now)
        obeyed[command.message_id] = Obeyed(microseconds(command.created_at), answer)
        context.journal.set_state("obeyed", msgspec.json.encode(obeyed))
        if outcome.pending is not None:
            context.pending.add(command, outcome.pending, context.administrator_name, tell=outcome.status == ACCEPTED)
    if outcome.after is not None:
        outcome.after()
    if outcome.pending is not None:
        context.pending.begin(command.message_id)
    return _seal(context, answer)


def _answer(context: Context, command: Command, outcome: Outcome, now: datetime) -> bytes:
    return encode_answer(
        Answer(
            message_id=command.message_id,
            created_at=now,
            sender=context.gateway_id,
            status=outcome.status,
            code=outcome.code,
            body=msgspec.Raw(msgspec.json.encode(outcome.body)),
        )
    )


def _obeyed(journal: Journal) -> dict[str, Obeyed]:
    stored = journal.get_state("obeyed")
    return msgspec.json.decode(stored, type=dict[str, Obeyed]) if stored is not None else {}


def _still_needed(obeyed: dict[str, Obeyed], now: datetime) -> dict[str, Obeyed]:
    """Keep the newest answers, and the ids of all commands that could still be replayed."""
    room_for_one_more = len(obeyed) - (ANSWERS_KEPT - 1)
    oldest_us = microseconds(now - COMMAND_AGE)
    return {
        message_id: one if index >= room_for_one_more else Obeyed(one.created_at, None)
        for index, (message_id, one) in enumerate(obeyed.items())
        if index >= room_for_one_more or one.created_at >= oldest_us
    }


def _administrator(context: Context, claim: SignerClaim) -> x509.Certificate:
    # The configured certificate is the only signer; open_content compares the claim with it and verifies by its key.
    del claim
    return context.administrator_sig


def _seal(context: Context, content: bytes) -> Reply:
    document = seal(content, module=context.module, signer=context.signer, recipient=context.administrator_enc)
    return Reply(decode_answer(content).status, document)


def _obey(context: Context, command: Command, document: bytes, now: datetime) -> Outcome:
    """Run the one route that fits; faults of the command become answers, not exceptions."""
    parts = command.resource.removeprefix(PREFIX).split("/") if command.resource.startswith(PREFIX) else []
    try:
        context.pending.contact(command.contact_uri)
        if command.resource.startswith(COSEM_ROOT):
            outcome = obey_cosem(context, Call(command, (), (), document, now))
            if command.method == "GET":
                _tell_of_reading(context, subject_of(command.resource), now)
            return outcome
        route = permitted(context, command.method, tuple(parts[:2]))
        outcome = route(context, Call(command, tuple(parts[:2]), tuple(parts[2:]), document, now))
        if command.method == "GET":
            _tell_of_reading(context, "/".join(parts[:2]), now)
        return outcome
    except SmgwError as fault:
        tell = context.recorder.note if command.method == "GET" else context.recorder.record
        tell("command_rejected", subject=context.administrator_name, success=False, partner=context.administrator_name, code=fault.code)
        return Outcome(status_of(fault), None, fault.code)


def _tell_of_reading(context: Context, resource: str, now: datetime) -> None:
    """Log the first of a day's reads of each resource by each administrator: state and lists are asked for every half minute."""
    key, day = f"read/{context.administrator_name}/{resource}", local_day(now).isoformat().encode()
    if context.journal.get_state(key) != day:
        name = context.administrator_name
        with suppress(Unavailable), context.journal.transaction():
            context.journal.set_state(key, day)
            context.recorder.record("administrator_read", subject=name, partner=name, resource=resource)
