"""training.options: declarations, bounds and presets of training options."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from training.options import OptionsError, TrainingOptions, check_name, declarations, option


@dataclass(frozen=True)
class Options(TrainingOptions):
    epochs: int = option(5, parity=10, min=1, help="Number of passes.")
    rates: tuple[float, float] = option((1e-5, 1e-4), gt=0, help="Peak learning rates.")
    widths: tuple[int, ...] = option((8, 4), min=1, help="Widths of the layers.")
    ema: float | None = option(None, gt=0, lt=1, parity=0.9, help="Decay of the moving average.")
    kind: Literal["small", "large"] = option("small", help="Kind of network.")
    balanced: bool = option(True, parity=False, flag="--balanced/--as-many", help="Draw breeds equally often.")
    pct_start: float = option(0.3, flag=None, help="Share in which the rate rises.")


def declared(name: str) -> Any:
    return {declaration.name: declaration for declaration in declarations(Options)}[name]


def test_a_preset_replaces_defaults_and_given_values_replace_both() -> None:
    assert Options.from_preset("production") == Options()
    options = Options.from_preset("parity", ema=0.5)
    assert (options.epochs, options.ema, options.balanced, options.kind) == (10, 0.5, False, "small")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": 0}, "--epochs is 0; it must be at least 1"),
        ({"rates": (0.0, 1e-4)}, "--rates is 0,0.0001; each value must be more than 0"),
        ({"rates": (1e-4,)}, "--rates has 1 values; it needs 2"),
        ({"widths": (8, 0)}, "--widths is 8,0; each value must be at least 1"),
        ({"ema": 1.0}, "--ema is 1; it must be more than 0 and less than 1"),
        ({"pct_start": float("nan")}, "pct_start is nan; it must be a finite number"),
        ({"kind": "huge"}, "--kind is 'huge'; it must be one of small, large"),
    ],
)
def test_a_value_out_of_bounds_is_named_with_its_bounds(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionsError) as caught:
        Options.from_preset("production", **given)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "flag", "text"),
    [
        ("epochs", "--epochs", "5; parity: 10"),
        ("rates", "--rates", "1e-05,0.0001"),
        ("ema", "--ema", "none; parity: 0.9"),
        ("balanced", "--balanced/--as-many", "balanced; parity: as-many"),
        ("pct_start", None, "0.3"),
    ],
)
def test_flags_and_defaults_follow_from_the_declaration(name: str, flag: str | None, text: str) -> None:
    assert declared(name).flag == flag
    assert declared(name).default_text() == text


def test_types_follow_from_the_annotation() -> None:
    kinds = {name: (declared(name).kind, declared(name).length) for name in ("epochs", "rates", "widths", "ema")}
    assert kinds == {"epochs": (int, None), "rates": (float, 2), "widths": (int, 0), "ema": (float, None)}
    assert declared("kind").choices == ("small", "large")


@pytest.mark.parametrize("name", ["Pets", "my pets", "", "../pets", "p" * 41, "pets\n"])
def test_a_name_that_no_model_can_have_is_rejected(name: str) -> None:
    with pytest.raises(OptionsError, match="can't be a model's"):
        check_name(name)
    check_name("pets_2-b")
