"""Object stores that the tests of this folder share, and addresses that our clients reach them by."""

from collections.abc import Iterator

import pytest

from tests.bulk.stores import Store, running_gs, running_s3


@pytest.fixture(scope="module", params=["s3", pytest.param("gs", marks=pytest.mark.cluster)])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    with running_s3() if request.param == "s3" else running_gs() as store:
        yield store


@pytest.fixture
def bucket(store: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    """Address of an empty bucket."""
    reach(store, store.url, monkeypatch)
    return store.bucket()


def reach(store: Store, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let our clients reach a store by an address."""
    import fsspec

    for name, value in store.at(url).items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class(store.scheme).clear_instance_cache()
