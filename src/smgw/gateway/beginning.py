"""Begin normal operation in the order of the annex: time, self-test, profiles, pairing of meters; each is done once and for good.

Source: LIFE-09; TR-03109-1 Annex VI, 2.3.4.
"""

import asyncio
from contextlib import suppress

from smgw.core.errors import Unavailable
from smgw.core.instant import ClockStatus
from smgw.core.life_cycle import Action, Mark
from smgw.gateway.clock import GatewayClock
from smgw.gateway.lifecycle import LifeKeeper, Tell
from smgw.gateway.states import StateKeeper
from smgw.gateway.upkeep import Upkeep
from smgw.storage.journal import Journal

TEST_AGAIN_S = 60.0
"""So long after a failed self-test the next one is made, in real seconds, until one has passed."""
_PAIRED = "paired/"


class Beginning:
    """Watch a gateway begin its work, and note what of it is done."""

    def __init__(self, keeper: LifeKeeper, journal: Journal, clock: GatewayClock, states: StateKeeper, upkeep: Upkeep) -> None:
        self._keeper = keeper
        self._journal = journal
        self._clock = clock
        self._upkeep = upkeep
        self._time_is_valid = asyncio.Event()
        self._paired: set[str] = set()
        states.watch(self._look_at_clock)

    async def run(self) -> None:
        """See time and self-test through, then end."""
        self._look_at_clock()
        if self._lacks(Mark.TIME):
            await self._time_is_valid.wait()
            self._note(Action.SYNCHRONISE_TIME)
        pause_s = 0.0
        while self._lacks(Mark.SELF_TEST):
            await asyncio.sleep(pause_s)
            self._upkeep.tested.clear()
            self._upkeep.wanted.set()
            await self._upkeep.tested.wait()
            last, pause_s = self._upkeep.last_test, TEST_AGAIN_S
            if last is not None and not last.failed:
                self._note(Action.TEST_ITSELF)

    def profile_installed(self) -> None:
        """Note the first profile."""
        if self._lacks(Mark.PROFILES):
            self._note(Action.INSTALL_PROFILE)

    def heard(self, meter_id: str) -> None:
        """Note the first record of a meter that was accepted under its profile and with its keys: it is paired."""
        if meter_id in self._paired:
            return
        self._paired.add(meter_id)
        if self._journal.get_state(_PAIRED + meter_id) is not None or self._lacks(Mark.PROFILES):
            return
        with suppress(Unavailable):
            tell = Tell("meter_paired", {"meter": meter_id})
            if self._lacks(Mark.METERS):
                self._keeper.done(Action.PAIR_METER, tell)
            else:
                self._keeper.tell(tell)
            self._journal.set_state(_PAIRED + meter_id, b"1")

    def _look_at_clock(self) -> None:
        if self._clock.status is ClockStatus.VALID:
            self._time_is_valid.set()

    def _lacks(self, mark: Mark) -> bool:
        return mark not in self._keeper.life.marks

    def _note(self, action: Action) -> None:
        # A disk that takes nothing is found out elsewhere; the next start notes it.
        with suppress(Unavailable):
            self._keeper.done(action)
