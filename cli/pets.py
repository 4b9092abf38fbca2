"""The pets model's commands."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from cli.common import DEVICE, FILE, FOLDER, FORCE, command, numbers, this_command

# Of ``training.pets.fit.Options`` and ``LESSON``, which would import torch for each --help; a test compares.
DEFAULTS = {
    "backbone": ("efficientnet_lite1+efficientnet_lite2", "resnet34"),
    "hidden": ("none, one linear layer", "512"),
    "p": ("0.5", "0.5"),
    "size": ("288", "224"),
    "late_size": ("none", "352"),
    "strength": ("flip", "lesson"),
    "batch_size": ("64", "64"),
    "frozen_epochs": ("15", "3"),
    "frozen_lr": ("0.002", "0.01"),
    "passes": ("4", "none"),
    "epochs": ("0", "2"),
    "lr": ("1e-05,0.0001", "1e-06,0.001"),
    "late_epochs": ("0", "2"),
    "late_lr": ("1e-06,1e-05", "1e-06,0.0001"),
    "wd": ("0.01", "0.01"),
}  # in the default recipe, and in the lesson's


def _default(name: str) -> str:
    """How a training option's default stands in its help."""
    ours, lesson = DEFAULTS[name]
    return f"[default: {ours}]" if ours == lesson else f"[default: {ours}; lesson: {lesson}]"


def _two(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, float] | None:
    """Two rates, of the first layers and of the head."""
    rates = numbers(float)(ctx, param, value)
    if rates is None:
        return None
    if len(rates) != 2 or min(rates) <= 0:
        raise click.BadParameter(f"{value!r} is not two learning rates, like 1e-5,1e-4")
    return rates[0], rates[1]


def _data_options(function: Callable[..., None]) -> Callable[..., None]:
    """How photos tell their breed."""
    options = [
        click.option(
            "--labels",
            type=click.Choice(["oxford", "names", "folders"]),
            help="How a photo tells its breed: annotations/ of the Oxford-IIIT Pet dataset, its file name, or its "
            "folder.  [default: found out]",
        ),
        click.option(
            "--pattern",
            help=r"Regular expression for --labels names; group 1 is the breed.  [default: ([^/]+)_\d+.jpg$]",
        ),
        click.option(
            "--valid-pct",
            type=click.FloatRange(0, 1, min_open=True, max_open=True),
            default=0.2,
            show_default=True,
            help="Share of the photos to judge by, where DATA has no split.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def _training_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of everything that trains the pets model."""
    rate = click.FloatRange(0, min_open=True)
    options: list[Callable[[Callable[..., None]], Callable[..., None]]] = [
        _data_options,
        click.option(
            "--recipe",
            type=click.Choice(["default", "lesson"]),
            default="default",
            show_default=True,
            help="default: a head on a frozen backbone, minutes on a CPU. lesson: fast.ai's lesson 6, for a GPU.",
        ),
        click.option(
            "--backbone",
            help=f"A network of torchvision or timm by name; efficientnet_lite0 and efficientnet_lite2 need no "
            f"download.  {_default('backbone')}",
        ),
        click.option("--hidden", type=click.IntRange(1), help=f"Units behind concat pooling.  {_default('hidden')}"),
        click.option("--p", type=click.FloatRange(0, 1, max_open=True), help=f"Dropout.  {_default('p')}"),
        click.option("--size", type=click.IntRange(32, 1024), help=f"Of the photos, pixels.  {_default('size')}"),
        click.option("--late-size", type=click.IntRange(32, 1024), help=f"In the last part.  {_default('late_size')}"),
        click.option(
            "--strength",
            type=click.Choice(["none", "flip", "default", "lesson"]),
            help=f"Of the augmentation; see show augmentations.  {_default('strength')}",
        ),
        click.option(
            "--balanced/--as-many",
            default=None,
            help="Draw each breed equally often, or as often as it has photos.  [default: balanced; lesson: as many]",
        ),
        click.option("--batch-size", type=click.IntRange(2), help=f"Photos in a batch.  {_default('batch_size')}"),
        click.option(
            "--frozen-epochs",
            type=click.IntRange(0),
            help=f"Of the head alone.  {_default('frozen_epochs')}",
        ),
        click.option("--frozen-lr", type=rate, help=f"Highest rate of these.  {_default('frozen_lr')}"),
        click.option(
            "--passes",
            type=click.IntRange(0),
            help="Augmented passes whose features are kept to train the head on; 0 computes them anew in each "
            f"epoch.  {_default('passes')}",
        ),
        click.option("--epochs", type=click.IntRange(0), help=f"Of the whole network.  {_default('epochs')}"),
        click.option("--lr", callback=_two, help=f"Highest rates of these, first layers and head.  {_default('lr')}"),
        click.option(
            "--late-epochs",
            type=click.IntRange(0),
            help=f"Of the whole network at the late size.  {_default('late_epochs')}",
        ),
        click.option("--late-lr", callback=_two, help=f"Highest rates of these.  {_default('late_lr')}"),
        click.option("--wd", type=click.FloatRange(0), help=f"Weight decay.  {_default('wd')}"),
        click.option(
            "--bfloat16/--float32",
            default=None,
            help="Compute in bfloat16 where that is safe.  [default: if the device is faster in it]",
        ),
        click.option(
            "--seed", type=click.IntRange(0), help="Of the split, the head, the order, the augmentation.  [default: 0]"
        ),
        DEVICE,
    ]
    for option in reversed(options):
        function = option(function)
    return function


def _options(given: dict[str, Any]) -> Any:
    """The training options that were given, the others at their defaults."""
    from training.pets.fit import Options

    known = {each.name for each in fields(Options)}
    return Options.of(given["recipe"], **{k: v for k, v in given.items() if k in known and v is not None})


def _read(data: Path, given: dict[str, Any]) -> Any:
    """The photos, by the options that say how."""
    from training.pets.data.photos import PATTERN, read_pets

    return read_pets(
        data,
        labels=given["labels"],
        pattern=given["pattern"] or PATTERN,
        valid_pct=given["valid_pct"],
        seed=given.get("seed") or 0,
    )


@click.command("pets")
@click.argument("data", type=FOLDER)
@click.option("--out", type=FOLDER, default=Path("model_store/pets"), show_default=True, help="The bundle's folder.")
@click.option("--report", type=FOLDER, help="The report's folder.  [default: report/ beside the bundle]")
@click.option("--name", default="pets", show_default=True, help="The model's name.")
@click.option("--fresh", is_flag=True, help="Start anew, even if an interrupted run could go on.")
@FORCE
@_training_options
@command
def train_pets(
    data: Path, out: Path, report: Path | None, name: str, fresh: bool, force: bool, device: str | None, **given: Any
) -> None:
    """Train the pets model on photos.

    DATA is a folder in the layout of the Oxford-IIIT Pet dataset (images/ and annotations/), a folder of photos with
    the breed in their file names, or a folder with a sub-folder for each breed. An interrupted run goes on after its
    last finished epoch when the command is given again.
    """
    from runtime.folder import check_target
    from training.device import pick_training_device
    from training.pets.report import write_report
    from training.pets.train import Trained, train

    options = _options(given)
    report = report or out.parent / "report" / out.name
    check_target(out, replace=force, remedy=", or replace it with --force")
    check_target(report, replace=(report / "report.md").is_file())
    photos = _read(data, given)

    def write(trained: Trained) -> None:
        write_report(
            report,
            trained.evaluation,
            title=f"Pets model {trained.manifest.name} {trained.manifest.version}",
            history=trained.history,
            lr=trained.lr,
            command=this_command(),
            **_pictures(trained.classifier),
        )

    manifest = train(
        photos,
        out,
        options,
        device=pick_training_device(device),
        name=name,
        replace=force,
        resume=not fresh,
        report=write,
    ).manifest
    _print_figures(manifest.metrics)
    click.echo(f"bundle: {out} ({manifest.version})\nreport: {report / 'report.md'}\nserve it: shopcat serve {out}")


@click.command("pets")
@click.argument("data", type=FOLDER)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("lr_find.png"),
    show_default=True,
    help="The plot.",
)
@_training_options
@command
def lr_find_pets(data: Path, out: Path, device: str | None, **given: Any) -> None:
    """Find a learning rate for the pets model.

    It trains the head for a moment on the photos in DATA with a rising rate, plots the losses and suggests a rate.
    """
    from runtime.folder import check_file
    from training.device import pick_training_device
    from training.pets.fit import Fit
    from training.plots import plot_lr

    options = _options(given)
    check_file(out)
    photos = _read(data, given)
    found = Fit(photos, photos.train, options, device=pick_training_device(device)).look_for_rate()
    plot_lr(found, out)
    click.echo(f"suggested learning rate: {found.suggestion:.2g}\nplot: {out}")


@click.command("augmentations")
@click.argument("data", type=FOLDER)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("augmentations.png"),
    show_default=True,
    help="The picture.",
)
@click.option(
    "--strength",
    type=click.Choice(["none", "flip", "default", "lesson"]),
    default="lesson",
    show_default=True,
    help="How strong.",
)
@click.option("--size", type=click.IntRange(32, 1024), default=224, show_default=True, help="Of the photos, pixels.")
@click.option("--photos", type=click.IntRange(1, 40), default=4, show_default=True, help="How many photos.")
@click.option("--versions", type=click.IntRange(1, 20), default=5, show_default=True, help="How many of each.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the choice and the drawing.")
@_data_options
@command
def show_augmentations(
    data: Path, out: Path, strength: str, size: int, photos: int, versions: int, seed: int, **given: Any
) -> None:
    """Draw photos as evaluation and as training see them.

    A row for each photo of DATA: what evaluation sees of it, and what augmentation makes of it.
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


@click.command()
@click.argument("bundle", type=FOLDER)
@click.argument("images", type=FILE, nargs=-1, required=True)
@click.option(
    "--heatmap",
    type=click.Choice(["activation", "gradcam", "contrast"]),
    help="Also draw where the network looked; needs --out.",
)
@click.option("--class", "class_", help="The breed that the heatmap explains.  [default: the one found]")
@click.option("--versus", help="The breed that a contrast tells it from.  [default: the next best]")
@click.option("--out", type=FOLDER, help="Where the photos with their heatmaps go.")
@click.option("--top", "top_k", type=click.IntRange(1, 100), default=3, show_default=True, help="Breeds a photo.")
@DEVICE
@command
def classify(
    bundle: Path,
    images: tuple[Path, ...],
    heatmap: str | None,
    class_: str | None,
    versus: str | None,
    out: Path | None,
    top_k: int,
    device: str | None,
) -> None:
    """Name the breeds of pets in photos.

    Prints a line for each of IMAGES: the breed, how probable it is, whether a person should look, and the next best
    breeds. With --heatmap, each photo with its heatmap is written to --out, as NAME.METHOD.png.
    """
    from base64 import b64decode

    from pydantic import ValidationError

    from pets.classifier import Classifier
    from runtime.device import pick_device
    from runtime.folder import write_file
    from schemas.pets.request import PetRequest
    from schemas.problems import Problem, ProblemError, validation_problem

    if (heatmap is None) != (out is None):
        raise click.UsageError("--heatmap and --out go together: one says what to draw, the other where to write it")
    given = {"heatmap": heatmap, "class": class_, "versus": versus, "top_k": top_k}
    asked = {name: value for name, value in given.items() if value is not None}
    classifier = Classifier.load(bundle, device=pick_device(device), threads=0)
    failed, width = 0, max(len(str(image)) for image in images)
    for image in images:
        try:
            request = PetRequest.model_validate({**asked, "image": image.read_bytes()})
            (answer,) = classifier.predict([classifier.prepare(request)])
            if isinstance(answer, Problem):
                raise ProblemError(answer)
        except (ValidationError, ProblemError) as error:
            problem = error.problem if isinstance(error, ProblemError) else validation_problem(error)
            failed += 1
            click.echo(f"{image!s:<{width}}  {problem.detail}", err=True)
            continue
        others = ", ".join(f"{each.breed} {each.probability:.1%}" for each in answer.top[1:])
        said = [f"{answer.breed} {answer.probability:.1%}", *([f"({others})"] if others else [])]
        click.echo("  ".join([f"{image!s:<{width}}", *said, *(["review"] if answer.decision == "review" else [])]))
        for warning in answer.warnings:
            click.echo(f"{'':<{width}}  {warning.detail}")
        if out is not None and answer.heatmap is not None and answer.heatmap.overlay is not None:
            write_file(out / f"{image.stem}.{heatmap}.png", b64decode(answer.heatmap.overlay))
    if failed:
        raise SystemExit(2)


def evaluate(bundle: Path, data: Path, report: Path, *, stores: tuple[int, ...], device: str) -> None:
    """Judge a pets bundle on the photos that the layout keeps to judge by, and write a report."""
    from pets.classifier import Classifier
    from training.pets.evaluation import evaluate
    from training.pets.report import write_report

    if stores:
        raise click.UsageError("--store is for sales bundles; this one is of pets")
    classifier = Classifier.load(bundle, device=device, threads=0)
    result = evaluate(classifier, _read(data, {"labels": None, "pattern": None, "valid_pct": 0.2}))
    about = classifier.manifest
    write_report(
        report,
        result,
        title=f"Pets model {about.name} {about.version}",
        command=this_command(),
        **_pictures(classifier),
    )
    _print_figures({"split": str(data), **result.metrics()})


def check(bundle: Path, device: str) -> str:
    """What there is to say of a pets bundle that is as training wrote it."""
    from pets.bundle import load
    from pets.classifier import Classifier

    whole = load(bundle)
    Classifier.load(bundle, device=device)
    about = whole.manifest
    return (
        f"{bundle}: {about.kind} bundle {about.name} {about.version}, {len(about.classes)} classes, "
        f"{about.backbone.name} at {about.image.size} pixels\n"
        f"{len(about.files)} files as listed; {len(whole.golden)} golden pictures as "
        f"training computed them, on {device}"
    )


def first_answer(url: str, bundle: Path, ask: Callable[[bytes, str], bytes]) -> str:
    """The model's address, and a curl line with the answer to a picture that the bundle has with it; see cli.sales."""
    from base64 import b64decode

    from pets.bundle import load

    answer = ask(b64decode(load(bundle).golden[0]["png"]), "image/png").decode()
    return (
        f"{url}\n\ncurl -s '{url}?heatmap=gradcam' -H 'Content-Type: image/jpeg' --data-binary @photo.jpg\n"
        f"for a made-up picture without a pet, and without the heatmap:\n{answer}\n"
    )


def _pictures(classifier: Any) -> dict[str, Any]:
    """What a report shows mistakes with: how to open a photo, and how to draw its heatmap."""
    from pets.heatmap import overlay
    from training.pets.data.photos import load_photo

    def draw(file: Path, name: str) -> bytes:
        photo = load_photo(file)
        pixels, box = classifier.crop(photo)
        output = classifier.run_network([pixels], [classifier.classes.index(name)])
        return overlay(photo, output.gradcam[0], box, low=0)

    return {"photos": lambda file: load_photo(file).image, "heatmaps": draw}


def _print_figures(figures: dict[str, Any]) -> None:
    """The figures that count, in two lines."""
    low, high = figures["accuracy_interval"]
    mean_low, mean_high = figures["mean_over_breeds_interval"]
    click.echo(
        f"{figures['split']}, {figures['photos']:,} photos: accuracy {figures['accuracy']:.4f} "
        f"(95 % interval {low:.3f} to {high:.3f}), mean over {figures['breeds']} breeds "
        f"{figures['mean_over_breeds']:.4f} ({mean_low:.3f} to {mean_high:.3f})\n"
        f"top five {figures['top_5']:.4f}, expected calibration error {figures['ece']:.4f}; "
        f"accepted without review: {figures['accepted']:.1%}"
    )
