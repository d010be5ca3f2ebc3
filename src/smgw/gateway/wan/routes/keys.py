"""Exchange the gateway's keys, and end its life: what the administrator does with its AUT key. Source: LIFE-08, LIFE-11."""

from base64 import b64encode
from datetime import datetime

import msgspec

from smgw.core.errors import DomainFault, PeerFault, SecurityFault
from smgw.gateway.key_desk import KeyDesk
from smgw.gateway.lifecycle import Tell
from smgw.gateway.pending import Pending
from smgw.gateway.wan.context import Call, Context, Outcome, Routes


class Authentication(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Answer a challenge; both as hex."""

    challenge: str
    signature: str


class Generation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ask for new keys on a curve."""

    curve: str


class Certificates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bring certificates as PEM: the three, and their issuer's."""

    certificates: str


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say when the gateway's end will come."""

    at: datetime


def _desk(context: Context) -> KeyDesk:
    if context.keys is None:
        raise DomainFault("lifecycle.unguarded")
    return context.keys


def _record(context: Context, *tells: Tell) -> None:
    for told in tells:
        context.recorder.record_with(told.event, told.parameters, subject=context.administrator_name, success=told.success)


def _standing(context: Context, call: Call) -> Outcome:
    call.require_no_rest()
    return Outcome(200, _desk(context).standing())


def _challenge(context: Context, call: Call) -> Outcome:
    call.require_no_rest()
    return Outcome(200, {"challenge": _desk(context).challenge().hex()})


def _authenticate(context: Context, call: Call) -> Outcome:
    given = call.read(Authentication)
    try:
        challenge, signature = bytes.fromhex(given.challenge), bytes.fromhex(given.signature)
    except ValueError as problem:
        raise PeerFault("command.body", "hex") from problem
    try:
        told = _desk(context).authenticate(challenge, signature)
    except SecurityFault as fault:
        facts = {"partner": context.administrator_name, "code": fault.code}
        _record(context, Tell("administrator_authentication_failed", facts, success=False))
        raise
    _record(context, told)
    return Outcome(200)


def _generation(context: Context, call: Call) -> Outcome:
    desk = _desk(context)
    package, tells = desk.prepare(call.read(Generation).curve)
    _record(context, *tells)
    return Outcome(201, {"request": b64encode(package).decode()}, after=desk.keys_made)


def _certificates(context: Context, call: Call) -> Outcome:
    return Outcome(200, after=_desk(context).install(call.read(Certificates).certificates.encode()))


def _announce(context: Context, call: Call) -> Outcome:
    desk, at = _desk(context), call.read(End).at
    if at.tzinfo is None:
        raise PeerFault("command.body", "time without zone")
    desk.announce(at)
    return Outcome(200, pending=Pending("announce-end", at.isoformat()))


def _decommission(context: Context, call: Call) -> Outcome:
    call.require_no_rest()
    _desk(context).decommission()
    return Outcome(200, {"phase": "decommissioned"}, pending=Pending("decommission"))


ROUTES: Routes = {
    ("GET", "keys"): _standing,
    ("POST", "keys", "challenge"): _challenge,
    ("POST", "keys", "authentication"): _authenticate,
    ("POST", "keys", "generation"): _generation,
    ("PUT", "keys", "certificates"): _certificates,
    ("POST", "life", "announce-end"): _announce,
    ("POST", "life", "decommission"): _decommission,
}
