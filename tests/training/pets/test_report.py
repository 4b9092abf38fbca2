import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib._pylab_helpers import Gcf
from matplotlib.figure import Figure
from PIL import Image
from sklearn import metrics as sk

from runtime.folder import FolderError
from training import reports
from training.pets import pictures
from training.pets.calibration import expected_calibration_error, softmax
from training.pets.evaluation import Evaluation
from training.pets.report import write_report

CLASSES = (("Abyssinian", "cat"), ("Bengal", "cat"), ("Sphynx", "cat"), ("beagle", "dog"), ("pug", "dog"))
ALWAYS = {"report.md", "breeds.png", "calibration.png", "abstention.png"}


@pytest.fixture(scope="module")
def evaluation():
    """120 photos, none of a Sphynx, of which about four of five are right."""
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 3, 4], 120, p=[0.5, 0.3, 0.15, 0.05])
    logits = rng.normal(0, 1.5, (120, 5)) + 4 * np.eye(5)[labels]
    files = tuple(Path("photos") / f"{i}.jpg" for i in range(120))
    return Evaluation(logits.astype(np.float32), labels, CLASSES, files, temperature=1.3, threshold=0.7)


@pytest.fixture(scope="module")
def right(evaluation):
    """The photos of which the breed is right."""
    return some(evaluation, np.flatnonzero(evaluation.predicted == evaluation.labels))


def some(evaluation, rows):
    """The evaluation of some of its photos."""
    files = tuple(evaluation.files[i] for i in rows)
    return replace(evaluation, logits=evaluation.logits[rows], labels=evaluation.labels[rows], files=files)


def photo(file):
    """Return a photo whose red value is its number."""
    return Image.new("RGB", (60, 40), (int(file.stem), 99, 99))


def heatmap(file, breed):
    content = io.BytesIO()
    Image.new("RGB", (30, 20), (int(file.stem), 0, len(breed))).save(content, "PNG")
    return content.getvalue()


@pytest.fixture(scope="module")
def written(tmp_path_factory, evaluation, history, found):
    return write_report(
        tmp_path_factory.mktemp("report") / "of" / "pets",
        evaluation,
        title="Pets 1",
        photos=photo,
        heatmaps=heatmap,
        history=history,
        lr=found,
        command="shopcat train pets photos --out model",
    )


@pytest.fixture(autouse=True)
def unseen(monkeypatch):
    """Pictures take most of a report's time; those of the fixture above are looked at, and a test's own are not."""
    monkeypatch.setattr(Figure, "savefig", lambda *_, **__: None)


@pytest.fixture
def text(written):
    return (written / "report.md").read_text(encoding="utf-8")


def table(text, first):
    """The Markdown table whose first column has this heading, as a data frame of texts."""
    lines = text[text.index(f"\n| {first} |") + 1 :].split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return pd.DataFrame(cells[2:], columns=cells[0])


def test_the_headline_figures_equal_scikit_learns(text, evaluation):
    predicted = evaluation.logits.argmax(axis=1)
    accuracy = 100 * sk.accuracy_score(evaluation.labels, predicted)
    mean = 100 * sk.recall_score(evaluation.labels, predicted, labels=[0, 1, 3, 4], average="macro")
    assert f"**Accuracy {accuracy:.1f} %** (" in text
    assert f"on 120 photos, **{mean:.1f} %** (" in text
    assert "averaged over 4 breeds." in text
    rows = dict(re.findall(r"^\| ([^|]+) \| (.+) \|$", text, re.MULTILINE))
    assert rows["Accuracy"].startswith(f"{accuracy:.1f} % | ")
    before, after = (expected_calibration_error(softmax(evaluation.logits, t), evaluation.labels) for t in (1, 1.3))
    assert rows["Calibration error"] == f"{after:.4f} |  | {before:.4f}"


def test_the_report_describes_the_evaluation_and_gives_its_command(text):
    assert text.startswith("# Pets 1\n")
    assert "On 120 photos that the network was not trained on" in text
    assert "about which nothing is known: Sphynx." in text
    assert "shopcat train pets photos --out model" in text


def test_the_confused_pairs_equal_pandas(text, evaluation):
    names = np.array([name for name, _ in CLASSES])
    pairs = pd.DataFrame({"breed": names[evaluation.labels], "predicted": names[evaluation.predicted]})
    counts = pairs[pairs["breed"] != pairs["predicted"]].value_counts()
    shown = table(text, "breed | predicted")
    assert {(row["breed"], row["predicted"]): int(row["photos"]) for _, row in shown.iterrows()} == counts[
        counts >= 2
    ].to_dict()


def test_breeds_and_species_have_tables(text, evaluation):
    breeds = table(text, "breed | photos")
    assert breeds["photos"].astype(int).sum() == 120
    assert breeds["right"].astype(int).sum() == (evaluation.predicted == evaluation.labels).sum()
    accuracies = breeds["accuracy"].str.removesuffix(" %").astype(float)
    assert accuracies.is_monotonic_increasing
    species = table(text, "species")
    assert species["species"].tolist() == [
        "cats: the breed is right",
        "dogs: the breed is right",
        "all: cat or dog is right",
    ]


def test_every_picture_exists_and_is_not_blank(text, written, is_picture):
    files = {file.name for file in written.iterdir()}
    shown = set(re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text))
    assert files == shown | {"report.md"}
    assert files == ALWAYS | {"confusion.png", "worst.png", "training.png", "lr_find.png"}
    for name in shown:
        assert is_picture(written / name), name


def test_no_figure_stays_open(written):
    assert Gcf.get_all_fig_managers() == []


def test_the_worst_mistakes_show_the_predicted_breed_and_its_heatmap(evaluation):
    mistakes = evaluation.mistakes()[:5]
    calls = []

    def draw(file, breed):
        calls.append((file, breed))
        return heatmap(file, breed)

    figure = pictures.plot_worst(evaluation, mistakes, photo, draw)
    assert calls == [(evaluation.files[mistake.photo], mistake.predicted) for mistake in mistakes]
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == 5
    for axes, mistake in zip(shown, mistakes, strict=True):
        title = axes.get_title(loc="left")
        assert f"predicted {mistake.predicted} {100 * mistake.predicted_probability:.1f} %" in title
        assert f"true {mistake.actual} {100 * mistake.actual_probability:.1f} %" in title
        assert axes.get_xlabel() == f"{mistake.photo}.jpg"
        pixels = (255 * np.asarray(axes.images[0].get_array())).round().astype(int)
        height, width, _ = pixels.shape
        assert pixels[height // 2, width // 4].tolist() == [mistake.photo, 99, 99]
        assert pixels[height // 2, 3 * width // 4].tolist() == [mistake.photo, 0, len(mistake.predicted)]


def test_without_heatmaps_only_the_photos_are_shown(tmp_path, evaluation):
    figure = pictures.plot_worst(evaluation, evaluation.mistakes()[:1], photo, None)
    height, width, _ = figure.axes[0].images[0].get_array().shape
    assert height == width
    content = (write_report(tmp_path / "r", evaluation, title="T", photos=photo) / "report.md").read_text()
    assert "heatmap" not in content


def test_the_confusion_plot_counts_every_photo_once(evaluation):
    axes = pictures.plot_confusion(evaluation).axes[0]
    rows, columns = ([label.get_text() for label in axis.get_ticklabels()] for axis in (axes.yaxis, axes.xaxis))
    assert rows == ["Abyssinian", "Bengal", "beagle", "pug"]  # no photo shows a Sphynx
    assert columns == [name for name, _ in CLASSES]
    matrix = np.zeros((5, 5), int)
    names = [name for name, _ in CLASSES]
    for note in axes.texts:
        x, y = note.get_position()
        matrix[names.index(rows[y]), names.index(columns[x])] = int(note.get_text())
    np.testing.assert_array_equal(matrix, sk.confusion_matrix(evaluation.labels, evaluation.predicted, labels=range(5)))


def test_with_more_than_40_classes_only_the_confused_ones_are_shown():
    labels = np.arange(60)
    predicted = labels.copy()
    predicted[[3, 7]] = 8, 3
    classes = [(f"breed {i}", None) for i in range(60)]
    many = Evaluation(np.eye(60)[predicted].astype(np.float32), labels, classes, [Path("1.jpg")] * 60, 1.0, 0.5)
    axes = pictures.plot_confusion(many).axes[0]
    for axis in (axes.yaxis, axes.xaxis):
        assert [label.get_text() for label in axis.get_ticklabels()] == ["breed 3", "breed 7", "breed 8"]


def test_the_threshold_is_marked_on_the_curve(evaluation):
    axes = pictures.plot_abstention(evaluation).axes[0]
    coverage, accuracy = axes.lines[0].get_data()
    (x,), (y,) = axes.lines[1].get_data()
    sure = evaluation.probabilities.max(axis=1) >= 0.7
    assert (x, y) == (sure.mean(), sk.accuracy_score(evaluation.labels[sure], evaluation.predicted[sure]))
    assert np.isclose(coverage, x).any()
    assert y == pytest.approx(accuracy[np.argmin(np.abs(coverage - x))])
    assert "threshold 0.700" in axes.texts[0].get_text()


def test_the_reliability_points_equal_scikit_learns_calibration_curve(evaluation):
    """Compare the confidence of the predicted breed in scikit-learn's uniform bins."""
    calibration = pytest.importorskip("sklearn.calibration")
    for axes, temperature in zip(pictures.plot_calibration(evaluation).axes[::2], (1, 1.3), strict=True):
        p = softmax(evaluation.logits, temperature)
        hit = p.argmax(axis=1) == evaluation.labels
        accuracy, confidence = calibration.calibration_curve(hit, p.max(axis=1), n_bins=15)
        np.testing.assert_allclose(axes.lines[1].get_data(), [confidence, accuracy], rtol=1e-9)


def test_one_right_photo_is_enough_for_a_report(tmp_path, right):
    folder = write_report(tmp_path / "r", some(right, [0]), title="One", photos=photo)
    assert {file.name for file in folder.iterdir()} == ALWAYS
    content = (folder / "report.md").read_text()
    assert "None in 1 photos." in content
    assert "nan" not in content


def test_without_mistakes_no_photo_is_opened(tmp_path, right):
    def none(file):
        raise AssertionError(file)

    write_report(tmp_path / "r", right, title="Right", photos=none)


def test_unknown_species_are_left_out(tmp_path, evaluation):
    nameless = replace(evaluation, classes=[(name, None) for name, _ in CLASSES], threshold=1.5)
    content = (write_report(tmp_path / "r", nameless, title="T", photos=photo) / "report.md").read_text()
    assert "cat or dog" not in content
    assert "no photo of the test is accepted" in content
    assert len(pictures.plot_breeds(nameless).axes) == 1


@pytest.mark.parametrize("before", [None, "the old one"])
def test_a_failure_midway_leaves_the_old_report(tmp_path, right, monkeypatch, before):
    if before:
        (tmp_path / "r").mkdir()
        (tmp_path / "r" / "report.md").write_text(before)
    draw, drawn = reports.png, []

    def png(figure):
        drawn.append(figure)
        if len(drawn) == 2:
            raise MemoryError("no room for a picture")
        return draw(figure)

    monkeypatch.setattr(reports, "png", png)
    with pytest.raises(MemoryError):
        write_report(tmp_path / "r", right, title="T", photos=photo)
    left = {file.name: file.read_text() for file in tmp_path.rglob("*") if file.is_file()}
    assert left == ({"report.md": before} if before else {})
    assert len(list(tmp_path.iterdir())) == bool(before)


def test_a_report_is_replaced_if_allowed_and_another_folder_never(tmp_path, right):
    folder = tmp_path / "r"
    write_report(folder, right, title="First", photos=photo)
    with pytest.raises(FolderError, match="not empty"):
        write_report(folder, right, title="Second", photos=photo, replace=False)
    assert (folder / "report.md").read_text().startswith("# First")
    write_report(folder, right, title="Second", photos=photo)
    assert (folder / "report.md").read_text().startswith("# Second")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "only copy.tex").touch()
    with pytest.raises(FolderError, match="not empty"):
        write_report(tmp_path / "thesis", right, title="Third", photos=photo)
    assert (tmp_path / "thesis" / "only copy.tex").exists()
