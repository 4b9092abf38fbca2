"""benchmarks.labelling: the scripted user counts every click, and sees no photo of the audit."""

import numpy as np
import pytest

from benchmarks.labelling import policies
from benchmarks.labelling.honesty import one_person
from benchmarks.labelling.pools import Pool
from benchmarks.labelling.scripted_user import POLICIES, curve
from benchmarks.labelling.session import Policy, Session


@pytest.fixture(scope="module")
def pool() -> Pool:
    rng = np.random.default_rng(2)
    truth = rng.permutation(np.repeat(np.arange(4), 60))
    rows = (rng.normal(size=(4, 40))[truth] + rng.normal(size=(240, 40))).astype(np.float32)
    audit = np.arange(200) < 40
    return Pool(rows[:200], truth[:200], audit, np.arange(40), rows[200:], truth[200:])


def test_a_page_costs_two_clicks_and_one_for_each_wrong_photo(pool: Pool) -> None:
    session = Session(pool, 0)
    zeros, ones = (np.flatnonzero((pool.truth == label) & ~pool.audit) for label in (0, 1))
    session.confirm([(np.concatenate([zeros[:5], ones[:2]]), 0), (ones[2:3], 1)])
    assert (session.clicks, session.clicks_by_group) == (2 + 2, (2 + 2) + 1)
    assert (session.labels[zeros[:5]] == 0).all()
    assert (session.labels[ones[:2]] == -1).all()
    assert session.refused == {(int(photo), 0) for photo in ones[:2]}
    session.name(int(ones[0]))
    assert (session.clicks, session.labels[ones[0]]) == (5, 1)


def test_an_overlooked_photo_gets_the_wrong_label_and_costs_nothing(pool: Pool) -> None:
    session = Session(pool, 0, overlooked=1.0)
    ones = np.flatnonzero((pool.truth == 1) & ~pool.audit)[:3]
    session.confirm([(ones, 0)])
    assert session.clicks == 2
    assert (session.labels[ones] == 0).all()


@pytest.mark.parametrize("policy", [*POLICIES.values(), policies.lasso], ids=[*POLICIES, "lasso"])
def test_every_policy_labels_all_photos_right_but_those_of_the_audit(pool: Pool, policy: Policy) -> None:
    session = Session(pool, 1)
    for _ in policy(session):
        assert (session.labels[pool.audit] == -1).all()
    assert (session.labels == pool.truth)[~pool.audit].all()


def test_accuracy_grows_with_clicks(pool: Pool) -> None:
    first, _, last = curve(pool, policies.ours, 0)
    assert 0.5 < first.photos <= last.photos
    assert 0.5 < first.breeds <= last.breeds


def test_the_audit_of_a_person_estimates_the_truth(pool: Pool) -> None:
    truth, audit, holds, width, _ = one_person(Session(pool, 0), policies.at_random)
    assert abs(truth - audit) < width
    assert holds in (0, 1)
