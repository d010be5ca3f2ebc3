"""`smgw administrator audit` and `user`: at the machine itself, with the folder, whether the administrator runs or not."""

import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from smgw.administrator.audit import Head
from smgw.administrator.users import LOCAL, Role, User, hash_password
from smgw.cli.administrator_parts import AsJson, DataFolder, local_books, show_facts, show_table
from smgw.security.files import write_durably
from smgw.security.secret_file import load_secret

audit_app = typer.Typer(help="The administrator's audit trail.", no_args_is_help=True)
user_app = typer.Typer(help="Users of console and interface.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the user.")]
Roles = Annotated[list[Role] | None, typer.Option("--role", help="A role. May be repeated.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password", help="File with the password, readable by its owner alone; else it is asked for.", metavar="FILE"),
]
USER_COLUMNS = {"name": "Name", "roles": "Roles", "active": "Active", "created_at": "Since"}


@audit_app.command("list")
def list_entries(
    data: DataFolder,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=100_000)] = 50,
    actor: Annotated[str, typer.Option(help="Only what this user did.")] = "",
    subject: Annotated[str, typer.Option(help="Only what is about this, or a part of its name.")] = "",
    as_json: AsJson = False,
) -> None:
    """List entries, newest first."""
    with local_books(data, as_json) as books:
        rows = books.audit.newest(limit, actor=actor, subject=subject)
    show_table(rows, {"id": "No.", "at": "Time", "actor": "Who", "action": "What", "subject": "On what", "result": "Result"}, as_json)


@audit_app.command("verify")
def verify(
    data: DataFolder,
    head: Annotated[str, typer.Option(help="A head that was noted before, as `verify` and `export` print it.", metavar="HEAD")] = "",
    as_json: AsJson = False,
) -> None:
    """Walk the whole chain; with --head also prove that nothing was taken off its end since."""
    with local_books(data, as_json) as books:
        found = books.audit.verify(Head.parse(head) if head else None)
    show_facts({"intact": True, "entries": found.length, "head": str(found)}, as_json)


@audit_app.command("export")
def export(
    data: DataFolder,
    out: Annotated[Path, typer.Option("--out", help="File to write, one JSON object a line.", metavar="FILE")],
    as_json: AsJson = False,
) -> None:
    """Verify the chain and export it, each entry with its hash; the last line is the head."""
    with local_books(data, as_json) as books:
        found = books.audit.verify()
        lines = [msgspec.json.encode({**entry._asdict(), "hash": digest.hex()}) for entry, digest in books.audit.entries()]
        write_durably(out, b"\n".join([*lines, msgspec.json.encode({"head": str(found)})]) + b"\n", 0o600)
    show_facts({"file": out.name, "entries": found.length, "head": str(found)}, as_json)


@user_app.command("list")
def list_users(data: DataFolder, as_json: AsJson = False) -> None:
    """List users and their roles."""
    with local_books(data, as_json) as books:
        rows = [_row(user) for user in books.users.users()]
    show_table(rows, USER_COLUMNS, as_json)


@user_app.command("add")
def add(data: DataFolder, name: Name, roles: Roles = None, password: PasswordFile = None, as_json: AsJson = False) -> None:
    """Make a user, also the first one.

    Example: smgw administrator user add --data gwa operator1 --role operator --role auditor
    """
    with local_books(data, as_json) as books:
        user = books.users.add(name, roles or (), _hashed(password), datetime.now(UTC), LOCAL)
    show_facts(_row(user), as_json)


@user_app.command("roles")
def set_roles(data: DataFolder, name: Name, roles: Roles = None, as_json: AsJson = False) -> None:
    """Give a user exactly these roles."""
    with local_books(data, as_json) as books:
        user = books.users.set_roles(name, roles or (), datetime.now(UTC), LOCAL)
    show_facts(_row(user), as_json)


@user_app.command("password")
def set_password(data: DataFolder, name: Name, password: PasswordFile = None, as_json: AsJson = False) -> None:
    """Set a user's password; the user's sessions end."""
    with local_books(data, as_json) as books:
        books.users.user(name)
        books.users.set_password(name, _hashed(password), datetime.now(UTC), LOCAL)
        user = books.users.user(name)
    show_facts(_row(user), as_json)


@user_app.command("off")
def switch_off(data: DataFolder, name: Name, as_json: AsJson = False) -> None:
    """Switch a user off; sessions and tokens end."""
    with local_books(data, as_json) as books:
        user = books.users.set_active(name, False, datetime.now(UTC), LOCAL)
    show_facts(_row(user), as_json)


@user_app.command("on")
def switch_on(data: DataFolder, name: Name, as_json: AsJson = False) -> None:
    """Switch a user on again."""
    with local_books(data, as_json) as books:
        user = books.users.set_active(name, True, datetime.now(UTC), LOCAL)
    show_facts(_row(user), as_json)


def _hashed(file: Path | None) -> bytes:
    if file is not None:
        text = load_secret(file).decode(errors="replace")
    else:
        text = typer.prompt("Password", hide_input=True, confirmation_prompt=sys.stdin.isatty(), err=True)
    return hash_password(text, secrets.token_bytes(16))


def _row(user: User) -> dict[str, object]:
    return {"name": user.name, "roles": [str(role) for role in user.roles], "active": user.active, "created_at": user.created_at}
