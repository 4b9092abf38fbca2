import numpy as np
import pytest

from labelling.learning.arrays import CANT_TELL, UNLABELLED, Labels
from labelling.learning.checks import typicality
from labelling.learning.classifier import train
from labelling.learning.suggestions import DOUBTFUL_UNTIL, PAGE, TYPICAL_UNTIL, Suggestion, suggest
from tests.labelling.learning.photos import Photos, drawn_photos

NAMES = dict(enumerate(["Bengal", "boxer", "pug", "Sphynx", "beagle"]))


def suggestions(
    photos: Photos, labels: Labels, count: int = 1, refused: set[tuple[int, int]] | None = None
) -> list[Suggestion]:
    return suggest(
        photos.rows,
        labels,
        audit=photos.audit,
        typical=typicality(photos.rows, photos.audit),
        classifier=train(photos.rows, labels, photos.audit),
        refused=refused or set(),
        count=count,
    )


def test_the_first_photo_is_the_most_typical_one(photos: Photos) -> None:
    (first,) = suggestions(photos, np.full(300, UNLABELLED))
    assert first.kind == "typical"
    assert first.photos.tolist() == [np.nanargmax(typicality(photos.rows, photos.audit))]
    assert first.why(NAMES) == "Typical of many photos, and unlike those with a label."


def test_typical_photos_show_more_breeds_than_random_ones() -> None:
    ours, at_random = [], []
    for seed in range(5, 9):
        photos = drawn_photos(seed)
        labels = np.full(300, UNLABELLED)
        for _ in range(5):
            (suggestion,) = suggestions(photos, labels)
            labels[suggestion.photos] = photos.truth[suggestion.photos]
        ours.append(len(set(labels) - {UNLABELLED}))
        at_random += [len(set(photos.labels(5, draw)) - {UNLABELLED}) for draw in range(20)]
    assert np.mean(ours) > np.mean(at_random) + 0.5


def test_several_suggestions_are_those_that_would_follow_each_other(photos: Photos) -> None:
    labels = np.full(300, UNLABELLED)
    together = suggestions(photos, labels, count=5)
    for expected in together:
        (one,) = suggestions(photos, labels)
        assert one.photos.tolist() == expected.photos.tolist()
        labels[one.photos] = 0  # a single label: no classifier yet


def test_doubtful_photos_name_the_two_labels_between_which_the_classifier_hesitates(photos: Photos) -> None:
    labels = photos.labels(TYPICAL_UNTIL)
    predicted = train(photos.rows, labels, photos.audit).predict(photos.rows)
    found = suggestions(photos, labels, count=10)
    for suggestion in found:
        (photo,) = suggestion.photos
        assert suggestion.kind == "doubtful"
        assert suggestion.labels == (predicted.labels[photo], predicted.second[photo])
    unlabelled = (labels == UNLABELLED) & ~photos.audit
    assert np.mean([predicted.margin[one.photos[0]] for one in found]) < predicted.margin[unlabelled].mean()
    first, second = found[0].labels
    assert found[0].why(NAMES) == f"The classifier hesitates between {NAMES[first]} and {NAMES[second]}."


def test_groups_have_one_predicted_label_and_fit_on_a_page(photos: Photos) -> None:
    labels = photos.labels(DOUBTFUL_UNTIL)
    predicted = train(photos.rows, labels, photos.audit).predict(photos.rows).labels
    page = suggestions(photos, labels)
    shown = np.concatenate([group.photos for group in page])
    assert 0 < len(set(shown)) == len(shown) <= PAGE
    assert len({group.labels for group in page}) == len(page)
    for group in page:
        assert group.kind == "group"
        assert set(predicted[group.photos]) == set(group.labels)
    assert page[0].why(NAMES) == f"The classifier takes these for {NAMES[page[0].labels[0]]}. Deselect the others."


def test_a_refused_photo_is_in_no_group_of_that_label_and_of_all_labels_in_none(photos: Photos) -> None:
    labels = photos.labels(DOUBTFUL_UNTIL)
    group = suggestions(photos, labels)[0]
    refused = {(int(photo), group.labels[0]) for photo in group.photos[:3]} | {(int(group.photos[4]), 99), (9999, 0)}
    for label in range(5):
        refused.add((int(group.photos[5]), label))
    again = suggestions(photos, labels, refused=refused)
    for other in again:
        assert not {(int(photo), other.labels[0]) for photo in other.photos} & refused


def everything(photos: Photos, cant_tell: set[int]) -> list[Suggestion]:
    """Answer all suggestions until there are none, and return them."""
    labels, refused, made = np.full(300, UNLABELLED), set[tuple[int, int]](), []
    while found := suggestions(photos, labels, count=3, refused=refused):
        for suggestion in found:
            made.append(suggestion)
            for photo in suggestion.photos.tolist():
                assert labels[photo] == UNLABELLED
                if suggestion.kind == "group" and photos.truth[photo] != suggestion.labels[0]:
                    refused.add((photo, suggestion.labels[0]))
                else:
                    labels[photo] = CANT_TELL if photo in cant_tell else photos.truth[photo]
    assert (labels[~photos.audit] != UNLABELLED).all()
    return made


def test_suggestions_reach_all_photos_once_but_those_of_the_audit(photos: Photos) -> None:
    cant_tell = set(range(0, 300, 17))
    made = everything(photos, cant_tell)
    shown = np.concatenate([suggestion.photos for suggestion in made])
    assert set(shown) == set(np.flatnonzero(~photos.audit))
    singles = np.concatenate([suggestion.photos for suggestion in made if suggestion.kind != "group"])
    assert len(set(singles)) == len(singles)
    assert [one.kind for one in made] == [one.kind for one in everything(photos, cant_tell)]


def test_rows_and_answers_of_the_audit_change_no_suggestion(photos: Photos) -> None:
    for count in (0, 10, TYPICAL_UNTIL, DOUBTFUL_UNTIL):
        labels = photos.labels(count)
        spoilt = Photos(np.where(photos.audit[:, None], 50, photos.rows), photos.truth, photos.audit)
        expected = suggestions(photos, labels, count=4)
        found = suggestions(spoilt, np.where(photos.audit, 3, labels), count=4)
        assert [one.kind for one in found] == [one.kind for one in expected]
        shown = np.concatenate([one.photos for one in found])
        assert shown.tolist() == np.concatenate([one.photos for one in expected]).tolist()
        assert not photos.audit[shown].any()


def test_nothing_is_suggested_when_all_photos_have_an_answer(photos: Photos) -> None:
    labels = np.where(photos.truth == 0, CANT_TELL, photos.truth)
    assert suggestions(photos, labels) == []


def test_copies_of_one_photo_and_a_single_photo_get_suggestions(photos: Photos) -> None:
    copies = Photos(np.repeat(photos.rows[:1], 30, axis=0), np.zeros(30, int), np.zeros(30, bool))
    assert len({int(one.photos[0]) for one in suggestions(copies, np.full(30, UNLABELLED), count=50)}) == 30
    single = Photos(photos.rows[:1], np.zeros(1, int), np.zeros(1, bool))
    assert suggestions(single, np.full(1, UNLABELLED))[0].photos.tolist() == [0]


def test_a_row_that_is_not_finite_is_refused(photos: Photos) -> None:
    rows = photos.rows.copy()
    rows[2] = np.nan
    with pytest.raises(ValueError, match="photo 2 has a value that is not finite"):
        suggestions(Photos(rows, photos.truth, photos.audit), photos.labels(10))
