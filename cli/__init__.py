"""The front door: every command that shopcat has.

Commands import what they need when they run: `shopcat --help` should not wait for torch.
"""

import logging
import sys

import click

from cli import bundles, pets, sales, serve
from cli.common import Commands


# Each option can be given in the environment, as containers like it: SHOPCAT_SERVE_WORKERS is `serve --workers`.
@click.group(
    cls=Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "auto_envvar_prefix": "SHOPCAT",
    },
)
@click.version_option(package_name="shopcat")
def main() -> None:
    """Sales forecasts and pet breeds from one TorchServe.

    \b
    First steps without data of your own:
      shopcat demo tables                     write seven made-up tables
      shopcat train sales tables              train on them; writes model_store/sales
      shopcat classify model_store/pets *.jpg  name the breeds of pets, with the model that is there
      shopcat serve model_store/sales model_store/pets
                                              serve both on 127.0.0.1:8080
    """  # noqa: D301 - click's mark is the character, not a backslash and a b
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    for ours in ("training", "sales", "pets", "handlers", "serving"):
        logging.getLogger(ours).setLevel(logging.INFO)


@main.group(cls=Commands)
def train() -> None:
    """Train a model: data in, bundle and report out."""


@main.group("lr-find", cls=Commands)
def lr_find() -> None:
    """Find a learning rate: data in, a suggestion and its plot out."""


@main.group(cls=Commands)
def show() -> None:
    """Draw what training sees."""


train.add_command(sales.train_sales)
train.add_command(pets.train_pets)
lr_find.add_command(sales.lr_find_sales)
lr_find.add_command(pets.lr_find_pets)
show.add_command(pets.show_augmentations)
for each in (
    sales.demo,
    train,
    lr_find,
    show,
    bundles.evaluate,
    sales.forecast,
    sales.explain,
    pets.classify,
    bundles.check,
    bundles.archive,
    serve.serve,
):
    main.commands.pop(str(each.name), None)  # the groups are there already, and come in their turn
    main.add_command(each)
