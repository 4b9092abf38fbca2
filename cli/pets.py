"""Commands of the pets model."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from cli.common import DEVICE, FOLDER, command, this_command, verified_bundle
from cli.options import (
    PLOT,
    RunArguments,
    given_options,
    plot_and_print,
    print_written,
    report_arguments,
    report_title,
    training_command,
    training_options,
)
from training.pets.options import Options, Recipe, Strength

if TYPE_CHECKING:  # --help should not wait for their imports
    from pets.classifier import Classifier
    from training.pets.data.photos import PetData


def _data_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options for reading photos and their breeds."""
    options = [
        click.option(
            "--labels",
            type=click.Choice(["oxford", "names", "folders"]),
            help="Source of the breeds: annotations/ of the Oxford-IIIT Pet Dataset (oxford), file names, or folders.  "
            "[default: detected]",
        ),
        click.option(
            "--pattern",
            help=r"Regular expression for --labels names; its group 1 is the breed.  [default: ([^/]+)_\d+.jpg$]",
        ),
        click.option(
            "--valid-pct",
            type=click.FloatRange(0, 1, min_open=True, max_open=True),
            default=0.2,
            show_default=True,
            help="Share of the photos to evaluate on, if DATA has no split.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def _recipe_and_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every command that trains the pets model."""
    recipe = click.option(
        "--recipe",
        type=click.Choice(get_args(Recipe)),
        default="default",
        show_default=True,
        help="default: a head on a frozen backbone, minutes on a CPU. lesson: fast.ai's lesson 6, for a GPU.",
    )
    return _data_options(recipe(training_options(Options)(DEVICE(function))))


def _read(data: Path, given: dict[str, Any]) -> "PetData":
    """Read the photos as the command's options say."""
    from training.pets.data.photos import PATTERN, read_pets

    return read_pets(
        data,
        labels=given["labels"],
        pattern=given["pattern"] or PATTERN,
        valid_pct=given["valid_pct"],
        seed=given.get("seed") or 0,
        unlike=given.get("unlike"),
    )


@click.command("pets")
@training_command("pets")
@click.option(
    "--unlike",
    type=FOLDER,
    help="Folder of pictures that show none of the breeds. The report says how many of them are noticed.",
)
@_recipe_and_options
@command
def train_pets(data: Path, arguments: RunArguments, **given: Any) -> None:
    """Train the pets model on photos.

    DATA is a folder in the layout of the Oxford-IIIT Pet Dataset (images/ and annotations/). It may also hold photos
    with the breed in the file name, or a sub-folder for each breed. If a run is interrupted, the same command resumes
    it after its last finished epoch.
    """
    from training.pets.report import write_report
    from training.pets.train import Trained, train

    options = Options.of(given["recipe"], **given_options(Options, given))
    report_folder = arguments.checked_report()
    photos = _read(data, given)

    def write(trained: Trained) -> None:
        write_report(
            report_folder,
            trained.evaluation,
            **report_arguments(trained),
            left_out=trained.manifest.metrics["left_out"],
            **_pictures(trained.classifier),
        )

    manifest = train(photos, arguments.out, options, arguments.run(write)).manifest
    _print_figures(manifest.metrics)
    print_written(arguments.out, report_folder, manifest.version)


@click.command("pets")
@click.argument("data", type=FOLDER)
@PLOT
@_recipe_and_options
@command
def lr_find_pets(data: Path, out: Path, device: str | None, **given: Any) -> None:
    """Find a learning rate for a pets training with epochs: give --recipe lesson, --frozen-epochs or --epochs.

    Trains the head on the photos in DATA for up to 100 steps while the learning rate rises, plots the losses and
    suggests a rate.
    """
    from runtime.folder import check_file
    from training.device import pick_training_device
    from training.pets.fit import lr_find

    options = Options.of(given["recipe"], **given_options(Options, given))
    options.check_learning_rate()  # before the photos are read, which can take minutes
    check_file(out)
    photos = _read(data, given)
    found = lr_find(photos, photos.train, options, device=pick_training_device(device))
    plot_and_print(found, out)


@click.command("add-features")
@click.argument("bundle", type=FOLDER)
@command
def add_features(bundle: Path) -> None:
    """Add the features graph to a pets BUNDLE of an older version, in place and without training.

    The graph is for labelling photos. No answer of the model changes, and its version stays.
    """
    from training.pets.export.features import add_features as add

    manifest = add(bundle)
    click.echo(f"{bundle}: {manifest.name} {manifest.version} has a features graph")


@click.command("augmentations")
@click.argument("data", type=FOLDER)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("augmentations.png"),
    show_default=True,
    help="File of the picture.",
)
@click.option(
    "--strength",
    type=click.Choice(get_args(Strength)),
    default="lesson",
    show_default=True,
    help="Strength of the augmentation.",
)
@click.option(
    "--size", type=click.IntRange(32, 1024), default=224, show_default=True, help="Side of the photos, pixels."
)
@click.option("--photos", type=click.IntRange(1, 40), default=4, show_default=True, help="Number of photos.")
@click.option(
    "--versions",
    type=click.IntRange(1, 20),
    default=5,
    show_default=True,
    help="Number of augmented versions of a photo.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Random seed for the choice of photos and their augmentation.",
)
@_data_options
@command
def show_augmentations(
    data: Path, out: Path, strength: Strength, size: int, photos: int, versions: int, seed: int, **given: Any
) -> None:
    """Draw photos as the network sees them in evaluation and in training.

    Each row shows a photo of DATA as evaluation crops it, and then several augmented versions of it.
    """
    from runtime.folder import check_file
    from training.pets.data.augment import PRESETS
    from training.pets.data.preview import plot_augmentations

    check_file(out)
    plot_augmentations(
        _read(data, {**given, "seed": seed}),
        out,
        size=size,
        crop_pct=1.0,
        strengths=PRESETS[strength],
        photos=photos,
        versions=versions,
        seed=seed,
    )
    click.echo(f"picture: {out}")


def evaluate(
    bundle: Path,
    data: Path,
    report: Path,
    *,
    stores: tuple[str, ...],
    prometheus: Path | None,
    unlike: Path | None,
    device: str,
) -> None:
    """Evaluate a pets bundle on the validation photos of a folder, and write a report."""
    from pets.classifier import Classifier
    from training.pets.evaluation import evaluate
    from training.pets.report import write_report

    if stores:
        raise click.UsageError("--store is for sales bundles; this is a pets bundle")
    if prometheus is not None:
        raise click.UsageError("--prometheus is for sales bundles; this is a pets bundle")
    classifier = Classifier.load(bundle, device=device, threads=0)
    result = evaluate(classifier, _read(data, {"labels": None, "pattern": None, "valid_pct": 0.2, "unlike": unlike}))
    manifest = classifier.manifest
    write_report(
        report,
        result,
        title=report_title("pets", manifest.name, manifest.version),
        command=this_command(),
        **_pictures(classifier),
    )
    _print_figures({"split": str(data), **result.metrics()})


def check(bundle: Path, device: str) -> str:
    """Verify a pets bundle, and return a description of it."""
    from pets.bundle import load
    from pets.classifier import Classifier

    loaded = load(bundle)
    Classifier.load(bundle, device=device)
    manifest = loaded.manifest
    description = f"{len(manifest.classes)} classes, {manifest.backbone.name} at {manifest.image.size} pixels"
    golden = f"{len(loaded.golden)} golden pictures"
    return verified_bundle(bundle, manifest, description, n_files=len(manifest.files), golden=golden, device=device)


def first_answer(url: str, bundle: Path, ask: Callable[[bytes, str], bytes]) -> str:
    """Return the model's URL, a curl line, and the answer to a golden picture of the bundle; see `cli.sales`."""
    from base64 import b64decode

    from pets.bundle import load

    answer = ask(b64decode(load(bundle).golden[0]["png"]), "image/png").decode()
    return (
        f"{url}\n\ncurl -s '{url}?heatmap=gradcam' -H 'Content-Type: image/jpeg' --data-binary @photo.jpg\n"
        f"for a random picture without a pet, and without the heatmap:\n{answer}\n"
    )


def _pictures(classifier: "Classifier") -> dict[str, Any]:
    """Return the report's functions that open a photo and draw its heatmap."""
    from pets.heatmap import overlay
    from training.pets.data.photos import load_photo

    def draw(file: Path, name: str) -> bytes:
        photo = load_photo(file)
        pixels, box = classifier.crop(photo)
        output = classifier.run_network([pixels], [classifier.classes.index(name)])
        return overlay(photo, output.gradcam[0], box, low=0)

    return {"photos": lambda file: load_photo(file).image, "heatmaps": draw}


def _print_figures(figures: dict[str, Any]) -> None:
    """Print the main figures in two lines."""
    low, high = figures["accuracy_interval"]
    mean_low, mean_high = figures["mean_over_breeds_interval"]
    click.echo(
        f"{figures['split']}, {figures['photos']:,} photos: accuracy {figures['accuracy']:.4f} "
        f"(95 % interval {low:.3f} to {high:.3f}), mean over {figures['breeds']} breeds "
        f"{figures['mean_over_breeds']:.4f} ({mean_low:.3f} to {mean_high:.3f})\n"
        f"top five {figures['top_5']:.4f}, expected calibration error {figures['ece']:.4f}; "
        f"accepted without review: {figures['accepted']:.1%}"
    )
