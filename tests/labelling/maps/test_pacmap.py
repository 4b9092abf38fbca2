"""PaCMAP: gradient, quality, determinism, interruption, growth and ugly inputs."""

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from labelling.maps import pacmap
from labelling.maps.alignment import align
from labelling.maps.components import principal
from labelling.maps.pacmap import Place, lay_out
from labelling.maps.pairs import choose_pairs


def clusters(n, seed=0, groups=12):
    """Return principal components of points in groups, and the group of each point."""
    random = np.random.default_rng(seed)
    group = random.integers(groups, size=n)
    rows = random.normal(size=(groups, 30))[group] * 2 + random.normal(size=(n, 30))
    return PCA(20).fit_transform(rows).astype(np.float32), group


def last(rows, **options):
    *_, layout = lay_out(rows, **options)
    assert layout.done
    return layout.positions


@pytest.mark.parametrize(("near", "middle"), [(2, 500), (3, 3), (1, 0)])
def test_the_gradient_is_that_of_the_loss(near, middle):
    rows, _ = clusters(30)
    pairs = choose_pairs(rows, np.random.default_rng(0))

    def loss(flat):
        positions = flat.reshape(2, -1).T
        apart = [
            1 + ((positions - positions[partners]) ** 2).sum(axis=-1)
            for partners in (pairs.near, pairs.middle, pairs.far)
        ]
        terms = near * apart[0] / (10 + apart[0]), middle * apart[1] / (10_000 + apart[1]), 1 / (1 + apart[2])
        return sum(term.sum() for term in terms)

    def gradient(flat):
        return pacmap._gradient(flat.reshape(2, -1), pairs, near, middle).ravel().astype(np.float64)

    start = np.random.default_rng(1).normal(size=60) * 3
    assert check_grad(loss, gradient, start) < 1e-3 * np.linalg.norm(gradient(start))


def test_groups_are_kept_together_better_than_by_principal_components():
    rows, group = clusters(400)
    positions = last(rows)
    kept, plain = (trustworthiness(rows, shown, n_neighbors=10) for shown in (positions, principal(rows)))
    assert kept > 0.98 > 0.96 > plain
    centres = np.array([positions[group == index].mean(axis=0) for index in range(12)])
    assert (((positions[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1) == group).mean() > 0.95


def test_the_map_is_deterministic_and_the_seed_counts():
    rows, _ = clusters(120)
    assert np.array_equal(last(rows), last(rows))
    assert not np.array_equal(last(rows), last(rows, seed=1))


def test_the_size_of_the_features_does_not_matter():
    rows, _ = clusters(120)
    np.testing.assert_allclose(last(rows * np.float32(2**10)), last(rows), rtol=1e-3, atol=1e-3)


def test_states_come_every_50_steps_and_the_caller_may_stop():
    rows, _ = clusters(60)
    states = list(lay_out(rows))
    assert [state.step for state in states] == list(range(50, 451, 50))
    assert [state.done for state in states] == [False] * 8 + [True]
    running = lay_out(rows)
    first = next(running)
    running.close()
    assert np.array_equal(first.positions, states[0].positions)
    assert not np.array_equal(states[0].positions, states[1].positions)  # a state is a copy, not a view


@pytest.mark.parametrize("size", [0.01, 1, 1000])
def test_photos_that_are_added_leave_the_others_near_their_places(size):
    rows, _ = clusters(300)
    before = last(rows[:240])
    shown = np.full((300, 2), np.nan)
    shown[:240] = align(before, principal(rows[:240]) * size)
    states = list(lay_out(rows, previous=shown))
    assert [state.step for state in states] == [250, 300, 350, 400, 450]
    warm, cold = (
        np.linalg.norm((align(positions, shown) - shown)[:240]) / np.linalg.norm(shown[:240])
        for positions in (states[-1].positions, last(rows))
    )
    assert warm < 0.2
    assert warm < cold / 2
    assert trustworthiness(rows, states[-1].positions, n_neighbors=10) > 0.9


@pytest.mark.parametrize("previous", [np.full((40, 2), np.nan), np.zeros((40, 2)), np.ones((40, 2))])
def test_an_earlier_map_without_extent_is_ignored(previous):
    rows, _ = clusters(40)
    assert np.array_equal(last(rows, previous=previous), last(rows))


def test_rows_beyond_the_limit_are_placed_between_their_neighbours(monkeypatch):
    monkeypatch.setattr(pacmap, "MOST", 250)
    rows, group = clusters(600)
    positions = last(rows)
    assert positions.shape == (600, 2)
    assert trustworthiness(rows, positions, n_neighbors=10) > 0.85
    centres = np.array([positions[group == index].mean(axis=0) for index in range(12)])
    assert (((positions[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1) == group).mean() > 0.9
    grown = last(rows, previous=np.vstack([positions[:500], np.full((100, 2), np.nan)]))
    assert np.isfinite(grown).all()
    moved = np.linalg.norm(align(grown, positions) - positions) / np.linalg.norm(positions)
    assert moved < 0.5


def test_a_copy_of_a_known_row_is_placed_on_it():
    known = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    positions = np.random.default_rng(1).normal(size=(20, 2)).astype(np.float32)
    placed = Place.between(np.vstack([known[7], known[3:5].mean(axis=0)]), known)(positions)
    np.testing.assert_allclose(placed[0], positions[7], atol=1e-4)
    same = Place.between(np.zeros((1, 3), np.float32), np.zeros((9, 3), np.float32))(positions)
    np.testing.assert_allclose(same[0], positions[:5].mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 8, 11, 12])
@pytest.mark.parametrize("kind", ["random", "same", "line", "no columns"])
def test_few_rows_and_equal_rows_give_a_finite_map(n, kind):
    rows = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    if kind == "same":
        rows[:] = 3
    elif kind == "line":
        rows[:, 1:] = 0
    elif kind == "no columns":
        rows = rows[:, :0]
    positions = last(rows)
    assert positions.shape == (n, 2)
    assert np.isfinite(positions).all()


def test_half_of_the_photos_may_be_copies_and_columns_constant():
    rows, _ = clusters(60)
    rows[:30] = rows[0]
    rows[:, 3] = 7
    positions = last(rows)
    assert np.isfinite(positions).all()
    assert len(np.unique(positions[30:], axis=0)) == 30


def test_a_value_that_is_not_finite_is_rejected():
    rows, _ = clusters(60)
    rows[5, 1] = np.inf
    with pytest.raises(ValueError, match="row 5"):
        next(lay_out(rows))
