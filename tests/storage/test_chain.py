import hashlib

import pytest

from smgw.storage.chain import GENESIS, ChainHead, JournalReport, chain_tag, link

pytestmark = pytest.mark.req("LOG-02")


def test_link_is_the_published_formula() -> None:
    first = hashlib.sha256(bytes(32) + b"system\0\0" + b"one").digest()
    assert link(GENESIS, chain_tag("system"), b"one") == first
    assert link(first, chain_tag("system"), b"two") == hashlib.sha256(first + b"system\0\0" + b"two").digest()


def test_tags_of_two_chains_are_never_a_prefix_of_each_other() -> None:
    tags = [
        chain_tag("system"),
        chain_tag("consumer"),
        chain_tag("consumer", "a"),
        chain_tag("consumer", "ab"),
        chain_tag("consumera", "b"),
    ]
    assert not [(a, b) for a in tags for b in tags if a is not b and b.startswith(a)]


def test_report_counts_the_rows_of_all_chains_of_a_kind() -> None:
    chains = (ChainHead("consumer", "a", 2, GENESIS), ChainHead("consumer", "b", 3, GENESIS), ChainHead("system", "", 7, GENESIS))
    report = JournalReport(chains, messages=0, acknowledged=0)
    assert (report.rows("consumer"), report.rows("system"), report.rows("readings")) == (5, 7, 0)
