"""Keep the operating state: events begin and end conditions along the tables of `smgw.core.state`, and each change is logged."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from smgw.core.instant import Clock
from smgw.core.state import CONDITIONS, INITIAL, Condition, Event, Permission, State, allowed_by, change_of, state_of
from smgw.gateway.logs import Recorder


class Alarm(NamedTuple):
    """Name one condition that the administrator must know of, and since when it holds."""

    condition: Condition
    since: datetime
    reason: str


class StateKeeper:
    """Hold the present conditions. Source: STATE-01."""

    def __init__(self, recorder: Recorder, clock: Clock) -> None:
        self._recorder = recorder
        self._clock = clock
        self._since: dict[Condition, datetime] = {condition: clock.now() for condition in INITIAL}
        self._details: dict[Condition, str] = {}
        self._watchers: list[Callable[[], None]] = []

    @property
    def conditions(self) -> frozenset[Condition]:
        """Give everything that holds now."""
        return frozenset(self._since)

    @property
    def state(self) -> State:
        """Give the state that the gravest condition demands."""
        return state_of(self.conditions)

    def watch(self, changed: Callable[[], None]) -> None:
        """Call back after each change of a condition."""
        self._watchers.append(changed)

    def handle(self, event: Event, **details: str) -> None:
        """Begin or end the condition that the table names, if any; a change that can't be logged (storage full) is logged once it can.

        `details` are parameters of the log entry that tells of the condition; `reason` also stands in the list of alarms.
        """
        before, change = self.state, change_of(self.conditions, event)
        if change is None:
            return
        if change.began:
            self._since[change.condition] = self._clock.now()
            self._details[change.condition] = details.get("reason", "")
        else:
            del self._since[change.condition]
        if self.state is not before:
            self._recorder.note("state_changed", before=before, after=self.state, reason=change.reason)
        if change.logged:
            self._recorder.note(change.logged, success=not change.began, **{"reason": change.reason, **details})
        for changed in self._watchers:
            changed()

    def allows(self, permission: Permission) -> bool:
        """Tell whether everything that holds now allows something."""
        return permission in allowed_by(self.conditions)

    @property
    def storage_full(self) -> bool:
        """Tell whether measuring has stopped only because the disk took nothing; each telegram then tries it again."""
        return Permission.MEASURE in allowed_by(self.conditions - {Condition.STORAGE_FULL}) and Condition.STORAGE_FULL in self._since

    @property
    def is_dead(self) -> bool:
        """Tell whether only a new start leads out: Secure State Boot or the restart loop."""
        return any(CONDITIONS[condition].ends is None for condition in self._since)

    def alarms(self) -> list[Alarm]:
        """List what the administrator must know of, the gravest first."""
        return [
            Alarm(condition, self._since[condition], self._details.get(condition) or rule.reason)
            for condition, rule in CONDITIONS.items()
            if rule.alarm and condition in self._since
        ]
