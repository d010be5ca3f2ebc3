"""SML: complete parse of meters' files, beside two Python libraries and the C library as the far limit.

Promise: at least 3 times smllib 1.7 and 25 times pysml 0.1.9 on the same input, and at least 20,000 files/s on one core of
an ordinary server. The Python parsers get whole frames and check the transport's checksum; ours and pysml also check each
message's, smllib does not. The C library gets the messages without the transport and checks each message's.
"""

import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.result import BenchResult
from smgw.codec.sml import (
    GetListResponse,
    ListEntry,
    PublicCloseResponse,
    PublicOpenResponse,
    SmlMessage,
    SmlTime,
    TimeKind,
    encode_frame,
)
from smgw.protocol.sml_stream import SmlFileReceived, SmlStream

ROUNDS = 5
ROUND_SECONDS = 0.4
PROMISED_FILES_PER_S = 20_000
PROMISED = {"vs_smllib": 3.0, "vs_pysml": 25.0}
_CAPTURES = Path(__file__).resolve().parents[2] / "shared" / "testdata" / "sml"
_ANCHOR = Path(__file__).with_name("libsml_anchor.c")


def run() -> BenchResult:
    """Measure all parsers on the same frames; thread CPU time, median of the rounds, rounds of all parsers interleaved."""
    frames, notes = _frames()
    parsers = {"smgw_files_per_s": _smgw(frames)}
    for name, make in (("smllib_files_per_s", _smllib), ("pysml_files_per_s", _pysml)):
        try:
            parsers[name] = make(frames)
        except ImportError:
            notes.append(f"{name.split('_')[0]} is not installed, not measured")
    samples: dict[str, list[float]] = {name: [] for name in parsers}
    for _ in range(ROUNDS):
        for name, parse in parsers.items():
            samples[name].append(_rate(parse, len(frames)))
    rates = {name: statistics.median(values) for name, values in samples.items()}
    libsml = _libsml(frames, notes)
    if libsml is not None:
        rates["libsml_files_per_s"] = libsml
    ours = rates["smgw_files_per_s"]
    ratios = {f"vs_{name.split('_')[0]}": ours / rate for name, rate in rates.items() if name != "smgw_files_per_s"}
    missed = [f"{name} {ratios[name]:.1f} < {least:g}" for name, least in PROMISED.items() if ratios.get(name, least) < least]
    if ours < PROMISED_FILES_PER_S:
        missed.append(f"{ours:,.0f} files/s < {PROMISED_FILES_PER_S:,}")
    notes.append("promises missed: " + ", ".join(missed) if missed else "promises kept: 3 x smllib, 25 x pysml, 20,000 files/s")
    return BenchResult("sml_parse", rates, ratios, notes)


def _frames() -> tuple[list[bytes], list[str]]:
    """Take the frames of the captures, or make some; only such that all parsers read."""
    frames = []
    for path in sorted(_CAPTURES.glob("*.bin")):
        stream = SmlStream()
        frames += [event.frame for event in stream.receive_data(path.read_bytes()) if isinstance(event, SmlFileReceived)]
    source = f"{len(frames)} files of real meters"
    if not frames:
        frames = [_made(number) for number in range(100)]
        source = f"no captures beside the project: {len(frames)} files of our own encoder"
    size = statistics.mean(map(len, frames))
    return frames, [f"{source}, {size:.0f} octets on average; one core, CPU time of the thread, median of {ROUNDS} rounds"]


def _made(number: int) -> bytes:
    server_id = bytes.fromhex("0a01534d4700") + number.to_bytes(4, "big")
    moment = SmlTime(TimeKind.SEC_INDEX, 1_000_000 + number)
    entries = (
        ListEntry(bytes.fromhex("0100603201ff"), value=b"SMG"),
        ListEntry(bytes.fromhex("0100600100ff"), value=server_id),
        ListEntry(bytes.fromhex("0100010800ff"), 0x1C0104, moment, 30, -1, 23_559_290 + number),
        ListEntry(bytes.fromhex("0100020800ff"), None, None, 30, -1, 17 + number),
        ListEntry(bytes.fromhex("0100100700ff"), None, None, 27, 0, 376 - 7 * number),
        ListEntry(bytes.fromhex("0100200700ff"), None, None, 35, -1, 2305),
    )
    bodies = (
        PublicOpenResponse(b"\x00\x01", server_id, ref_time=moment),
        GetListResponse(server_id, entries, list_name=bytes.fromhex("0100620affff"), act_sensor_time=moment),
        PublicCloseResponse(),
    )
    return encode_frame(SmlMessage(bytes((1, number, place)), body) for place, body in enumerate(bodies))


def _rate(parse: Callable[[], None], files: int) -> float:
    done = 0
    start = time.thread_time()
    while (spent := time.thread_time() - start) < ROUND_SECONDS:
        parse()
        done += files
    return done / spent


def _smgw(frames: list[bytes]) -> Callable[[], None]:
    def parse() -> None:
        stream = SmlStream()
        for frame in frames:
            stream.receive_data(frame)

    return parse


def _smllib(frames: list[bytes]) -> Callable[[], None]:
    from smllib import SmlStreamReader

    reader = SmlStreamReader()

    def parse() -> None:
        for frame in frames:
            reader.add(frame)
            frame_found = reader.get_frame()
            assert frame_found is not None
            frame_found.parse_frame()

    return parse


def _pysml(frames: list[bytes]) -> Callable[[], None]:
    from sml import SmlBase

    def parse() -> None:
        for frame in frames:
            SmlBase.find_frame(frame)

    return parse


def _libsml(frames: list[bytes], notes: list[str]) -> float | None:
    """Build the C harness and run it; without compiler or library say so."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        notes.append("libsml is not measured: no C compiler")
        return None
    with tempfile.TemporaryDirectory() as folder:
        program, data = Path(folder) / "anchor", Path(folder) / "frames"
        built = subprocess.run([compiler, "-O2", "-o", program, _ANCHOR, "-lsml"], capture_output=True, check=False, timeout=60)
        if built.returncode:
            notes.append("libsml is not measured: install the Debian package libsml-dev")
            return None
        data.write_bytes(b"".join(len(frame[8:-8]).to_bytes(4, "little") + frame[8:-8] for frame in frames))
        command = [program, data, str(ROUNDS), str(ROUND_SECONDS)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        notes.append(f"libsml is not measured: its harness ended with code {done.returncode}")
        return None
    rate, entries = done.stdout.split()
    notes.append(f"libsml reads the messages without the transport and found {entries} list entries")
    return float(rate)
