"""The security module: signing and agreeing on keys, in software, under its rules, and in a token, beside the bare library.

Promise: the software module does at least 85 % of what `cryptography` does with keys that are loaded already, the guarded one at least
80 %. The token is SoftHSM2, which does the same arithmetic on the same processor: what it lacks is the price of the way through PKCS#11.
Without SoftHSM2 its lines are left out.
"""

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from bench.result import BenchResult
from smgw.security.key_guard import KeyGuard
from smgw.security.module import SecurityModule
from smgw.security.module_folder import CONFIG_FILE, create_backend
from smgw.security.policy import curve_named

ROUNDS = 5
SAMPLES_A_ROUND = 6
SAMPLE_SECONDS = 0.03
NAMES = {"secp256r1": "p256", "brainpoolP256r1": "bp256", "brainpoolP384r1": "bp384"}
PROMISED = {"software": 0.85, "guarded": 0.80}
LIBRARIES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
SIGN_KEY, AGREE_KEY = "GW_WAN_SIG", "GW_WAN_ENC"

_PREHASHED = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
_PIN = b"0123456789"


class _Pair(NamedTuple):
    """Hold the two calls of one way to the keys."""

    sign: Callable[[], object]
    ecdh: Callable[[], object]


def run() -> BenchResult:
    """Measure all ways in turns; thread CPU time, each rate the median of the rounds, each ratio that of one round."""
    rates: dict[str, float] = {}
    ratios: dict[str, float] = {}
    with TemporaryDirectory() as folder:
        modules = _modules(Path(folder))
        for curve, name in NAMES.items():
            ways = {"raw": _raw(curve), **{way: _of(module, curve) for way, module in modules.items()}}
            rounds = [_round(ways) for _ in range(ROUNDS)]
            for way in ways:
                for call in _Pair._fields:
                    rates[f"{way}_{name}_{call}_per_s"] = 1 / statistics.median(one[way, call] for one in rounds)
                    if way != "raw":
                        ratios[f"{way}_{name}_{call}_of_raw"] = statistics.median(one["raw", call] / one[way, call] for one in rounds)
    missed = [f"{name} {ratio:.3f}" for name, ratio in ratios.items() if ratio < PROMISED.get(name.split("_")[0], 0)]
    notes = [f"digests of SHA-256, CPU time of one thread, median of {ROUNDS} rounds"]
    notes.append("promises missed: " + ", ".join(missed) if missed else "promises kept: 85 % of the bare library, 80 % under the rules")
    if "token" not in modules:
        notes.append("no SoftHSM2 here: its lines are missing")
    return BenchResult("security_module", rates, ratios, notes)


def _modules(folder: Path) -> dict[str, SecurityModule]:
    guarded = KeyGuard.initialise(create_backend(folder / "guarded"), time.monotonic)
    guarded.pair(_PIN)
    made: dict[str, SecurityModule] = {"software": create_backend(folder / "software"), "guarded": guarded}
    library = next((path for path in LIBRARIES if Path(path).exists()), None)
    if library is not None and shutil.which("softhsm2-util"):
        made["token"] = _token(folder, library)
    return made


def _token(folder: Path, library: str) -> SecurityModule:
    role = folder / "token"
    role.mkdir()
    label, pin = make_token(folder)
    (role / CONFIG_FILE).write_text(f'{{"backend": "pkcs11", "library": "{library}", "token_label": "{label}", "tls_keys": "software"}}')
    (role / "token.pin").touch(mode=0o600)
    (role / "token.pin").write_text(pin)
    return create_backend(role)


def make_token(folder: Path) -> tuple[str, str]:
    """Make a token in a folder, before the library is loaded: it reads its configuration once a process. Gives label and PIN."""
    tokens, configuration = folder / "tokens", folder / "softhsm2.conf"
    tokens.mkdir()
    configuration.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    command = ["softhsm2-util", "--init-token", "--free", "--label", "bench", "--pin", _PIN.decode(), "--so-pin", "12345678"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=30)
    return "bench", _PIN.decode()


def _raw(curve: str) -> _Pair:
    key, peer = (ec.generate_private_key(curve_named(curve)) for _ in range(2))
    digest, public, exchange = os.urandom(32), peer.public_key(), ec.ECDH()
    return _Pair(lambda: key.sign(digest, _PREHASHED), lambda: key.exchange(exchange, public))


def _of(module: SecurityModule, curve: str) -> _Pair:
    for name in (SIGN_KEY, AGREE_KEY):
        if name in module.names():
            module.destroy(name)
        module.generate(name, curve)
    digest, peer = os.urandom(32), ec.generate_private_key(curve_named(curve)).public_key()
    return _Pair(lambda: module.sign_digest(SIGN_KEY, digest), lambda: module.ecdh(AGREE_KEY, peer))


def _round(ways: dict[str, _Pair]) -> dict[tuple[str, str], float]:
    """Measure every call in samples in turns and keep the best of each: what else runs on the machine only adds time."""
    calls = {(way, call): getattr(pair, call) for way, pair in ways.items() for call in _Pair._fields}
    samples = [{key: _sample(call) for key, call in calls.items()} for _ in range(SAMPLES_A_ROUND)]
    return {key: min(one[key] for one in samples) for key in calls}


def _sample(call: Callable[[], object]) -> float:
    done, start = 0, time.thread_time()
    while (spent := time.thread_time() - start) < SAMPLE_SECONDS:
        for _ in range(8):
            call()
        done += 8
    return spent / done
