"""Operating states of a gateway as tables: what leads into each, what works in it, what leads out, which lamps show it.

A gateway has conditions, each of which demands a state. The state shown is that of the gravest condition; allowed is only what every
condition allows. So a fault that ends leads back to what holds besides, whatever came first.
Source: STATE-01, STATE-02; handbook D.
"""

from enum import StrEnum
from typing import Literal, NamedTuple

from smgw.core.errors import UsageError

LampPattern = Literal["off", "on", "blink_500", "blink_250", "blink_125", "blink_50"]
"""How a lamp shines; the number is the width of a pulse in milliseconds."""

SignalPattern = Literal["signal_good", "signal_medium", "signal_bad", "signal_none"]
"""How the wMT lamp tells the strength of the mobile signal in the first minute."""

ShownPattern = LampPattern | SignalPattern


class State(StrEnum):
    """Name the operating states (STATE-01)."""

    BOOT = "boot"
    NORMAL = "normal"
    SECURE_BOOT = "secure_state_boot"
    SECURE_APPLICATION = "secure_state_application"
    SECURE_CONNECTIVITY = "secure_state_connectivity"
    SECURE_MEASUREMENT = "secure_state_measurement"
    RESTART_LOOP = "restart_loop"


class Permission(StrEnum):
    """Name what a gateway may do or not, depending on its state."""

    MEASURE = "measure"
    DELIVER = "deliver"
    SERVE_CONSUMER = "serve_consumer"
    OBEY_ADMINISTRATOR = "obey_administrator"
    KEEP_TIME = "keep_time"


_ALL = frozenset(Permission)

ALLOWED: dict[State, frozenset[Permission]] = {
    State.BOOT: frozenset(),
    State.NORMAL: _ALL,
    State.SECURE_BOOT: frozenset(),
    State.SECURE_APPLICATION: frozenset({Permission.OBEY_ADMINISTRATOR, Permission.KEEP_TIME, Permission.SERVE_CONSUMER}),
    State.SECURE_CONNECTIVITY: _ALL - {Permission.SERVE_CONSUMER},
    State.SECURE_MEASUREMENT: _ALL,
    State.RESTART_LOOP: frozenset(),
}
"""What still works in each state; everything else is refused. In Secure State Measurement values are taken but marked."""


class Description(NamedTuple):
    """Describe one state for people, and say what its lamps show."""

    meaning: str
    works: str
    leaves: str
    power: LampPattern
    others: LampPattern | None = None
    """What all other lamps show; None leaves them to what they stand for."""


STATES: dict[State, Description] = {
    State.BOOT: Description(
        "The gateway starts and checks program, slots, keys and store.",
        "Nothing yet.",
        "By the end of the checks.",
        "off",
        "off",
    ),
    State.NORMAL: Description(
        "The gateway is ready for operation.",
        "Everything.",
        "By any condition of the other states.",
        "on",
    ),
    State.SECURE_BOOT: Description(
        "The program can't be trusted, or there is no room for what must be logged.",
        "Nothing: no meter is read, no interface is open, nothing is sent.",
        "By a start whose checks pass, once the cause is removed on site.",
        "blink_50",
        "blink_50",
    ),
    State.SECURE_APPLICATION: Description(
        "Measured values or the calibration log have no more room: measuring has stopped.",
        "Administration with its notices, and time; consumers read what is stored. Nothing is measured or delivered.",
        "By itself, once retention makes room or the administrator allows more rows.",
        "blink_50",
    ),
    State.SECURE_CONNECTIVITY: Description(
        "The networks WAN and HAN are not separate.",
        "Everything but the interfaces at the HAN, consumers' and technicians', which are switched off. No lamp tells; the log and the "
        "administrator's alarms do.",
        "By itself, with a test that finds the networks separate.",
        "on",
    ),
    State.SECURE_MEASUREMENT: Description(
        "The gateway's time is not valid.",
        "Everything; values are taken and marked. No lamp tells; the log and the administrator's alarms do.",
        "By itself, as soon as the time is valid.",
        "on",
    ),
    State.RESTART_LOOP: Description(
        "A security check failed at start: keys or store. The gateway never gets beyond starting and ends, to be started again.",
        "Nothing.",
        "By a start whose checks pass.",
        "off",
        "off",
    ),
}
"""Each state in words, with its lamps. Source: handbook B-3, D."""


class Event(StrEnum):
    """Name what can change the operating state."""

    BOOT_CHECKS_PASSED = "boot_checks_passed"
    BOOT_CHECKS_FAILED = "boot_checks_failed"
    PROGRAM_DAMAGED = "program_damaged"
    VERSION_DIFFERS = "version_differs"
    SLOT_FAULTY = "slot_faulty"
    LOGS_FULL = "logs_full"
    INTEGRITY_LOST = "integrity_lost"
    STORAGE_FULL = "storage_full"
    STORAGE_AVAILABLE = "storage_available"
    READINGS_FULL = "readings_full"
    READINGS_HAVE_ROOM = "readings_have_room"
    CALIBRATION_FULL = "calibration_full"
    CALIBRATION_HAS_ROOM = "calibration_has_room"
    NETWORKS_JOINED = "networks_joined"
    NETWORKS_SEPARATE = "networks_separate"
    CLOCK_INVALID = "clock_invalid"
    CLOCK_VALID = "clock_valid"


class Condition(StrEnum):
    """Name what a gateway can be in; several may hold at once."""

    PROGRAM_DAMAGED = "program_damaged"
    VERSION_DIFFERS = "version_differs"
    SLOT_FAULTY = "slot_faulty"
    LOGS_FULL = "logs_full"
    INTEGRITY_LOST = "integrity_lost"
    CHECKS_FAILED = "checks_failed"
    CHECKS_PENDING = "checks_pending"
    STORAGE_FULL = "storage_full"
    READINGS_FULL = "readings_full"
    CALIBRATION_FULL = "calibration_full"
    NETWORKS_JOINED = "networks_joined"
    CLOCK_INVALID = "clock_invalid"


class Rule(NamedTuple):
    """Say which state a condition demands, what begins and ends it, and what is told."""

    state: State
    begins: Event | None
    ends: Event | None
    """None: only a new start ends it."""
    reason: str
    """Why the state is entered, as in the log."""
    over: str = ""
    """Why it is left, as in the log."""
    logged: str = ""
    """Event of the log catalogue that tells of its beginning, beside `state_changed`."""
    logged_end: str = ""
    alarm: bool = True
    """Whether it stands in the administrator's list of alarms."""
    at_start: bool = False
    """Whether it can only begin while the checks of a start are under way."""


def _at_start(state: State, begins: Event, reason: str) -> Rule:
    return Rule(state, begins, None, reason, logged="boot_failed", at_start=True)


CONDITIONS: dict[Condition, Rule] = {
    Condition.PROGRAM_DAMAGED: _at_start(State.SECURE_BOOT, Event.PROGRAM_DAMAGED, "program is missing or damaged"),
    Condition.VERSION_DIFFERS: _at_start(State.SECURE_BOOT, Event.VERSION_DIFFERS, "another version than expected"),
    Condition.SLOT_FAULTY: _at_start(State.SECURE_BOOT, Event.SLOT_FAULTY, "inactive slot faulty for 30 days"),
    Condition.LOGS_FULL: Rule(State.SECURE_BOOT, Event.LOGS_FULL, None, "log books are full", logged="logs_full"),
    Condition.INTEGRITY_LOST: Rule(State.SECURE_BOOT, Event.INTEGRITY_LOST, None, "stored data is not intact", logged="integrity_error"),
    Condition.CHECKS_FAILED: _at_start(State.RESTART_LOOP, Event.BOOT_CHECKS_FAILED, "boot checks failed"),
    Condition.CHECKS_PENDING: Rule(State.BOOT, None, Event.BOOT_CHECKS_PASSED, "starting", "boot checks passed", alarm=False),
    Condition.STORAGE_FULL: Rule(
        State.SECURE_APPLICATION,
        Event.STORAGE_FULL,
        Event.STORAGE_AVAILABLE,
        "storage takes nothing",
        "storage accepts data",
        "storage_full",
        "storage_available",
    ),
    Condition.READINGS_FULL: Rule(
        State.SECURE_APPLICATION,
        Event.READINGS_FULL,
        Event.READINGS_HAVE_ROOM,
        "measured values reached their limit",
        "measured values have room",
        "readings_full",
        "storage_available",
    ),
    Condition.CALIBRATION_FULL: Rule(
        State.SECURE_APPLICATION,
        Event.CALIBRATION_FULL,
        Event.CALIBRATION_HAS_ROOM,
        "calibration log reached its limit",
        "calibration log has room",
        "calibration_log_full",
        "storage_available",
    ),
    Condition.NETWORKS_JOINED: Rule(
        State.SECURE_CONNECTIVITY,
        Event.NETWORKS_JOINED,
        Event.NETWORKS_SEPARATE,
        "WAN and HAN are not separate",
        "WAN and HAN are separate",
        "networks_joined",
        "networks_separate",
    ),
    Condition.CLOCK_INVALID: Rule(State.SECURE_MEASUREMENT, Event.CLOCK_INVALID, Event.CLOCK_VALID, "time is not valid", "time is valid"),
}
"""Every condition, the gravest first."""

INITIAL = frozenset({Condition.CHECKS_PENDING, Condition.CLOCK_INVALID})
"""What holds when a gateway starts."""


def state_of(conditions: frozenset[Condition]) -> State:
    """Give the state that the gravest of some conditions demands; Normal when there is none."""
    return next((rule.state for condition, rule in CONDITIONS.items() if condition in conditions), State.NORMAL)


def allowed_by(conditions: frozenset[Condition]) -> frozenset[Permission]:
    """Give what all of some conditions allow."""
    return _ALL.intersection(*(ALLOWED[CONDITIONS[condition].state] for condition in conditions))


class Change(NamedTuple):
    """Say what an event did to one condition."""

    condition: Condition
    began: bool
    conditions: frozenset[Condition]
    """All that hold now."""

    @property
    def reason(self) -> str:
        """Say why, as in the log."""
        rule = CONDITIONS[self.condition]
        return rule.reason if self.began else rule.over

    @property
    def logged(self) -> str:
        """Name the event of the log catalogue that tells of it, if any."""
        rule = CONDITIONS[self.condition]
        return rule.logged if self.began else rule.logged_end


def change_of(conditions: frozenset[Condition], event: Event) -> Change | None:
    """Give what an event changes in the conditions, or None when it changes nothing."""
    for condition, rule in CONDITIONS.items():
        possible = not rule.at_start or Condition.CHECKS_PENDING in conditions
        if rule.begins is event and condition not in conditions and possible:
            return Change(condition, True, conditions | {condition})
        if rule.ends is event and condition in conditions:
            return Change(condition, False, conditions - {condition})
    return None


def require(state: State, permission: Permission) -> None:
    """Raise UsageError state.refused when a state does not allow something."""
    if permission not in ALLOWED[state]:
        raise UsageError("state.refused", f"{permission} in {state}")


class Step(NamedTuple):
    """Say where an event leads."""

    after: State
    reason: str


def _transitions() -> dict[tuple[State, Event], Step]:
    """Read the table of transitions off the conditions: what an event does to a gateway in which one condition holds, or none."""
    passing = [condition for condition, rule in CONDITIONS.items() if rule.ends is not None and condition is not Condition.CHECKS_PENDING]
    table = {}
    for conditions in (INITIAL, frozenset[Condition](), *(frozenset({condition}) for condition in passing)):
        before = state_of(conditions)
        for event in Event:
            change = change_of(conditions, event)
            if change is not None and state_of(change.conditions) is not before:
                table[before, event] = Step(state_of(change.conditions), change.reason)
    return table


TRANSITIONS: dict[tuple[State, Event], Step] = _transitions()
"""(state, event) -> next state, when nothing else holds; a pair that is not here leaves the state as it is."""
