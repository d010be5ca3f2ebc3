"""Keep the operating state: events move it along the table of `smgw.core.state`, and each change is logged."""

from smgw.core.state import ALLOWED, Event, Permission, State, next_state
from smgw.gateway.logs import Recorder


class StateKeeper:
    """Hold the present state. Source: STATE-01."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.state = State.BOOT

    def handle(self, event: Event) -> None:
        """Move to the state that the table names, if any; a change that can't be logged (storage full) is logged as soon as it can."""
        step = next_state(self.state, event)
        if step is None:
            return
        before, self.state = self.state, step.after
        self._recorder.note("state_changed", before=before, after=step.after, reason=step.reason)
        if event in _TELLING:
            self._recorder.note(_TELLING[event])

    def allows(self, permission: Permission) -> bool:
        """Tell whether the present state allows something."""
        return permission in ALLOWED[self.state]

    @property
    def storage_full(self) -> bool:
        """Tell whether measuring has stopped for want of storage; each telegram then tries the store again."""
        return self.state is State.SECURE_APPLICATION


_TELLING = {Event.STORAGE_FULL: "storage_full", Event.STORAGE_AVAILABLE: "storage_available"}
