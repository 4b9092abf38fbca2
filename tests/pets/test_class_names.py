"""pets.class_names: names of classes in any spelling, and similar names for a wrong one."""

import pytest

from pets.class_names import ClassNames
from schemas.problems import ProblemError

NAMES = ClassNames(["Bengal", "Maine_Coon", "great_pyrenees"])


@pytest.mark.parametrize("name", ["Maine_Coon", "maine coon", " MAINE  COON "])
def test_spelling_makes_no_difference(name: str) -> None:
    assert NAMES.index("breed", name) == 1


def test_a_wrong_name_is_repeated_with_similar_ones() -> None:
    with pytest.raises(ProblemError) as raised:
        NAMES.index("breed", "Bengali")
    problem = raised.value.problem
    assert (problem.status, problem.type.rpartition(":")[2]) == (404, "unknown-class")
    assert problem.detail == "/breed: not one of the model's 3 classes; is it Bengal? (sent: 'Bengali')"
    assert problem.errors[0].path == "/breed"


def test_a_name_like_no_other_gets_no_advice() -> None:
    with pytest.raises(ProblemError, match=r"3 classes \(sent: '<script>'\)"):
        NAMES.index("versus", "<script>")
