"""`smgw administrator firmware`: releases and campaigns of a running administrator."""

import base64
import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from smgw.cli.administrator_parts import AsJson, DataFolder, TokenFile, Url, asking, show_facts, show_table
from smgw.codec.firmware_package import PACKAGE_LIMIT
from smgw.core.errors import ConfigError

app = typer.Typer(help="Releases of firmware, and the campaigns that bring them to the fleet.", no_args_is_help=True)

PIECE = 128 << 10
RELEASE_COLUMNS = {
    "version": "Version", "certificate": "Certificate", "emergency": "Emergency", "size": "Octets", "manifest_sha256": "Manifest",
    "uploaded_at": "Uploaded", "uploaded_by": "By",
}  # fmt: skip
CAMPAIGN_COLUMNS = {"id": "No.", "version": "Version", "state": "State", "stage": "Stage", "stages": "Gateways", "code": "Code"}
MEMBER_COLUMNS = {"device_id": "Gateway", "stage": "Stage", "state": "State", "code": "Code", "changed_at": "Changed"}

Number = Annotated[int, typer.Argument(help="Number of the campaign.", min=1)]


@app.command("list")
def list_releases(data: DataFolder, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """List the releases."""
    with asking(data, url, token, as_json) as client:
        show_table(client.ask("GET", "/firmware/releases"), RELEASE_COLUMNS, as_json)


@app.command()
def upload(
    package: Annotated[Path, typer.Argument(help="A firmware package.", metavar="PACKAGE")],
    data: DataFolder,
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Upload a package; it becomes a release once its maker's signature is verified."""
    with asking(data, url, token, as_json) as client:
        octets = _read(package)
        sha256, sent = hashlib.sha256(octets).hexdigest(), 0
        while sent < len(octets):
            piece = base64.b64encode(octets[sent : sent + PIECE]).decode()
            sent = client.ask("POST", "/firmware/uploads", {"sha256": sha256, "at": sent, "octets": piece})["received"]
        show_facts(client.ask("POST", "/firmware/releases", {"sha256": sha256}), as_json)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > PACKAGE_LIMIT:
            raise ConfigError("firmware.size", f"{path}: {path.stat().st_size} octets")
        return path.read_bytes()
    except OSError as problem:
        raise ConfigError("firmware.file", f"{path}: {problem.strerror}") from problem


@app.command()
def certify(
    manifest: Annotated[str, typer.Argument(help="SHA-256 of the manifest, see `list`.")],
    certificate: Annotated[str, typer.Argument(help="Number of the certificate.")],
    data: DataFolder,
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Note that a version is certified."""
    with asking(data, url, token, as_json) as client:
        rows = [{"manifest_sha256": manifest, "certificate": certificate}]
        show_table(client.ask("POST", "/firmware/certified", {"rows": rows}), RELEASE_COLUMNS, as_json)


@app.command()
def begin(
    version: Annotated[str, typer.Argument(help="The release.")],
    data: DataFolder,
    stage: Annotated[list[str] | None, typer.Option(help="Share of the fleet in percent, or device ids with commas. Repeat it.")] = None,
    success: Annotated[int, typer.Option(help="So many percent of a stage must run it before the next begins.", min=0, max=100)] = 95,
    soak: Annotated[int, typer.Option(help="So many seconds they must have run it.", min=0)] = 3_600,
    failure: Annotated[int, typer.Option(help="More than so many percent of failures stop it.", min=0, max=100)] = 5,
    patience: Annotated[int, typer.Option(help="A gateway may take so many seconds.", min=60)] = 7 * 86_400,
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Begin a campaign; without --stage 1, 10 and 100 percent of the fleet."""
    plan: dict[str, Any] = {"success_percent": success, "soak_s": soak, "failure_percent": failure, "patience_s": patience}
    if stage:
        plan["stages"] = [int(one) if one.isdigit() else one.split(",") for one in stage]
    with asking(data, url, token, as_json) as client:
        show_facts(client.ask("POST", "/firmware/campaigns", {"version": version, "plan": plan}), as_json)


@app.command()
def campaigns(data: DataFolder, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """List the campaigns."""
    with asking(data, url, token, as_json) as client:
        rows = client.ask("GET", "/firmware/campaigns")
        show_table(rows if as_json else [{**row, "stages": _progress(row["stages"])} for row in rows], CAMPAIGN_COLUMNS, as_json)


@app.command()
def show(number: Number, data: DataFolder, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """List the gateways of a campaign and how far each is."""
    with asking(data, url, token, as_json) as client:
        rows = client.ask("GET", f"/firmware/campaigns/{number}/gateways")
        show_table(rows if as_json else [{**row, "stage": row["stage"] + 1} for row in rows], MEMBER_COLUMNS, as_json)


@app.command()
def pause(number: Number, data: DataFolder, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """Let a campaign begin nothing new; what is under way goes on."""
    _turn(number, "pause", data, url, token, as_json)


@app.command()
def resume(number: Number, data: DataFolder, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """Let a paused campaign go on."""
    _turn(number, "resume", data, url, token, as_json)


@app.command()
def abort(number: Number, data: DataFolder, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """End a campaign for good; gateways that have not activated get their order taken back."""
    _turn(number, "abort", data, url, token, as_json)


def _turn(number: int, how: str, data: Path, url: str, token: Path | None, as_json: bool) -> None:
    with asking(data, url, token, as_json) as client:
        show_facts(client.ask("POST", f"/firmware/campaigns/{number}/{how}", {}), as_json)


def _progress(stages: list[dict[str, int]]) -> str:
    return " | ".join(", ".join(f"{count} {state}" for state, count in stage.items()) or "none" for stage in stages)
