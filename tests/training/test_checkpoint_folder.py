"""training.checkpoint_folder: the folder that an interrupted training resumes from."""

from contextlib import suppress
from pathlib import Path

import pytest

from training.checkpoint_folder import RunningError, check_options, checkpoints
from training.loop.checkpoint import CheckpointError


def left_over(out: Path) -> Path:
    """Return the folder of an interrupted training."""
    with suppress(InterruptedError), checkpoints(out) as folder:
        (folder / "first").mkdir()
        (folder / "first" / "all.ckpt").touch()
        (folder / "head.ckpt").touch()
        raise InterruptedError
    return folder


def test_checkpoints_are_deleted_when_the_training_is_done(tmp_path: Path) -> None:
    with checkpoints(tmp_path / "store" / "sales") as folder:
        assert folder == tmp_path / "store" / ".sales.checkpoint"
        (folder / "all.ckpt").touch()
    assert not [*(tmp_path / "store").iterdir()]


def test_an_interrupted_training_finds_its_checkpoints_again(tmp_path: Path) -> None:
    left_over(tmp_path / "sales")
    with checkpoints(tmp_path / "sales") as folder:
        assert (folder / "first" / "all.ckpt").is_file()


def test_a_fresh_start_finds_no_checkpoints(tmp_path: Path) -> None:
    left_over(tmp_path / "sales")
    with checkpoints(tmp_path / "sales", resume=False) as folder:
        assert not [*folder.iterdir()]


@pytest.mark.parametrize("resume", [True, False])
def test_a_second_training_of_the_same_bundle_is_rejected_and_changes_nothing(tmp_path: Path, resume: bool) -> None:
    out = tmp_path / "sales"
    with checkpoints(out) as folder, checkpoints(tmp_path / "other"):
        (folder / "all.ckpt").touch()
        with pytest.raises(RunningError) as caught, checkpoints(out, resume=resume):
            pytest.fail("both train")
        assert str(out) in str(caught.value)
        assert str(folder) in str(caught.value)
        assert (folder / "all.ckpt").is_file()
    with checkpoints(out, resume=resume):
        pass


def test_other_options_are_rejected_before_the_tables_are_read(tmp_path: Path) -> None:
    out = tmp_path / "sales"
    check_options(out, {"epochs": 5})  # there are no checkpoints
    with suppress(InterruptedError), checkpoints(out, options={"epochs": 5}):
        raise InterruptedError
    check_options(out, {"epochs": 3})  # the training was interrupted before its first checkpoint
    with suppress(InterruptedError), checkpoints(out, options={"epochs": 3}) as folder:
        (folder / "all.ckpt").write_text("a checkpoint")
        raise InterruptedError
    check_options(out, {"epochs": 3})
    with pytest.raises(CheckpointError, match="epochs is 5 here and 3 there"):
        check_options(out, {"epochs": 5})
    with pytest.raises(CheckpointError), checkpoints(out, options={"epochs": 5}):
        pass
    with checkpoints(out, options={"epochs": 5}, resume=False):
        pass
    assert [*tmp_path.iterdir()] == []
