"""The command line: `shopcat` and all of its commands.

Commands import what they need when they run, so that `shopcat --help` does not wait for torch.
"""

import logging
import sys

import click

from cli import bundles
from cli.common import OURS, Commands
from cli.export import export
from cli.kinds import KIND_COMMANDS
from cli.service import label, serve, tune


# Each option can also come from the environment, for containers: SHOPCAT_SERVE_WORKERS is `serve --workers`.
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
    """Forecast sales and name pet breeds: train, check and serve models.

    \b
    First steps without data of your own:
      shopcat serve model_store/demo model_store/pets   serve both on 127.0.0.1:8080
      shopcat classify model_store/pets *.jpg           name the breeds of pets
      shopcat label --demo                              label photos on a page, 600 drawn ones
      shopcat demo tables                               write seven synthetic tables
      shopcat train sales tables                        train on them; writes model_store/sales
      shopcat plan model_store/sales --out plan.csv     write the days to forecast, to fill in
    """  # noqa: D301 - click's mark is the character, not a backslash and a b
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    for package in sorted(OURS):
        logging.getLogger(package).setLevel(logging.INFO)


@click.group(cls=Commands)
def train() -> None:
    """Train a model, and write its bundle and a report."""


@click.group("lr-find", cls=Commands)
def lr_find() -> None:
    """Find a learning rate for a training, and plot the losses."""


@click.group(cls=Commands)
def show() -> None:
    """Draw the data that training uses."""


def _add_commands() -> None:
    """Add all commands, in the order in which a newcomer needs them."""
    for kind in KIND_COMMANDS.values():
        train.add_command(kind.train)
        if kind.lr_find is not None:
            lr_find.add_command(kind.lr_find)
        for command in kind.show:
            show.add_command(command)
    commands = [
        *(command for kind in KIND_COMMANDS.values() for command in kind.prepare),
        *(train, lr_find, show),
        *(command for kind in KIND_COMMANDS.values() for command in kind.judge),
        bundles.evaluate,
        *(command for kind in KIND_COMMANDS.values() for command in kind.predict),
        *(bundles.check, bundles.fetch, bundles.archive, export, tune.tune, serve.serve, label.label),
    ]
    for command in commands:
        main.add_command(command)


_add_commands()
