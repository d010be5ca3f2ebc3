"""A simulated meter of gas, water, heat or cold that sends its register as SML, as through an adapter at a wired line.

Source: LMN-01, LMN-07; what comes over the air (OMS) is no part of this.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from smgw.codec.sml import ListEntry
from smgw.core.errors import ConfigError
from smgw.core.identifiers import DeviceId, server_id_of
from smgw.core.obis import Obis
from smgw.core.quantity import Unit
from smgw.simulation.household import BEGIN
from smgw.simulation.meters.sml_meter import DEVICE, MANUFACTURER, frame_of

_UNSIGNED64: Final = 0x69


class Sector(NamedTuple):
    """Say what a meter of a sector counts."""

    register: Obis
    unit: Unit
    scaler: int
    by_day: int
    """Steps of the register a day, mornings and evenings only."""


SECTORS: Final[dict[str, Sector]] = {
    "5": Sector(Obis(5, 0, 1, 0, 0), Unit.WATT_HOUR, 2, 60),
    "6": Sector(Obis(6, 0, 1, 0, 0), Unit.WATT_HOUR, 2, 240),
    "7": Sector(Obis(7, 0, 3, 0, 0), Unit.CUBIC_METRE, -2, 480),
    "8": Sector(Obis(8, 0, 1, 0, 0), Unit.CUBIC_METRE, -3, 360),
    "9": Sector(Obis(9, 0, 1, 0, 0), Unit.CUBIC_METRE, -3, 180),
}
"""First digit of a meter's DIN id -> what it counts: cold, heat, gas, cold water, hot water."""

_BUSY_HOURS: Final = (6, 7, 18, 19, 20, 21)


class SectorMeter:
    """Show the register of one meter. Raises: ConfigError simulation.profile for another sector."""

    def __init__(self, device_id: DeviceId) -> None:
        if device_id.medium not in SECTORS:
            raise ConfigError("simulation.profile", f"{device_id} begins with none of {', '.join(SECTORS)}")
        self.sector = SECTORS[device_id.medium]
        self.server_id = server_id_of(device_id)
        self._maker = device_id.manufacturer.encode()
        self._installed = datetime(BEGIN.year, BEGIN.month, BEGIN.day, tzinfo=UTC)

    def value_at(self, moment: datetime) -> int:
        """Give the register in its own steps; it never decreases, and at any moment is what it always was for it."""
        days, rest = divmod(moment - self._installed, timedelta(days=1))
        busy_s = sum(min(max(int(rest.total_seconds()) - hour * 3600, 0), 3600) for hour in _BUSY_HOURS)
        return self.sector.by_day * days + self.sector.by_day * busy_s // (3600 * len(_BUSY_HOURS))

    def telegram(self, moment: datetime) -> bytes:
        """Give the whole transport frame that the meter sends at `moment`."""
        sector = self.sector
        value = self.value_at(moment)
        entries = (
            ListEntry(bytes(MANUFACTURER), value=self._maker),
            ListEntry(bytes(DEVICE), value=self.server_id),
            ListEntry(bytes(sector.register), unit=sector.unit, scaler=sector.scaler, value=value, value_format=_UNSIGNED64),
        )
        return frame_of(self.server_id, (moment - self._installed) // timedelta(seconds=1), entries)
