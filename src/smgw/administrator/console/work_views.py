"""What the pages about work with others show: technicians, other administrators, market participants. Source: ADM-09, ADM-12, DIAG-02."""

from typing import Any

import msgspec

from smgw.administrator.api import cases, market_orders, successions
from smgw.administrator.api.endpoints import Call
from smgw.administrator.api.routes import read
from smgw.administrator.console.language import Language
from smgw.administrator.succession import WITHDRAWN

CASES_SHOWN = 200
PARTS_SHOWN, COLUMNS_SHOWN, ROWS_SHOWN = 30, 10, 200
STEPS = {"outgoing": ("wanted", "announced", "handed_over"), "incoming": ("expected", "checked", "taken")}
"""Side of a change -> its states from begin to end; every other state is one where it was given up."""

Values = dict[str, Any]


def case_list(call: Call, asked: dict[str, str], _: Language) -> Values:
    """Show technicians' cases."""
    gateway = asked.get("gateway", "")
    query = read({"gateway": gateway, "limit": CASES_SHOWN}, cases.CaseQuery, strict=False)
    return {"rows": cases.cases(call._replace(query=query)), "gateway": gateway}


def case(call: Call, _: dict[str, str], language: Language) -> Values:
    """Show one case with what came back."""
    view = cases.case(call)
    return {"row": view.case, "report": view.report, "diagnosis": _parts(msgspec.json.decode(view.diagnosis), language)}


def _parts(diagnosis: object, language: Language) -> list[tuple[str, list[str], Any]] | None:
    """Give each part of a diagnosis with its columns; one without columns is no table. The gateway may have sent anything."""
    if not isinstance(diagnosis, dict):
        return None
    found: list[tuple[str, list[str], Any]] = []
    for name, value in list(diagnosis.items())[:PARTS_SHOWN]:
        rows = [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
        if rows and name == "log":
            text = "text_de" if language.code == "de" else "text"
            rows = [{"time": row.get("time"), "text": row.get(text), "success": row.get("success")} for row in reversed(rows)]
        columns = list(dict.fromkeys(str(key) for row in rows for key in row))[:COLUMNS_SHOWN]
        found.append((str(name), columns, rows[:ROWS_SHOWN] if rows else value))
    return found


def succession_list(call: Call, asked: dict[str, str], _: Language) -> Values:
    """Show changes of the administrator, those that are not over first."""
    rows = sorted(successions.successions(call), key=lambda row: row.state not in (*WITHDRAWN, "checked"))
    return {
        "rows": [(row, STEPS[row.side], STEPS[row.side].index(row.state) if row.state in STEPS[row.side] else -1) for row in rows],
        "may_withdraw": frozenset(WITHDRAWN),
        "gateway": asked.get("gateway", ""),
    }


def order_list(call: Call, asked: dict[str, str], _: Language) -> Values:
    """Show participants' orders."""
    gateway = asked.get("gateway", "")
    query = read({"gateway": gateway}, market_orders.MarketOrderQuery, strict=False)
    view = market_orders.orders(call._replace(query=query))
    return {"rows": view.orders, "refusals": view.refusals, "gateway": gateway, "held": "order" in call.desk.four_eyes}
