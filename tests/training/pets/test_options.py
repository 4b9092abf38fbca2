"""Options of the pets training: recipes, contradictions, and the size of serving."""

import dataclasses
import json
from pathlib import Path
from typing import Any, get_args

import pytest

from training.options import OptionsError, declarations
from training.pets.data.augment import PRESETS
from training.pets.options import Options, Strength

ROOT = Path(__file__).parents[3]


def test_the_lessons_recipe_has_the_values_of_its_notebook() -> None:
    options = Options.of("lesson")
    assert (options.backbone, options.batch_size, options.p, options.bn_final) == ("resnet34", 64, 0.5, True)
    assert (options.size, options.late_size, options.served_size) == (224, 352, 352)
    assert (options.frozen_lr, options.lr, options.late_lr) == (1e-2, (1e-6, 1e-3), (1e-6, 1e-4))
    assert dataclasses.asdict(Options.of("lesson", size=128, epochs=7)) == {
        **dataclasses.asdict(options),
        "size": 128,
        "epochs": 7,
    }
    assert Options.of("default") == Options()


@pytest.mark.parametrize(
    ("recipe", "given", "message"),
    [
        ("default", {"strength": "wild"}, "--strength is 'wild'; it must be one of"),
        ("default", {"prior": None}, "no part has an epoch; give --frozen-epochs"),
        ("default", {"hidden": 32}, "leave out --hidden"),
        ("lesson", {"prior": 1e-3}, "leave out --prior with --recipe lesson"),
    ],
)
def test_options_that_contradict_each_other_are_an_error(recipe: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionsError, match=message):
        Options.of(recipe, **given)


@pytest.mark.parametrize(
    ("given", "served"),
    [({}, 288), ({"late_size": 320}, 288), ({"late_size": 320, "late_epochs": 1}, 320), ({"late_epochs": 1}, 288)],
)
def test_the_served_size_is_that_of_the_last_part(given: dict[str, Any], served: int) -> None:
    assert Options.of("default", **{"size": 288, **given}).served_size == served


def test_a_linear_probe_has_no_learning_rate_to_find() -> None:
    with pytest.raises(OptionsError, match="give --recipe lesson, --frozen-epochs or --epochs"):
        Options.of("default").check_learning_rate()
    Options.of("lesson").check_learning_rate()
    Options.of("default", epochs=1).check_learning_rate()


def test_every_preset_of_the_augmentation_is_a_choice() -> None:
    (strength,) = (declared for declared in declarations(Options) if declared.name == "strength")
    assert {*strength.choices} == {*get_args(Strength)} == {*PRESETS}


def test_the_default_recipe_is_that_of_the_shipped_bundle() -> None:
    training = json.loads((ROOT / "model_store/pets/bundle.json").read_text())["training"]
    options = json.loads(json.dumps(dataclasses.asdict(Options.of("default"))))
    assert options == {name: training[name] for name in options}
