"""The registry: which gateways may deliver, for which meters and under which contracts.

Source: EMT-01, LIFE-02; 50-headend-scale 6.2 (registry tables).
"""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from smgw.core.delivery import is_pseudonym
from smgw.core.errors import PeerFault, SecurityFault, UsageError
from smgw.core.identifiers import DeviceId, is_logical_name
from smgw.participant.database import transaction

DEFAULT_PERIOD_S = 900


class AssignedMeter(NamedTuple):
    """Name a meter, the gateway that delivers it, and its register period."""

    meter_id: str
    gateway_id: str
    period_s: int


class Registry:
    """Keep assignments in a database that the caller owns."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def register(
        self, gateway_id: str, meters: Iterable[str] = (), contracts: Iterable[str] = (), *, period_s: int = DEFAULT_PERIOD_S
    ) -> None:
        """Assign meters and contracts to a gateway; a meter that another gateway had moves to this one.

        A pseudonym stands for gateway and meter alike.

        Raises: UsageError participant.register; Unavailable participant.store.
        """
        meters, contracts = list(meters), list(contracts)
        named = _is_device_id(gateway_id) or is_pseudonym(gateway_id)
        if not named or not all(map(is_logical_name, contracts)) or not all(meters) or period_s <= 0:
            raise UsageError("participant.register", f"{gateway_id} {meters} {contracts} {period_s}"[:200])
        with transaction(self._connection):
            execute = self._connection.execute
            execute("INSERT OR IGNORE INTO gateway VALUES (?)", (gateway_id,))
            for meter in meters:
                execute("INSERT OR REPLACE INTO gateway_meter VALUES (?, ?, ?)", (meter, gateway_id, period_s))
            for contract in contracts:
                execute("INSERT OR IGNORE INTO gateway_contract VALUES (?, ?)", (gateway_id, contract))

    def knows(self, gateway_id: str) -> bool:
        """Tell whether a gateway is registered."""
        return self._has("SELECT 1 FROM gateway WHERE gateway_id = ?", gateway_id)

    def require_gateway(self, gateway_id: str) -> None:
        """Demand that a gateway is registered. Raises: SecurityFault delivery.unknown_gateway."""
        if not self.knows(gateway_id):
            raise SecurityFault("delivery.unknown_gateway", gateway_id)

    def require_assignment(self, gateway_id: str, meter_id: str, contract: str) -> None:
        """Demand that meter and contract belong to the gateway. Raises: SecurityFault delivery.unknown_meter."""
        if not self._has("SELECT 1 FROM gateway_meter WHERE gateway_id = ? AND meter_id = ?", gateway_id, meter_id):
            raise SecurityFault("delivery.unknown_meter", f"meter {meter_id} at {gateway_id}")
        if not self._has("SELECT 1 FROM gateway_contract WHERE gateway_id = ? AND contract = ?", gateway_id, contract):
            raise SecurityFault("delivery.unknown_meter", f"contract {contract} at {gateway_id}")

    def period_of(self, meter_id: str) -> int:
        """Give a meter's register period in seconds."""
        meter = self.meter(meter_id)
        return meter.period_s if meter else DEFAULT_PERIOD_S

    def meter(self, meter_id: str) -> AssignedMeter | None:
        """Give one meter's assignment."""
        query = "SELECT meter_id, gateway_id, period_s FROM gateway_meter WHERE meter_id = ?"
        row = self._connection.execute(query, (meter_id,)).fetchone()
        return AssignedMeter(*row) if row else None

    def meters(self) -> list[AssignedMeter]:
        """List all meters by id."""
        rows = self._connection.execute("SELECT meter_id, gateway_id, period_s FROM gateway_meter ORDER BY meter_id")
        return [AssignedMeter(*row) for row in rows]

    def _has(self, query: str, *parameters: str) -> bool:
        return self._connection.execute(query, parameters).fetchone() is not None


def _is_device_id(text: str) -> bool:
    try:
        return str(DeviceId.parse(text)) == text
    except PeerFault:
        return False
