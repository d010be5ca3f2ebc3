"""The kinds of work that go on after the answer to their command. Each can be begun again: what is done already is only told.

Source: WAN-08, STATE-03, ADM-05, ADM-12, LIFE-11.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from smgw.core.errors import DomainFault
from smgw.core.instant import utc_text
from smgw.gateway.delivery import Pump
from smgw.gateway.firmware import ACTIVATION_ENDS, ORDER_ENDS, Firmware
from smgw.gateway.key_desk import KeyDesk
from smgw.gateway.pending import End, Ended, Work
from smgw.gateway.succession import Stage, Successions
from smgw.gateway.upkeep import LastTest, Upkeep


class Workers(NamedTuple):
    """Hold what does the work."""

    upkeep: Upkeep
    pump: Pump
    firmware: Firmware
    keys: KeyDesk
    successions: Successions

    def works(self) -> Mapping[str, Work]:
        """Give each kind of work by its name."""
        return {
            "self-test": self._self_test,
            "connect": self._connect,
            "firmware-order": lambda order_id, end: self.firmware.follow(ORDER_ENDS, order_id, end),
            "firmware-activation": lambda order_id, end: self.firmware.follow(ACTIVATION_ENDS, order_id, end),
            "take-over": self._take_over,
            "announce-end": self._announce_end,
            "decommission": self._decommission,
        }

    def _self_test(self, _subject: str, end: End) -> None:
        def report(last: LastTest) -> None:
            facts = {"time": utc_text(last.time), "checks": last.checks, "failed": last.failed}
            end(Ended(500, facts, last.failed[0]) if last.failed else Ended(200, facts))

        self.upkeep.order(report)

    def _connect(self, partner: str, end: End) -> None:
        def report(code: str) -> None:
            end(Ended(500 if code else 200, {"partner": partner, "reached": not code}, code))

        self.pump.connect(partner, report)

    def _take_over(self, _subject: str, end: End) -> None:
        succession = self.successions.current
        if succession is None or succession.stage is Stage.ANNOUNCED:
            raise DomainFault("succession.none")
        if succession.stage is Stage.TAKEN:
            end(Ended())
        else:
            # It ends this run; the next one, with the new administrator, tells it.
            self.successions.take_over()

    def _announce_end(self, at: str, end: End) -> None:
        self.keys.announced(datetime.fromisoformat(at))
        end(Ended())

    def _decommission(self, _subject: str, end: End) -> None:
        self.keys.decommissioned()
        end(Ended())
