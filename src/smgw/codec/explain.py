"""The line of a dissection, shared by every codec's `explain` and by `smgw decode`."""

from typing import NamedTuple


class Explained(NamedTuple):
    """Say what `length` bytes from `offset` on mean.

    `depth` is the nesting for indentation, 0 outermost. Whether the length of an outer line takes in the lines below it is
    said by each codec. `clause` names the paragraph of the norm, empty where the parent's holds.
    """

    offset: int
    length: int
    depth: int
    meaning: str
    clause: str = ""
