"""The handler that TorchServe loads into each of its workers, for every kind of model.

TorchServe uses the only class that this module defines, so the module must not define a second one.
"""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from handlers.batch import AnsweredBatch
from handlers.gpus import select_gpu
from handlers.http import Request
from handlers.telemetry.recorder import MAX_QUEUE_S
from handlers.torchserve import protocol
from handlers.worker import Worker
from handlers.worker_settings import ALLOW_UNPATCHED


class TorchServeHandler:
    """Handler of a worker of TorchServe.

    Attributes:
        worker: the loaded model.
    """

    worker: Worker

    def initialize(self, context: Any) -> None:
        """Load the archive's bundle. TorchServe calls it once, before the worker is ready.

        Args:
            context: TorchServe's context, with the archive's folder and the worker's GPU, if it has one.
        """
        properties = context.system_properties
        settings = getattr(context, "model_yaml_config", None) or {}
        self.worker = Worker(
            Path(properties["model_dir"], "bundle").resolve(),
            device=select_gpu(properties.get("gpu_id")),
            threads=int(settings.get("threads", 1)),
            timeout=float(settings.get("responseTimeout", MAX_QUEUE_S)),
        )
        protocol.patch_worker(self.answer, allow_unpatched=ALLOW_UNPATCHED in os.environ)
        self.worker.begin(partial(protocol.rehearse, self.answer))

    def answer(self, requests: Sequence[Request]) -> AnsweredBatch:
        """Answer a batch of requests."""
        return self.worker.answer(requests)

    def handle(self, data: Sequence[Mapping[str, Any]], context: Any) -> list[bytes]:
        """Answer a batch as TorchServe itself passes it, where its protocol is not replaced.

        Args:
            data: fields of each request.
            context: TorchServe's context of the batch; it gets the status and content type of each response.
        """
        responses, finish = self.answer(protocol.requests_from(data, context))
        for index, response in enumerate(responses):
            # Without a reason phrase: TorchServe announces its length in characters and sends bytes.
            context.set_response_status(response.status, idx=index)
            context.set_response_content_type(index, response.content_type)
            if response.is_final:
                context.set_response_header(index, *protocol.NO_RETRY)
        finish()
        return [response.body for response in responses]
