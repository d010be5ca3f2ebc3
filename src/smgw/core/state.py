"""Operating states of a gateway and their transitions as one table."""

from enum import StrEnum
from typing import NamedTuple

from smgw.core.errors import UsageError


class State(StrEnum):
    """Name the operating states (STATE-01)."""

    BOOT = "boot"
    NORMAL = "normal"
    SECURE_BOOT = "secure_state_boot"
    SECURE_APPLICATION = "secure_state_application"
    SECURE_CONNECTIVITY = "secure_state_connectivity"
    SECURE_MEASUREMENT = "secure_state_measurement"


class Event(StrEnum):
    """Name what can change the operating state."""

    BOOT_CHECKS_PASSED = "boot_checks_passed"
    BOOT_CHECKS_FAILED = "boot_checks_failed"
    CLOCK_VALID = "clock_valid"
    CLOCK_INVALID = "clock_invalid"
    STORAGE_FULL = "storage_full"
    STORAGE_AVAILABLE = "storage_available"
    INTEGRITY_LOST = "integrity_lost"


class Step(NamedTuple):
    """Say where an event leads."""

    after: State
    reason: str


TRANSITIONS: dict[tuple[State, Event], Step] = {
    (State.BOOT, Event.BOOT_CHECKS_PASSED): Step(State.SECURE_MEASUREMENT, "waiting for valid time"),
    (State.BOOT, Event.BOOT_CHECKS_FAILED): Step(State.SECURE_BOOT, "boot checks failed"),
    (State.SECURE_MEASUREMENT, Event.CLOCK_VALID): Step(State.NORMAL, "time is valid"),
    (State.NORMAL, Event.CLOCK_INVALID): Step(State.SECURE_MEASUREMENT, "time is not valid"),
    (State.NORMAL, Event.STORAGE_FULL): Step(State.SECURE_APPLICATION, "storage is full"),
    (State.SECURE_MEASUREMENT, Event.STORAGE_FULL): Step(State.SECURE_APPLICATION, "storage is full"),
    (State.SECURE_APPLICATION, Event.STORAGE_AVAILABLE): Step(State.SECURE_MEASUREMENT, "storage accepts data"),
    (State.NORMAL, Event.INTEGRITY_LOST): Step(State.SECURE_BOOT, "stored data is not intact"),
    (State.SECURE_MEASUREMENT, Event.INTEGRITY_LOST): Step(State.SECURE_BOOT, "stored data is not intact"),
    (State.SECURE_APPLICATION, Event.INTEGRITY_LOST): Step(State.SECURE_BOOT, "stored data is not intact"),
}
"""(state, event) -> next state. A pair that is not here leaves the state as it is."""


class Permission(StrEnum):
    """Name what a gateway may do or not, depending on its state."""

    MEASURE = "measure"
    DELIVER = "deliver"
    SERVE_CONSUMER = "serve_consumer"
    OBEY_ADMINISTRATOR = "obey_administrator"
    KEEP_TIME = "keep_time"


ALLOWED: dict[State, frozenset[Permission]] = {
    State.BOOT: frozenset(),
    State.NORMAL: frozenset(Permission),
    State.SECURE_BOOT: frozenset(),
    State.SECURE_APPLICATION: frozenset({Permission.OBEY_ADMINISTRATOR, Permission.KEEP_TIME, Permission.SERVE_CONSUMER}),
    State.SECURE_CONNECTIVITY: frozenset(Permission) - {Permission.SERVE_CONSUMER},
    State.SECURE_MEASUREMENT: frozenset(Permission),
}
"""What each state allows. In Secure State Measurement values are taken but marked, because time is not valid."""


def next_state(state: State, event: Event) -> Step | None:
    """Give the step that an event causes, or None when it changes nothing."""
    step = TRANSITIONS.get((state, event))
    return step if step is not None and step.after is not state else None


def require(state: State, permission: Permission) -> None:
    """Raise UsageError state.refused when a state does not allow something."""
    if permission not in ALLOWED[state]:
        raise UsageError("state.refused", f"{permission} in {state}")
