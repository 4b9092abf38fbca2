"""The front door: every command that shopcat has."""

import json
import logging
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any

import click

# Commands import what they need when they run: `shopcat --help` should not wait for torch.


class _Commands(click.Group):
    """Commands in the order in which a newcomer meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_DEVICE = click.option("--device", help="cpu, cuda or cuda:N.  [default: a GPU if there is one]")
_FORCE = click.option("--force", is_flag=True, help="Replace what is there already.")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="shopcat")
def main() -> None:
    """Sales forecasts and pet breeds from one TorchServe.

    \b
    First steps without data of your own:
      shopcat demo tables              write seven made-up tables
      shopcat train sales tables       train on them; writes model_store/sales
      shopcat serve model_store/sales  serve the bundle on 127.0.0.1:8080
    """  # noqa: D301 - click's mark is the character, not a backslash and a b
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    for ours in ("training", "sales", "handlers"):
        logging.getLogger(ours).setLevel(logging.INFO)


@contextmanager
def _errors() -> Iterator[None]:
    """What can go wrong, said in a line; exit code 2. What nobody foresaw keeps its traceback."""
    from runtime.errors import UserError

    try:
        yield
    except (UserError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        raise SystemExit(130) from None


def _command(function: Callable[..., None]) -> Callable[..., None]:
    """A command whose errors are said in a line."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        with _errors():
            function(*args, **kwargs)

    return run


@main.command()
@click.argument("folder", type=_FOLDER)
@click.option("--stores", default=40, show_default=True, type=click.IntRange(1, 5000), help="How many stores.")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), help="The same seed gives the same tables."
)
@_command
def demo(folder: Path, stores: int, seed: int) -> None:
    """Write made-up tables to train on.

    FOLDER gets seven CSV files in the format that training reads. They are synthetic and say so: known effects of
    weekday, promotion, holidays, season, weather and competition.
    """
    from training.demo import write_demo

    write_demo(folder, stores=stores, seed=seed)
    click.echo(f"{folder}: seven synthetic tables of {stores} stores. Train on them: shopcat train sales {folder}")


@main.group(cls=_Commands)
def train() -> None:
    """Train a model: tables in, bundle and report out."""


def _numbers(kind: type) -> Callable[[click.Context, click.Parameter, str | None], tuple[Any, ...] | None]:
    """A comma-separated list of numbers."""

    def convert(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[Any, ...] | None:
        if value is None:
            return None
        try:
            return tuple(kind(part) for part in value.split(",") if part.strip())
        except ValueError:
            raise click.BadParameter(f"{value!r} is not a comma-separated list of numbers, like 1000,500") from None

    return convert


# Of ``training.sales.Options``, which would import torch for each --help; a test compares.
DEFAULTS = {
    "epochs": ("5", "10"),
    "batch_size": ("1024, fewer for few rows", "256"),
    "lr_max": ("0.002", "0.001"),
    "wd": ("0.1", "0.2"),
    "layers": ("1000,500", "1000,500"),
    "ps": ("0.1,0.2", "0.001,0.01"),
    "emb_drop": ("0.1", "0.04"),
    "ema": ("None", "0.998"),
}  # in production mode, and in parity mode


def _default(name: str) -> str:
    """How a training option's default stands in its help."""
    production, parity = DEFAULTS[name]
    return f"[default: {production}]" if production == parity else f"[default: {production}; parity: {parity}]"


def _training_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of everything that trains the sales model."""
    options = [
        click.option(
            "--mode",
            type=click.Choice(["production", "parity"]),
            default="production",
            show_default=True,
            help="production: only what is known when the forecast is made. parity: the lesson's columns, which look "
            "ahead, to compare with its figures.",
        ),
        click.option("--epochs", type=click.IntRange(1), help=f"Passes over the rows.  {_default('epochs')}"),
        click.option("--batch-size", type=click.IntRange(2), help=f"Rows in a batch.  {_default('batch_size')}"),
        click.option(
            "--lr",
            "lr_max",
            type=click.FloatRange(0, min_open=True),
            help=f"Highest learning rate; see lr-find.  {_default('lr_max')}",
        ),
        click.option("--wd", type=click.FloatRange(0), help=f"Weight decay.  {_default('wd')}"),
        click.option("--layers", callback=_numbers(int), help=f"Widths of the hidden layers.  {_default('layers')}"),
        click.option("--ps", callback=_numbers(float), help=f"Dropout after each.  {_default('ps')}"),
        click.option(
            "--emb-drop", type=click.FloatRange(0, 1, max_open=True), help=f"On embeddings.  {_default('emb_drop')}"
        ),
        click.option(
            "--emb-rule",
            type=click.Choice(["lesson", "fastai"]),
            help="How wide embeddings are: min(50, n/2 + 1), or fastai's newer rule.  [default: lesson]",
        ),
        click.option(
            "--ema",
            type=click.FloatRange(0, 1, min_open=True, max_open=True),
            help=f"Decay of a moving average of the weights, which is then used.  {_default('ema')}",
        ),
        click.option(
            "--bfloat16/--float32",
            default=None,
            help="Compute matrix products in bfloat16.  [default: if the device is faster in it; not in parity mode]",
        ),
        click.option(
            "--seed", type=click.IntRange(0), help="Of initial weights, batch order and dropout.  [default: 0]"
        ),
        click.option(
            "--holdout",
            type=click.IntRange(1),
            help="Days at the end to judge by.  [default: as long as the plan in test.csv]",
        ),
        _DEVICE,
    ]
    for option in reversed(options):
        function = option(function)
    return function


def _options(given: dict[str, Any]) -> Any:
    """The training options that were given, the others at their defaults."""
    from training.sales import Options

    known = {field.name for field in fields(Options)}
    return Options.of(given.pop("mode"), **{k: v for k, v in given.items() if k in known and v is not None})


@train.command("sales")
@click.argument("data", type=_FOLDER)
@click.option("--out", type=_FOLDER, default=Path("model_store/sales"), show_default=True, help="The bundle's folder.")
@click.option("--report", type=_FOLDER, help="The report's folder.  [default: report/ beside the bundle]")
@click.option("--name", default="sales", show_default=True, help="The model's name.")
@click.option(
    "--no-refit",
    "refit",
    flag_value=False,
    default=None,
    help="Keep the fit that did not see the last days, instead of fitting all rows again.",
)
@click.option("--fresh", is_flag=True, help="Start anew, even if an interrupted run could go on.")
@_FORCE
@_training_options
@_command
def train_sales(
    data: Path, out: Path, report: Path | None, name: str, fresh: bool, force: bool, device: str | None, **given: Any
) -> None:
    """Train the sales model on tables.

    DATA is a folder with train.csv, test.csv, store.csv, store_states.csv, state_names.csv, googletrend.csv and
    weather.csv, as in fastai's rossmann.tgz. The model is judged on the last days, which it does not see, and then
    fitted on all. An interrupted run goes on after its last finished epoch when the command is given again.
    """
    from runtime.device import pick_device
    from runtime.folder import check_target
    from sales.tables import read_tables
    from training.demo import is_synthetic
    from training.report import write_report
    from training.sales import Trained, train

    options = _options(given)
    report = report or out.parent / "report" / out.name
    check_target(out, replace=force, remedy=", or replace it with --force")
    check_target(report, replace=(report / "report.md").is_file())
    tables = read_tables(data)

    def write(trained: Trained) -> None:
        write_report(
            report,
            trained.holdout,
            title=f"Sales model {trained.manifest.name} {trained.manifest.version}",
            history=trained.history,
            lr=trained.lr,
            synthetic=trained.manifest.synthetic,
            mode=trained.manifest.mode,
            command=_this_command(),
        )

    manifest = train(
        tables,
        out,
        options,
        device=pick_device(device),
        name=name,
        synthetic=is_synthetic(data),
        replace=force,
        resume=not fresh,
        report=write,
    ).manifest
    _print_figures(manifest.metrics)
    click.echo(f"bundle: {out} ({manifest.version})\nreport: {report / 'report.md'}\nserve it: shopcat serve {out}")


@main.command("lr-find")
@click.argument("data", type=_FOLDER)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("lr_find.png"),
    show_default=True,
    help="The plot.",
)
@_training_options
@_command
def lr_find(data: Path, out: Path, device: str | None, **given: Any) -> None:
    """Find a learning rate for the sales model.

    It trains for a moment on the tables in DATA with a rising rate, plots the losses and suggests a rate.
    """
    from runtime.device import pick_device
    from runtime.folder import check_file
    from sales.panel import panel_from_tables
    from sales.tables import read_tables
    from training.report import plot_lr
    from training.sales import holdout_cutoff, lr_find

    options = _options(given)
    check_file(out)
    tables = read_tables(data)
    panel = panel_from_tables(tables, cutoff=holdout_cutoff(tables, options))
    found = lr_find(panel, options, device=pick_device(device))
    plot_lr(found, out)
    click.echo(f"suggested learning rate: {found.suggestion:.2g}\nplot: {out}")


@main.command()
@click.argument("bundle", type=_FOLDER)
@click.argument("data", type=_FOLDER)
@click.option("--report", type=_FOLDER, default=Path("report"), show_default=True, help="The report's folder.")
@click.option("--store", "stores", multiple=True, type=int, help="A store to plot; may be repeated.")
@_DEVICE
@_command
def evaluate(bundle: Path, data: Path, report: Path, stores: tuple[int, ...], device: str | None) -> None:
    """Judge a bundle on later sales.

    Those are the sales of the tables in DATA after the last day that BUNDLE has seen. Writes a report.
    """
    from runtime.device import pick_device
    from runtime.folder import check_target
    from sales.forecaster import Forecaster
    from sales.tables import read_tables
    from training.demo import is_synthetic
    from training.evaluation import evaluate
    from training.report import write_report

    check_target(report, replace=(report / "report.md").is_file())
    forecaster = Forecaster.load(bundle, device=pick_device(device), threads=0)
    result = evaluate(forecaster, read_tables(data))
    written = write_report(
        report,
        result,
        title=f"Sales model {forecaster.name} {forecaster.version}",
        stores=stores or None,
        synthetic=is_synthetic(data),
        mode=forecaster.model.features.mode,
        command=_this_command(),
    )
    _print_figures(result.metrics())
    click.echo(f"report: {written / 'report.md'}")


@main.command()
@click.argument("bundle", type=_FOLDER)
@click.argument("rows", type=_FILE)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The CSV to write.")
@_DEVICE
@_command
def forecast(bundle: Path, rows: Path, out: Path, device: str | None) -> None:
    """Forecast every row of a CSV file.

    Kaggle's test.csv gives Id,Sales. Any other CSV with the columns Store and Date (and, if known, Open, Promo,
    StateHoliday and SchoolHoliday) keeps its columns and gets one added.
    """
    from runtime.device import pick_device
    from runtime.folder import check_file
    from sales.forecaster import Forecaster
    from sales.rows import forecast_csv

    check_file(out)
    forecaster = Forecaster.load(bundle, device=pick_device(device), threads=0)
    count, notes = forecast_csv(forecaster, rows, out)
    click.echo(f"{out}: {count:,} forecasts by {forecaster.name} {forecaster.version}")
    for code, number in sorted(notes.items()):
        click.echo(f"  {number:,} rows: {code.replace('_', ' ')}")


@main.command()
@click.argument("bundle", type=_FOLDER)
@_DEVICE
@_command
def check(bundle: Path, device: str | None) -> None:
    """Verify a bundle.

    The hash of each file, and that the golden rows are forecast as they were in training.
    """
    from runtime.device import pick_device
    from sales.bundle import load
    from sales.forecaster import Forecaster

    device = pick_device(device)
    whole = load(bundle)
    Forecaster.load(bundle, device=device)
    about = whole.manifest
    click.echo(
        f"{bundle}: {about.kind} bundle {about.name} {about.version}, {about.mode} mode, cutoff {about.cutoff}"
        f"{', SYNTHETIC' if about.synthetic else ''}\n"
        f"{len(about.files)} files as listed; {len(whole.golden)} golden rows as training computed them, on {device}"
    )


@main.command()
@click.argument("bundle", type=_FOLDER)
@click.option(
    "--model-store", type=_FOLDER, default=Path("model_store/archives"), show_default=True, help="Where archives go."
)
@_command
def archive(bundle: Path, model_store: Path) -> None:
    """Make of a bundle what TorchServe loads."""
    from handlers.archive import archive

    click.echo(f"{archive(bundle, model_store)}")


@main.command()
@click.argument("bundles", nargs=-1, type=_FOLDER)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Of /predictions.")
@click.option("--management-port", default=8081, show_default=True, type=click.IntRange(1, 65535), help="Of /models.")
@click.option("--metrics-port", default=8082, show_default=True, type=click.IntRange(1, 65535), help="Of /metrics.")
@click.option(
    "--workers", default=0, type=click.IntRange(0, 256), help="Workers a model.  [default: one a GPU, or one a core]"
)
@click.option(
    "--model-store", type=_FOLDER, default=Path("model_store/archives"), show_default=True, help="Where archives go."
)
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="A file for the server's log.")
@_command
def serve(
    bundles: tuple[Path, ...],
    port: int,
    management_port: int,
    metrics_port: int,
    workers: int,
    model_store: Path,
    log: Path | None,
) -> None:
    """Serve bundles until Ctrl-C.

    BUNDLES are served on 127.0.0.1; model_store/sales if none is named.
    Each is archived for TorchServe first; the server keeps a copy, so what is archived later does not change it. The
    addresses, and a request with its answer, are printed when all workers are ready.
    """
    from handlers.archive import archive, check_bundles
    from handlers.ports import Ports
    from handlers.server import Server, serve

    bundles = bundles or (Path("model_store/sales"),)
    ports = Ports(port, management_port, metrics_port)
    check_bundles(bundles)
    ports.check_free()  # before anything is written
    paths = [archive(bundle, model_store) for bundle in bundles]

    def show(server: Server) -> None:
        for name, path in server.models.items():
            click.echo(_first_answer(server.url(name), path / "bundle"))
        click.echo(f"log: {server.log}\nCtrl-C stops it.")

    click.echo(f"starting TorchServe with {', '.join(path.name for path in paths)} ...")
    serve(paths, show, ports=ports, workers=workers, log=log)
    click.echo("stopped")


def _first_answer(url: str, bundle: Path) -> str:
    """A model's address, and a curl line with what it gives: the first store's sales of the first day to come."""
    from datetime import timedelta
    from urllib.request import ProxyHandler, Request, build_opener

    from sales.bundle import read_manifest

    about = read_manifest(bundle)
    body = json.dumps({"store": about.levels["Store"][0], "date": str(about.cutoff + timedelta(days=1))})
    request = Request(url, body.encode(), {"Content-Type": "application/json"})  # noqa: S310  # our own server
    with build_opener(ProxyHandler({})).open(request, timeout=10) as response:  # a proxy knows no loopback of ours
        answer = response.read().decode()
    return f"{url}\n\ncurl -s {url} -H 'Content-Type: application/json' -d '{body}'\n{answer}\n"


def _this_command() -> str:
    """What was typed, for a report that says how to get it again."""
    return shlex.join(["shopcat", *sys.argv[1:]])


def _print_figures(figures: dict[str, Any]) -> None:
    """The figures that count, in two lines."""
    click.echo(
        f"{figures['from']} to {figures['to']}, {figures['rows']:,} rows: RMSPE {figures['rmspe']:.4f}, "
        f"WAPE {figures['wape']:.4f}, bias {figures['bias']:+.4f}"
    )
    if naive := figures.get("last_year_same_weekday"):
        ours = figures["where_last_year_is_known"]
        click.echo(
            f"last year's same weekday, {naive['rows']:,} rows: RMSPE {naive['rmspe']:.4f}; "
            f"the model on these rows: {ours['rmspe']:.4f}"
        )


if __name__ == "__main__":
    main()
