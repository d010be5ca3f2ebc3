"""`smgw administrator`: run a gateway administrator, and work with one that runs."""

import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlencode

import msgspec
import typer

from smgw.administrator.backup import make_backup, restore_backup
from smgw.administrator.config import AdministratorFolder
from smgw.administrator.service import run_administrator
from smgw.administrator.users import LOCAL
from smgw.cli import (
    administrator_cases,
    administrator_cosem,
    administrator_firmware,
    administrator_life,
    administrator_local,
    administrator_monitoring,
    administrator_notifications,
    administrator_orders,
    administrator_succession,
    administrator_template,
    administrator_wakeup,
)
from smgw.cli.administrator_parts import (
    AsJson,
    DataFolder,
    TokenFile,
    Url,
    asking,
    faults_shown,
    local_books,
    print_json,
    say,
    show_facts,
    show_table,
)
from smgw.cli.service import Ready, allow_many_connections, run_role
from smgw.core.errors import ConfigError, Unavailable
from smgw.net.clock import ClockPort
from smgw.security.files import write_durably
from smgw.security.secret_file import load_secret

app = typer.Typer(help="Run a gateway administrator, and work with one that runs.", no_args_is_help=True)
profile_app = typer.Typer(help="Profiles that a gateway shall hold.", no_args_is_help=True)
job_app = typer.Typer(help="Commands to a gateway.", no_args_is_help=True)
proposal_app = typer.Typer(help="What waits for a second person.", no_args_is_help=True)
app.add_typer(profile_app, name="profile")
app.add_typer(job_app, name="job")
app.add_typer(proposal_app, name="proposal")
app.add_typer(administrator_firmware.app, name="firmware")
app.add_typer(administrator_wakeup.app, name="wake-up")
app.add_typer(administrator_template.app, name="template")
app.add_typer(administrator_life.app, name="life")
app.add_typer(administrator_monitoring.incident_app, name="incident")
app.add_typer(administrator_monitoring.alarm_app, name="alarm")
app.add_typer(administrator_notifications.app, name="notification")
app.add_typer(administrator_cases.app, name="case")
app.add_typer(administrator_orders.app, name="order")
app.add_typer(administrator_cosem.app, name="cosem")
app.add_typer(administrator_succession.app, name="succession")
app.add_typer(administrator_local.audit_app, name="audit")
app.add_typer(administrator_local.user_app, name="user")

GatewayId = Annotated[str, typer.Argument(help="Device id, for example ESGW0000000001.")]
Passphrase = Annotated[Path, typer.Option("--passphrase", help="File with the passphrase, readable by its owner alone.", metavar="FILE")]
JOB_COLUMNS = {
    "id": "No.", "method": "Method", "resource": "Resource", "state": "State", "code": "Code", "created_by": "By", "ended_at": "Ended",
}  # fmt: skip


@app.callback()
def group() -> None:
    """Run a gateway administrator, and work with one that runs."""


@app.command()
def run(
    data: Annotated[Path, typer.Option(help="The administrator's folder.")],
    clock: Annotated[str, typer.Option(help="`system`, or `paced:PATH` for simulated time.")] = "system",
    stop_on_eof: Annotated[bool, typer.Option(help="Stop when standard input ends.")] = False,
) -> None:
    """Run the administrator of a folder until it is stopped."""

    async def role(port: ClockPort, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
        return await run_administrator(AdministratorFolder(data), port, ready, stop)

    allow_many_connections()
    raise typer.Exit(run_role(role, clock, stop_on_eof=stop_on_eof))


@app.command()
def gateways(
    data: DataFolder,
    search: Annotated[str, typer.Option(help="Part of device id, state or firmware.")] = "",
    state: Annotated[str, typer.Option(help="Only gateways in this state.")] = "",
    days: Annotated[int | None, typer.Option(help="Only gateways with at most so many days of a certificate left.")] = None,
    reachable: Annotated[
        bool | None, typer.Option("--reachable/--unreachable", help="Only gateways with an open channel, or without.")
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=1000)] = 1000,
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """List the fleet.

    Example: smgw administrator gateways --data gwa --days 30
    """
    asked = {"search": search, "state": state, "days": days, "reachable": reachable, "limit": limit}
    given = {name: str(value).lower() if isinstance(value, bool) else value for name, value in asked.items() if value not in ("", None)}
    with asking(data, url, token, as_json) as client:
        fleet = client.ask("GET", f"/gateways?{urlencode(given)}")
    if as_json:
        print_json(fleet)
        return
    columns = {"device_id": "Gateway", "state": "State", "reachable": "Channel open", "alarms": "Faults", "last_contact": "Last contact",
               "firmware": "Firmware", "certificate_days_left": "Certificate days"}  # fmt: skip
    show_table(fleet["gateways"], columns, as_json)
    say(f"{fleet['total']} of {fleet['all']} gateways")


@app.command()
def gateway(data: DataFolder, device_id: GatewayId, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """Show one gateway: state, certificates, profiles, what it reports about itself."""
    with asking(data, url, token, as_json) as client:
        view = client.ask("GET", f"/gateways/{quote(device_id, safe='')}")
    if as_json:
        print_json(view)
        return
    show_facts({**view["gateway"], **{name: value for name, value in view["facts"].items() if name not in view["gateway"]}}, as_json)
    show_table(view["certificates"], {"use": "Use", "subject": "Subject", "not_after": "Until", "days_left": "Days"}, as_json)
    show_table(view["profiles"], {"kind": "Kind", "id": "Profile", "version": "Version"}, as_json)


@profile_app.command("list")
def list_profiles(data: DataFolder, device_id: GatewayId, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """List the profiles that a gateway shall hold, but no consumer's."""
    with asking(data, url, token, as_json) as client:
        rows = client.ask("GET", f"/gateways/{quote(device_id, safe='')}/profiles")
    columns = {"kind": "Kind", "id": "Profile", "version": "Version"}
    show_table(rows, columns | ({"refused": "Refused by the gateway"} if any(row["refused"] for row in rows) else {}), as_json)


@profile_app.command("compare")
def compare_profiles(
    data: DataFolder,
    device_id: GatewayId,
    wait: Annotated[int, typer.Option(help="Wait so many seconds for the gateway's answer.", min=1, max=3600)] = 60,
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Read back what a gateway holds, and compare it with what it shall hold. Exit code 1: they differ.

    Example: smgw administrator profile compare --data gwa ESGW0000000001
    """
    address = f"/gateways/{quote(device_id, safe='')}/profiles"
    with asking(data, url, token, as_json) as client:
        job, until = client.ask("POST", f"{address}/read-back"), time.monotonic() + wait
        if "command_id" not in job:
            show_facts(job, as_json)
            return
        while job["state"] in ("waiting", "accepted"):
            if time.monotonic() > until:
                raise Unavailable("administrator.not_read_back", f"job {job['id']} waits for the gateway's channel")
            time.sleep(0.2)
            job = client.ask("GET", f"/jobs/{job['id']}")
        found = client.ask("GET", f"{address}/comparison")
    if as_json:
        print_json(found)
    else:
        columns = {"kind": "Kind", "id": "Profile", "wanted": "Shall be", "held": "Is", "finding": "Finding", "code": "Code"}
        show_table(found["profiles"], columns, as_json)
        say(f"{found['differences']} difference{'s' * (found['differences'] != 1)} at {found['read_at']}")
    if found["differences"]:
        raise typer.Exit(1)


@profile_app.command("put")
def put_profile(
    data: DataFolder,
    device_id: GatewayId,
    kind: Annotated[str, typer.Argument(help="meter, communication, evaluation or consumer.")],
    file: Annotated[Path, typer.Argument(help="The profile as JSON; `-` reads standard input.", metavar="FILE")],
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Have a gateway hold a profile; it is checked first, and needs a higher version than the last one.

    Example: smgw administrator profile put --data gwa ESGW0000000001 meter meter.json
    """
    with asking(data, url, token, as_json) as client:
        profile = _read_json(file)
        names = {"meter": "meter_id", "communication": "partner_id", "evaluation": "profile_id", "consumer": "consumer_id"}
        key = str(profile.get(names.get(kind, ""), "-")) if isinstance(profile, dict) else "-"
        address = "/".join(quote(part, safe="") for part in (device_id, "profiles", kind, key))
        answer = client.ask("PUT", f"/gateways/{address}", profile)
    show_facts(answer, as_json)


@profile_app.command("delete")
def delete_profile(
    data: DataFolder,
    device_id: GatewayId,
    kind: Annotated[str, typer.Argument(help="meter, communication, evaluation or consumer.")],
    profile_id: Annotated[str, typer.Argument(help="Id of the profile.")],
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Have a gateway delete a profile."""
    with asking(data, url, token, as_json) as client:
        answer = client.ask("DELETE", f"/gateways/{'/'.join(quote(part, safe='') for part in (device_id, 'profiles', kind, profile_id))}")
    show_facts(answer, as_json)


@job_app.command("list")
def list_jobs(data: DataFolder, device_id: GatewayId, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """List the commands to a gateway, newest first."""
    with asking(data, url, token, as_json) as client:
        rows = client.ask("GET", f"/gateways/{quote(device_id, safe='')}/jobs")
    show_table(rows, JOB_COLUMNS, as_json)


@job_app.command("add")
def add_job(
    data: DataFolder,
    device_id: GatewayId,
    method: Annotated[str, typer.Argument(help="GET, POST, PUT or DELETE.")],
    resource: Annotated[str, typer.Argument(help="For example log/system/1; see docs/wan-interface.md.")],
    body: Annotated[str, typer.Option(help="Body as JSON.")] = "null",
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Order a command; it is sent as soon as the gateway's channel is open, and obeyed once.

    Example: smgw administrator job add --data gwa ESGW0000000001 GET state
    """
    with asking(data, url, token, as_json) as client:
        order = {"method": method.upper(), "resource": resource, "body": _json(body.encode(), "--body")}
        answer = client.ask("POST", f"/gateways/{quote(device_id, safe='')}/jobs", order)
    show_facts(answer, as_json)


@job_app.command("show")
def show_job(data: DataFolder, number: int, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """Show one command and the gateway's answer."""
    with asking(data, url, token, as_json) as client:
        answer = client.ask("GET", f"/jobs/{number}")
    show_facts(answer, as_json)


@job_app.command("cancel")
def cancel_job(data: DataFolder, number: int, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """Take back a command that still waits."""
    with asking(data, url, token, as_json) as client:
        answer = client.ask("DELETE", f"/jobs/{number}")
    show_facts(answer, as_json)


@app.command()
def log(
    data: DataFolder,
    device_id: GatewayId,
    name: Annotated[str, typer.Argument(help="system or calibration.")] = "system",
    fetch: Annotated[bool, typer.Option("--fetch", help="Order the newest entries from the gateway.")] = False,
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show a gateway's log as far as it was fetched, or order its newest entries."""
    address = f"/gateways/{quote(device_id, safe='')}/logs/{quote(name, safe='')}"
    with asking(data, url, token, as_json) as client:
        answer = client.ask("POST" if fetch else "GET", address)
    if as_json or fetch:
        show_facts(answer, as_json)
        return
    show_table(answer["entries"], {"index": "No.", "time": "Time", "text": "Event", "subject": "About", "success": "Fine"}, as_json)


@proposal_app.command("list")
def list_proposals(data: DataFolder, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """List proposals, newest first."""
    with asking(data, url, token, as_json) as client:
        rows = client.ask("GET", "/proposals")
    columns = {"id": "No.", "device_id": "Gateway", "summary": "What", "state": "State", "proposed_by": "By", "decided_by": "Decided by"}
    show_table(rows, columns, as_json)


@proposal_app.command("approve")
def approve(data: DataFolder, number: int, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """Let a proposal happen; needs the token of a user who is an approver and did not propose it."""
    with asking(data, url, token, as_json) as client:
        answer = client.ask("POST", f"/proposals/{number}/approve")
    show_facts(answer, as_json)


@proposal_app.command("reject")
def reject(data: DataFolder, number: int, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """Turn a proposal down, or take back an own one."""
    with asking(data, url, token, as_json) as client:
        answer = client.ask("POST", f"/proposals/{number}/reject")
    show_facts(answer, as_json)


@app.command()
def backup(
    data: DataFolder,
    passphrase: Passphrase,
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.", metavar="FILE")],
    as_json: AsJson = False,
) -> None:
    """Back up store, keys and configuration into one encrypted file, also while the administrator runs.

    Example: smgw administrator backup --data gwa --passphrase passphrase.txt --out gwa.smgwbackup
    """
    with local_books(data, as_json) as books:
        now = datetime.now(UTC)
        secret = load_secret(passphrase).decode(errors="replace")
        books.audit.note(now, LOCAL, "take backup", data.name, "done")
        content = make_backup(AdministratorFolder(data), secret, now)
        write_durably(out, content, 0o600)
        facts = {"file": out.name, "octets": len(content), "audit_head": str(books.audit.head())}
    show_facts(facts, as_json)


@app.command()
def restore(
    data: DataFolder,
    passphrase: Passphrase,
    file: Annotated[Path, typer.Argument(help="The backup.", metavar="FILE")],
    as_json: AsJson = False,
) -> None:
    """Make a new folder of a backup; read docs/administration.md for what an older backup brings with it.

    Example: smgw administrator restore --data gwa-again --passphrase passphrase.txt gwa.smgwbackup
    """
    with faults_shown(as_json):
        secret = load_secret(passphrase).decode(errors="replace")
        try:
            content = file.read_bytes()
        except OSError as problem:
            raise ConfigError("administrator.backup", f"{file.name}: {problem.strerror}") from problem
        facts = restore_backup(content, secret, AdministratorFolder(data), datetime.now(UTC))
    show_facts(msgspec.to_builtins(facts), as_json)


def _read_json(file: Path) -> object:
    try:
        return _json(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes(), file.name)
    except OSError as problem:
        raise ConfigError("administrator.config", f"{file.name}: {problem.strerror}") from problem


def _json(data: bytes, name: str) -> object:
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise ConfigError("administrator.config", f"{name}: {str(problem)[:160]}") from problem
