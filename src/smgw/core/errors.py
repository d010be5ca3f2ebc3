"""Faults and their codes: who broke which rule, and what to do next.

Two kinds of fault are kept apart: `UsageError` (our own code called wrongly) and `PeerFault` (the other side broke the
rule). Bytes from outside can only ever cause a `PeerFault`. A class exists only where someone branches on it; everything
finer is the `code`, a key of `smgw.core.error_codes.ERROR_CODES`.
"""

from smgw.core.error_codes import ERROR_CODES


class SmgwError(Exception):
    """Carry a code of the error catalogue and a detail for the diagnosis of whoever runs the program.

    The detail never holds key material, passwords or readings; outward replies never carry it for security faults.
    """

    exit_code = 1
    retryable = False

    def __init__(self, code: str, detail: str = "") -> None:
        if code not in ERROR_CODES:
            raise KeyError(f"error code {code!r} is not in the catalogue")
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail

    @property
    def title(self) -> str:
        """Say in one sentence what happened."""
        return ERROR_CODES[self.code].title

    @property
    def hint(self) -> str:
        """Say what the user can do next."""
        return ERROR_CODES[self.code].hint


class UsageError(SmgwError):
    """Our own code was called wrongly; never caused by bytes from outside."""

    exit_code = 2


class ConfigError(SmgwError):
    """A configuration, an option or a file given by the user can't be used."""

    exit_code = 3


class PeerFault(SmgwError):
    """The other side broke the rule."""

    exit_code = 4


class DecodeFault(PeerFault):
    """Bytes do not follow their format; `offset` counts from the start of the decoded buffer."""

    def __init__(self, code: str, detail: str = "", *, offset: int = 0) -> None:
        super().__init__(code, detail)
        self.offset = offset


class LimitFault(PeerFault):
    """The other side exceeded a bound on size, number or time."""


class Replay(PeerFault):
    """A message, counter or time was used before."""


class SecurityFault(PeerFault):
    """A signature, tag, certificate or right is not what it must be; outward text of these is constant."""

    exit_code = 5


class CertificateRejected(SecurityFault):
    """A certificate or its path is not acceptable for the asked use; the code names the reason."""


class DomainFault(SmgwError):
    """A rule of metering forbids the step: a profile, a phase, a state, a gap."""


class Unavailable(SmgwError):
    """Something is missing for the moment: a peer, a disk, a module. Trying again later is right."""

    exit_code = 6
    retryable = True


class IntegrityFault(SmgwError):
    """A store is not what was written: a chain is broken, a page is altered, the file was exchanged."""

    exit_code = 5
