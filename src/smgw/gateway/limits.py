"""How full the stores are: told at 80 % and 95 %, and the operating state changes at 100 %.

The limits are those of the initial configuration until the administrator sets others, which then count for good. Rows are counted by the
heads and cuts of the chains, so asking costs the same however much is stored.
Source: STATE-04; handbook D-2.1, D-2.2; 20-wan-crypto-pki 1.11, 1.13.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from smgw.core.errors import PeerFault
from smgw.core.log_event import Log
from smgw.core.state import Event
from smgw.gateway.config import LEAST_ROWS, StorageLimits
from smgw.gateway.logs import Recorder
from smgw.storage.journal import Journal

FULL = 100
LEVELS: tuple[tuple[int, str], ...] = ((80, "store_filling"), (95, "store_nearly_full"))
"""Percentage of the limit -> event that tells of it."""

RELEASED_BELOW = 95
"""A state that a full store brought is left below this, so that the first row deleted does not swing it back."""

_KEY = "fill"

SETTINGS = "storage_limits"
"""Name under which the journal keeps what the administrator set."""

MOST_ROWS = 100_000_000
"""No store may be allowed more rows."""


class LimitSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Hold the limits that the administrator set, in rows; the others stay as they are configured."""

    readings: int | None = None
    system_log: int | None = None
    calibration_log: int | None = None
    consumer_log: int | None = None


def read_limits(body: bytes) -> LimitSettings:
    """Read what the administrator sent. Raises: PeerFault limits.settings."""
    try:
        settings = msgspec.json.decode(body, type=LimitSettings)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise PeerFault("limits.settings", str(problem)[:200]) from problem
    for name, rows in msgspec.structs.asdict(settings).items():
        if rows is not None and not LEAST_ROWS <= rows <= MOST_ROWS:
            raise PeerFault("limits.settings", name)
    return settings


def limits_in_force(journal: Journal, configured: StorageLimits) -> StorageLimits:
    """Give the limits that count now."""
    stored = journal.get_state(SETTINGS)
    if stored is None:
        return configured
    settings = msgspec.structs.asdict(msgspec.json.decode(stored, type=LimitSettings))
    return msgspec.structs.replace(configured, **{name: rows for name, rows in settings.items() if rows is not None})


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


def check_room(journal: Journal, settings: LimitSettings) -> None:
    """Raise PeerFault limits.settings for a limit that a store has reached already: it would stop the gateway at once."""
    wanted = msgspec.structs.asdict(settings)
    for name, kind in STORES.items():
        rows = wanted[name.replace(" ", "_")]
        stored = max((journal.stored_rows(kind.kind, scope) for scope in journal.scopes(kind.kind)), default=0)
        if rows is not None and stored >= rows:
            raise PeerFault("limits.settings", f"{name} holds {stored} rows")


class Fill(NamedTuple):
    """Hold how full one store is."""

    name: str
    kind: StoreKind
    percent: int


def fills(journal: Journal, limits: StorageLimits) -> Iterator[Fill]:
    """Tell of every store how full it is; each consumer's log is one."""
    limits = limits_in_force(journal, limits)
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
