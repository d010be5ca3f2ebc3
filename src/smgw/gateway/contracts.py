"""The contracts of a gateway, each with all its terms: read from every version that was ever installed.

Source: TAF-23, TAF-24.
"""

from typing import NamedTuple

from smgw.core.contract import terms
from smgw.core.profiles import EvaluationProfile
from smgw.storage.journal import Journal


class Term(NamedTuple):
    """Name one term of a contract, with the end that it has at present."""

    profile_id: str
    valid_from: str
    valid_to: str


def term_of(profile: EvaluationProfile) -> Term:
    """Give the name of a term."""
    return Term(profile.profile_id, profile.valid_from.isoformat(), profile.valid_to.isoformat() if profile.valid_to else "")


def contract_terms(journal: Journal) -> list[EvaluationProfile]:
    """Give all terms of all contracts, sorted by profile id and start; see `core.contract.terms`."""
    return terms(profile for profile in journal.profile_history("evaluation") if isinstance(profile, EvaluationProfile))
