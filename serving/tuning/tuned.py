"""The file that `shopcat tune` writes and `shopcat serve --tuned` reads."""

import platform
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, PositiveInt, ValidationError

from runtime.cores import n_cores
from runtime.errors import UserError

RunnerName = Literal["torchserve", "python"]


class TunedError(UserError):
    """A file of measured settings can't be used; the message says why."""


class Machine(BaseModel, extra="forbid"):
    """Properties of a machine that the settings depend on.

    Attributes:
        processor: name of the processor.
        cores: number of cores that the service may use.
    """

    processor: str
    cores: PositiveInt

    @classmethod
    def here(cls) -> "Machine":
        """Return this machine."""
        file = Path("/proc/cpuinfo")
        lines = file.read_text().splitlines() if file.exists() else []
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        return cls(processor=names[0] if names else platform.processor() or platform.machine(), cores=n_cores())


class TunedModel(BaseModel, extra="forbid"):
    """Settings of one model.

    Attributes:
        workers: number of workers, in each instance of TorchServe.
        threads: number of threads of a worker's network.
        batch_size: largest number of requests in a batch.
        max_concurrent: number of requests in progress for each worker.
    """

    workers: PositiveInt
    threads: PositiveInt
    batch_size: PositiveInt
    max_concurrent: PositiveInt

    def settings(self, *, with_workers: bool) -> dict[str, Any]:
        """Return the settings as the file of a kind of model names them (serving/archives/settings).

        Args:
            with_workers: False if an option sets the number of workers.
        """
        workers = {"minWorkers": self.workers, "maxWorkers": self.workers} if with_workers else {}
        others = {"threads": self.threads, "batchSize": self.batch_size, "max_concurrent": self.max_concurrent}
        return workers | others


class Tuned(BaseModel, extra="forbid"):
    """Measured settings.

    Attributes:
        machine: machine that they were measured on.
        runner: runner that they are for.
        gateway_threads: number of the gateway's worker threads.
        models: settings of each model, by name.
    """

    machine: Machine
    runner: RunnerName
    gateway_threads: PositiveInt
    models: dict[str, TunedModel]

    @classmethod
    def read(cls, file: Path) -> "Tuned":
        """Return the settings of a file.

        Raises:
            TunedError: if the file is missing or not one of `shopcat tune`.
        """
        try:
            return cls.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
        except OSError as error:
            raise TunedError(f"{file} can't be read: {error}; write it with `shopcat tune BUNDLE`") from error
        except (ValidationError, yaml.YAMLError) as error:
            raise TunedError(
                f"{file} is not a file of `shopcat tune`: {error}; write it with `shopcat tune BUNDLE`"
            ) from error

    def write(self, file: Path) -> None:
        """Write the settings, with those of other models that the file has for the same machine and runner."""
        merged = self
        if file.exists():
            before = Tuned.read(file)
            if (before.machine, before.runner) == (self.machine, self.runner):
                threads = max(before.gateway_threads, self.gateway_threads)
                models = before.models | self.models
                merged = self.model_copy(update={"models": models, "gateway_threads": threads})
        content = merged.model_dump()
        about = "# Written by `shopcat tune`; `shopcat serve --tuned FILE` reads it.\n"
        part = file.with_name(f"{file.name}.part")
        part.write_text(about + yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        part.replace(file)

    def warnings(self) -> list[str]:
        """Return a warning if the settings were measured on another machine."""
        here = Machine.here()
        if here == self.machine:
            return []
        return [
            f"the tuned settings are from a machine with {self.machine.cores} cores of {self.machine.processor}, and "
            f"this one has {here.cores} of {here.processor}; run `shopcat tune` here"
        ]
