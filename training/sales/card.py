"""Model card of a sales bundle: intended use, training data, figures and limits.

The questions are those of "Model Cards for Model Reporting" (Mitchell et al., 2019) and "Datasheets for Datasets"
(Gebru et al., 2021). Every answer follows from the manifest; where none does, the card names the person to ask.
"""

from collections.abc import Mapping
from typing import Any

from schemas.sales.manifest import NetworkSpec
from training.cards import Metric, definitions, option_list, percent, signed_percent, table, wrapped
from training.sales.baselines import shortfall
from training.sales.intervals.sections import interval_sections
from training.sales.options import Options

SYNTHETIC = (
    "**Synthetic data: stores, sales and weather are made up by `shopcat demo`. "
    "The figures say nothing about any real shop.**"
)
LOOKS_AHEAD = (
    "**Parity mode looks ahead: its columns hold the weather and the search trend of the very day that is forecast, "
    "which nobody knows when forecasting. It is for comparison with published figures; don't plan with it.**"
)

BASELINES = (
    "The weekday-and-promotion mean is the geometric mean of the store's sales in the last 364 days, on the same "
    "weekday and with the same promotion status. \"Last year's same weekday\" is the store's sales 52 weeks before."
)

# By the names of training.sales.metrics.METRICS.
METRICS: Mapping[str, Metric] = {
    "rmspe": Metric("RMSPE", percent, "root mean square percentage error, over all rows at once (Kaggle's measure)"),
    "rmse_log": Metric(
        "RMSE of log", "{:.4f}".format, "root mean square error of the natural logarithms, which training minimises"
    ),
    "wape": Metric("WAPE", percent, "sum of the absolute errors over the sum of the sales"),
    "bias": Metric("Bias", signed_percent, "forecast total over actual total, less one: + is too high"),
    "mape": Metric("Mean APE", percent, "mean absolute percentage error"),
    "median_ape": Metric("Median APE", percent, "median absolute percentage error: half of the store-days are closer"),
}


def headline(metrics: Mapping[str, Any]) -> str:
    """Return a table of the figures, beside those of the baselines as far as these are known.

    Args:
        metrics: figures as ``Evaluation.metrics`` returns them.
    """
    columns = [(f"model, all {metrics['rows']:,} rows", _cells(metrics))]
    if mean := metrics.get("weekday_promotion_mean"):
        columns += [
            ("weekday-and-promotion mean, same rows", _cells(mean)),
            ("error is lower by", _reductions(metrics, mean)),
        ]
    ours, naive = metrics.get("where_last_year_is_known"), metrics.get("last_year_same_weekday")
    if ours is not None and naive is not None:
        columns += [
            (f"model, {ours['rows']:,} rows with a last year", _cells(ours)),
            ("last year's same weekday, same rows", _cells(naive)),
            ("error is lower by", _reductions(ours, naive)),
        ]
    rows = zip((metric.label for metric in METRICS.values()), *(cells for _, cells in columns), strict=True)
    return table(["", *(title for title, _ in columns)], "l" + "r" * len(columns), rows)


def _cells(figures: Mapping[str, Any]) -> list[str]:
    """Return the figures as text, in the order of ``METRICS``."""
    return [metric.format(figures[key]) for key, metric in METRICS.items()]


def _reductions(ours: Mapping[str, Any], baseline: Mapping[str, Any]) -> list[str]:
    """Return by how much each error is lower than a baseline's; empty for the bias, which has a sign."""
    return [percent(1 - ours[key] / baseline[key]) if key != "bias" and baseline[key] else "" for key in METRICS]


def model_card(manifest: Mapping[str, Any]) -> str:
    """Return the Markdown text of the model card.

    Args:
        manifest: fields of ``SalesManifest``, except ``version`` and ``files``, which are not known yet.
    """
    notices = [SYNTHETIC] * manifest["synthetic"] + [LOOKS_AHEAD] * (manifest["mode"] == "parity")
    sections = [_model(manifest), _figures(manifest), _cautions(manifest), _datasheet(manifest)]
    text = wrapped("\n\n".join([f"# Model card: {manifest['name']}", *sections]))
    return "\n\n".join([*notices, text]) + "\n"


def _model(manifest: Mapping[str, Any]) -> str:
    """Return the sections model details, intended use and factors."""
    network: NetworkSpec = manifest["network"]
    training, stores = manifest["training"], len(manifest["levels"]["Store"])
    inputs = sum(width for _, width in network.emb_szs) + network.n_cont
    return f"""\
## Model details

- The model forecasts the sales of one store on one open day, up to {manifest["horizon"]} days after
  {manifest["cutoff"]}, the last day whose sales it knows. A closed day is 0; the network is not asked.
- The network: {len(network.emb_szs)} embeddings and {network.n_cont} continuous columns, {inputs} inputs in all;
  hidden layers of {" and ".join(map(str, network.layers))}; a sigmoid to the range of the logarithm of sales. It is the
  network of lesson 6 of fast.ai's "Practical Deep Learning for Coders" (2019).
{_trees(network)}\
- Trained by shopcat on {manifest["created"]:%Y-%m-%d} with torch {training["torch"]}, in {manifest["mode"]} mode, with
  the options below.
{_update(manifest)}- `bundle.json` beside this card has the version, every column, and the hash of every file.
- A bundle does not name its authors, licence and contact; ask whoever gave it to you.

{option_list(Options, training, leave_out=("mode",))}

## Intended use

- **For** planning staff, orders and cash of the {stores:,} {_s("store", stores)} that it was trained on.
- **By** people who can state or check the plan of those days: open, promotion, holidays. The answer lists what a
  request leaves out under `assumed`.
- **Not for** other stores, single products, rating employees, or the effect of another promotion: the model has
  learned what occurs together, not causes.

## Factors

`report.md`, written at training, has the figures by store type, assortment, state, promotion, state holiday, weekday
and week of the horizon. Expect larger errors where rows are few (rare store types, holidays, Sundays, the weeks after a
closure) and at the far end of the horizon."""


def _trees(network: NetworkSpec) -> str:
    """Return the statement on boosted trees; empty without any."""
    if not network.tree_share:
        return ""
    return (
        "- Boosted trees by LightGBM have the same columns. The forecast is the weighted geometric mean of both: "
        f"{100 * network.tree_share:.0f} % trees.\n"
    )


def _figures(manifest: Mapping[str, Any]) -> str:
    """Return the sections metrics, evaluation data, training data and quantitative analyses."""
    metrics, training = manifest["metrics"], manifest["training"]
    judged = "The figures are those of the model in this bundle, which was not trained on these days."
    if training["refit"] and manifest["mode"] == "production":
        judged = (
            "The figures are those of a first fit, which was not trained on these days. The model in this bundle is "
            "another fit with the same options on all days up to the cutoff; it has not been judged itself."
        )
    return f"""\
## Metrics

{definitions(METRICS, bold=True)}

## Evaluation data

{metrics["rows"]:,} store-days with sales from {metrics["from"]} to {metrics["to"]}, the end of the tables: held out by
time, never at random. Closed days and days without sales are left out. The plan of these days is taken as known.

## Training data

{training["rows"]:,} store-days with sales from {manifest["first_date"]} to {manifest["cutoff"]}; the datasheet below
describes them.

## Quantitative analyses

{headline(metrics)}

{judged}{_shortfall(metrics)}

{BASELINES}{_intervals(metrics)}"""


def _intervals(metrics: Mapping[str, Any]) -> str:
    """Return the sections on intervals; empty if the model has none."""
    figures = metrics.get("intervals")
    return "" if figures is None else "\n\n" + "\n\n".join(interval_sections(figures))


def _update(manifest: Mapping[str, Any]) -> str:
    """Return the statement on an update of the bundle; empty if there was none."""
    until = manifest["training"].get("until", str(manifest["cutoff"]))
    if until == str(manifest["cutoff"]):
        return ""
    text = f"- Updated with sales up to {manifest['cutoff']}; the weights were trained on sales up to {until}."
    since = manifest["metrics"].get("since_training")
    if since is not None:
        text += f" From {since['from']} to {since['to']}, the RMSPE was {percent(since['rmspe'])}."
        reasons = since["reasons_to_train"]
        text += f" **It is time to train again: {'; '.join(reasons)}.**" if reasons else ""
    return text + "\n"


def _shortfall(metrics: Mapping[str, Any]) -> str:
    """Return a warning if the model does not beat a baseline; otherwise nothing."""
    worse = shortfall(metrics)
    return f" **Caution: {worse}.**" if worse else ""


def _cautions(manifest: Mapping[str, Any]) -> str:
    """Return the sections ethical considerations, caveats and recommendations."""
    return f"""\
## Ethical considerations

- **Whoever has this bundle has the sales.** `tables.safetensors` holds what each store sold on each day up to
  {manifest["cutoff"]}, in plain numbers; the forecasts reveal much of it too. Treat both as you treat the sales.
- The tables hold no data about persons. Employees feel the errors all the same: a forecast that is too low leaves a
  shift short of staff. Look at the bias by slice before you plan shifts by it, and let people on the spot decide.

## Caveats and recommendations

- The model knows only the tables: no road works, no strike, no competitor that opens after {manifest["cutoff"]},
  no pandemic. Overrule it where you know more.
- {_range(manifest["metrics"])} {_beyond(manifest)}
- Monitor the warnings and the errors. `shopcat update` brings new sales in, and says when it is time to train again.
- One holdout is one sample of one season. If options were chosen by its figures, the figures are too good."""


def _range(metrics: Mapping[str, Any]) -> str:
    """Return the sentence about intervals."""
    if metrics.get("intervals") is None:
        return "A forecast is one number without a range."
    return "Intervals hold on average over many days, and not on a day unlike all of the past."


def _beyond(manifest: Mapping[str, Any]) -> str:
    """Return the sentence about dates beyond the horizon."""
    if manifest["beyond_horizon"] == "refuse":
        return f"The model refuses dates more than {manifest['horizon']} days after {manifest['cutoff']}."
    return f"Beyond {manifest['horizon']} days it is extrapolation, and the answer warns of it."


def _datasheet(manifest: Mapping[str, Any]) -> str:
    """Return the datasheet of the training data."""
    levels, columns = manifest["levels"], manifest["preprocess"]
    stores, states = len(levels["Store"]), len(levels["State"])
    if manifest["synthetic"]:
        motivation = "The tables were made up so that shopcat can be tried without real data."
        collection = (
            "Nothing was collected. A seeded random generator with known effects of weekday, promotion, season, "
            "weather and competition wrote the tables. Only the calendar and the names of the German states are real."
        )
    else:
        motivation = (
            "Shops record sales to run their business; these tables were put together to forecast them. A bundle does "
            "not know by whom and for whom: ask whoever trained it."
        )
        collection = (
            "A bundle does not know how sales were counted and where weather and trend come from: ask whoever "
            "trained it. shopcat has checked that the tables are complete and consistent, not that they are true."
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
- **Uses.** This model. For other uses, the cautions above hold too.
- **Distribution.** The bundle contains the sales history up to {manifest["cutoff"]}. It also contains the calendar
  up to {manifest["last_date"]}, the store attributes, weather and search trend. Share it only where these data may be
  shared.
- **Maintenance.** A bundle never changes, which `shopcat check` verifies. Correct errors in the tables and add new
  sales to them; a new training then makes a new bundle with a new version."""


def _s(word: str, count: int) -> str:
    """Return a word, in the plural unless there is one."""
    return word if count == 1 else f"{word}s"
