"""The administrator's books: all that it keeps in its store, opened once by whoever composes it."""

from pathlib import Path
from typing import NamedTuple

from smgw.administrator.alarms import Alarms
from smgw.administrator.approvals import Approvals
from smgw.administrator.audit import Audit
from smgw.administrator.campaigns import Campaigns
from smgw.administrator.cases import Cases
from smgw.administrator.exchanges import Exchanges
from smgw.administrator.inventory import Inventory
from smgw.administrator.jobs import Jobs
from smgw.administrator.market_orders import MarketOrders
from smgw.administrator.monitoring import Incidents
from smgw.administrator.notifications import Notifications
from smgw.administrator.read_back import ProfileRefusals
from smgw.administrator.releases import Releases
from smgw.administrator.store import Store
from smgw.administrator.succession import Successions
from smgw.administrator.users import Users
from smgw.administrator.wakeup import WakeUps


class Books(NamedTuple):
    """Hold the store and what is kept in it, a book for each kind of thing."""

    store: Store
    audit: Audit
    inventory: Inventory
    jobs: Jobs
    users: Users
    approvals: Approvals
    alarms: Alarms
    releases: Releases
    campaigns: Campaigns
    cases: Cases
    wake_ups: WakeUps
    successions: Successions
    exchanges: Exchanges
    incidents: Incidents
    notifications: Notifications
    market_orders: MarketOrders
    refusals: ProfileRefusals

    def close(self) -> None:
        """Close the store."""
        self.store.close()


def open_books(path: Path) -> Books:
    """Open or make the books. Raises: Unavailable administrator.store, IntegrityFault administrator.damaged."""
    store = Store(path)
    try:
        audit = Audit(store)
        inventory, jobs, releases = Inventory(store, audit), Jobs(store, audit), Releases(store, audit, path.parent)
        incidents, approvals = Incidents(store), Approvals(store, audit)
        return Books(
            store,
            audit,
            inventory,
            jobs,
            Users(store, audit),
            approvals,
            Alarms(store, audit),
            releases,
            Campaigns(store, audit, inventory, jobs, releases),
            Cases(store, audit),
            WakeUps(store, audit),
            Successions(store, audit),
            Exchanges(store, audit, inventory),
            incidents,
            Notifications(store, incidents),
            MarketOrders(store, audit, inventory, jobs, approvals),
            ProfileRefusals(store),
        )
    except BaseException:
        store.close()
        raise
