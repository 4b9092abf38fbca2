"""Admission limits of each model, from its settings and its number of workers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError

from runtime.bundle import kind_of
from serving.gateway.config import MAX_BODY, AdmissionLimit, ServedModel
from serving.gateway.errors import GatewayError

# Default number of requests in progress for each worker: two batches, and at least four requests.
_BATCHES, _MIN_REQUESTS = 2, 4
_EXTRA_S = 5  # seconds that Envoy waits longer than TorchServe, whose timeout then comes first


class LimitSettings(BaseModel, extra="forbid"):
    """Settings of an `AdmissionLimit`; numbers of requests are for each worker."""

    min_concurrent: PositiveInt
    max_concurrent: PositiveInt
    target_latency_ms: PositiveFloat
    min_body_bytes: NonNegativeInt = 0


class ModelSettings(BaseModel):
    """Settings of a model: the gateway's part, and those of TorchServe's that every runner follows."""

    batchSize: PositiveInt  # noqa: N815 - TorchServe's name
    responseTimeout: PositiveInt  # noqa: N815
    threads: PositiveInt = 1
    minWorkers: PositiveInt | None = None  # noqa: N815
    max_concurrent: PositiveInt | None = None
    max_request_bytes: int = Field(MAX_BODY, gt=0, le=MAX_BODY)
    admission_limits: dict[Literal["predictions", "explanations"], LimitSettings] = {}

    @property
    def concurrent_per_worker(self) -> int:
        """Number of requests in progress for each worker."""
        return self.max_concurrent or max(_BATCHES * self.batchSize, _MIN_REQUESTS)


def model_settings(archive: Path) -> ModelSettings:
    """Return the settings of an archive's model.

    Raises:
        GatewayError: if they are invalid; it names their file.
    """
    file = archive / "model-config.yaml"
    try:
        return ModelSettings.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise GatewayError(f"the settings in {file} are invalid: {error}") from error


def served_models(
    archives: Mapping[str, Path], workers: Mapping[str, int], *, queue: int | None = None
) -> list[ServedModel]:
    """Return models with their admission limits.

    By default each worker may have two batches, one in progress and one waiting, so that it is never idle. Further
    requests would wait longer than a client should, and are rejected. A model with batches of one request may have
    four, for small bursts. The settings ``max_concurrent`` and ``admission_limits``, both for each worker, change this.

    Args:
        archives: archive of each model, by name.
        workers: number of workers of each model in all instances together.
        queue: number of requests of a model that the runner can hold; None for any number.

    Raises:
        GatewayError: if a model's settings are invalid; it names their file.
    """
    models = []
    for name, archive in archives.items():
        settings = model_settings(archive)
        max_concurrent = settings.concurrent_per_worker * workers[name]
        if queue is not None:
            max_concurrent = min(max_concurrent, queue)
        limits = [
            _admission_limit(path, limit, workers[name], max_concurrent)
            for path, limit in settings.admission_limits.items()
        ]
        timeout = settings.responseTimeout + _EXTRA_S
        kind = kind_of(archive / "bundle")
        size = settings.max_request_bytes
        models.append(ServedModel(name, workers[name], max_concurrent, timeout, limits, size, kind))
    return models


def _admission_limit(path: str, settings: LimitSettings, workers: int, model_limit: int) -> AdmissionLimit:
    """Return the limit for all workers together, within the limit of the whole model."""
    max_concurrent = min(settings.max_concurrent * workers, model_limit)
    return AdmissionLimit(
        path,
        min_concurrent=min(settings.min_concurrent * workers, max_concurrent),
        max_concurrent=max_concurrent,
        target_latency_ms=settings.target_latency_ms,
        min_body_bytes=settings.min_body_bytes,
    )
