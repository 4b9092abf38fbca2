"""training.sales.card: sections, figures and warnings of the model card."""

import datetime as dt
import re

import pytest

from schemas.sales.manifest import NetworkSpec, PreprocessSpec, SalesManifest
from training.sales import card, metrics
from training.sales.card import model_card

FIGURES = {
    "rows": 1_234,
    "rmspe": 0.11111,
    "rmse_log": 0.12222,
    "wape": 0.13333,
    "bias": -0.01444,
    "mape": 0.15555,
    "median_ape": 0.16666,
}
MANIFEST = {
    "name": "corner-shops",
    "created": dt.datetime(2026, 11, 23, 8, 0, tzinfo=dt.UTC),
    "synthetic": False,
    "mode": "production",
    "cutoff": dt.date(2015, 7, 31),
    "horizon": 49,
    "beyond_horizon": "warn",
    "first_date": dt.date(2013, 1, 1),
    "last_date": dt.date(2016, 7, 31),
    "levels": {"Store": [1, 2, 5], "State": ["BE", "HB,NI"], "StoreType": ["a"]},
    "preprocess": PreprocessSpec(
        cat_names=["Store", "Promo_fw"],
        cont_names=["CompetitionDistance"],
        classes={"Store": [1, 2, 5], "Promo_fw": [0, 1]},
        gapped=[],
        na_names=["CompetitionDistance"],
        medians=[2330.0],
        means=[5000.0],
        stds=[7000.0],
        mins=[20.0],
        maxs=[75860.0],
    ),
    "network": NetworkSpec(
        emb_szs=[(4, 3), (3, 2), (3, 2)], n_cont=1, layers=[100, 50], ps=[0.1, 0.1], emb_drop=0.04, y_range=(0.0, 10.0)
    ),
    "metrics": {"from": "2015-06-14", "to": "2015-07-31", **FIGURES},
    "training": {"mode": "production", "epochs": 7, "ema": None, "refit": True, "rows": 98_765, "torch": "2.14.1"},
}
COMPARED = {
    "where_last_year_is_known": {**FIGURES, "rows": 1_000, "rmspe": 0.1},
    "last_year_same_weekday": {**FIGURES, "rows": 1_000, "rmspe": 0.4, "wape": 0.1, "bias": 0.2},
}


def with_last_year(**changes):
    return {**MANIFEST, "metrics": {**MANIFEST["metrics"], **COMPARED}, **changes}


def words(text):
    """Return the text without its line breaks."""
    return re.sub(r"\s+", " ", text)


def test_the_manifest_of_these_tests_is_valid():
    SalesManifest(**with_last_year(), version="1", files={})


def test_the_card_has_the_sections_of_both_papers():
    text = model_card(MANIFEST)
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == [
        "Model details",
        "Intended use",
        "Factors",
        "Metrics",
        "Evaluation data",
        "Training data",
        "Quantitative analyses",
        "Ethical considerations",
        "Caveats and recommendations",
        "Datasheet of the training data",
    ]
    bold = re.findall(r"^- \*\*(\w+)\.\*\*", text[text.index("## Datasheet") :], re.MULTILINE)
    assert bold == ["Motivation", "Composition", "Collection", "Preprocessing", "Uses", "Distribution", "Maintenance"]


def test_every_metric_is_stated_and_explained():
    assert set(card.METRICS) == set(metrics.METRICS)
    text = model_card(MANIFEST)
    stated = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE))
    assert stated == {
        "RMSPE": "11.11 %",
        "RMSE of log": "0.1222",
        "WAPE": "13.33 %",
        "Bias": "-1.44 %",
        "Mean APE": "15.55 %",
        "Median APE": "16.67 %",
    }
    for label in stated:
        assert f"- **{label}**: " in text


def table_of(metrics):
    """The cells after each label in the card's table of figures."""
    text = model_card({**MANIFEST, "metrics": {**MANIFEST["metrics"], **metrics}})
    return dict(re.findall(r"^\| ([^|]+) \| (.*) \|$", text, re.MULTILINE))


def test_the_figures_stand_beside_those_of_last_year():
    rows = table_of(COMPARED)
    assert rows["RMSPE"] == "11.11 % | 10.00 % | 40.00 % | 75.00 %"
    assert rows["WAPE"] == "13.33 % | 13.33 % | 10.00 % | -33.33 %"
    assert rows["Bias"].startswith("-1.44 % | -1.44 % | +20.00 % |")  # signed: no share of it is better


def test_the_figures_stand_beside_those_of_the_weekday_and_promotion_mean():
    mean = {"weekday_promotion_mean": {**FIGURES, "rmspe": 0.22222, "bias": 0.03}}
    rows = table_of(mean)
    assert rows["RMSPE"] == "11.11 % | 22.22 % | 50.00 %"
    assert rows["Bias"].startswith("-1.44 % | +3.00 % |")
    both = table_of({**mean, **COMPARED})
    assert both["RMSPE"] == "11.11 % | 22.22 % | 50.00 % | 10.00 % | 40.00 % | 75.00 %"


def test_the_card_of_a_model_that_is_worse_than_a_baseline_says_so():
    worse = {**MANIFEST["metrics"], "weekday_promotion_mean": {**FIGURES, "rmspe": 0.1}}
    text = words(model_card({**MANIFEST, "metrics": worse}))
    assert "**Caution: the model is not better than the weekday-and-promotion mean (RMSPE 0.1111 to 0.1000 on " in text
    assert "Caution" not in model_card(with_last_year())


def test_the_facts_follow_from_the_manifest():
    text = words(model_card(MANIFEST))
    for fact in (
        "# Model card: corner-shops",
        "1,234 store-days with sales from 2015-06-14 to 2015-07-31",
        "98,765 store-days with sales from 2013-01-01 to 2015-07-31",
        "up to 49 days after 2015-07-31",
        "3 embeddings and 1 continuous columns, 8 inputs",
        "hidden layers of 100 and 50",
        "on 2026-11-23 with torch 2.14.1, in production mode",
        "`epochs` 7",
        "3 stores in 2 states",
        "Categories: Store, Promo_fw. Numbers: CompetitionDistance.",
        "calendar up to 2016-07-31",
    ):
        assert fact in text


def test_the_card_states_the_share_of_trees():
    assert "Boosted trees" not in model_card(MANIFEST)
    network = MANIFEST["network"].model_copy(update={"tree_share": 0.5})
    assert "weighted geometric mean of both: 50 % trees" in words(model_card({**MANIFEST, "network": network}))


def test_the_card_of_a_manifest_that_was_read_has_the_same_options():
    training = {**MANIFEST["training"], "layers": (100, 50)}
    read = {**training, "layers": [100, 50]}
    assert "`layers` 100,50: Widths" in model_card({**MANIFEST, "training": training})
    assert model_card({**MANIFEST, "training": read}) == model_card({**MANIFEST, "training": training})


def test_the_card_warns_that_the_bundle_contains_the_sales():
    text = words(model_card(MANIFEST))
    assert "Whoever has this bundle has the sales." in text
    assert "`tables.safetensors` holds what each store sold on each day up to 2015-07-31" in text


def test_a_card_of_synthetic_data_starts_with_a_notice():
    made_up = model_card({**MANIFEST, "synthetic": True})
    assert made_up.splitlines()[0].startswith("**Synthetic data")
    assert "random generator" in made_up
    own = model_card(MANIFEST)
    assert "ynthetic" not in own
    assert "made up" not in own
    assert own.count("ask whoever") == 3  # licence, motivation and collection, which no bundle knows


def test_a_card_of_parity_mode_starts_with_a_notice():
    parity = {**MANIFEST, "mode": "parity"}
    assert model_card(parity).startswith("**Parity mode looks ahead")
    assert "looks ahead" not in model_card(MANIFEST)
    both = model_card({**parity, "synthetic": True}).splitlines()
    assert both[0].startswith("**Synthetic data")
    assert both[2].startswith("**Parity mode looks ahead")


@pytest.mark.parametrize(
    ("mode", "refit", "own"), [("production", True, False), ("production", False, True), ("parity", True, True)]
)
def test_the_card_names_the_fit_that_the_figures_belong_to(mode, refit, own):
    text = words(model_card({**MANIFEST, "mode": mode, "training": {**MANIFEST["training"], "refit": refit}}))
    assert ("The figures are those of the model in this bundle" in text) == own
    assert ("it has not been judged itself" in text) == (not own)


@pytest.mark.parametrize("manifest", [MANIFEST, with_last_year(synthetic=True, mode="parity")])
def test_the_card_is_short_and_has_no_placeholder(manifest):
    text = model_card(manifest)
    assert text.endswith("\n")
    assert len(text.splitlines()) < 120
    assert not re.search(r"\b(None|nan)\b|\b(TODO|TBD)|[{}<]|\?\?", text)


def test_the_card_says_what_happens_beyond_the_horizon():
    assert "Beyond 49 days it is extrapolation" in words(model_card(MANIFEST))
    refusing = words(model_card({**MANIFEST, "beyond_horizon": "refuse"}))
    assert "The model refuses dates more than 49 days after 2015-07-31." in refusing
