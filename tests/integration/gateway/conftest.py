"""A gateway, a real Envoy, in front of a stand-in for TorchServe."""

from collections.abc import Iterator

import pytest

from serving.gateway.envoy import Gateway, running_gateway
from tests.integration.gateway.helpers import MODELS, settings
from tests.integration.gateway.standin import StandIn, echo, standing_in
from tests.integration.waiting import until


@pytest.fixture(scope="module")
def shared_stand_in() -> Iterator[StandIn]:
    with standing_in() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(shared_stand_in: StandIn) -> Iterator[Gateway]:
    config = settings(probes_port=shared_stand_in.port)
    with running_gateway(config, MODELS, [shared_stand_in.socket]) as running:
        yield running


@pytest.fixture
def stand_in(shared_stand_in: StandIn) -> Iterator[StandIn]:
    """The stand-in behind the gateway; it echoes again, and is idle, when the test ends."""
    yield shared_stand_in
    shared_stand_in.behaviour, shared_stand_in.headers = echo, {}
    assert until(lambda: not shared_stand_in.in_progress)
