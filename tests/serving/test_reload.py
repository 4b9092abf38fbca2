"""serving.reload: the number of instances that are started at a time."""

from types import SimpleNamespace
from typing import Any

import pytest

from serving import reload
from serving.process import ServerError


@pytest.mark.parametrize(("available", "expected"), [(1000, 3), (650, 2), (599, 1), (300, 1)])
def test_as_many_instances_are_started_as_fit_into_the_memory(
    monkeypatch: pytest.MonkeyPatch, available: int, expected: int
) -> None:
    old: Any = [SimpleNamespace(footprint=footprint) for footprint in (200, 300, 250)]
    monkeypatch.setattr(reload, "available_memory", lambda: available)
    assert reload._group_size(old, 3) == expected


def test_an_instance_that_does_not_fit_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    old: Any = [SimpleNamespace(footprint=300 << 20)]
    monkeypatch.setattr(reload, "available_memory", lambda: 200 << 20)
    with pytest.raises(ServerError, match=r"needs about 300 MiB .* and 200 MiB are available"):
        reload._group_size(old, 1)
