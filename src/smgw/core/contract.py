"""The versions of a contract as terms: which version holds when, and until when the one before it holds.

A version that is installed holds from its start on; until then the version before it goes on, and ends at that start. What a version gave
stays as it is.
Source: TAF-24; STATE-01.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby

import msgspec

from smgw.core.profiles import EvaluationProfile


def terms(versions: Iterable[EvaluationProfile]) -> list[EvaluationProfile]:
    """Cut all versions of contracts to the time in which they hold; sorted by profile id and start, never two of one contract at once.

    `valid_to` of a term is the end of its own time or the start of the version that follows it. A version that a later one replaces before
    its start is left out.
    """
    found: list[EvaluationProfile] = []
    ordered = sorted(versions, key=lambda profile: (profile.profile_id, profile.version))
    for _, group in groupby(ordered, key=lambda profile: profile.profile_id):
        found += _terms_of_one(list(group))
    return found


def _terms_of_one(versions: list[EvaluationProfile]) -> list[EvaluationProfile]:
    kept: list[EvaluationProfile] = []
    for version in reversed(versions):
        follower = kept[-1].valid_from if kept else None
        if follower is None:
            kept.append(version)
        elif version.valid_from < follower:
            end = follower if version.valid_to is None else min(version.valid_to, follower)
            kept.append(msgspec.structs.replace(version, valid_to=end))
    return kept[::-1]


def term_at(profiles: Iterable[EvaluationProfile], moment: datetime) -> list[EvaluationProfile]:
    """Give one term of each contract, sorted by profile id: the one that began last, else the first that is to come."""
    chosen: dict[str, EvaluationProfile] = {}
    for term in profiles:
        if term.profile_id not in chosen or term.valid_from <= moment:
            chosen[term.profile_id] = term
    return [chosen[profile_id] for profile_id in sorted(chosen)]


def shown_terms(profiles: Iterable[EvaluationProfile], moment: datetime) -> list[EvaluationProfile]:
    """Give one term of each contract as its consumer sees it: begun where the first of the terms began that it goes on from.

    A term goes on from the one before when it follows without a gap and measures the same registers for the same use case and periods.
    """
    found = list(profiles)
    shown = []
    for term in term_at(found, moment):
        earlier = [other for other in found if other.profile_id == term.profile_id and other.valid_from < term.valid_from]
        for other in reversed(earlier):
            if other.valid_to != term.valid_from or _kind(other) != _kind(term):
                break
            term = msgspec.structs.replace(term, valid_from=other.valid_from)
        shown.append(term)
    return shown


def _kind(profile: EvaluationProfile) -> tuple[object, ...]:
    return profile.taf, profile.registers, profile.billing_months, profile.consumer_id, profile.meter_id
