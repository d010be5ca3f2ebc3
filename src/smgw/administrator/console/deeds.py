"""Put what is proposed in the words of whoever decides on it. Source: ADM-02."""

from collections.abc import Callable
from typing import Any

import msgspec

from smgw.administrator.api.endpoints import ProposalRow
from smgw.administrator.console.language import Language

Request = dict[str, Any]
_WORDS: dict[str, Callable[[Request, Language], dict[str, object]]] = {
    "job": lambda asked, _: {"command": f"{asked['method']} {asked['resource']}"},
    "exchange": lambda asked, _: {"curve": asked["curve"]},
    "enrolment": lambda asked, _: {},
    "removal": lambda asked, language: {"kind": language.word("kind", str(asked["kind"])), "name": asked["id"]},
    "campaign": lambda asked, _: {"version": asked["version"]},
    "succession": lambda asked, language: {"other": asked["other"], "until": language.moment(asked["until"])},
    "intake": lambda asked, language: {"other": asked["other"], "until": language.moment(asked["until"])},
    "withdrawal": lambda asked, _: {},
    "wake-up": lambda asked, _: {"address": f"{asked['address']['host']}:{asked['address']['port']}"},
    "market-order": lambda asked, language: {"order": asked["resource"]},
}
"""Deed -> what stands in its sentence, from its request."""


def deed_in_words(row: ProposalRow, language: Language) -> str:
    """Say what is proposed; what this catalogue can't say is left as it was summed up."""
    asked = msgspec.json.decode(row.request)
    try:
        if row.deed == "profile":
            return _profile(row, asked, language)
        key = f"deed.{'end' if row.deed == 'exchange' and not asked['curve'] else row.deed}"
        return language.text(key, **_WORDS[row.deed](asked, language))
    except (KeyError, TypeError):
        return row.summary


def _profile(row: ProposalRow, asked: Request | None, language: Language) -> str:
    kind, _, rest = row.summary.removeprefix("put ").partition(" profile ")
    name, _, version = rest.partition(" version ")
    return language.text("deed.profile", kind=language.word("kind", kind), name=name, version=version)
