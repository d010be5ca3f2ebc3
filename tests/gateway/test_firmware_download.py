"""The download over real TLS: resumed after a cut at any octet, nothing safe fetched twice, no other file accepted."""

import hashlib
from pathlib import Path

import pytest
from tests.gateway.download_server import Server, serving
from tests.gateway.gateway_parts import START, administrator_identity, gateway_identity, participant_identity
from tests.gateway.wan.wan_parts import administrator_config

from smgw.core.errors import PeerFault, SecurityFault, SmgwError, Unavailable
from smgw.gateway import firmware_download
from smgw.gateway.firmware_download import download
from smgw.gateway.firmware_record import Order
from smgw.net.clock import ManualClock
from smgw.net.http_server import Reply

pytestmark = pytest.mark.req("ADM-05")

CLOCK = ManualClock(START)
CONTENT = bytes(range(251)) * 40
SIZE = len(CONTENT)


class Gateway:
    """Hold a gateway's end: its file, and what it knows to be safe."""

    def __init__(self, path: Path, server: Server) -> None:
        self.path = path / "firmware.fw"
        self.order = Order("1.2.0", hashlib.sha256(CONTENT).hexdigest(), SIZE, "127.0.0.1", server.port, "/firmware/x")
        self.received = 0

    async def fetch(self) -> bool:
        def keep(received: int) -> None:
            assert self.path.stat().st_size >= received
            self.received = received

        return await download(
            self.path, self.order, self.received, keep, administrator=administrator_config(1), identity=gateway_identity(), clock=CLOCK
        )


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(firmware_download, "PIECE", 1_000)
    path = tmp_path / "server.fw"
    path.write_bytes(CONTENT)
    return path


async def test_a_whole_file_comes_in_pieces(file: Path, tmp_path: Path) -> None:
    async with serving(file, CLOCK) as server:
        gateway = Gateway(tmp_path, server)
        assert await gateway.fetch()
    assert gateway.path.read_bytes() == CONTENT
    assert server.ranges == [f"bytes={at}-{min(at + 1_000, SIZE) - 1}" for at in range(0, SIZE, 1_000)]


@pytest.mark.parametrize("cut", [1, 50, 200, 1_100, 1_500, 3_333, 9_000])
async def test_after_a_cut_at_any_octet_it_goes_on_where_it_was(file: Path, tmp_path: Path, cut: int) -> None:
    async with serving(file, CLOCK) as server:
        gateway = Gateway(tmp_path, server)
        server.cuts = [cut]
        with pytest.raises(SmgwError, match=r"http\."):
            await gateway.fetch()
        safe, asked = gateway.received, len(server.ranges)
        assert safe <= cut
        assert safe >= cut // 1_250 * 1_000, "every piece that arrived whole is safe"
        assert await gateway.fetch()
    assert gateway.path.read_bytes() == CONTENT
    assert server.ranges[asked].startswith(f"bytes={safe}-")


async def test_many_cuts_one_after_the_other(file: Path, tmp_path: Path) -> None:
    async with serving(file, CLOCK) as server:
        gateway = Gateway(tmp_path, server)
        server.cuts = [1_700] * 5
        for _ in range(5):
            with pytest.raises(SmgwError):
                await gateway.fetch()
        assert gateway.received == 5_000
        assert await gateway.fetch()
    assert len(server.ranges) == SIZE // 1_000 + 1 + 5


@pytest.mark.parametrize("tail", [b"", b"torn page" * 100, bytes(500)])
async def test_what_a_power_cut_left_behind_the_safe_octets_is_cut_off(file: Path, tmp_path: Path, tail: bytes) -> None:
    async with serving(file, CLOCK) as server:
        gateway = Gateway(tmp_path, server)
        gateway.path.write_bytes(CONTENT[:3_000] + tail)
        gateway.received = 3_000
        assert await gateway.fetch()
        assert gateway.path.read_bytes() == CONTENT
        gateway.path.unlink()
        assert await gateway.fetch(), "a file that is gone is fetched anew"
        assert gateway.path.read_bytes() == CONTENT


async def test_a_whole_file_needs_no_server(file: Path, tmp_path: Path) -> None:
    async with serving(file, CLOCK) as server:
        gateway = Gateway(tmp_path, server)
        assert await gateway.fetch()
    assert await gateway.fetch()


async def test_another_content_has_another_hash(file: Path, tmp_path: Path) -> None:
    damage(file)
    async with serving(file, CLOCK) as server:
        assert not await Gateway(tmp_path, server).fetch()


def damage(file: Path) -> None:
    file.write_bytes(CONTENT[:-1] + b"!")


def shifted(reply: Reply) -> Reply:
    return reply._replace(headers=(("Content-Range", f"bytes 7-{6 + len(reply.body)}/{SIZE}"),))


def longer(reply: Reply) -> Reply:
    return reply._replace(headers=(("Content-Range", f"bytes 0-999/{SIZE + 1}"),))


def whole(reply: Reply) -> Reply:
    return Reply(200, CONTENT)


def empty(reply: Reply) -> Reply:
    return reply._replace(body=b"")


def unlabelled(reply: Reply) -> Reply:
    return Reply(206, reply.body)


def gone(reply: Reply) -> Reply:
    return Reply(404)


@pytest.mark.parametrize("change", [shifted, longer, whole, empty, unlabelled, gone])
async def test_an_answer_to_another_question_is_refused(file: Path, tmp_path: Path, change: "object") -> None:
    assert callable(change)
    async with serving(file, CLOCK) as server:
        gateway = Gateway(tmp_path, server)
        server.change = change
        with pytest.raises(PeerFault) as fault:
            await gateway.fetch()
    assert fault.value.code in ("firmware.range", "http.refused")
    assert gateway.received == 0


async def test_a_server_that_gives_less_is_asked_for_the_rest(file: Path, tmp_path: Path) -> None:
    def half(reply: Reply) -> Reply:
        start = int(dict(reply.headers)["Content-Range"].split()[1].split("-")[0])
        octets = reply.body[: max(1, len(reply.body) // 2)]
        return Reply(206, octets, (("Content-Range", f"bytes {start}-{start + len(octets) - 1}/{SIZE}"),))

    async with serving(file, CLOCK) as server:
        gateway = Gateway(tmp_path, server)
        server.change = half
        assert await gateway.fetch()
    assert gateway.path.read_bytes() == CONTENT


async def test_only_the_administrator_s_server_is_spoken_to(file: Path, tmp_path: Path) -> None:
    async with serving(file, CLOCK, participant_identity()) as server:
        with pytest.raises(SecurityFault):
            await Gateway(tmp_path, server).fetch()
    assert server.ranges == []
    assert administrator_identity().triple.tls != participant_identity().triple.tls


async def test_no_server_is_a_reason_to_try_again(file: Path, tmp_path: Path) -> None:
    async with serving(file, CLOCK) as server:
        gateway = Gateway(tmp_path, server)
    with pytest.raises(Unavailable, match=r"net\.unreachable"):
        await gateway.fetch()


async def test_a_disk_that_refuses_is_a_reason_to_try_again(file: Path, tmp_path: Path) -> None:
    async with serving(file, CLOCK) as server:
        gateway = Gateway(tmp_path, server)
        gateway.path.mkdir()
        with pytest.raises(SmgwError, match=r"gateway\.files"):
            await gateway.fetch()
