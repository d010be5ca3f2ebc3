import pytest
from tests.storage.samples import METER, OTHER_METER, START, consumer_profile, meter_profile

from smgw.core.errors import DomainFault, UsageError
from smgw.storage.journal import Journal

pytestmark = pytest.mark.req("LMN-03")


@pytest.mark.parametrize(("version", "document"), [(2, b"another document"), (1, b"first"), (1, b"second")])
def test_a_version_that_is_not_greater_is_refused(journal: Journal, version: int, document: bytes) -> None:
    journal.put_profile(meter_profile(1), b"first", START)
    journal.put_profile(meter_profile(2), b"second", START)
    with pytest.raises(DomainFault, match=rf"profile\.version: meter {METER}: {version} after 2"):
        journal.put_profile(meter_profile(version), document, START)
    assert journal.profile_document("meter", METER) == b"second"
    assert journal.verify().rows("profiles") == 2


def test_an_unknown_kind_is_our_own_fault(journal: Journal) -> None:
    with pytest.raises(UsageError, match=r"journal\.profile_kind"):
        journal.profiles("tariff")


def test_the_same_version_with_the_same_document_does_nothing(journal: Journal) -> None:
    journal.put_profile(meter_profile(3), b"document", START)
    journal.put_profile(meter_profile(3), b"document", START)
    assert journal.verify().rows("profiles") == 1


def test_the_newest_version_of_each_profile_sorted_by_id(journal: Journal) -> None:
    for profile in (meter_profile(2, OTHER_METER), meter_profile(9), meter_profile(10), consumer_profile()):
        journal.put_profile(profile, f"document {profile.version}".encode(), START)
    assert journal.profiles("meter") == [meter_profile(10), meter_profile(2, OTHER_METER)]
    assert journal.profiles("consumer") == [consumer_profile()]
    assert journal.profiles("evaluation") == []
    assert journal.profile_document("meter", METER) == b"document 10"
    assert journal.profile_document("meter", "unknown") is None
    assert journal.profile_document("consumer", METER) is None


def test_every_version_is_kept_and_read_in_its_order(journal: Journal) -> None:
    for profile in (meter_profile(2, OTHER_METER), meter_profile(9), meter_profile(10)):
        journal.put_profile(profile, f"document {profile.version}".encode(), START)
    assert journal.profile_history("meter") == [meter_profile(9), meter_profile(10), meter_profile(2, OTHER_METER)]
    with pytest.raises(UsageError, match=r"journal\.profile_kind"):
        journal.profile_history("tariff")
