"""serving.tuning.tuned: the file between `shopcat tune` and `shopcat serve`."""

from pathlib import Path

import pytest

from serving.tuning.tuned import Machine, Tuned, TunedError, TunedModel

MODEL = TunedModel(workers=3, threads=1, batch_size=8, max_concurrent=100)


def tuned(**models: TunedModel) -> Tuned:
    return Tuned(machine=Machine.here(), runner="python", gateway_threads=2, models=models)


def test_a_written_file_is_read_back(tmp_path: Path) -> None:
    tuned(sales=MODEL).write(tmp_path / "tuned.yaml")
    assert Tuned.read(tmp_path / "tuned.yaml") == tuned(sales=MODEL)
    assert tuned().warnings() == []


def test_models_are_added_to_a_file_of_the_same_machine_and_runner(tmp_path: Path) -> None:
    file = tmp_path / "tuned.yaml"
    tuned(sales=MODEL).write(file)
    tuned(pets=MODEL).write(file)
    assert set(Tuned.read(file).models) == {"sales", "pets"}
    tuned(pets=MODEL).model_copy(update={"runner": "torchserve"}).write(file)
    assert set(Tuned.read(file).models) == {"pets"}


@pytest.mark.parametrize("text", ["", "[]", "models: {}", "\t", "machine: {processor: x, cores: 0}"])
def test_another_file_is_rejected_and_not_replaced(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tuned.yaml"
    file.write_text(text)
    with pytest.raises(TunedError, match="shopcat tune BUNDLE"):
        tuned(sales=MODEL).write(file)
    assert file.read_text() == text


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TunedError, match=r"nowhere\.yaml can't be read"):
        Tuned.read(tmp_path / "nowhere.yaml")


def test_settings_of_another_machine_are_reported() -> None:
    other = tuned().model_copy(update={"machine": Machine(processor="an abacus", cores=10)})
    assert [("an abacus" in warning, "shopcat tune" in warning) for warning in other.warnings()] == [(True, True)]


def test_an_option_for_workers_replaces_the_tuned_number() -> None:
    assert "minWorkers" not in MODEL.settings(with_workers=False)
    assert MODEL.settings(with_workers=True)["minWorkers"] == 3
