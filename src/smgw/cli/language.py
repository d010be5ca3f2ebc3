"""The languages that output can be had in."""

from enum import StrEnum


class Language(StrEnum):
    """Name a language of log entries and flags."""

    EN = "en"
    DE = "de"
