"""Start `smgw up` as a user does, and talk to what it prints."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

END_S = 200


class RunningSystem:
    """Hold a started system and the line it printed when all was up."""

    def __init__(self, process: "subprocess.Popen[str]", ready: dict[str, Any]) -> None:
        self.process = process
        self.ready = ready

    @property
    def consumer_url(self) -> str:
        """Give the address of the consumer interface."""
        return str(self.ready["consumer"]["url"])

    @property
    def credentials(self) -> tuple[str, str]:
        """Give the consumer's name and password."""
        return self.ready["consumer"]["user"], self.ready["consumer"]["password"]

    @property
    def data(self) -> Path:
        """Give the data folder."""
        return Path(self.ready["data"])

    def finish(self) -> dict[str, Any]:
        """Wait for the end and give the summary; the exit code must be 0."""
        out, err = self.process.communicate(timeout=END_S)
        assert self.process.returncode == 0, err
        return dict(json.loads(out.strip().splitlines()[-1]))

    def stop(self) -> dict[str, Any]:
        """Press Ctrl-C and give the summary."""
        self.process.send_signal(signal.SIGINT)
        return self.finish()


@contextlib.contextmanager
def system(data: Path, *arguments: str) -> Iterator[RunningSystem]:
    """Run `smgw up --json` in an environment without a home; whatever still runs at the end is killed."""
    command = [sys.executable, "-m", "smgw", "up", "--json", "--data", str(data), *arguments]
    environment = {"PATH": os.environ["PATH"], "HOME": str(data / "no-home")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()
            assert line, process.stderr.read()
            yield RunningSystem(process, json.loads(line))
        finally:
            if process.poll() is None:
                process.kill()


def get_json(url: str, token_file: str) -> Any:
    """Ask an operator's interface."""
    import urllib.request

    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {Path(token_file).read_text().strip()}"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)
