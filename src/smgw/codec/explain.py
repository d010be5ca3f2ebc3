"""The line of a dissection, shared by every codec's `explain` and by `smgw decode`."""

from typing import NamedTuple


class Explained(NamedTuple):
    """Say what `length` bytes from `offset` on mean.

    `depth` is the nesting for indentation, 0 outermost; a line of depth n covers the deeper lines that follow it or is
    itself a leaf. `clause` names the paragraph of the norm, empty where the parent's holds.
    """

    offset: int
    length: int
    depth: int
    meaning: str
    clause: str = ""
