"""Describe every key of every configuration file and every file of the roles' folders."""

import ast
import importlib
import inspect
import itertools
import textwrap
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args, get_origin

import msgspec
from tools.table_pages import table


class ConfigFile(NamedTuple):
    """Name one configuration file and the struct it is decoded into."""

    title: str
    place: str
    module: str
    struct: str
    parts: tuple[str, ...] = ()
    """Structs of the same module that stand inside."""


FILES = (
    ConfigFile(
        "Gateway",
        "`gateway.json` in the gateway's folder",
        "smgw.gateway.config",
        "GatewayConfig",
        ("AdministratorConfig", "LinkConfig", "WakeUpConfig", "RetentionRules", "StorageLimits"),
    ),
    ConfigFile(
        "Administrator",
        "`administrator.json` in the administrator's folder",
        "smgw.administrator.config",
        "AdministratorConfig",
        ("MonitoringConfig", "Webhook", "Mail", "Mqtt"),
    ),
    ConfigFile("Market participant", "`participant.json` in the participant's folder", "smgw.participant.config", "ParticipantConfig"),
    ConfigFile(
        "Security module",
        "`security-module.json` in the folder of any role; without it keys lie in software",
        "smgw.security.module_folder",
        "SecurityModuleConfig",
    ),
)

PROFILES = ("MeterProfile", "RegisterProfile", "EvaluationProfile", "CommunicationProfile", "ConsumerProfile")
"""Structs of `smgw.core.profiles`, which the administrator sends sealed."""

MEANINGS: dict[tuple[str, str], str] = {
    ("GatewayConfig", "device_id"): "Device id of this gateway after DIN 43849, for example `ESGW0000000001`.",
    ("GatewayConfig", "administrator"): "The administrator that this gateway obeys, see below.",
    ("GatewayConfig", "links"): "Connections to meters, see below.",
    ("GatewayConfig", "han_host"): "Address on which the consumer interface listens; loopback unless the consumer's network is meant.",
    ("GatewayConfig", "han_port"): "Port of the consumer interface; 0 takes a free one.",
    ("AdministratorConfig", "host"): "Host name or address: dialled by the gateway, listened on by the administrator.",
    ("AdministratorConfig", "management_port"): "Port of the management channel; 0 takes a free one when listening.",
    ("AdministratorConfig", "time_port"): "Port of the time server; 0 takes a free one when listening.",
    ("AdministratorConfig", "sig_certificate"): "DER in hex: signer of every command.",
    ("AdministratorConfig", "enc_certificate"): "DER in hex: recipient of every answer.",
    ("ParticipantConfig", "host"): "Address on which deliveries are received.",
    ("ParticipantConfig", "api_host"): "Address of the operator's interface and portal.",
    ("MeterProfile", "meter_id"): "Device id of the meter as the consumer sees it.",
    ("MeterProfile", "registers"): "Registers that may be stored, see below; others are dropped.",
    ("MeterProfile", "medium"): "What the meter measures.",
    ("MeterProfile", "period_s"): "Register period in seconds; a value is stored for each of its ends.",
    ("EvaluationProfile", "taf"): "Number of the tariff use case.",
    ("EvaluationProfile", "meter_id"): "Meter whose values are evaluated.",
    ("EvaluationProfile", "consumer_id"): "Consumer who sees values and results, and whose log names each dispatch.",
    ("EvaluationProfile", "usage_point_name"): "Name of the contract as the consumer sees it.",
    ("EvaluationProfile", "metering_point_id"): "Id of the metering location (German: Messlokation).",
    ("EvaluationProfile", "valid_from"): "Start, aware UTC; values before it are not evaluated.",
    ("EvaluationProfile", "valid_to"): "End, or null while none is set.",
    ("EvaluationProfile", "period_s"): "Register period in seconds; that of the meter.",
    ("CommunicationProfile", "host"): "Host name or address that the gateway dials.",
    ("CommunicationProfile", "port"): "Port that the gateway dials.",
    ("CommunicationProfile", "sig_certificate"): "DER in hex: signer of every receipt.",
    ("CommunicationProfile", "enc_certificate"): "DER in hex: recipient of every message.",
    ("CommunicationProfile", "content_cipher"): "Content cipher, see [crypto-policy.md](crypto-policy.md).",
    ("CommunicationProfile", "oid_profile"): "Identifiers of the key agreement, see [crypto-policy.md](crypto-policy.md).",
    ("ConsumerProfile", "user_name"): "Name to log in with.",
    ("ConsumerProfile", "digest_sha256"): "The same with SHA-256.",
    ("ConsumerProfile", "language"): "Language of pages and log texts, unless an address (`?lang=en`) or an earlier choice says otherwise.",
    **{
        (name, "version"): "Must rise with every change; the gateway refuses an equal or lower one."
        for name in PROFILES
        if name != "RegisterProfile"
    },
}
"""(struct, key) -> meaning, where the struct itself says nothing about the key."""

FOLDERS: dict[str, tuple[tuple[str, str], ...]] = {
    "every role": (
        ("module.smgwkeys", "security module: private keys, encrypted"),
        ("module.secret", "secret that opens it; readable by its owner alone, else the role refuses to start"),
        ("security-module.json, token.pin", "optional: the token that holds the keys instead, and its PIN"),
        ("triple.pem", "TLS, SIG and ENC certificate of the role"),
        ("issuers.pem", "certificates of the sub-CAs, sent along in TLS"),
        ("trust/anchors, trust/intermediates, trust/crls", "whom the role trusts: root, sub-CAs, revocation lists (PEM or DER)"),
    ),
    "gateway": (
        ("gateway.json", "initial configuration, see above"),
        ("journal.db", "readings, logs, profiles, outbox: encrypted; its key lies in the security module"),
        ("han.pem", "self-signed certificate of the consumer interface; made when missing"),
        ("manifest.json, manifest.cms", "list of the program's files, and the signature over it; `smgw gateway sign-program` makes both"),
        ("manufacturer.pem", "optional: the one certificate that then must have signed the list"),
        ("slots.json", "the two slots of the program: which is active, its version, since when good or bad"),
        ("boot.json", "how many starts failed in a row, and how far the journal reached when it was last whole"),
    ),
    "administrator": (
        ("administrator.json", "configuration, see above"),
        ("inventory.db", "gateways, profiles, commands, users and audit trail"),
        ("administrator.token", "token that counts as the user `local`; readable by its owner alone"),
    ),
    "participant": (
        ("participant.json", "configuration, see above"),
        ("participant.db", "messages with their evidence, meter-reading series, registry of gateways"),
        ("participant.token", "token of the operator's page and portal; readable by its owner alone"),
    ),
    "a system of `smgw up`": (
        ("system.json", "what a second start needs: gateway id, ports, meters, where simulated time stood"),
        ("consumer.password", "the consumer's password; readable by its owner alone"),
        ("gateway, administrator, participant, pki", "one folder a role"),
        ("log", "diagnostics of each process"),
        ("run", "terminals of simulated meters and the socket of simulated time, while it runs"),
        ("lock", "keeps a second launcher out"),
    ),
    "a test PKI": (
        ("module.smgwkeys, module.secret", "keys of the authorities, as above"),
        ("root, sub/NAME", "certificate, ledger and revocation lists of each authority"),
    ),
}
"""Folder -> its files and what they are for."""


def notes_of(struct: type[Any]) -> dict[str, str]:
    """Read the string under each field of a struct."""
    body = ast.parse(textwrap.dedent(inspect.getsource(struct))).body[0]
    assert isinstance(body, ast.ClassDef)
    notes = {}
    for field, after in itertools.pairwise(body.body):
        match field, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                notes[name] = " ".join(text.split())
    return notes


def _kind(annotation: object) -> str:
    """Say in words what a key takes."""
    parts = get_args(annotation)
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in parts)
    if get_origin(annotation) is dict:
        return f"{_kind(parts[1])} by {_kind(parts[0])}"
    if get_origin(annotation) is tuple:
        return f"list of {_kind(parts[0])}"
    if parts:
        return " or ".join(_kind(part) for part in parts)
    plain: dict[object, str] = {str: "text", int: "integer", bool: "true or false", datetime: "time", type(None): "null"}
    return plain.get(annotation, str(getattr(annotation, "__name__", annotation)))


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "needed"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return f"`{msgspec.json.encode(value).decode()}`"


def keys_of(struct: type[Any]) -> list[tuple[str, str, str, str]]:
    """Give each key of a struct with its kind, what is taken when it is left out, and its meaning (empty where nobody wrote one)."""
    notes = notes_of(struct)
    rows = []
    for field in msgspec.structs.fields(struct):
        meaning = notes.get(field.name) or MEANINGS.get((struct.__name__, field.name), "")
        rows.append((f"`{field.encode_name}`", _kind(field.type), _default(field), meaning))
    return rows


def _struct_table(struct: type[Any]) -> str:
    return table(("key", "kind", "if left out", "meaning"), keys_of(struct))


def configuration_page() -> str:
    """Write the page."""
    parts = [
        "# Configuration\n\nThere are three small JSON files, one a role; unknown keys are refused. `smgw up` writes them. Everything that governs measurement, prices and\n"
        "recipients comes later as profiles, which the administrator signs. No environment variable changes what a role does; secrets stand in files that\n"
        "only their owner may read.\n"
    ]
    for file in FILES:
        module = importlib.import_module(file.module)
        parts.append(f"\n## {file.title}\n\nFile: {file.place}.\n\n{_struct_table(getattr(module, file.struct))}")
        for part in file.parts:
            struct = getattr(module, part)
            parts.append(f"\n### `{part}`\n\n{inspect.cleandoc(struct.__doc__ or '')}\n\n{_struct_table(struct)}")
    parts.append("\n## Profiles\n\nSent by the administrator as the body of a command, see [wan-interface.md](wan-interface.md).\n")
    profiles = importlib.import_module("smgw.core.profiles")
    for name in PROFILES:
        struct = getattr(profiles, name)
        what = inspect.cleandoc(struct.__doc__ or "").partition(" Source:")[0]
        parts.append(f"\n### `{name}`\n\n{what}\n\n{_struct_table(struct)}")
    parts.append("\n## Files in the folders\n")
    for folder, files in FOLDERS.items():
        parts.append(
            f"\n### {folder[0].upper()}{folder[1:]}\n\n" + table(("file", "what it is"), ((f"`{name}`", text) for name, text in files))
        )
    return "".join(parts)
