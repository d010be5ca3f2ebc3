"""Describe every command and option of `smgw` from the program itself."""

import enum
import importlib
from collections.abc import Iterator
from typing import Any

import typer

from smgw.core import errors


def commands() -> Iterator[tuple[str, Any]]:
    """Walk all commands: (`smgw pki init`, its parsed form), groups before their members."""
    from smgw.cli import COMMANDS

    for name in COMMANDS:
        command = typer.main.get_command(importlib.import_module(f"smgw.cli.{name}").app)
        yield from _with_members(f"smgw {name}", command)


def _with_members(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for sub, inner in getattr(command, "commands", {}).items():
        yield from _with_members(f"{name} {sub}", inner)


def parameters(command: Any) -> list[Any]:
    """Give a command's own arguments and options, in the order of its signature."""
    return [part for part in command.params if part.name not in ("install_completion", "show_completion", "help")]


def spelling(parameter: Any) -> str:
    """Give an option with its other spellings, or an argument's name in capitals."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name).upper()
    words = [*parameter.opts, *parameter.secondary_opts]
    return ", ".join(words)


def _usage(name: str, command: Any) -> str:
    words = [name]
    for part in parameters(command):
        if part.param_type_name == "argument":
            words.append(spelling(part) if part.required else f"[{spelling(part)}]")
        elif part.required:
            words.append(f"{part.opts[0]} {(part.metavar or part.name).upper()}")
    words.append("[OPTIONS]")
    return " ".join(words)


def _standard(parameter: Any) -> str:
    """Say what is taken when nothing is given."""
    value = parameter.default
    if parameter.required:
        return "needed"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, enum.Enum):
        value = value.value
    return f"`{value}`" if value not in (None, "", [], ()) else "–"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _section(name: str, command: Any) -> str:
    help_text = (command.help or "").strip()
    members = getattr(command, "commands", {})
    if members:
        listed = "".join(
            f"- [`{name} {sub}`](#{name.replace(' ', '-')}-{sub}): {_cell(inner.help or '').split('. ')[0].rstrip('.')}.\n"
            for sub, inner in members.items()
        )
        return f"\n{_level(name)} {name}\n\n{help_text}\n\n{listed}"
    rows = "".join(
        f"| `{spelling(part)}`{' (repeatable)' if part.multiple else ''} | {_standard(part)} | {_cell(getattr(part, 'help', '') or '')} |\n"
        for part in parameters(command)
    )
    table = f"\n| option | if left out | meaning |\n| --- | --- | --- |\n{rows}" if rows else ""
    return f"\n{_level(name)} {name}\n\n```text\n{_usage(name, command)}\n```\n\n{help_text}\n{table}"


def _level(name: str) -> str:
    return "#" * (name.count(" ") + 1)


_WRONG_CALL = "The command is called wrongly: an option, argument or choice that it doesn't know, or one that is missing."


def _exit_codes() -> str:
    """List exit codes by the classes of faults that carry them."""
    causes: dict[int, list[str]] = {0: ["Done."]}
    for fault in (errors.DomainFault, errors.UsageError, errors.ConfigError, errors.PeerFault, errors.SecurityFault, errors.IntegrityFault,
                  errors.Unavailable):  # fmt: skip
        text = (fault.__doc__ or "").strip().split("\n\n")[0]
        causes.setdefault(fault.exit_code, []).append(_WRONG_CALL if fault is errors.UsageError else text)
    rows = "".join(f"| {code} | {_cell(' '.join(texts))} |\n" for code, texts in sorted(causes.items()))
    return f"| exit code | meaning |\n| --- | --- |\n{rows}"


def command_page() -> str:
    """Write one section a command."""
    from smgw.cli import COMMANDS

    parts = [
        "# Command line\n\n"
        "Every command answers `--help`. What goes wrong ends with a code of [errors.md](errors.md) on standard error and one of these exit codes:\n\n"
        f"{_exit_codes()}\n"
    ]
    parts += [f"- [`smgw {name}`](#smgw-{name}): {text}\n" for name, text in COMMANDS.items()]
    parts += [_section(name, command) for name, command in commands()]
    return "".join(parts)
