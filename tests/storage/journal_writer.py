"""Append to a journal until killed; after each commit say on standard output how many readings it holds now."""

import os
import sys
from pathlib import Path

from tests.storage.samples import KEY, START, entry, signed

from smgw.storage.journal import Journal
from smgw.storage.outbox import OutboxMessage


def step(journal: Journal) -> int:
    """Do in one transaction what the gateway does when readings arrive; returns the number of readings after it."""
    first = journal.count_readings()
    with journal.transaction():
        numbers = journal.append_readings([signed(number) for number in range(first, first + 1 + first % 5)])
        journal.append_log([entry(number) for number in numbers])
        journal.enqueue(OutboxMessage(f"message-{first}", "emt1.sm", "taf7-1.sm", bytes(2000), START))
        if first % 2:
            journal.acknowledge(journal.pending(1)[0].message_id, b"receipt", START)
        journal.set_state("count", str(numbers[-1]).encode())
    return numbers[-1]


def main() -> None:
    """Write without end."""
    with Journal.open(Path(sys.argv[1]), KEY) as journal:
        while True:
            os.write(1, f"{step(journal)}\n".encode())


if __name__ == "__main__":
    main()
