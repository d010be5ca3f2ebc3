"""What a row of the object model is: classes with their attributes and methods, and objects that are of a class.

Source: WAN-08; 20-wan-crypto-pki 1.4.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from smgw.codec.cosem_profiles import CosemClass
from smgw.codec.cosem_resources import ObjectName
from smgw.codec.cosem_values import Value
from smgw.gateway.wan.context import Call, Context, Method


class Instance(NamedTuple):
    """Hold one object of a logical device; `subject` is what it is about: a profile, a log, a name."""

    name: ObjectName
    row: "ClassRow"
    subject: Any = None


Read = Callable[[Context, Instance], Value]
Write = Callable[[Context, Call, Value], Callable[[], None] | None]
"""Takes a value into the journal; gives what takes effect once that has committed."""


class AttributeRow(NamedTuple):
    """Describe one attribute."""

    number: int
    name: str
    type: str
    about: str
    read: Read | None = None
    """Without it the attribute is not given out."""
    write: Write | None = None
    is_alone: bool = False
    """It is given only when asked for by its own address; in lists it stands without value."""


class MethodRow(NamedTuple):
    """Describe one method: the route that it takes, and in which form its parameter is."""

    number: int
    name: str
    method: Method
    words: tuple[str, str]
    takes: str = "nothing"
    """`json`: a UTF8-string with the JSON body of the route; `name`: a UTF8-string with the last part of its address; or `nothing`."""


class ClassRow(NamedTuple):
    """Describe one class."""

    cosem_class: CosemClass
    version: int
    about: str
    attributes: tuple[AttributeRow, ...]
    """All but the logical name, which each object has as attribute 1."""
    methods: tuple[MethodRow, ...] = ()
    is_profile: bool = False
    """Whether its objects are created, replaced and deleted whole."""

    def attribute(self, number: int) -> AttributeRow | None:
        """Find an attribute."""
        return next((row for row in self.attributes if row.number == number), None)

    def method(self, number: int) -> MethodRow | None:
        """Find a method."""
        return next((row for row in self.methods if row.number == number), None)
