"""A takeover that a power cut came before, between or after: begun again it changes nothing twice, and only its own run tells it."""

from pathlib import Path
from typing import Any

import pytest
from tests.gateway.wan.test_succession_rights import Desk

from smgw.core.errors import DomainFault
from smgw.gateway.pending import Ended
from smgw.gateway.succession import Stage
from smgw.gateway.works import Workers

pytestmark = pytest.mark.req("ADM-12", "WAN-08")


def take_over(desk: Desk) -> list[Ended]:
    """Begin the work as a start does; gives its ends."""
    absent: Any = None
    ends: list[Ended] = []
    Workers(absent, absent, absent, absent, desk.successions).works()["take-over"]("", ends.append)
    return ends


def stage(desk: Desk) -> Stage | None:
    current = desk.successions.current
    return None if current is None else current.stage


def test_a_takeover_ends_the_run_and_the_next_one_tells_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "2.11 checked")
    assert take_over(desk) == []
    assert (desk.ended, stage(desk)) == (True, Stage.TAKEN)
    changed = desk.channel.events().count("administrator_changed")
    assert take_over(desk) == [Ended()]
    assert take_over(desk) == [Ended()]
    assert desk.channel.events().count("administrator_changed") == changed == 1
    desk.channel.journal.close()


@pytest.mark.parametrize("step", ["1.4 nothing announced", "2.6 announced", "2.14 removed"])
def test_a_takeover_whose_change_is_given_up_is_told_as_failed(tmp_path: Path, step: str) -> None:
    desk = Desk(tmp_path, step)
    before = stage(desk)
    with pytest.raises(DomainFault, match=r"succession\.none"):
        take_over(desk)
    assert (stage(desk), desk.ended) == (before, "removed" in step)
    desk.channel.journal.close()
