"""training.sales.options: defaults of both modes and validation."""

from typing import Any, get_args, get_type_hints

import pytest

from cli.forecast import forecast
from sales.panel import DAYS_AHEAD
from schemas.sales.options import Objective
from training.options import OptionsError
from training.sales.model.network import EMB_DROP, LAYERS, PS
from training.sales.options import MAX_EPOCHS, MAX_HORIZON, MIN_STEPS, MIN_STEPS_PER_EPOCH, Options


def test_production_is_the_default_mode() -> None:
    assert Options.of() == Options.of("production") == Options()


def test_the_longest_horizon_ends_with_the_calendar() -> None:
    """The options know its length as a number of their own, so that the command line starts without numpy."""
    assert MAX_HORIZON == DAYS_AHEAD


def test_the_objectives_of_options_and_command_line_are_those_of_requests() -> None:
    """Options and command line list them, so that help starts without pydantic."""
    assert get_type_hints(Options)["objective"] == Objective
    (given,) = (parameter for parameter in forecast.params if parameter.name == "objective")
    assert tuple(given.type.to_info_dict()["choices"]) == get_args(Objective)


def test_parity_mode_trains_the_network_of_the_lesson() -> None:
    options = Options.of("parity")
    assert (options.layers, options.ps, options.emb_drop, options.emb_rule) == (LAYERS, PS, EMB_DROP, "lesson")
    assert (options.mode, options.lr_max, options.wd, options.refit) == ("parity", 1e-3, 0.2, False)
    assert (options.trees, options.target) == (0, "sales")


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
        (
            {"layers": (5,), "ps": (0.1, 0.2)},
            "--layers has 1 width and --ps 2 dropout rates; give one rate for each layer, or one for all",
        ),
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


@pytest.mark.parametrize(
    ("rows", "epochs"), [(1, MAX_EPOCHS), (310, MAX_EPOCHS), (1242, 27), (15_000, 5), (844_338, 5)]
)
def test_few_rows_get_more_epochs(rows: int, epochs: int) -> None:
    """Two stores with two years of sales had 190 steps, and an error of more than twice the baseline's."""
    options = Options.of()
    assert options.epochs_for(rows) == epochs
    steps = max(rows // options.batch_size_for(rows), 1) * epochs
    assert steps >= MIN_STEPS or epochs == MAX_EPOCHS


def test_given_epochs_are_kept() -> None:
    assert Options.of(epochs=3).epochs_for(10) == 3
    assert Options.of("parity").epochs_for(10) == 10


@pytest.mark.parametrize(
    ("given", "rates"),
    [
        ({"layers": (32,)}, (0.1,)),
        ({"layers": (64, 32, 16)}, (0.1, 0.2, 0.2)),
        ({"layers": (64, 32, 16), "ps": (0.3,)}, (0.3, 0.3, 0.3)),
        ({"ps": (0.3,)}, (0.3, 0.3)),
        ({"layers": (32,), "mode": "parity"}, (0.001,)),
    ],
)
def test_layers_need_no_dropout_rates_of_their_own(given: dict[str, Any], rates: tuple[float, ...]) -> None:
    assert Options.of(**given).ps == rates


def test_few_rows_have_no_trees() -> None:
    options = Options.of(trees=7)
    assert [options.trees_for(rows) for rows in (1, 99, 100, 10_000)] == [0, 0, 7, 7]
