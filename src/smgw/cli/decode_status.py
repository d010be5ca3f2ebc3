"""`smgw decode status`: say what a status word means, bit by bit."""

import json
from typing import Any, TextIO

from smgw.core.errors import PeerFault
from smgw.core.status_word import (
    CombinedStatus,
    Layout,
    PtbStatus,
    flags_of,
    identification_of,
    meter_kind,
    parse_status,
    ptb_status,
    to_hex_lsb_first,
    to_hex_msb_first,
)

_KINDS = {"fnn": "wired electricity (FNN)", "g697": "wired gas (DVGW G697)", "oms": "wireless (OMS)"}
_RANKS = {
    PtbStatus.NONE: "no error",
    PtbStatus.WARNING: "warning",
    PtbStatus.TEMPORARY_ERROR_USABLE: "temporary error, value usable",
    PtbStatus.TEMPORARY_ERROR: "temporary error",
    PtbStatus.FATAL: "fatal error",
}


def run(text: str, *, layout: Layout, language: str, as_json: bool, out: TextIO) -> int:
    """Write what a status word says to `out`; give the exit code, 0, or 4 when the text carries no status word.

    Flags are shown in `en` or `de`; JSON has both languages, `null` for a word that the text does not have.
    """
    try:
        status = parse_status(text)
    except PeerFault as fault:
        if as_json:
            out.write(json.dumps({"ok": False, "code": fault.code, "detail": fault.detail}) + "\n")
        else:
            out.write(f"{fault.title} ({fault})\n{fault.hint}\n")
        return fault.exit_code
    facts = explain(status, layout)
    if as_json:
        out.write(json.dumps({"ok": True, **facts}, ensure_ascii=False) + "\n")
    else:
        _write_text(facts, language, out)
    return 0


def explain(status: CombinedStatus, layout: Layout) -> dict[str, Any]:
    """Give everything that a status word says as plain values; the PTB rank holds for both layouts of the gateway's word."""
    kind = meter_kind(status.gateway or 0, status.meter or 0, layout)
    gateway, meter = status.gateway or 0, identification_of(kind) if status.meter is None else status.meter
    flags = [
        {"word": found.word, **found.flag._asdict(), "rank": int(found.flag.rank)}
        for found in flags_of(gateway, meter, layout)
        if (status.gateway if found.word == "gateway" else status.meter) is not None
    ]
    return {
        "written": "number" if status.form.number else "bit 0 first" if status.form.bit_0_first else "bit 31 first",
        "layout": str(layout),
        "meter_kind": str(kind),
        "gateway": None if status.gateway is None else f"{status.gateway:08x}",
        "meter": None if status.meter is None else f"{status.meter:08x}",
        "bit_0_first": to_hex_lsb_first(gateway, meter),
        "bit_31_first": to_hex_msb_first(gateway, meter),
        "ptb": int(ptb_status(gateway, meter, layout)),
        "ptb_by_layout": {str(one): int(ptb_status(gateway, meter, one)) for one in Layout},
        "flags": flags,
    }


def _write_text(facts: dict[str, Any], language: str, out: TextIO) -> None:
    for name, word in (("gateway word", facts["gateway"]), ("meter word", facts["meter"])):
        shown = "not in the text" if word is None else f"0x{word}"
        out.write(f"{name:<14}{shown}\n")
    if facts["meter"] is not None:
        out.write(f"{'meter':<14}{_KINDS[facts['meter_kind']]}\n")
    out.write(f"{'written':<14}{facts['written']}\n")
    if facts["gateway"] is not None and facts["meter"] is not None:
        out.write(f"{'consumer form':<14}{facts['bit_0_first']}  (bit 0 left-most)\n")
        out.write(f"{'PPC form':<14}{facts['bit_31_first']}  (bit 31 left-most)\n")
    out.write(f"{'PTB status':<14}{facts['ptb']} {_RANKS[PtbStatus(facts['ptb'])]}  (layout {facts['layout']})\n")
    for layout, rank in facts["ptb_by_layout"].items():
        if rank != facts["ptb"]:
            out.write(f"{'':<14}{rank} {_RANKS[PtbStatus(rank)]}, if it is of layout {layout}\n")
    out.write("\nword     bit  flag\n")
    for flag in facts["flags"]:
        rank = f"  [PTB {flag['rank']}]" if flag["rank"] else ""
        out.write(f"{flag['word']:<8} {flag['bit']:>3}  {flag[language]}{rank}\n")
