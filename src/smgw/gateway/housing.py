"""Watch the contact of the housing: that a gateway's case was opened stands in its logs, and the administrator is told at once.

The contact is closed while the case is, so a cut wire looks like an open case, and so does an input that can't be read any more. What
happens while the gateway has no power is seen at its next start only if the case is open then.
Source: LOG-01, ADM-06; TR-03109-1 Annex VI, table 4 step 1.1.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path

from smgw.core.errors import ConfigError, Unavailable
from smgw.gateway.logs import Recorder
from smgw.storage.journal import Journal

LOOK_S = 0.25
"""How often the contact is looked at, in real seconds."""
LOOKS = 3
"""So many looks in a row must agree: a contact bounces."""
STATE = "housing"
_OPEN, _CLOSED = b"open", b"closed"


class HousingContact:
    """Read the contact through the kernel's file of a GPIO line, `/sys/class/gpio/gpio27`; 1 is closed."""

    def __init__(self, folder: Path) -> None:
        """Make the line an input. Raises: ConfigError gateway.housing_contact when this process may not read it."""
        self._value = folder / "value"
        try:
            if not folder.exists() and folder.name.removeprefix("gpio").isdecimal():
                (folder.parent / "export").write_text(folder.name.removeprefix("gpio"))
            (folder / "direction").write_text("in")
            self._value.read_bytes()
        except OSError as problem:
            raise ConfigError("gateway.housing_contact", f"{folder}: {problem.strerror}") from problem

    def is_closed(self) -> bool:
        """Tell whether the case is closed."""
        with suppress(OSError):
            return self._value.read_bytes().strip() == b"1"
        return False


def housing_work(place: str, journal: Journal, recorder: Recorder, device_id: str) -> list[tuple[str, Coroutine[object, object, None]]]:
    """Give the work of watching the contact at a place, with its name; none where there is none.

    Raises: ConfigError gateway.housing_contact.
    """
    return [("housing", watch_housing(HousingContact(Path(place)), journal, recorder, device_id))] if place else []


async def watch_housing(contact: HousingContact, journal: Journal, recorder: Recorder, device_id: str) -> None:
    """Tell of each opening once, also over restarts, until cancelled."""
    looks: list[bool] = []
    while True:
        looks = [*looks[1 - LOOKS :], contact.is_closed()]
        if len(looks) == LOOKS and len(set(looks)) == 1:
            note_housing(journal, recorder, device_id, closed=looks[0])
        await asyncio.sleep(LOOK_S)


def note_housing(journal: Journal, recorder: Recorder, device_id: str, *, closed: bool) -> None:
    """Log that the case was opened when it was closed before; what a full store does not take is tried again."""
    before, now = journal.get_state(STATE) or _CLOSED, _CLOSED if closed else _OPEN
    if before == now:
        return
    with suppress(Unavailable), journal.transaction():
        journal.set_state(STATE, now)
        if not closed:
            recorder.record("case_opened", subject=device_id, success=False)
