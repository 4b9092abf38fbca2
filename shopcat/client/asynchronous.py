"""The asynchronous client."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack, overload

import anyio
import httpx

from schemas.pets.answer import Prediction
from schemas.pets.request import Look, MethodOrNone
from schemas.problems import Problem
from schemas.sales.answer import Comparison, Forecast, ItemComparison, ItemForecast, ItemProblem
from schemas.sales.explanation import Explanation, ItemExplanation
from schemas.sales.options import Objective
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
from shopcat.questions import Date, Days, FrameT, Item, Options, day, given

Answer = TypeVar("Answer")


class AsyncClient:
    """Client of a running service for asynchronous programs, with asyncio or trio.

    ::

        async with shopcat.AsyncClient("http://127.0.0.1:8080", api_key=key) as client:
            forecast, prediction = await asyncio.gather(
                client.forecast(store=1, date="2015-08-01"), client.classify("photo.jpg")
            )

    `Client` describes the methods, the arguments and the retries. All requests of one call are sent one after another.
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
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """Set up the client; it connects with the first request. The arguments are those of `Client`."""
        self._settings = Settings(base_url, api_key, timeout, retries)
        self._sales, self._pets = sales_model, pets_model
        self._owns, self._http = http is None, http or httpx.AsyncClient()

    def __repr__(self) -> str:
        return f"<shopcat.{type(self).__name__} {self._settings.base_url}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._owns:
            await self._http.aclose()

    @overload
    async def forecast(self, *, store: int | str, date: Date, **facts: Any) -> Forecast: ...

    @overload
    async def forecast(
        self, *, store: int | str, start: Date, days: int, **facts: Any
    ) -> Days[ItemForecast | ItemProblem]: ...

    @overload
    async def forecast(self, items: FrameT, **options: Unpack[Options]) -> FrameT: ...

    @overload
    async def forecast(self, items: Iterable[Item], **options: Unpack[Options]) -> list[ItemForecast | ItemProblem]: ...

    async def forecast(
        self,
        items: FrameT | Iterable[Item] | None = None,
        *,
        store: int | str | None = None,
        date: Date | None = None,
        start: Date | None = None,
        days: int | None = None,
        levels: Sequence[float] | None = None,
        quantiles: Sequence[float] | None = None,
        objective: Objective | None = None,
        **facts: Any,
    ) -> Any:
        """Return sales forecasts, as `Client.forecast` does."""
        options = given(levels=levels, quantiles=quantiles, objective=objective)
        return await self._converse(ask_sales(self._sales, items, day(store, date, start, days) | facts, options))

    @overload
    async def what_if(
        self, *, store: int | str, date: Date, facts: Item | None = ..., **changes: Any
    ) -> Comparison: ...

    @overload
    async def what_if(
        self, *, store: int | str, start: Date, days: int, facts: Item | None = ..., **changes: Any
    ) -> Days[ItemComparison | ItemProblem]: ...

    @overload
    async def what_if(self, items: FrameT, **changes: Any) -> FrameT: ...

    @overload
    async def what_if(self, items: Iterable[Item], **changes: Any) -> list[ItemComparison | ItemProblem]: ...

    async def what_if(
        self,
        items: FrameT | Iterable[Item] | None = None,
        *,
        store: int | str | None = None,
        date: Date | None = None,
        start: Date | None = None,
        days: int | None = None,
        facts: Item | None = None,
        levels: Sequence[float] | None = None,
        quantiles: Sequence[float] | None = None,
        objective: Objective | None = None,
        **changes: Any,
    ) -> Any:
        """Return each forecast beside the forecast with changed facts, as `Client.what_if` does."""
        shared = {**(facts or {}), "what_if": changes}
        options = given(levels=levels, quantiles=quantiles, objective=objective)
        return await self._converse(
            ask_sales(self._sales, items, day(store, date, start, days), options, shared=shared)
        )

    @overload
    async def explain(self, *, store: int | str, date: Date, **facts: Any) -> Explanation: ...

    @overload
    async def explain(
        self, *, store: int | str, start: Date, days: int, **facts: Any
    ) -> list[ItemExplanation | ItemProblem]: ...

    @overload
    async def explain(self, items: FrameT, **options: Unpack[Options]) -> FrameT: ...

    @overload
    async def explain(
        self, items: Iterable[Item], **options: Unpack[Options]
    ) -> list[ItemExplanation | ItemProblem]: ...

    async def explain(
        self,
        items: FrameT | Iterable[Item] | None = None,
        *,
        store: int | str | None = None,
        date: Date | None = None,
        start: Date | None = None,
        days: int | None = None,
        levels: Sequence[float] | None = None,
        quantiles: Sequence[float] | None = None,
        objective: Objective | None = None,
        **facts: Any,
    ) -> Any:
        """Return each forecast with the contribution of every input, as `Client.explain` does."""
        options = given(levels=levels, quantiles=quantiles, objective=objective)
        question = day(store, date, start, days) | facts
        return await self._converse(ask_sales(self._sales, items, question, options, explain=True))

    # A str is also a sequence of paths to a type checker, which takes the first overload that fits.
    @overload
    async def classify(  # type: ignore[overload-overlap]
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
    async def classify(
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

    async def classify(
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
        """Return the breed of one photo, or of each photo in a list, as `Client.classify` does."""
        options = photo_options(heatmap, class_, versus, look, top_k, overlay)
        if is_one_photo(photo):
            return await self._converse(ask_photo(self._pets, photo, options))  # type: ignore[arg-type]
        return await self._converse(ask_photos(self._pets, photo, options))  # type: ignore[arg-type]

    async def _converse(self, exchange: Exchange[Answer]) -> Answer:
        """Send the requests of an exchange, give it their answers, and return its result."""
        try:
            request = next(exchange)
            while True:
                try:
                    body = await self._send(request)
                except UserError as error:
                    request = exchange.throw(error)
                else:
                    request = exchange.send(body)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    async def _send(self, request: Request) -> Body:
        """Send a request until it has an answer, or no retry or no time is left."""
        attempts = Attempts(self._settings, request.content_type)
        while True:
            step = attempts.answer(await self._attempt(request, attempts))
            if not isinstance(step, Wait):
                return step
            await anyio.sleep(step.seconds)

    async def _attempt(self, request: Request, attempts: Attempts) -> Reply | httpx.RequestError:
        """Send a request once."""
        url = self._settings.url(request.path)
        with anyio.move_on_after(attempts.deadline - time.monotonic()):
            try:
                response = await self._http.post(
                    url, content=request.content, headers=attempts.headers, timeout=attempts.timeout()
                )
            except httpx.RequestError as error:
                return error
            return Reply(response.status_code, response.headers, response.content)
        return httpx.ReadTimeout("the answer is not complete")
