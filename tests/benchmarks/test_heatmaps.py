"""Compare the scores of heatmaps with plain loops and with libraries."""

import datetime as dt
import doctest
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr
from sklearn.metrics import auc
from torch import nn

from benchmarks import heatmap_quality as quality
from benchmarks import markdown
from benchmarks.heatmaps import dataset, metrics, networks
from pets.bundle import save
from pets.images import Box
from schemas.pets.manifest import BreedSpec, HeadSpec, ImageSpec
from training.pets.backbones import make_backbone
from training.pets.network import Head, PetNet

RNG = np.random.default_rng(0)
HEAT = RNG.random((12, 12), np.float32)


def test_the_docstring_examples_hold() -> None:
    for module in (metrics, quality, dataset, markdown):
        done = doctest.testmod(module)
        assert done.failed == 0
        assert done.attempted > 0


def test_energy_equals_a_plain_loop() -> None:
    inside, counted = RNG.random((2, 12, 12)) < 0.5
    total = within = 0.0
    for place in np.ndindex(12, 12):
        total += HEAT[place] * counted[place]
        within += HEAT[place] * (counted[place] and inside[place])
    assert metrics.energy_inside(HEAT, inside, counted) == pytest.approx(within / total)
    assert metrics.energy_inside(np.ones_like(HEAT), inside, counted) == pytest.approx(inside[counted].mean())


def test_a_constant_map_scores_as_chance_does() -> None:
    heat = metrics.shown(np.full((7, 7), 3, np.float32), 10)
    assert metrics.hits(heat, Box(2, 2, 7, 6)) == pytest.approx(20 / 100)


@pytest.mark.parametrize(("box", "hit"), [(Box(5, 3, 6, 4), 1), (Box(0, 0, 12, 12), 1), (Box(6, 0, 12, 12), 0)])
def test_hits_is_1_if_the_largest_value_is_in_the_box(box: Box, hit: float) -> None:
    heat = HEAT.copy()
    heat[3, 5] = 2
    assert metrics.hits(heat, box) == hit


def test_pixels_are_replaced_in_the_order_of_the_heat() -> None:
    start, end = RNG.integers(0, 128, (12, 12, 3), np.uint8), RNG.integers(128, 256, (12, 12, 3), np.uint8)
    frames = metrics.replaced(start, end, HEAT, steps=20)
    order = sorted(np.ndindex(12, 12), key=lambda place: -HEAT[place])
    for k, frame in enumerate(frames):
        wanted = start.copy()
        for place in order[: round(144 * k / 20)]:
            wanted[place] = end[place]
        assert np.array_equal(frame, wanted)


def test_insertion_is_deletion_of_the_opposite_map_in_reverse() -> None:
    start, end = RNG.integers(0, 256, (2, 12, 12, 3), np.uint8)
    assert np.array_equal(metrics.replaced(start, end, HEAT, 9), metrics.replaced(end, start, 1 - HEAT, 9)[::-1])


def test_area_equals_scikit_learns() -> None:
    curve = RNG.random(21, np.float32)
    assert metrics.area(curve) == pytest.approx(auc(np.linspace(0, 1, 21), curve))


@pytest.mark.parametrize("levels", [3, 1000])
def test_rank_correlation_equals_scipys(levels: int) -> None:
    one, other = RNG.integers(0, levels, (2, 9, 9)).astype(np.float32)
    assert metrics.rank_correlation(one, other) == pytest.approx(spearmanr(one.ravel(), other.ravel()).statistic)
    assert metrics.rank_correlation(one, np.ones((9, 9), np.float32)) == 0


def test_a_mask_is_cropped_like_its_photo(tmp_path: Path) -> None:
    trimap = np.full((30, 50), 2, np.uint8)
    trimap[10:20, 20:30] = 1
    trimap[10:20, 30:32] = 3
    Image.fromarray(trimap).save(tmp_path / "pet.png")
    animal, counted = dataset.read_mask(tmp_path / "pet.png", Box(10, 0, 40, 30), 60)
    assert np.argwhere(animal).min(axis=0).tolist() == [20, 20]
    assert np.argwhere(animal).max(axis=0).tolist() == [39, 39]
    assert (~counted).sum() == 20 * 4
    assert not (animal & ~counted).any()


def test_head_boxes_come_from_the_csv_and_the_xml_files(tmp_path: Path) -> None:
    (tmp_path / "annotations/xmls").mkdir(parents=True)
    assert dataset.read_heads(tmp_path) == {}
    (tmp_path / "annotations/head_bboxes.csv").write_text("image_id,xmin,ymin,xmax,ymax\na_1,1,2,3,4\nb_2,5,6,7,8\n")
    (tmp_path / "annotations/xmls/b_2.xml").write_text(
        "<annotation><object><bndbox><ymin>10</ymin><xmin>9</xmin><xmax>11</xmax><ymax>12</ymax></bndbox></object></annotation>"
    )
    (tmp_path / "annotations/xmls/c_3.xml").write_text("<annotation></annotation>")
    assert dataset.read_heads(tmp_path) == {"a_1": Box(1, 2, 3, 4), "b_2": Box(9, 10, 11, 12)}


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """Photos of a grey box (the animal) with a bright box in it (the head), off the middle."""
    for folder in ("images", "annotations/trimaps", "annotations/xmls"):
        (tmp_path / folder).mkdir(parents=True)
    for split, names in (("test", ("a", "b", "c")), ("trainval", ("d", "e", "f"))):
        (tmp_path / f"annotations/{split}.txt").write_text(
            "#Image CLASS-ID\n" + "".join(f"{name} 1\n" for name in names)
        )
        for i, name in enumerate(names):
            photo, trimap = np.zeros((40, 40, 3), np.uint8), np.full((40, 40), 2, np.uint8)
            photo[22:34, 2 + i : 22 + i], trimap[22:34, 2 + i : 22 + i] = 40, 1
            photo[26:30, 12 + i : 16 + i] = 255
            Image.fromarray(photo).save(tmp_path / "images" / f"{name}.jpg", quality=95)
            Image.fromarray(trimap).save(tmp_path / "annotations/trimaps" / f"{name}.png")
            (tmp_path / "annotations/xmls" / f"{name}.xml").write_text(
                f"<annotation><object><bndbox><xmin>{12 + i}</xmin><ymin>26</ymin><xmax>{16 + i}</xmax><ymax>30</ymax>"
                "</bndbox></object></annotation>"
            )
    return tmp_path


def test_a_map_of_the_deciding_pixels_beats_every_baseline(boxes: Path) -> None:
    def brightest(pixels: metrics.Pixels, classes: object) -> networks.Output:
        """Give class 1 a probability that grows with the brightest cell."""
        grid = pixels.reshape(len(pixels), 16, 2, 16, 2, 3).mean(axis=(2, 4, 5), dtype=np.float32)
        sure = grid.max(axis=(1, 2)) / 255
        return networks.Output(np.stack([1 - sure, sure], axis=1), grid, grid**2)

    def flipped(pixels: metrics.Pixels, classes: object) -> networks.Output:
        seen = brightest(pixels, classes)
        return networks.Output(seen.probabilities, seen.activation[:, ::-1, ::-1], seen.gradcam[:, ::-1])

    measured = quality.measure(networks.Networks(brightest, flipped, 32, 0.8), boxes, images=2)
    for score, kinds in measured.items():
        assert {len(values) for values in kinds.values()} == {
            2 if score in (quality.DELETION, quality.INSERTION) else 3
        }
    for score in quality.SCORES:
        sign = -1 if score == quality.DELETION else 1
        for other in quality.BASELINES:
            assert (sign * (measured[score]["gradcam"] - measured[score][other])).min() > 0, (score, other)
    assert (measured[quality.HEAD]["gradcam"] == 1).all()
    assert measured[quality.SPREAD]["centre Gaussian"] == pytest.approx(measured[quality.SPREAD]["gradcam"], abs=1e-2)
    printed = quality.tables(measured)
    assert printed.count("\n| centre Gaussian |") == 2
    assert "| images | 3 | 3 | 2 | 2 | 3 |" in printed
    assert f"| gradcam | {measured[quality.ENERGY]['gradcam'].mean():.3f} ± " in printed
    assert "nan" not in printed


def test_data_without_trimaps_are_an_error(boxes: Path) -> None:
    for path in (boxes / "annotations/trimaps").iterdir():
        path.unlink()
    with pytest.raises(SystemExit, match="0 test images have a trimap, 3 trainval"):
        quality.measure(None, boxes, images=2)  # type: ignore[arg-type]


def test_a_randomised_network_has_new_weights_and_lively_activations() -> None:
    layers = [nn.Sequential(nn.Conv2d(3 if i == 0 else 8, 8, 3), nn.BatchNorm2d(8), nn.ReLU6()) for i in range(6)]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 4 * 4, 5)).eval()
    before = {name: values.clone() for name, values in network.state_dict().items()}
    photos = torch.rand(8, 3, 16, 16)
    drawn = networks.randomise(network, photos)
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())
    assert not drawn.training
    maps = drawn[:6](photos)
    assert maps.std() > 0.3
    assert torch.equal(networks.randomise(network, photos)[:6](photos), maps)

    class Stuck(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.ones(2, 2))

    with pytest.raises(ValueError, match=r"1\.table"):
        networks.randomise(nn.Sequential(nn.Flatten(), Stuck()), photos)


@pytest.mark.integration
def test_a_bundles_network_gives_probabilities_and_maps(boxes: Path, tmp_path: Path) -> None:
    backbone, head = make_backbone("resnet18", pretrained=False), HeadSpec(hidden=None, p=0, bn_final=False)
    net = PetNet(backbone.body, Head(512, 2, head)).eval()
    torch.nn.init.normal_(net.head.layers[1].weight)  # a new head gives zeros
    image = ImageSpec(size=64, crop_pct=0.9, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    manifest = {
        "name": "boxes",
        "created": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        "classes": [BreedSpec(name="a"), BreedSpec(name="b")],
        "image": image,
        "backbone": backbone.spec,
        "head": head,
        "temperature": 2,
        "threshold": 0.5,
        "metrics": {},
        "training": {},
    }
    weights = {name: values.numpy() for name, values in net.state_dict().items()}
    bundle = tmp_path / "bundle"
    save(bundle, manifest, weights=weights, network=lambda _: b"", golden=[], card="")
    opened = networks.open_networks(bundle, boxes)
    pixels = RNG.integers(0, 256, (3, 64, 64, 3), np.uint8)
    with torch.no_grad():
        features = net.body((torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25)
        probabilities = (net.head(features) / 2).softmax(1)
    seen = opened.trained(pixels, None)
    np.testing.assert_allclose(seen.probabilities, probabilities, atol=1e-5)
    np.testing.assert_allclose(seen.activation, features.mean(1), atol=1e-4)
    classes = seen.probabilities.argmax(axis=1)
    assert np.array_equal(opened.trained(pixels, classes).gradcam, seen.gradcam)
    assert not np.allclose(opened.trained(pixels, 1 - classes).gradcam, seen.gradcam)
    drawn = opened.randomised(pixels, classes)
    assert np.abs(drawn.activation - seen.activation).max() > 0.01
