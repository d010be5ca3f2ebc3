"""Which keys, certificates and PINs the security module and the gateway hold after each phase of the life cycle.

The table says what each phase adds and takes away; what must be held is the sum over the phases completed, so that integration may come
before or after pre-personalisation 1. What the phase under way adds may be there. Names are those of the field: `GW_WAN_TLS_PRV_PRE`,
`GWADM_AUT_PUB`, `ROOT_WAN_SIG_CRT`; a later generation of an operational key goes by the same name, its number stands beside it.
Source: LIFE-03; LIFE-04; LIFE-05; LIFE-06; LIFE-10; TR-03109-1 Annex VI, 2.3.1 to 2.3.4.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from smgw.core.errors import UsageError
from smgw.core.life_cycle import Life, Mark, Phase


class Place(StrEnum):
    """Name where an object lies."""

    MODULE = "module"
    GATEWAY = "gateway"


WAN_KINDS = ("TLS", "SIG", "ENC")
ADMINISTRATOR_KINDS = (*WAN_KINDS, "AUT")

GATEWAY_PIN = "GW_PIN"
"""The gateway system PIN (German: Gateway-System-PIN); the module holds its reference value."""
STORAGE_KEY = "GW_STORAGE_KEY"
"""Key of the gateway's encrypted storage (German: Schlüssel für die Speicherverschlüsselung)."""
ROOT_CERTIFICATE = "ROOT_WAN_SIG_CRT"
IMPORT_KEY = "IMPORT"
"""Key pair of the module's production, under whose protection the first objects are imported (German: Import-Schlüssel)."""
AUTHENTICATION_KEY = "GWADM_AUT_PUB"
"""By which the module knows the administrator."""
ADMINISTRATOR_ADDRESS = "GWADM_ADDRESS"
ADMINISTRATOR_CHAIN = "GWADM_CHAIN"
"""Certificates between the administrator's and the root, without the root."""


def pair_names(key: str) -> tuple[str, str]:
    """Give the names of the private and the public half of a module's key: `GW_WAN_TLS_PRE` has `GW_WAN_TLS_PRV_PRE`."""
    stem, suffix = (key.removesuffix("_PRE"), "_PRE") if key.endswith("_PRE") else (key, "")
    return f"{stem}_PRV{suffix}", f"{stem}_PUB{suffix}"


def split_generation(key: str) -> tuple[str, int]:
    """Split a module's key name: `GW_WAN_TLS_G2` is the second generation of `GW_WAN_TLS`; without a number it is the first."""
    match = re.fullmatch(r"(.+)_G([2-9]|[1-9][0-9]{1,2})", key)
    return (match[1], int(match[2])) if match else (key, 1)


def generation_suffix(generation: int) -> str:
    """Give what a key's name ends with in a generation. Raises: UsageError module.generation outside 1 to 999."""
    if not 1 <= generation <= 999:
        raise UsageError("module.generation", str(generation))
    return "" if generation == 1 else f"_G{generation}"


def _pairs(*keys: str) -> frozenset[str]:
    return frozenset(name for key in keys for name in pair_names(key))


class PhaseObjects(NamedTuple):
    """Say what one phase adds and takes away, and what it may hold beside that."""

    phase: Phase
    place: Place
    adds: frozenset[str] = frozenset()
    removes: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    clause: str = ""


EVERYTHING = "*"
"""As what is removed: all there is."""

_PRE = frozenset(f"GW_WAN_{kind}_CRT_PRE" for kind in WAN_KINDS)
_OPERATIONAL = frozenset(f"GW_WAN_{kind}_CRT" for kind in WAN_KINDS)
_HOME = frozenset({*_pairs("GW_HAN_TLS", "GW_LMN_TLS"), "GW_HAN_TLS_CRT", "GW_LMN_TLS_CRT"})

PHASE_OBJECTS: tuple[PhaseObjects, ...] = (
    PhaseObjects(Phase.MANUFACTURED, Place.MODULE, adds=_pairs(IMPORT_KEY), clause="2.3.1, note on import keys"),
    PhaseObjects(
        Phase.PRE_PERSONALISATION_1,
        Place.MODULE,
        adds=frozenset({ROOT_CERTIFICATE}) | _pairs(*(f"GW_WAN_{kind}_PRE" for kind in WAN_KINDS)) | _PRE,
        clause="2.3.1.1",
    ),
    PhaseObjects(Phase.PRE_PERSONALISATION_1, Place.GATEWAY, optional=_PRE, clause="our choice: copies of what the module holds"),
    PhaseObjects(Phase.INTEGRATION, Place.MODULE, adds=frozenset({GATEWAY_PIN}), optional=frozenset({STORAGE_KEY}), clause="2.3.1.2"),
    PhaseObjects(Phase.INTEGRATION, Place.GATEWAY, adds=frozenset({GATEWAY_PIN, STORAGE_KEY}), clause="2.3.1.2"),
    PhaseObjects(
        Phase.PRE_PERSONALISATION_2,
        Place.MODULE,
        adds=frozenset(f"GWADM_{kind}_PUB" for kind in ADMINISTRATOR_KINDS),
        removes=_pairs(IMPORT_KEY),
        clause="2.3.1.3",
    ),
    PhaseObjects(
        Phase.PRE_PERSONALISATION_2,
        Place.GATEWAY,
        adds=frozenset({*(f"GWADM_{kind}_CRT" for kind in ADMINISTRATOR_KINDS), ADMINISTRATOR_CHAIN, ADMINISTRATOR_ADDRESS}),
        clause="2.3.1.3",
    ),
    PhaseObjects(Phase.PERSONALISATION, Place.MODULE, adds=_pairs(*(f"GW_WAN_{kind}" for kind in WAN_KINDS)), clause="2.3.3"),
    PhaseObjects(Phase.PERSONALISATION, Place.GATEWAY, adds=_OPERATIONAL, clause="2.3.3"),
    PhaseObjects(Phase.NORMAL_OPERATION, Place.MODULE, optional=_HOME, clause="2.3.4"),
    PhaseObjects(Phase.NORMAL_OPERATION, Place.GATEWAY, optional=_HOME, clause="2.3.4"),
    PhaseObjects(Phase.DECOMMISSIONED, Place.MODULE, removes=frozenset({EVERYTHING}), clause="LIFE-11"),
    PhaseObjects(Phase.DECOMMISSIONED, Place.GATEWAY, removes=frozenset({EVERYTHING}), clause="LIFE-11"),
)
"""Phases that are not named change nothing."""


class Expected(NamedTuple):
    """Hold what a place must hold, and what it may hold beside that."""

    required: frozenset[str]
    optional: frozenset[str]


class Difference(NamedTuple):
    """Name one object that is missing or too much."""

    place: Place
    name: str
    missing: bool
    """False: it is there and must not be."""


def completed_phases(life: Life) -> frozenset[Phase]:
    """Tell which phases a gateway has completed; the one it is in counts only where it is the last."""
    order = tuple(Phase)
    done = {phase for phase in order[: order.index(life.phase)] if phase not in _BY_MARK} | {Phase.MANUFACTURED}
    done |= {phase for phase, mark in _BY_MARK.items() if mark in life.marks}
    return frozenset(done | {life.phase} if life.phase is Phase.DECOMMISSIONED else done)


_BY_MARK = {Phase.PRE_PERSONALISATION_1: Mark.SEAL, Phase.INTEGRATION: Mark.PAIRED}
"""The two phases that may come in either order -> what completes them."""


def expected_objects(life: Life, place: Place) -> Expected:
    """Sum up what a place holds: what the phases completed left there, and what the one under way may have changed already."""
    done = completed_phases(life)
    required, optional = frozenset[str](), frozenset[str]()
    for row in PHASE_OBJECTS:
        if row.place is not place:
            continue
        if row.phase in done:
            if EVERYTHING in row.removes:
                required, optional = frozenset(), frozenset()
            required = (required | row.adds) - row.removes
            optional = (optional | row.optional) - row.removes
        elif row.phase is life.phase:
            required, optional = required - row.removes, optional | row.adds | row.removes | row.optional
    return Expected(required, optional)


def compare(life: Life, held: Iterable[str], place: Place) -> list[Difference]:
    """Compare what a place holds with what it must hold at this point of a life; an empty list means exactly that."""
    expected, names = expected_objects(life, place), frozenset(held)
    missing = [Difference(place, name, True) for name in sorted(expected.required - names)]
    return missing + [Difference(place, name, False) for name in sorted(names - expected.required - expected.optional)]
