"""handlers.python.settings: from the process that starts a worker to the worker."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.python.settings import Limit, Limits, Settings

NUMBERS = st.integers(1, 10**9)
LIMITS = st.builds(
    Limits,
    st.none() | NUMBERS,
    st.dictionaries(st.sampled_from(["predictions", "explanations"]), st.builds(Limit, NUMBERS, NUMBERS)),
)


@given(st.builds(Settings, bundle=st.text(), model=st.text(), gpu=st.none() | st.integers(0, 7), limits=LIMITS))
def test_settings_are_read_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> None:
    file = tmp_path_factory.getbasetemp() / "settings.json"
    settings.write(file)
    assert Settings.read(file) == settings


@pytest.mark.parametrize("content", ['{"bundle": "b", "model": "m", "limits": {}, "colour": 1}', '{"limits": {}}'])
def test_wrong_settings_are_no_settings(tmp_path: Path, content: str) -> None:
    """Both processes have the same version, so that nothing but a fault in the code causes this."""
    file = tmp_path / "settings.json"
    file.write_text(content)
    with pytest.raises((TypeError, KeyError)):
        Settings.read(file)
