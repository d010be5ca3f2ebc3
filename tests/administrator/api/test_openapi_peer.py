"""A published checker of OpenAPI reads the document and holds the interface to it: schemathesis, over loopback.

It makes requests that fit the document and requests that don't. No answer may be a fault of the server, every status and content type must
be declared, every body must fit its schema, and what does not fit must be refused. Source: ADM-13.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.administrator.four_eyes_parts import prepare
from tests.administrator.interface_parts import Thread, add_user

from smgw.administrator.api import ENDPOINTS
from smgw.administrator.api.endpoints import Desk
from smgw.administrator.api.openapi import document, operation_id
from smgw.administrator.users import Role

with warnings.catch_warnings():
    # Its own dependencies warn of each other.
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis import checks
    from schemathesis.generation import GenerationMode
    from schemathesis.specs.openapi import checks as conformance

pytestmark = pytest.mark.req("ADM-13")

EXAMPLES = 6
"""Requests of either kind for each operation."""
APART = {
    "post_backup": "a passphrase is made slow to guess on purpose",
    "post_gateways_device_id_wake_up": "it sends packets and waits",
    "post_notifications_name_try": "it sends messages",
    "put_me_password": "one's own password counts for the token, too",
    "post_users": "a password is made slow to guess on purpose",
    "put_users_name": "a password is made slow to guess on purpose",
    "delete_me_tokens_number": "one's own token is needed",
}
"""Operation -> why it is tried with the others of tests/administrator only."""


def refuses_what_does_not_fit(context: Any, response: Any, case: Any) -> bool | None:
    """Take 413 for a refusal, too, which the checker does not: what is too long for its field may be too long for any body."""
    return None if response.status_code == 413 else conformance.negative_data_rejection(context, response, case)


CHECKS = [
    checks.not_a_server_error,
    conformance.status_code_conformance,
    conformance.content_type_conformance,
    conformance.response_schema_conformance,
    refuses_what_does_not_fit,
]
TRIED = [row for row in ENDPOINTS if operation_id(row) not in APART]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Give the address of an interface and the token of somebody with every role."""
    tokens: list[str] = []

    def fill(desk: Desk) -> None:
        prepare(desk)
        tokens.append(add_user(desk.books, "op1", *Role))

    path: Path = tmp_path_factory.mktemp("peer") / "gwa"
    with Thread(path, prepare=fill) as running:
        yield running.url, tokens[0]


@pytest.fixture(scope="module")
def schema() -> Any:
    return schemathesis.openapi.from_dict(document(ENDPOINTS))


@pytest.mark.parametrize("endpoint", TRIED, ids=operation_id)
def test_the_interface_keeps_what_its_document_says(served: tuple[str, str], schema: Any, endpoint: Any) -> None:
    url, token = served
    operation = schema[f"/api/v1{endpoint.path}"][endpoint.method]
    headers = {"Authorization": f"Bearer {token}"}

    @settings(
        max_examples=2 * EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def try_one(data: st.DataObject) -> None:
        mode = data.draw(st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        case.call_and_validate(base_url=url, headers=headers, checks=CHECKS)

    try_one()
