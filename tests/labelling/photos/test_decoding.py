"""labelling.photos.decoding: marks of photos that outlive a process."""

from pathlib import Path

import pytest

from labelling.photos.decoding import DecodingMarks

FIRST, SECOND = "a" * 64, "b" * 64


def test_a_mark_that_is_left_is_a_death_and_one_that_ends_is_none(tmp_path: Path) -> None:
    file = tmp_path / "decoding.txt"
    for deaths in (1, 2):
        left = DecodingMarks(file).decoding(FIRST)
        left.__enter__()  # and the process ends
        marks = DecodingMarks(file)
        assert marks.deaths == {FIRST: deaths}
        with marks.decoding(SECOND):
            pass
        with pytest.raises(ValueError, match="damaged"), marks.decoding(SECOND):
            raise ValueError("damaged")
        assert DecodingMarks(file).deaths == {FIRST: deaths}
    with marks.decoding(FIRST):
        pass
    assert DecodingMarks(file).deaths.total() == 0


@pytest.mark.parametrize("step", ["write", "forget"])
def test_a_stop_in_the_middle_of_marking_is_no_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A signal's handler can raise between any two lines."""
    file = tmp_path / "decoding.txt"
    file.write_text(f"{SECOND}\n", encoding="ascii")
    marks = DecodingMarks(file)
    complete = DecodingMarks._write

    def interrupted(self: DecodingMarks) -> None:
        if (FIRST in self.deaths) == (step == "write"):
            if step == "write":
                complete(self)
            raise SystemExit(0)
        complete(self)

    with monkeypatch.context() as patched:
        patched.setattr(DecodingMarks, "_write", interrupted)
        with pytest.raises(SystemExit), marks.decoding(FIRST):
            pass
    marks.stopped()
    assert DecodingMarks(file).deaths == {SECOND: 1}


def test_a_damaged_file_is_no_death(tmp_path: Path) -> None:
    file = tmp_path / "decoding.txt"
    file.write_bytes(FIRST.encode() + b"\n\xff\xfe\n" + SECOND.encode()[:30])
    assert DecodingMarks(file).deaths == {FIRST: 1}
