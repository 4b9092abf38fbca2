from dataclasses import replace

import numpy as np
import pytest
from matplotlib._pylab_helpers import Gcf
from matplotlib.colors import to_rgb

from training import plots
from training.plots import lr_figure, plot_lr, smooth, training_figure

SHARE = {"loss": "cross entropy", "metric": "accuracy", "label": "accuracy", "from_zero": False}


def test_a_training_that_was_not_judged_has_losses_alone(history):
    alone = replace(history, epochs=[replace(epoch, metrics={}) for epoch in history.epochs])
    assert len(training_figure(history, **SHARE).axes) == 3
    assert len(training_figure(alone, **SHARE).axes) == 2


def test_each_epoch_shows_the_share_asked_for(history):
    _, _, axes = training_figure(history, **SHARE).axes
    np.testing.assert_allclose(axes.lines[0].get_data(), [[1, 2, 3], [0.9, 0.95, 1 - 0.1 / 3]])
    assert axes.get_ylim()[0] > 0.8
    assert [note.get_text() for note in axes.texts] == ["96.67 %"]
    _, _, errors = training_figure(history, **{**SHARE, "metric": "rmspe", "from_zero": True}).axes
    assert errors.get_ylim() == (0, pytest.approx(0.33))


def test_losses_stand_at_their_epochs(history):
    losses = training_figure(history, **SHARE).axes[0].lines[0]
    assert losses.get_xdata()[[99, 199, 299]].tolist() == [1, 2, 3]
    assert losses.get_ydata().tolist() == history.losses


def test_smoothing_keeps_a_constant_and_the_length():
    np.testing.assert_allclose(smooth([2.0] * 501), 2.0)
    np.testing.assert_allclose(smooth([1.0, 3.0]), [1.0, 3.0])


def test_the_learning_rate_plot_is_written_whole(tmp_path, found, is_picture, monkeypatch):
    file = tmp_path / "plots" / "lr.png"
    plot_lr(found, file)
    assert is_picture(file)
    before = file.read_bytes()

    def fail(figure):
        raise MemoryError

    monkeypatch.setattr(plots, "png", fail)
    with pytest.raises(MemoryError):
        plot_lr(found, file)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_the_suggestion_is_marked_on_the_curve(found):
    axes = lr_figure(found).axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_data(), [found.lrs, found.losses])
    (x,), (y,) = axes.lines[1].get_data()
    assert x == found.suggestion
    assert y == pytest.approx(np.interp(x, found.lrs, found.losses))
    assert any("0.001" in note.get_text() for note in axes.texts)


def test_leaves_no_figure_behind(history, found):
    training_figure(history, **SHARE)
    lr_figure(found)
    assert Gcf.get_all_fig_managers() == []


def test_the_colours_differ_in_lightness_too():
    """The lines are then distinct in a black-and-white print."""
    lightness = sorted(np.dot(to_rgb(color), (0.299, 0.587, 0.114)) for color in (plots.BLACK, plots.BLUE, plots.SKY))
    assert min(np.diff(lightness)) > 0.15
