"""How full the stores are: told at 80 % and 95 %, and the operating state changes at 100 %.

Rows are counted by the heads and cuts of the chains, so asking costs the same however much is stored.
Source: STATE-04; handbook D-2.1, D-2.2; 20-wan-crypto-pki 1.11, 1.13.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from smgw.core.log_event import Log
from smgw.core.state import Event
from smgw.gateway.config import StorageLimits
from smgw.gateway.logs import Recorder
from smgw.storage.journal import Journal

FULL = 100
LEVELS: tuple[tuple[int, str], ...] = ((80, "store_filling"), (95, "store_nearly_full"))
"""Percentage of the limit -> event that tells of it."""

RELEASED_BELOW = 95
"""A state that a full store brought is left below this, so that the first row deleted does not swing it back."""

_KEY = "fill"


class StoreKind(NamedTuple):
    """Say what a kind of store is called, how it is limited, and what its being full means."""

    kind: str
    """Kind of its chains."""
    limit: Callable[[StorageLimits], int]
    full: Event
    room: Event | None
    """None: a new start is needed."""


STORES: dict[str, StoreKind] = {
    "readings": StoreKind("readings", lambda limits: limits.readings, Event.READINGS_FULL, Event.READINGS_HAVE_ROOM),
    "calibration log": StoreKind(
        Log.CALIBRATION, lambda limits: limits.calibration_log, Event.CALIBRATION_FULL, Event.CALIBRATION_HAS_ROOM
    ),
    "system log": StoreKind(Log.SYSTEM, lambda limits: limits.system_log, Event.LOGS_FULL, None),
    "consumer log": StoreKind(Log.CONSUMER, lambda limits: limits.consumer_log, Event.LOGS_FULL, None),
}
"""Name of a store in the log -> its row."""


class Fill(NamedTuple):
    """Hold how full one store is."""

    name: str
    kind: StoreKind
    percent: int


def fills(journal: Journal, limits: StorageLimits) -> Iterator[Fill]:
    """Tell of every store how full it is; each consumer's log is one."""
    for name, kind in STORES.items():
        for scope in journal.scopes(kind.kind):
            yield Fill(f"{name} {scope}".strip(), kind, journal.stored_rows(kind.kind, scope) * 100 // kind.limit(limits))


def full_stores(journal: Journal, limits: StorageLimits) -> list[str]:
    """Name the stores that reached their limit."""
    return [fill.name for fill in fills(journal, limits) if fill.percent >= FULL]


class LimitWatch:
    """Tell once of each level that a store passes, and let the operating state know when it is full or has room again."""

    def __init__(self, journal: Journal, recorder: Recorder, limits: StorageLimits, state_event: Callable[..., None]) -> None:
        self._journal = journal
        self._recorder = recorder
        self._limits = limits
        self._state_event = state_event
        stored = journal.get_state(_KEY)
        self._told: dict[str, int] = msgspec.json.decode(stored, type=dict[str, int]) if stored is not None else {}
        """Store -> highest level told of, kept over restarts."""

    def check(self) -> dict[str, int]:
        """Look at every store; gives the percentages."""
        found = {}
        told: dict[str, int] = {}
        for fill in fills(self._journal, self._limits):
            found[fill.name] = fill.percent
            level = max((percent for percent, _ in LEVELS if fill.percent >= percent), default=0)
            for percent, event in LEVELS:
                if self._told.get(fill.name, 0) < percent <= level:
                    self._recorder.note(event, success=False, store=fill.name, percent=fill.percent)
            if level:
                told[fill.name] = level
            if fill.percent >= FULL:
                self._state_event(fill.kind.full, store=fill.name)
            elif fill.kind.room is not None and fill.percent < RELEASED_BELOW:
                self._state_event(fill.kind.room)
        if told != self._told:
            self._told = told
            self._journal.set_state(_KEY, msgspec.json.encode(told))
        return found
