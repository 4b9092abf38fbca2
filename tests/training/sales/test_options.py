"""training.sales.options: defaults of both modes and validation."""

from typing import Any

import pytest

from training.options import OptionsError
from training.sales.network import EMB_DROP, LAYERS, PS
from training.sales.options import MIN_STEPS_PER_EPOCH, Options


def test_production_is_the_default_mode() -> None:
    assert Options.of() == Options.of("production") == Options()


def test_parity_mode_trains_the_network_of_the_lesson() -> None:
    options = Options.of("parity")
    assert (options.layers, options.ps, options.emb_drop, options.emb_rule) == (LAYERS, PS, EMB_DROP, "lesson")
    assert (options.mode, options.lr_max, options.wd, options.refit) == ("parity", 1e-3, 0.2, False)


def test_given_values_replace_the_defaults_of_a_mode() -> None:
    assert Options.of("parity", epochs=3, refit=True) == Options.of("parity", refit=True, epochs=3)
    assert Options.of("parity", epochs=3).epochs == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lr_max": float("nan")}, "--lr is nan; it must be more than 0"),
        ({"wd": float("inf")}, "--wd is inf; it must be at least 0"),
        ({"epochs": 0}, "--epochs is 0; it must be at least 1"),
        ({"layers": (0, 5)}, "--layers is 0,5; each value must be at least 1"),
        ({"ps": (1.0, 0.0)}, "--ps is 1,0; each value must be at least 0 and less than 1"),
        ({"seed": -1}, "--seed is -1; it must be at least 0"),
        ({"mode": "lesson"}, "--mode is 'lesson'; it must be one of production, parity"),
        ({"country": "Germany"}, "--country is 'Germany'; write two capital letters (ISO 3166), such as DE or US"),
        ({"layers": (5,)}, "1 layers ((5,)) need as many dropouts; ps has 2 ((0.1, 0.2)): give both --layers and --ps"),
    ],
)
def test_a_value_that_can_not_be_trained_with_is_rejected(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionsError) as caught:
        Options.of(**given)
    assert str(caught.value) == message


@pytest.mark.parametrize(("rows", "size"), [(10, 32), (150 * 64, 64), (150 * 127, 64), (10**6, 1024)])
def test_few_rows_make_small_batches(rows: int, size: int) -> None:
    assert Options.of().batch_size_for(rows) == size
    assert size == 32 or rows // size >= MIN_STEPS_PER_EPOCH
    assert Options.of(batch_size=7).batch_size_for(rows) == 7
