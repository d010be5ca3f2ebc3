"""The composition root: one module per command group, no logic.

A group's module is imported only when it is called, so that each role starts fast and needs only its own extra installed.
"""

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

COMMANDS = {
    "up": "Start a whole metering system on this machine.",
    "gateway": "Run a gateway.",
    "administrator": "Run a gateway administrator.",
    "participant": "Run a market participant and look at what it received.",
    "fleet": "Run many virtual gateways in one process.",
    "technician": "Read a gateway's diagnosis on site and hand it over.",
    "meter": "Run simulated meters, or replay recorded ones.",
    "pki": "Found and use a test SM-PKI.",
    "module": "List what a security module holds, and compare it with the phase of life.",
    "firmware": "Make, show and check firmware packages.",
    "journal": "Verify, list and export a gateway's journal.",
    "content": "Seal, open and explain the WAN's CMS messages on files.",
    "wakeup": "Make and check wake-up packets.",
    "decode": "Explain recorded octets.",
    "verify": "Recompute a bill from a tariff file and a read-out.",
    "tariff": "Evaluate a tariff use case on readings of your own.",
}
"""Command or group -> its help. Its module in this package has the same name and an `app`."""


class LazyGroup(TyperGroup):
    """Import a command's module when the command is called."""

    listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """List all commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Give one command; while help is shown, only its name and text."""
        if cmd_name not in COMMANDS:
            return None
        if self.listing:
            return _listed(cmd_name)
        return typer.main.get_command(importlib.import_module(f"smgw.cli.{cmd_name}").app)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show help without importing every module."""
        self.listing = True
        super().format_help(ctx, formatter)


def _listed(name: str) -> Any:
    stub = typer.Typer(add_completion=False)
    stub.command(name, help=COMMANDS[name])(lambda: None)
    return typer.main.get_command(stub)


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def group() -> None:
    """Run an open, software-only Smart Meter Gateway system after BSI TR-03109."""


def main() -> None:
    """Run the command line."""
    app()
