"""`smgw firmware`: make, show and check firmware packages."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from smgw.codec import firmware_package as package
from smgw.codec.firmware_package import FirmwareManifest, PackagedFile
from smgw.core.errors import ConfigError, SmgwError
from smgw.pki import maker as makers
from smgw.security.files import write_durably

app = typer.Typer(help="Make, show and check firmware packages.", no_args_is_help=True)

_Package = Annotated[Path, typer.Argument(help="A firmware package.", metavar="PACKAGE")]
_Maker = Annotated[Path, typer.Option("--maker", help="The maker's folder.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def _told() -> Iterator[None]:
    """Turn faults into one line and an exit code."""
    try:
        yield
    except SmgwError as fault:
        typer.echo(f"{fault.title}: {fault.detail or fault.code}\n{fault.hint} [{fault.code}]", err=True)
        raise typer.Exit(fault.exit_code) from fault


@app.command()
def found(
    data: Annotated[Path, typer.Option(help="The new folder.")],
    name: Annotated[str, typer.Option(help="The maker's name.")] = "smgw-test",
) -> None:
    """Found a maker: keys, root certificate and signing certificate. Gateways and administrators take makers.pem as their anchor."""
    with _told():
        makers.found_maker(data, name, datetime.now(UTC))
    typer.echo(f"maker {name}: {data / makers.ANCHOR_FILE}")


@app.command()
def make(
    out: Annotated[Path, typer.Argument(help="The package to write.", metavar="PACKAGE")],
    new_version: Annotated[str, typer.Option("--version", help="Semantic version, for example 1.4.0.")],
    maker: _Maker,
    program: Annotated[Path | None, typer.Option(help="Folder that holds `smgw/`; without it the installed program.")] = None,
    min_version: Annotated[str, typer.Option(help="The lowest version that may be replaced.")] = "0.0.0",
    allow_rollback: Annotated[bool, typer.Option(help="Let it replace a higher version.")] = False,
    emergency: Annotated[bool, typer.Option(help="Mark it as an emergency update that is not yet certified.")] = False,
    notes: Annotated[str, typer.Option(help="A few words on what changes.")] = "",
) -> None:
    """Make and sign a package of a program."""
    with _told():
        files = program_files(program, new_version)
        manifest = package.encode_manifest(
            FirmwareManifest(
                format=package.FORMAT,
                name=package.PRODUCT,
                version=new_version,
                min_version=min_version,
                hardware_class=package.HARDWARE_CLASS,
                created=datetime.now(UTC).replace(microsecond=0),
                files={path: hashlib.sha256(content).hexdigest() for path, content in files.items()},
                allow_rollback=allow_rollback,
                emergency=emergency,
                notes=notes,
            )
        )
        signature = makers.sign_manifest(maker, manifest)
        octets = b"".join(package.write_package(manifest, signature, sorted(files.items())))
        if len(octets) > package.PACKAGE_LIMIT:
            raise ConfigError("firmware.size", f"{len(octets)} octets")
        try:
            write_durably(out, octets)
        except OSError as problem:
            raise ConfigError("firmware.file", f"{out}: {problem.strerror}") from problem
    typer.echo(f"{out}: version {new_version}, {len(files)} files, {len(octets)} octets, SHA-256 {hashlib.sha256(octets).hexdigest()}")


@app.command()
def show(source: _Package, as_json: _Json = False) -> None:
    """Show what a package holds and where its parts lie; nothing is verified but the hashes."""
    with _told():
        for line in package.explain(b"".join(makers.chunks_of(source))):
            if as_json:
                typer.echo(msgspec.json.encode(line._asdict()))
            else:
                typer.echo(f"{line.offset:>9} {line.length:>9}  {'  ' * line.depth}{line.meaning}")


@app.command()
def check(
    source: _Package,
    anchors: Annotated[Path, typer.Option("--makers", help="PEM file with the makers' root certificates.")],
    running: Annotated[str, typer.Option(help="The version that it shall replace; without it only the package is checked.")] = "",
    as_json: _Json = False,
) -> None:
    """Check signature, hashes and, with --running, whether the package may replace a version."""
    with _told():
        parts: Iterator[FirmwareManifest | PackagedFile] = makers.verified_package(
            makers.chunks_of(source), makers.load_makers(anchors), datetime.now(UTC)
        )
        manifest = next(part for part in parts if isinstance(part, FirmwareManifest))
        octets = sum(len(part.content) for part in parts if isinstance(part, PackagedFile))
        if running:
            package.check_update(manifest, running)
    facts: dict[str, object] = {**{name: getattr(manifest, name) for name in _SHOWN}, "files": len(manifest.files), "octets": octets}
    if as_json:
        typer.echo(msgspec.json.encode(facts))
        return
    typer.echo(f"good: version {manifest.version}, {len(manifest.files)} files, {octets} octets")
    if manifest.emergency:
        typer.echo("emergency update: not yet certified")


_SHOWN = ("version", "min_version", "hardware_class", "created", "allow_rollback", "emergency", "notes")


def program_files(program: Path | None, new_version: str) -> dict[str, bytes]:
    """Collect a program and give it the metadata that makes it tell its version. Raises: ConfigError firmware.file."""
    files: dict[str, bytes] = {}
    root: Traversable = resources.files("smgw") if program is None else program / "smgw"
    if not root.is_dir():
        raise ConfigError("firmware.file", f"{program}: no folder smgw in it")
    _collect(root, "smgw/", files)
    if program is not None:
        for entry in program.iterdir():
            if entry.is_dir() and not entry.name.startswith(".") and entry.name not in _LEFT_OUT and not _is_own_metadata(entry.name):
                _collect(entry, f"{entry.name}/", files)
    metadata = f"Metadata-Version: 2.1\nName: smgw\nVersion: {new_version}\n"
    files["smgw.dist-info/METADATA"] = metadata.encode()
    return files


_LEFT_OUT = ("smgw", "__pycache__")


def _is_own_metadata(name: str) -> bool:
    return name.startswith("smgw") and name.endswith((".dist-info", ".egg-info"))


def _collect(folder: Traversable, prefix: str, found_files: dict[str, bytes]) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            if entry.name != "__pycache__":
                _collect(entry, f"{prefix}{entry.name}/", found_files)
        elif not entry.name.endswith(".pyc"):
            found_files[f"{prefix}{entry.name}"] = entry.read_bytes()
