"""Sales forecasts and pet breeds from verified model bundles.

Load a bundle, and ask::

    import shopcat

    sales = shopcat.load("model_store/demo")
    sales.forecast(store=1, date="2015-08-01").sales
    sales.what_if(store=1, date="2015-08-01", promo=True).what_if.difference
    sales.forecast(frame)  # a pandas frame with the columns store and date

    pets = shopcat.load("model_store/pets")
    pets.classify("photo.jpg", heatmap="gradcam").breed

The models run on this machine, without a server, torch or pandas. They give the figures that ``shopcat serve`` gives
for the same bundle. Or ask a running service, with the same methods::

    with shopcat.Client("http://127.0.0.1:8080") as client:
        client.forecast(store=1, date="2015-08-01").sales
        client.classify("photo.jpg", heatmap="gradcam").breed

`Forecaster` and `Classifier` describe the methods of the two kinds of model, `shopcat.errors` the exceptions. All other
exported names are the types of answers.
"""

# Python resolves the names below on first use, so that this import costs 1 ms instead of the 300 ms of numpy, pydantic
# and onnxruntime.
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schemas.pets.answer import Prediction
    from schemas.problems import FieldError, Problem
    from schemas.sales.answer import Comparison, Forecast, ItemComparison, ItemForecast, ItemProblem
    from schemas.sales.explanation import Explanation, ItemExplanation
    from shopcat.classifier import Classifier
    from shopcat.client import AsyncClient, Client
    from shopcat.errors import BundleError, DeviceError, RequestError, ServiceError, SessionError, UserError
    from shopcat.forecaster import Forecaster
    from shopcat.loading import load

    __version__: str

__all__ = [
    "AsyncClient",
    "BundleError",
    "Classifier",
    "Client",
    "Comparison",
    "DeviceError",
    "Explanation",
    "FieldError",
    "Forecast",
    "Forecaster",
    "ItemComparison",
    "ItemExplanation",
    "ItemForecast",
    "ItemProblem",
    "Prediction",
    "Problem",
    "RequestError",
    "ServiceError",
    "SessionError",
    "UserError",
    "__version__",
    "load",
]

_MODULES = {
    "shopcat.classifier": ["Classifier"],
    "shopcat.client": ["AsyncClient", "Client"],
    "shopcat.errors": ["BundleError", "DeviceError", "RequestError", "ServiceError", "SessionError", "UserError"],
    "shopcat.forecaster": ["Forecaster"],
    "shopcat.loading": ["load"],
    "schemas.pets.answer": ["Prediction"],
    "schemas.problems": ["FieldError", "Problem"],
    "schemas.sales.answer": ["Comparison", "Forecast", "ItemComparison", "ItemForecast", "ItemProblem"],
    "schemas.sales.explanation": ["Explanation", "ItemExplanation"],
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import an exported name on first use (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("shopcat")
    elif name in _MODULE_OF:
        value = getattr(import_module(_MODULE_OF[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the exported names too, for completion in a shell."""
    return sorted({*globals(), *__all__})
