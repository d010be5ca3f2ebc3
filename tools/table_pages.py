"""Show the program's tables as pages: error codes, log events, operating states, crypto policy."""

import ast
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _names(words: Iterable[object]) -> str:
    return ", ".join(f"`{word}`" for word in words) or "–"


def error_page() -> str:
    """List every error code with its title and hint."""
    from smgw.core.error_codes import ERROR_CODES

    parts = ["# Error codes\n\nA code never changes its meaning. Commands print it last; logs and JSON carry it alone.\n"]
    for area, codes in groupby(sorted(ERROR_CODES), key=lambda code: code.partition(".")[0]):
        rows = ((f"`{code}`", ERROR_CODES[code].title, ERROR_CODES[code].hint) for code in codes)
        parts.append(f"\n## {area}\n\n" + table(("code", "what happened", "what to do"), rows))
    return "".join(parts)


def unwritten_events(source: Path) -> list[str]:
    """Name the events of the catalogue that nothing below a folder writes yet."""
    from smgw.core.log_event import EVENTS

    tables = ("core/log_event.py", "core/process_steps.py", "core/life_cycle.py")
    trees = (ast.parse(path.read_text()) for path in source.rglob("*.py") if not path.as_posix().endswith(tables))
    named = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return sorted(set(EVENTS) - named, key=lambda name: EVENTS[name].number)


def event_page(source: Path) -> str:
    """List every log event; those that nothing below a folder writes yet stand apart."""
    from smgw.core.log_event import EVENTS

    kept = unwritten_events(source)
    ordered = sorted(EVENTS.items(), key=lambda item: item[1].number)
    texts = (
        (kind.number, f"`{name}`", kind.level.name.lower(), ", ".join(kind.logs), kind.en, kind.de)
        for name, kind in ordered
        if name not in kept
    )
    advice = ((kind.number, kind.when, kind.action.en, kind.action.de) for name, kind in ordered if name not in kept)
    reserved = ((EVENTS[name].number, f"`{name}`", EVENTS[name].en) for name in kept)
    return (
        "# Log events\n\nThe three logs have different readers: the system log is the administrator's, the calibration log is the calibration\n"
        "authority's, the consumer log is the consumer's alone. A number never changes its meaning.\n\n"
        + table(("number", "event", "level", "logs", "English", "German"), texts)
        + "\n## When, and what to do\n\n"
        + table(("number", "written when", "recommended", "empfohlen"), advice)
        + ("\n## Numbers kept for what isn't written yet\n\n" + table(("number", "event", "English"), reserved) if kept else "")
    )


def state_page() -> str:
    """Show the operating states: what each means and allows, the conditions that demand it, and what leads from one to another."""
    from smgw.core.state import ALLOWED, CONDITIONS, STATES, TRANSITIONS, Permission, State
    from smgw.gateway.leds import MEANINGS, PHASES

    drawn = "".join(f"    {before.value} --> {step.after.value}: {event.value}\n" for (before, event), step in TRANSITIONS.items())
    meanings = ((f"`{state.value}`", told.meaning, told.works, told.leaves) for state, told in STATES.items())
    allowed = ([f"`{state.value}`", *("yes" if right in ALLOWED[state] else "–" for right in Permission)] for state in State)
    lamps = (
        (f"`{state.value}`", f"`{told.power}`", f"`{told.others}`" if told.others else "what they stand for")
        for state, told in STATES.items()
    )
    demands = (
        (
            f"`{condition.value}`",
            f"`{rule.state.value}`",
            f"`{rule.begins.value}`" if rule.begins else "every start",
            f"`{rule.ends.value}`" if rule.ends else "a new start",
            rule.reason,
            ", ".join(f"`{event}`" for event in ("state_changed", rule.logged, rule.logged_end) if event),
            "yes" if rule.alarm else "–",
        )
        for condition, rule in CONDITIONS.items()
    )
    rhythms = (
        (f"`{pattern}`", "steady" if pattern in ("on", "off") else " ms, ".join((*map(str, widths), "")).removesuffix(", "))
        for pattern, widths in PHASES.items()
    )
    steps = (
        (f"`{before.value}`", f"`{event.value}`", f"`{step.after.value}`", step.reason) for (before, event), step in TRANSITIONS.items()
    )
    return (
        "# Operating states\n\nThe device page and the M2M call `device-state` show state and lamps; each change stands in the system and the calibration log with its reason.\n\n"
        + table(("state", "meaning", "what works", "how it ends"), meanings)
        + "\n## What each state allows\n\n"
        + table(("state", *(f"`{right.value}`" for right in Permission)), allowed)
        + "\n## Lamps\n\n"
        + table(("state", "PWR", "all others"), lamps)
        + "\nWhat they stand for:\n\n"
        + table(("lamp", "pattern", "when"), ((name, f"`{pattern}`", when) for name, pattern, when in MEANINGS))
        + "\nEach pattern in milliseconds lit, dark, lit …, again and again:\n\n"
        + table(("pattern", "rhythm"), rhythms)
        + "\n## Conditions\n\nSeveral may hold at once; the gravest, which stands first here, names the state.\n\n"
        + table(("condition", "state", "begins with", "ends with", "reason in the log", "log events", "alarm"), demands)
        + f"\n## Transitions\n\nWhen nothing else holds; an event that is not listed for a state changes nothing.\n\n"
        f"```mermaid\nstateDiagram-v2\n    [*] --> {State.BOOT.value}\n{drawn}```\n\n"
        + table(("state", "event", "next state", "reason in the log"), steps)
    )


def _key_objects() -> str:
    """Show which keys, certificates and PINs each phase adds and takes away."""
    from smgw.core.key_inventory import PHASE_OBJECTS

    rows = (
        (
            f"`{row.phase.value}`",
            row.place.value,
            _names(sorted(row.adds)),
            _names(sorted(row.optional)),
            _names(sorted(row.removes)),
            row.clause,
        )
        for row in PHASE_OBJECTS
    )
    return (
        "\n## Keys, certificates and PINs\n\nWhat must be held is the sum over the completed phases; `smgw module check` compares. `*` stands for everything. A later\n"
        "generation of a key goes by the same name.\n\n" + table(("phase", "where", "adds", "may add", "takes away", "clause"), rows)
    )


def life_cycle_page() -> str:
    """Show the phases of a gateway's life, what each allows to whom, and where it leads."""
    from smgw.core.life_cycle import MARKS, PHASES, RULES, Phase

    order = {phase: number for number, phase in enumerate(Phase)}
    drawn = dict.fromkeys(
        f"    {rule.phase.name.lower()} --> {rule.after.name.lower()}: {rule.action.value}\n" for rule in RULES if rule.after is not None
    )
    meanings = ((f"`{phase.value}`", told.german, told.meaning, told.clause) for phase, told in PHASES.items())
    rows = (
        (
            f"`{rule.phase.value}`",
            f"`{rule.action.value}`",
            rule.actor.value.replace("_", " "),
            "; ".join([*(MARKS[mark] for mark in sorted(rule.needs)), *(f"not yet: {MARKS[mark]}" for mark in sorted(rule.lacks))]) or "–",
            f"`{rule.after.value}`" if rule.after else "stays",
            _names(rule.events),
        )
        for rule in sorted(RULES, key=lambda rule: order[rule.phase])
    )
    return (
        "# The life of a gateway\n\nFrom the works to the end, after TR-03109-1 Annex VI, chapter 2.3. `smgw gateway commission status` shows where a gateway stands\n"
        "and what is possible next; each change of phase is logged as `phase_changed`. Integration may come before pre-personalisation 1 or after it.\n\n"
        + table(("phase", "in the annex", "what it is about", "clause"), meanings)
        + "\n## What each phase allows\n\nEverything else is refused with `lifecycle.phase`, which names the phase that is needed, or with `lifecycle.order`, which says\nwhat must be done before.\n\n"
        + table(("phase", "action", "by", "when", "next phase", "logged"), rows)
        + _key_objects()
        + "\n## Drawn\n\n```mermaid\nstateDiagram-v2\n    [*] --> manufactured\n"
        + "".join(drawn)
        + "    decommissioned --> [*]\n```\n"
    )


def policy_page() -> str:
    """Show which algorithms are used, taken, and in which years."""
    from smgw.security import policy

    rules = ((rule.use.value, f"`{rule.curve}`", rule.first_year, rule.last_year or "no end set") for rule in policy.CURVE_RULES)
    hashes = ((f"`{curve}`", f"`{algorithm.name}`") for curve, algorithm in policy.SIGNATURE_HASHES.items())
    return (
        "# Crypto policy\n\nA change of algorithm is a change of the tables in `smgw.security.policy` and `smgw.codec.cms.algorithms`, never of code.\n"
        "What is not listed here is neither sent nor taken.\n\n"
        "## Curves of certificates\n\nFor one use the first rule that holds in a year is the one new keys are made on.\n\n"
        + table(("use", "curve", "from year", "to year"), rules)
        + "\n## Hash of certificates, requests and revocation lists\n\n"
        + table(("curve of the signing key", "hash"), hashes)
        + "\n## TLS 1.2\n\nMutual at the WAN; at the HAN the server shows a self-signed certificate. No renegotiation, no compression, no tickets, no resumption.\n\n"
        + table(
            ("what", "in the order of preference"),
            (
                ("suites (OpenSSL's names)", _names(policy.TLS12_SUITES)),
                ("signatures", _names(policy.TLS12_SIGNATURES)),
                ("groups at the WAN", _names(policy.WAN_GROUPS)),
                ("groups at the HAN", _names(policy.HAN_GROUPS)),
            ),
        )
        + f"\nA session ends after {policy.TLS_SESSION_LIMIT_S // 3600} hours at the latest, a closing connection after {policy.TLS_CLOSE_LIMIT_S} s.\n"
        + _content_protection()
    )


def _content_protection() -> str:
    from smgw.codec.cms import algorithms as cms

    curves = ((f"`{row.name}`", row.oid.dotted_string, row.digest) for row in cms.CURVES.values())
    digests = ((row.name, row.oid.dotted_string, row.ecdsa_oid.dotted_string) for row in cms.DIGESTS.values())
    agreements = ((f"`{row.name}`", row.oid.dotted_string, f"`{row.profile}`", row.digest) for row in cms.KEY_AGREEMENTS)
    wraps = ((f"`{row.name}`", row.oid.dotted_string, row.key_octets * 8) for row in cms.KEY_WRAPS)
    ciphers = ((f"`{row.name}`", row.oid.dotted_string, row.mode, row.key_octets * 8) for row in cms.CONTENT_CIPHERS.values())
    taken = (
        (
            f"`{name}`",
            "issuer and serial too" if row.signer_by_issuer else "key identifier only",
            "absent or NULL" if row.null_parameters else "absent only",
            ", ".join(sorted(oid.dotted_string for oid in row.optional_attributes)) or "none",
        )
        for name, row in cms.ACCEPTANCE.items()
    )
    return (
        "\n## Content protection (CMS)\n\nSignedData over AuthEnvelopedData; the content may be compressed. Key agreement is static-ephemeral ECDH with the X9.63 derivation.\n"
        f"At most {cms.MAX_MESSAGE_OCTETS // 2**20} MiB and {cms.MAX_RECIPIENTS} recipients a message. The receiver tries the forms of SharedInfo in this order: "
        + _names(cms.SHARED_INFO_ATTEMPTS)
        + ".\n\n"
        + table(("curve", "identifier", "hash when sending"), curves)
        + "\n"
        + table(("hash", "identifier", "ECDSA over it"), digests)
        + "\n"
        + table(("key agreement", "identifier", "profile", "hash"), agreements)
        + "\n"
        + table(("key wrap", "identifier", "bits"), wraps)
        + "\n"
        + table(("content cipher", "identifier", "mode", "bits"), ciphers)
        + "\nWhat a receiver takes of the outer form in each profile; it verifies in full whatever it takes:\n\n"
        + table(("profile", "signer named by", "parameters of the digest", "signed attributes beside the two needed"), taken)
    )
