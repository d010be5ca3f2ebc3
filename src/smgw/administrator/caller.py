"""Decide when a gateway that opens its channel only on wake-up is called, and when it is let go. Source: WAN-04, ADM-04."""

from smgw.administrator.books import Books
from smgw.administrator.wakeup import WakeUpService
from smgw.core.profiles import profile_key

_Held = tuple[tuple[str, str, int], ...]


class Caller:
    """Know which gateways have something waiting for them."""

    def __init__(self, books: Books, service: WakeUpService) -> None:
        self._books = books
        self.service = service
        self._seen_revision = -1
        self._done: dict[str, _Held] = {}
        self._stale: set[str] = set()

    def may_go(self, device_id: str) -> bool:
        """Tell whether a gateway opens its channel only on wake-up, so that it is let go once its work is done."""
        return self._books.wake_ups.is_by_call(device_id)

    def done(self, device_id: str) -> None:
        """Note that a gateway holds all its profiles as they now are."""
        self._done[device_id] = self._profiles(device_id)
        self._stale.discard(device_id)

    def waiting(self) -> list[str]:
        """List the gateways to be called: not connected, and a job or a profile waits; after a start each is called once."""
        by_call = self._books.wake_ups.by_call()
        changing = [device_id for device_id in self._books.successions.to_be_called() if not self._books.inventory.is_connected(device_id)]
        revision = self._books.inventory.revision()
        if revision != self._seen_revision:
            self._stale = {device_id for device_id in by_call if self._done.get(device_id) != self._profiles(device_id)}
            self._seen_revision = revision
        return [*changing, *(device_id for device_id in by_call if device_id not in changing and self._is_waited_for(device_id))]

    def _is_waited_for(self, device_id: str) -> bool:
        if self._books.inventory.is_connected(device_id):
            return False
        return device_id in self._stale or device_id not in self._done or bool(self._books.jobs.waiting(device_id))

    def _profiles(self, device_id: str) -> _Held:
        held = self._books.inventory.profiles(device_id)
        return tuple(sorted((kind, profile_key(profile), profile.version) for kind, profile in held))
