"""Append to a journal and delete its oldest rows until killed; after each step say how many readings were stored and how many deleted."""

import os
import sys
from pathlib import Path

from tests.storage.samples import KEY, START, entry, signed
from tests.storage.signing import SIGNER

from smgw.core.log_event import Log
from smgw.net.clock import ManualClock
from smgw.storage.journal import Journal

KEPT = 40


def main() -> None:
    """Write and delete without end."""
    with Journal.open(Path(sys.argv[1]), KEY) as journal:
        journal.seal_by(SIGNER, ManualClock(START))
        while True:
            first = journal.count_readings() + 1
            journal.append_readings([signed(number) for number in range(first, first + 7)])
            journal.append_log([entry(first)])
            for kind in ("readings", "system"):
                length = journal.count_readings() if kind == "readings" else journal.log_count(Log.SYSTEM)
                if journal.stored_rows(kind) > KEPT:
                    journal.cut(kind, "", length - KEPT, START, SIGNER)
            stored = journal.count_readings()
            os.write(1, f"{stored} {stored - journal.stored_rows('readings')}\n".encode())


if __name__ == "__main__":
    main()
