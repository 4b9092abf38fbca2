"""The synchronous client."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, overload

import httpx

from schemas.pets.answer import Prediction
from schemas.pets.request import Look, MethodOrNone
from schemas.problems import Problem
from shopcat.client.attempts import Attempts, Reply, Settings, Wait
from shopcat.client.messages import (
    Body,
    Exchange,
    Photo,
    Request,
    ask_photo,
    ask_photos,
    ask_sales,
    is_one_photo,
    photo_options,
)
from shopcat.errors import UserError
from shopcat.questions import Item, SalesMethods

Answer = TypeVar("Answer")


class Client(SalesMethods):
    """Client of a running service.

    ::

        with shopcat.Client("http://127.0.0.1:8080", api_key=key) as client:
            client.forecast(store=1, date="2015-08-01").sales
            client.classify("photo.jpg", heatmap="gradcam").breed

    `forecast`, `what_if` and `explain` take the forms of request that `Forecaster` takes, and give its answers. A list
    or a frame may have any number of items: the client divides it into requests that the service accepts, and keeps the
    items of a store together. `classify` takes what `Classifier.classify` takes, and Pillow images.

    The client retries requests that the service rejects for a while (429, 503), and those whose connection fails. It
    waits as long as the service says in ``Retry-After``, or longer each time, and a random part more. A client may be
    used by several threads.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8080",
        *,
        api_key: str | None = None,
        timeout: float = 60.0,
        retries: int = 4,
        sales_model: str = "sales",
        pets_model: str = "pets",
        http: httpx.Client | None = None,
    ) -> None:
        """Set up the client; it connects with the first request.

        Args:
            base_url: address of the service.
            api_key: API key, if the service needs one.
            timeout: seconds for one request with all its retries and waiting. A server that sends the headers of its
                answer slowly, byte by byte, can exceed them, because httpx limits the time of each read only.
                `AsyncClient` ends such a request too.
            retries: largest number of retries of one request.
            sales_model: name of the model that `forecast`, `what_if` and `explain` ask.
            pets_model: name of the model that `classify` asks.
            http: your own client of httpx, for proxies or certificates. It stays open.

        Raises:
            UserError: if an argument is invalid.
        """
        self._settings = Settings(base_url, api_key, timeout, retries)
        self._sales, self._pets = sales_model, pets_model
        self._owns, self._http = http is None, http or httpx.Client()

    def __repr__(self) -> str:
        return f"<shopcat.{type(self).__name__} {self._settings.base_url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._owns:
            self._http.close()

    def _ask(
        self, items: Any, question: Item, options: Item, *, shared: Item | None = None, explain: bool = False
    ) -> Any:
        return self._converse(ask_sales(self._sales, items, question, options, shared=shared, explain=explain))

    # A str is also a sequence of paths to a type checker, which takes the first overload that fits.
    @overload
    def classify(  # type: ignore[overload-overlap]
        self,
        photo: Photo,
        *,
        heatmap: MethodOrNone = ...,
        class_: str | None = ...,
        versus: str | None = ...,
        look: Look = ...,
        top_k: int = ...,
        overlay: Literal["none", "png"] = ...,
    ) -> Prediction: ...

    @overload
    def classify(
        self,
        photo: Sequence[Photo],
        *,
        heatmap: MethodOrNone = ...,
        class_: str | None = ...,
        versus: str | None = ...,
        look: Look = ...,
        top_k: int = ...,
        overlay: Literal["none", "png"] = ...,
    ) -> list[Prediction | Problem]: ...

    def classify(
        self,
        photo: Photo | Sequence[Photo],
        *,
        heatmap: MethodOrNone = "none",
        class_: str | None = None,
        versus: str | None = None,
        look: Look = "whole",
        top_k: int = 5,
        overlay: Literal["none", "png"] = "png",
    ) -> Prediction | list[Prediction | Problem]:
        """Return the breed of one photo, or of each photo in a list, as `Classifier.classify` does.

        Args:
            photo: path or bytes of a photo or a Pillow image, or a list of these.
            heatmap: as for `Classifier.classify`, and so are the other options.
            class_: class that the heatmap explains.
            versus: class that a contrast is computed against.
            look: ``closer`` classifies the part of the photo with the animal.
            top_k: number of most probable breeds in the answer.
            overlay: ``png`` also draws the heatmap on the photo.

        Raises:
            RequestError: if an option is wrong, or, for one photo, if it cannot be decoded.
            ServiceError: as `forecast` does.
            OSError: if a file cannot be read.
        """
        options = photo_options(heatmap, class_, versus, look, top_k, overlay)
        if is_one_photo(photo):
            return self._converse(ask_photo(self._pets, photo, options))  # type: ignore[arg-type]
        return self._converse(ask_photos(self._pets, photo, options))  # type: ignore[arg-type]

    def _converse(self, exchange: Exchange[Answer]) -> Answer:
        """Send the requests of an exchange, give it their answers, and return its result."""
        try:
            request = next(exchange)
            while True:
                try:
                    body = self._send(request)
                except UserError as error:
                    request = exchange.throw(error)
                else:
                    request = exchange.send(body)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def _send(self, request: Request) -> Body:
        """Send a request until it has an answer, or no retry or no time is left."""
        attempts = Attempts(self._settings, request.content_type)
        while True:
            step = attempts.answer(self._attempt(request, attempts))
            if not isinstance(step, Wait):
                return step
            time.sleep(step.seconds)

    def _attempt(self, request: Request, attempts: Attempts) -> Reply | httpx.RequestError:
        """Send a request once. The answer is read in parts, so that a slow one does not exceed the time."""
        url = self._settings.url(request.path)
        try:
            with self._http.stream(
                "POST", url, content=request.content, headers=attempts.headers, timeout=attempts.timeout()
            ) as response:
                body = bytearray()
                for part in response.iter_bytes():
                    body += part
                    if time.monotonic() > attempts.deadline:
                        return httpx.ReadTimeout("the answer is not complete")
                return Reply(response.status_code, response.headers, bytes(body))
        except httpx.RequestError as error:
            return error
