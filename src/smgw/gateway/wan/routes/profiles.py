"""Install and list profiles. Source: ADM-02, LIFE-09."""

import msgspec

from smgw.core.errors import PeerFault
from smgw.core.profiles import PROFILE_KINDS, ConsumerProfile, EvaluationProfile, Profile, profile_key
from smgw.gateway.contracts import contract_terms
from smgw.gateway.profile_rules import check_profile
from smgw.gateway.wan.context import Call, Context, Outcome, Routes


def _put_profile(context: Context, call: Call) -> Outcome:
    kind = call.words[1]
    try:
        profile: Profile = msgspec.json.decode(call.command.body, type=PROFILE_KINDS[kind])
    except msgspec.MsgspecError as problem:
        raise PeerFault("command.profile", str(problem)[:200]) from problem
    if call.rest != (profile_key(profile),):
        raise PeerFault("command.profile", "the resource names another profile")
    installed = {name: context.journal.profiles(name) for name in PROFILE_KINDS}
    installed["evaluation"] = list(contract_terms(context.journal))
    check_profile(profile, installed, call.now)
    context.journal.put_profile(profile, call.document, call.now)
    context.recorder.record(
        "profile_installed", subject=context.administrator_name, kind=kind, id=profile_key(profile), version=profile.version
    )
    if isinstance(profile, EvaluationProfile):
        context.recorder.record(
            "contract_changed",
            consumers=[profile.consumer_id],
            subject=profile.profile_id,
            contract=profile.profile_id,
            version=profile.version,
        )
    elif isinstance(profile, ConsumerProfile):
        before = next((held for held in installed[kind] if profile_key(held) == profile.consumer_id), None)
        _tell_of_consumer(context, profile, before)
    return Outcome(201, after=lambda: context.profile_installed(profile))


def _tell_of_consumer(context: Context, profile: ConsumerProfile, before: Profile | None) -> None:
    """Tell of a new consumer, or tell a consumer whose way to log in was changed."""
    if not isinstance(before, ConsumerProfile):
        context.recorder.record("consumer_registered", subject=profile.consumer_id, consumer=profile.consumer_id)
    elif _credentials(before) != _credentials(profile):
        context.recorder.record("credentials_changed", consumers=[profile.consumer_id], subject=profile.consumer_id, user=profile.user_name)


def _credentials(profile: ConsumerProfile) -> tuple[object, ...]:
    return profile.user_name, profile.digest_md5, profile.digest_sha256, profile.certificate_fingerprints


def _list_profiles(context: Context, call: Call) -> Outcome:
    return Outcome(200, {profile_key(profile): profile.version for profile in context.journal.profiles(call.words[1])})


ROUTES: Routes = {
    **{("PUT", "rts", kind): _put_profile for kind in PROFILE_KINDS},
    **{("GET", "rts", kind): _list_profiles for kind in PROFILE_KINDS},
}
