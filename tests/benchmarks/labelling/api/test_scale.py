"""benchmarks.labelling.api.scale: its projects look as if the embedding had left them."""

import hashlib
from pathlib import Path

import numpy as np

from benchmarks.labelling.api.scale import write_project
from console.labels.opened.rows import RowReader
from labelling.features.layout import FeatureLayout
from labelling.features.spaces import BY_NAME
from labelling.features.table import FeatureTable, PhotoFacts
from labelling.photos.files import PhotoFile

SPACE = BY_NAME["final-what"]
LAYOUT = FeatureLayout("a" * 64, {SPACE: slice(0, 30)}, 30)


def test_mixed_rows_lie_between_real_ones(tmp_path: Path) -> None:
    hashes = [hashlib.sha256(bytes([number])).hexdigest() for number in range(80)]
    features = np.random.default_rng(0).normal(size=(80, 30)).astype(np.float32)
    table = FeatureTable(tmp_path / "cache", LAYOUT.key, LAYOUT.width)
    table.append([PhotoFacts(photo, 4, 3, number) for number, photo in enumerate(hashes)], features)
    photos = [PhotoFile(tmp_path / photo, photo, 1, 1) for photo in hashes]
    project = write_project(tmp_path, LAYOUT, table, photos, 300)
    rows = RowReader(project, lambda: LAYOUT).table()
    assert len(project.photos) == 300
    assert len(rows.photos) == 300 - len(project.audits.current().held)
    array = rows.array(SPACE)
    real = np.isin(rows.photos, hashes)
    assert real.any()
    assert not real.all()
    assert np.abs(array[~real]).max() <= np.abs(array[real]).max() * 1.5
    assert array[~real].var() < array[real].var()
