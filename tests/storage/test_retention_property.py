"""Any order of appending, cutting, sealing and reopening: no holes, nothing else gone, and every walk agrees."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.storage.samples import KEY, METER, START, entry, quarter, signed
from tests.storage.signing import SIGNER, check

from smgw.core.log_event import Log
from smgw.net.clock import ManualClock
from smgw.storage.journal import Journal
from smgw.storage.journal_export import EXPORTED, verify_export

pytestmark = pytest.mark.req("MEAS-04", "LOG-02")

_steps = st.lists(
    st.one_of(
        st.tuples(st.just("readings"), st.integers(1, 300)),
        st.tuples(st.just("log"), st.integers(1, 30)),
        st.tuples(st.just("cut"), st.tuples(st.sampled_from([("readings", ""), ("system", ""), ("consumer", "flat1")]), st.floats(0, 1))),
        st.tuples(st.just("reopen"), st.none()),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(_steps)
def test_what_is_left_of_a_chain_is_its_end_whole_and_verified(steps: list[tuple[str, object]]) -> None:
    lengths = {("readings", ""): 0, ("system", ""): 0, ("consumer", "flat1"): 0}
    gone = dict(lengths)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        journal = opened(path)
        for name, detail in steps:
            if name == "readings":
                first = lengths["readings", ""] + 1
                lengths["readings", ""] += int(detail)  # type: ignore[call-overload]
                journal.append_readings([signed(number) for number in range(first, lengths["readings", ""] + 1)])
            elif name == "log":
                for _ in range(int(detail)):  # type: ignore[call-overload]
                    for key, log in ((("system", ""), Log.SYSTEM), (("consumer", "flat1"), Log.CONSUMER)):
                        lengths[key] += 1
                        journal.append_log([entry(lengths[key], log, key[1])])
            elif name == "cut":
                key, share = detail  # type: ignore[misc]
                number = round(gone[key] + share * (lengths[key] - gone[key]))
                if number > gone[key]:
                    journal.cut(*key, number, START, SIGNER)
                    gone[key] = number
            else:
                journal.close()
                journal = opened(path)
        with journal:
            assert journal.verify() == journal.verify_recent(check)
            verify_export(journal.export(EXPORTED))
            for one in journal.signed():
                check(one.key_id, one.octets, one.signature)
            for key, length in lengths.items():
                assert journal.stored_rows(*key) == length - gone[key]
            held = [one.sequence for one in journal.readings(METER)]
            assert held == list(range(gone["readings", ""] + 1, lengths["readings", ""] + 1))
            assert [stored.index for stored in journal.log(Log.SYSTEM)] == list(range(gone["system", ""] + 1, lengths["system", ""] + 1))


def opened(path: Path) -> Journal:
    journal = Journal.open(path, KEY)
    journal.seal_by(SIGNER, ManualClock(quarter(1000)))
    return journal
