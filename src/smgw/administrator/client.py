"""A client of a running administrator's REST interface, with the folder's token or a user's. Source: ADM-13."""

import http.client
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from smgw.administrator.config import AdministratorFolder
from smgw.core.errors import ConfigError, SmgwError, Unavailable

TIMEOUT_S = 30.0
_LIMIT = 512 << 20


class Refused(SmgwError):
    """The administrator refused a request; carries its code."""

    exit_code = 4


class Client:
    """Ask one administrator."""

    def __init__(self, folder: AdministratorFolder, url: str = "", token: Path | None = None) -> None:
        """Find address and token. Raises: ConfigError administrator.config, secret.missing."""
        if not url:
            url = f"http://127.0.0.1:{folder.load().api_port}"
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ConfigError("administrator.config", "--url: like http://127.0.0.1:8080")
        self._host, self._port = parts.hostname, parts.port or 80
        path = token or folder.token
        try:
            self._token = path.read_text().strip()
        except OSError as problem:
            raise ConfigError("secret.missing", path.name) from problem

    def ask(self, method: str, path: str, body: object = None, timeout_s: float = TIMEOUT_S) -> Any:
        """Ask below `/api/v1`; gives what the answer holds, or its octets when it is no JSON.

        Raises: Refused with the administrator's code, Unavailable administrator.not_running.
        """
        status, kind, data = self._exchange(method, f"/api/v1{path}", None if body is None else msgspec.json.encode(body), timeout_s)
        if kind != "application/json":
            return data
        try:
            answer = msgspec.json.decode(data)
        except msgspec.MsgspecError as problem:
            raise Unavailable("administrator.not_running", "another program answers there") from problem
        if status >= http.client.BAD_REQUEST:
            raise _refusal(answer)
        return answer

    def _exchange(self, method: str, path: str, body: bytes | None, timeout_s: float) -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        headers = {"Authorization": f"Bearer {self._token}"} | ({"Content-Type": "application/json"} if body is not None else {})
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.headers.get_content_type(), response.read(_LIMIT)
        except (OSError, http.client.HTTPException) as problem:
            raise Unavailable("administrator.not_running", f"{self._host}:{self._port}") from problem
        finally:
            connection.close()


def _refusal(answer: Any) -> SmgwError:
    told = answer if isinstance(answer, dict) else {}
    try:
        return Refused(str(told.get("error")), str(told.get("detail", "")))
    except KeyError:
        return Unavailable("administrator.not_running", "another program answers there")
