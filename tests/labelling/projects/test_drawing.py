"""labelling.projects.drawing: a demonstration is requested, and drawn once by whoever comes next."""

import pytest

from labelling.projects.drawing import draw_requested, request_demonstration, requested
from labelling.projects.store import Project


def test_a_demonstration_is_drawn_once(project: Project) -> None:
    draw_requested(project)
    assert (requested(project), len(project.photos)) == (0, 0)
    request_demonstration(project, 3)
    assert (requested(project), len(project.photos)) == (3, 0)
    draw_requested(project)
    assert (requested(project), len(project.photos)) == (0, 3)


def test_a_killed_process_draws_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    request_demonstration(project, 3)
    with monkeypatch.context() as patched:
        patched.setattr("labelling.projects.photos.write_demonstration", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            draw_requested(project)
    assert requested(project) == 3
    draw_requested(project)
    assert len(project.photos) == 3
