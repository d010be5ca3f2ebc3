"""A client that wants a second handshake on a standing connection gets none."""

import asyncio
import shutil
from pathlib import Path

import pytest
from tests.net.test_smpki_tls import LIMIT_S, World, foreign_party, listening, shared_world, world

__all__ = ["shared_world", "world"]


@pytest.mark.req("SEC-03")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program is not installed: apt-get install openssl")
async def test_a_client_that_wants_to_negotiate_anew_is_let_go(world: World, tmp_path: Path) -> None:
    foreign_party(world, tmp_path)
    async with listening(world) as state:
        program = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", "-connect", f"127.0.0.1:{state.port}", "-tls1_2", "-groups", "brainpoolP256r1"),
            *("-cert", "chain", "-key", "key"),
            cwd=tmp_path,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(LIMIT_S):
            output, _ = await program.communicate(b"R\nhello\n")
        assert b"RENEGOTIATING" in output
        assert b"no renegotiation" in output
        assert b"hello" not in output
        assert state.peers == ["EBSI0012345678.SMGW"]
