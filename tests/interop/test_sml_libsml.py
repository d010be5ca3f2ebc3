"""A second opinion on every message: the C library libsml reads what we write, and we read what it writes again.

Left out is what that library itself writes wrongly: tuples and object lists (wrong counts); and what it does not know: local
times, times without a kind, and times as values.
"""

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.codec.sml.samples import ENTRIES, EXPORT, IMPORT, OPEN_REQUEST, OPEN_RESPONSE, PROFILE, SECONDS, SERVER_ID, TIMESTAMP, TREE

from smgw.codec.sml import (
    AttentionResponse,
    Body,
    Checksum,
    GetListRequest,
    GetListResponse,
    GetProcParameterRequest,
    GetProcParameterResponse,
    GetProfileListRequest,
    GetProfileListResponse,
    GetProfilePackRequest,
    GetProfilePackResponse,
    ParameterChoice,
    ParameterValue,
    PeriodEntry,
    ProfileHeader,
    ProfilePeriod,
    ProfileValue,
    PublicCloseRequest,
    PublicCloseResponse,
    SetProcParameterRequest,
    SmlMessage,
    Tree,
    encode_messages,
)
from smgw.codec.sml.strict import read_message

KNOWN_ENTRIES = tuple(entry for number, entry in enumerate(ENTRIES) if number not in (5, 9))
SMALL_TREE = Tree(PROFILE, ParameterValue(ParameterChoice.VALUE, 900), (*(TREE.children or ())[:2], Tree(b"\x05" * 6)))
CREDENTIALS = (SERVER_ID, b"user", b"secret")
BODIES: tuple[Body, ...] = (
    OPEN_REQUEST,
    OPEN_RESPONSE,
    PublicCloseRequest(b"signature"),
    PublicCloseResponse(),
    GetListRequest(b"client", *CREDENTIALS, b"list"),
    GetListResponse(SERVER_ID, KNOWN_ENTRIES, None, b"list", SECONDS, b"signature", TIMESTAMP),
    GetProcParameterRequest((PROFILE, IMPORT), *CREDENTIALS, b"attribute"),
    GetProcParameterResponse(SERVER_ID, (PROFILE, IMPORT), SMALL_TREE),
    SetProcParameterRequest((PROFILE,), SMALL_TREE, *CREDENTIALS),
    GetProfilePackRequest((PROFILE,), *CREDENTIALS, True, TIMESTAMP, SECONDS, None, SMALL_TREE),
    GetProfilePackResponse(
        SERVER_ID,
        TIMESTAMP,
        900,
        (PROFILE,),
        (ProfileHeader(IMPORT, 30, -1), ProfileHeader(EXPORT, 30, -1)),
        (ProfilePeriod(TIMESTAMP, 4, (ProfileValue(100), ProfileValue(-7, b"signature")), b"row"), ProfilePeriod(SECONDS, 0, ())),
        b"raw",
        b"profile",
    ),
    GetProfileListRequest((PROFILE,), *CREDENTIALS, False, TIMESTAMP, SECONDS),
    GetProfileListResponse(SERVER_ID, TIMESTAMP, 900, (PROFILE,), SECONDS, 4, (PeriodEntry(IMPORT, 30, -1, 12345, b"signature"),)),
    AttentionResponse(SERVER_ID, bytes.fromhex("8181c7c7fe02"), b"no", SMALL_TREE),
)


@pytest.fixture(scope="module")
def rewrite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the C program, or skip where compiler or library are missing."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    program = tmp_path_factory.mktemp("libsml") / "rewrite"
    source = Path(__file__).with_name("libsml_rewrite.c")
    built = subprocess.run([compiler, "-o", program, source, "-lsml"], capture_output=True, check=False, timeout=60)
    if built.returncode:
        pytest.skip("the C library is missing: install the Debian package libsml-dev")
    return program


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
@pytest.mark.req("LMN-02")
def test_rewritten_by_the_other_library(rewrite: Path, body: Body, tmp_path: Path) -> None:
    message = SmlMessage(b"\x01\x02\x03", body, 1, 0)
    path = tmp_path / "message"
    path.write_bytes(encode_messages([message]))
    written = subprocess.run([rewrite, path], capture_output=True, check=True, timeout=60).stdout
    assert read_message(written, 0, len(written), Checksum.X25) == (message, len(written))
