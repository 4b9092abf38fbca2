"""A sales bundle's ``MODEL_CARD.md``: what it is for, what it was made from, how good it is, and what is not known.

The questions are those of "Model Cards for Model Reporting" (Mitchell et al., 2019) and "Datasheets for Datasets"
(Gebru et al., 2021). Every answer follows from the manifest; where it can't, the card says who knows.
"""

from collections.abc import Callable, Mapping
from typing import Any

from schemas.sales.manifest import NetworkSpec

SYNTHETIC = (
    "**Synthetic data: stores, sales and weather are made up by `shopcat demo`. "
    "The figures say nothing about any real shop.**"
)
LOOKS_AHEAD = (
    "**Parity mode looks ahead: its columns hold the weather and the search trend of the very day that is forecast, "
    "which nobody knows when forecasting. It is for comparison with published figures; don't plan with it.**"
)


def percent(value: float) -> str:
    """A share in per cent.

    >>> percent(0.10763)
    '10.76 %'
    """
    return f"{100 * value:.2f} %"


def signed_percent(value: float) -> str:
    """A share in per cent with its sign.

    >>> signed_percent(0.005), signed_percent(-0.1)
    ('+0.50 %', '-10.00 %')
    """
    return f"{100 * value:+.2f} %"


# By the names of training.sales.metrics.METRICS: the heading, how a value is written, and what it is in words.
METRICS: Mapping[str, tuple[str, Callable[[float], str], str]] = {
    "rmspe": ("RMSPE", percent, "root mean square percentage error, over all rows at once (Kaggle's measure)"),
    "rmse_log": ("RMSE of log", "{:.4f}".format, "root mean square error of the natural logarithms: what is trained"),
    "wape": ("WAPE", percent, "sum of the absolute errors over the sum of the sales"),
    "bias": ("Bias", signed_percent, "forecast total over actual total, less one: + is too high"),
    "mape": ("Mean APE", percent, "mean absolute percentage error"),
    "median_ape": ("Median APE", percent, "median absolute percentage error: half of the store-days are closer"),
}


def headline(metrics: Mapping[str, Any]) -> str:
    """The figures as a Markdown table, beside last year's same weekday where that is known.

    Args:
        metrics: as ``Evaluation.metrics`` gives them.
    """
    ours, naive = metrics.get("where_last_year_is_known"), metrics.get("last_year_same_weekday")
    if ours is None or naive is None:
        head = f"| | model, all {metrics['rows']:,} rows |\n|---|---:|"
        return "\n".join([head, *(f"| {label} | {say(metrics[key])} |" for key, (label, say, _) in METRICS.items())])
    lines = [
        f"| | model, all {metrics['rows']:,} rows | model, {ours['rows']:,} rows with a last year "
        "| last year's same weekday, same rows | error is lower by |",
        "|---|---:|---:|---:|---:|",
    ]
    for key, (label, say, _) in METRICS.items():
        lower = percent(1 - ours[key] / naive[key]) if key != "bias" and naive[key] else ""
        lines.append(f"| {label} | {say(metrics[key])} | {say(ours[key])} | {say(naive[key])} | {lower} |")
    return "\n".join(lines)


def model_card(manifest: Mapping[str, Any]) -> str:
    """The card's Markdown text.

    Args:
        manifest: ``SalesManifest``'s fields but ``version`` and ``files``, which are not known yet.
    """
    notices = [SYNTHETIC] * manifest["synthetic"] + [LOOKS_AHEAD] * (manifest["mode"] == "parity")
    sections = [_model(manifest), _figures(manifest), _cautions(manifest), _datasheet(manifest)]
    return "\n\n".join([*notices, f"# Model card: {manifest['name']}", *sections]) + "\n"


def _model(manifest: Mapping[str, Any]) -> str:
    """Model details, intended use and factors."""
    network: NetworkSpec = manifest["network"]
    training, stores = manifest["training"], len(manifest["levels"]["Store"])
    inputs = sum(width for _, width in network.emb_szs) + network.n_cont
    options = ", ".join(
        f"`{key}` {value}"
        for key, value in training.items()
        if key not in ("rows", "torch", "mode") and value is not None
    )
    return f"""\
## Model details

- It forecasts what one store sells on one open day, up to {manifest["horizon"]} days after {manifest["cutoff"]}, the
  last day whose sales it knows. A closed day is 0 without asking the network.
- The network: {len(network.emb_szs)} embeddings and {network.n_cont} continuous columns, {inputs} inputs in all; hidden
  layers of {" and ".join(map(str, network.layers))}; a sigmoid to the range of the logarithm of sales. It is that of
  lesson 6 of fast.ai's "Practical Deep Learning for Coders" (2019).
- Trained by shopcat on {manifest["created"]:%Y-%m-%d} with torch {training["torch"]}, in {manifest["mode"]} mode.
  Options: {options}.
- `bundle.json` beside this card has the version, every column, and the hash of every file.
- Authors, licence and contact are not part of a bundle; ask whoever gave it to you.

## Intended use

- **For** planning staff, orders and cash of the {stores:,} {_s("store", stores)} that it was trained on.
- **By** people who can state or check the plan of those days: open, promotion, holidays. What a request leaves out is
  listed in the answer under `assumed`.
- **Not for** other stores, single products, rating employees, or what another promotion would bring: the model has
  learned what comes together, not what causes what.

## Factors

`report.md`, written at training, has the figures by store type, assortment, state, promotion, state holiday, weekday
and week of the horizon. Expect larger errors where rows are few (rare store types, holidays, Sundays, the weeks after a
closure) and at the far end of the horizon."""


def _figures(manifest: Mapping[str, Any]) -> str:
    """Metrics, evaluation data, training data and quantitative analyses."""
    metrics, training = manifest["metrics"], manifest["training"]
    words = "\n".join(f"- **{label}**: {meaning}." for label, _, meaning in METRICS.values())
    judged = "The figures are those of the network in this bundle, which was not trained on these days."
    if training["refit"] and manifest["mode"] == "production":
        judged = (
            "The figures are those of a first fit, which was not trained on these days. The network in this bundle is\n"
            "a second fit with the same options on all days up to the cutoff; it has not been judged itself."
        )
    return f"""\
## Metrics

{words}

## Evaluation data

{metrics["rows"]:,} store-days with sales from {metrics["from"]} to {metrics["to"]}, the end of the tables: held out by
time, never at random. Closed days and days without sales are left out. The plan of these days is taken as known.

## Training data

{training["rows"]:,} store-days with sales from {manifest["first_date"]} to {manifest["cutoff"]}; the datasheet below
describes them.

## Quantitative analyses

{headline(metrics)}

{judged}
Last year's same weekday is what the store sold 52 weeks before."""


def _cautions(manifest: Mapping[str, Any]) -> str:
    """Ethical considerations, caveats and recommendations."""
    return f"""\
## Ethical considerations

- **Whoever has this bundle has the sales.** `tables.safetensors` holds what each store sold on each day up to
  {manifest["cutoff"]}, in plain numbers; the forecasts tell much of it too. Treat both as you treat the sales.
- No data about persons is used. Staff feel the errors all the same: too low a forecast thins out a shift. Look at the
  bias by slice before rosters follow from it, and leave the last word to people on the spot.

## Caveats and recommendations

- It knows nothing that is not in the tables: road works, a strike, a competitor who opens after {manifest["cutoff"]},
  a pandemic. Overrule it where you know more.
- A forecast is one number without a range, and beyond {manifest["horizon"]} days it is extrapolation, of which the
  answer warns. Keep the warnings and the errors in view, and train again when new sales are in.
- One holdout is one sample of one season. If options were chosen by its figures, the figures flatter."""


def _datasheet(manifest: Mapping[str, Any]) -> str:
    """The datasheet of the data that it was trained on."""
    levels, columns = manifest["levels"], manifest["preprocess"]
    stores, states = len(levels["Store"]), len(levels["State"])
    if manifest["synthetic"]:
        motivation = "The tables were made up so that shopcat can be tried without real data."
        collection = (
            "Nothing was collected. A seeded random generator with known effects of weekday, promotion, season,\n"
            "  weather and competition wrote the tables. Only the calendar and the names of the German states are real."
        )
    else:
        motivation = (
            "Shops record sales to run their business; these tables were put together to forecast them. By whom\n"
            "  and for whom, a bundle does not know: ask whoever trained it."
        )
        collection = (
            "A bundle does not know how sales were counted and where weather and trend come from: ask whoever\n"
            "  trained it. shopcat has checked that the tables are complete and consistent, not that they are true."
        )
    return f"""\
## Datasheet of the training data

- **Motivation.** {motivation}
- **Composition.** {stores:,} {_s("store", stores)} in {states} {_s("state", states)}. By store and day: sales, open,
  promotion, state holiday, school holiday. By store: type, assortment, nearest competitor, continuing promotion. By
  state: the day's weather, the week's search trend. An instance is a store and day, its target the sales. Closures
  and unknown competitors leave gaps. There are no data about persons.
- **Collection.** {collection}
- **Preprocessing.** Rows without sales are dropped. Missing numbers become the training median and are flagged, unknown
  categories become `#na#`, numbers are standardised, all by the training rows alone; the target is the logarithm.
  Categories: {", ".join(columns.cat_names)}. Numbers: {", ".join(columns.cont_names)}.
- **Uses.** This model. For others, the cautions above hold too.
- **Distribution.** The bundle contains, up to {manifest["cutoff"]}, the sales history, and besides it the calendar
  up to {manifest["last_date"]}, the store attributes, weather and search trend. It may go only where these data may go.
- **Maintenance.** A bundle never changes, which `shopcat check` verifies. Errors are corrected in the tables, and new
  sales added to them; then a new training makes a new bundle with a new version."""


def _s(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
