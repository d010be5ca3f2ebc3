"""`smgw module`: what a security module holds, and whether that is what the phase of the gateway's life says."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from smgw.core.errors import ConfigError, SmgwError
from smgw.core.key_inventory import Place, compare
from smgw.gateway.config import GatewayFolder
from smgw.gateway.key_objects import held_in_gateway
from smgw.gateway.lifecycle import load_record
from smgw.net.identity import open_module
from smgw.security.module_folder import has_module, module_config
from smgw.security.module_inventory import ModuleInventory, take_inventory

app = typer.Typer(help="List what a security module holds, and compare it with the phase of life.", no_args_is_help=True)

DataFolder = Annotated[Path, typer.Option("--data", help="Folder of a gateway, administrator or participant.", metavar="DIR")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
DIFFERENT = 5
"""Exit code where something is missing or too much."""


@contextmanager
def _faults_shown(as_json: bool) -> Iterator[None]:
    try:
        yield
    except SmgwError as fault:
        if as_json:
            _print_json({"ok": False, "code": fault.code, "detail": fault.detail})
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"{fault.title} ({fault})\n{fault.hint}")
        raise typer.Exit(fault.exit_code) from fault


def _print_json(value: object) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def _say(line: str) -> None:
    Console().print(line.rstrip(), soft_wrap=True, highlight=False, markup=False)


def _inventory(folder: Path) -> ModuleInventory:
    if not has_module(folder):
        raise ConfigError("module.missing", str(folder))
    return take_inventory(open_module(folder))


@app.command("list")
def list_command(data: DataFolder = Path(), as_json: AsJson = False) -> None:
    """List keys and file objects of a security module; private keys are never shown."""
    with _faults_shown(as_json):
        held, config = _inventory(data), module_config(data)
    if as_json:
        keys, files = [key._asdict() for key in held.keys], [file._asdict() for file in held.files]
        facts = {"ok": True, "backend": config.backend, "tls_keys": config.tls_keys if config.backend == "pkcs11" else "software"}
        _print_json({**facts, "state": held.state, "keys": keys, "files": files, "names": sorted(held.names)})
        return
    _say(f"{config.backend} module, {held.state}")
    for key in held.keys:
        _say(f"{key.name:24} {key.curve:16} {key.use:6} {key.state:12} generation {key.generation:<3} {key.fingerprint[:32]}")
    for file in held.files:
        valid = f"{file.valid_from:%Y-%m-%d} to {file.valid_to:%Y-%m-%d}" if file.valid_from and file.valid_to else f"{file.octets} octets"
        _say(f"{file.name:24} {valid:25} {file.subject}")


@app.command("check")
def check_command(data: DataFolder = Path(), as_json: AsJson = False) -> None:
    """Compare what module and gateway hold with what the gateway's phase of life demands.

    Exit code 0: exactly that, 5: something is missing or too much.
    """
    with _faults_shown(as_json):
        folder = GatewayFolder(data)
        life = load_record(folder).life
        held = {Place.MODULE: _inventory(data).names, Place.GATEWAY: held_in_gateway(folder)}
        differences = [one for place in Place for one in compare(life, held[place], place)]
    if as_json:
        rows = [{"place": one.place, "name": one.name, "is": "missing" if one.missing else "too much"} for one in differences]
        _print_json(
            {"ok": not differences, "phase": life.phase, "held": {place: sorted(held[place]) for place in Place}, "differences": rows}
        )
    else:
        for place in Place:
            _say(f"{place}: {', '.join(sorted(held[place])) or 'nothing'}")
        for one in differences:
            _say(f"{one.place}: {one.name} {'is missing' if one.missing else 'must not be there'}")
        _say(f"{life.phase}, {'exactly what the phase demands' if not differences else f'differences: {len(differences)}'}")
    if differences:
        raise typer.Exit(DIFFERENT)
