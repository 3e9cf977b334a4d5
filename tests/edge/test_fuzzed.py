"""The API under Schemathesis, a short run of `python -m tests.edge.api_fuzz`: no server error, no break of schema."""

import pytest

from tests.edge.api_fuzz import ROLES, fuzz

ENOUGH = 1_000
"""Cases of each role, at least; fewer would mean that the tool left operations out."""


@pytest.mark.parametrize("role", ROLES)
def test_what_is_made_from_the_document_is_answered_as_it_says(role):
    found = fuzz(role, examples=8)
    assert found.failures == [] and found.errors == [] and found.exit_code == 0, found.output
    assert found.cases >= ENOUGH and found.server_errors == 0, found.statuses
