"""Catalogue of the models that the service has: their manifests, cards and panels, as the bundles on disk have them."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from pets import bundle as pets_bundle
from runtime.bundle import CARD, MANIFEST, kind_of
from sales import bundle as sales_bundle
from sales.panel import Panel
from schemas.catalogue import BreedClass, ModelCard, ModelList, PetsModel, SalesModel
from schemas.pets.manifest import PetsManifest
from schemas.problems import Problem, ProblemError
from schemas.sales.manifest import SalesManifest

Bundles = Mapping[str, Path]  # folders of the served bundles by the models' names


def models_of(bundles: Bundles, kept_days: int | None = None) -> ModelList:
    """Return a summary of each model.

    Args:
        bundles: folders of the bundles.
        kept_days: number of days for which photos are kept if their senders agree; None if the service keeps none.
    """
    return ModelList(models=[_summary(folder, kept_days) for folder in bundles.values()])


def card_of(bundles: Bundles, name: str) -> ModelCard:
    """Return the model card of a model.

    Raises:
        ProblemError: if there is no such model.
    """
    folder = _folder(bundles, name)
    markdown = (folder / CARD).read_text(encoding="utf-8")
    return ModelCard(name=name, version=_summary(folder, None).version, markdown=markdown)


def panel_of(bundles: Bundles, name: str) -> tuple[SalesManifest, Panel]:
    """Return the manifest and the panel of a sales model.

    Raises:
        ProblemError: if there is no such model, or it is of another kind.
    """
    folder = _folder(bundles, name)
    if kind_of(folder) != "sales":
        raise _not_found(f"{name} is no sales model, so that it has no stores")
    return _read(folder, (folder / MANIFEST).stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read(folder: Path, _written: int) -> tuple[SalesManifest, Panel]:
    """Read a bundle, once for each time that it was written."""
    bundle = sales_bundle.load(folder)
    return bundle.manifest, bundle.panel


def _folder(bundles: Bundles, name: str) -> Path:
    if name not in bundles:
        raise _not_found(f"there is no model {name!r}; the models are {', '.join(bundles)}")
    return bundles[name]


def _not_found(detail: str) -> ProblemError:
    return ProblemError(Problem.of("not-found", detail))


def _summary(folder: Path, kept_days: int | None) -> SalesModel | PetsModel:
    """Return the summary of a bundle, by its manifest alone."""
    if kind_of(folder) == "sales":
        return _sales_summary(sales_bundle.read_manifest(folder))
    return _pets_summary(pets_bundle.read_manifest(folder), kept_days)


def _sales_summary(manifest: SalesManifest) -> SalesModel:
    calibration = manifest.calibration
    return SalesModel(
        kind="sales",
        name=manifest.name,
        version=manifest.version,
        created=manifest.created,
        cutoff=manifest.cutoff,
        horizon=manifest.horizon,
        first_date=manifest.first_date,
        last_date=manifest.last_date,
        objective=manifest.objective,
        calibrated=calibration is not None,
        coverage=calibration.coverage if calibration else {},
        synthetic=manifest.synthetic,
        stores=len(manifest.levels["Store"]),
    )


def _pets_summary(manifest: PetsManifest, kept_days: int | None) -> PetsModel:
    classes = sorted(manifest.classes, key=lambda breed: breed.name.casefold())
    return PetsModel(
        kind="pets",
        name=manifest.name,
        version=manifest.version,
        created=manifest.created,
        classes=[BreedClass(breed=breed.name, species=breed.species) for breed in classes],
        threshold=manifest.threshold,
        notices_unknown=manifest.known_threshold is not None,
        review_share=manifest.review_share,
        kept_days=kept_days,
    )
