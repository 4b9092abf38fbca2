"""`shopcat label` without its service: the project of a folder, what has changed in it, and errors."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import main
from cli.service import label
from labelling.projects.store import ProjectStore, Summary
from pets.bundle import FEATURES
from serving.console.address import announced
from tests.labelling.projects.pictures import picture, save_photos
from tests.pets.fake_classifier import BUNDLE


class Labels:
    """The command with a data folder; services that it would start are recorded."""

    def __init__(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.data, self.served = data, list[dict[str, Any]]()
        monkeypatch.setattr(label, "run", lambda **options: self.served.append(options))
        monkeypatch.setattr(label, "_embedding", self._embedding)

    @contextmanager
    def _embedding(self, *_: object) -> Iterator[None]:
        yield

    def __call__(self, *arguments: object) -> Result:
        command = ["label", *map(str, arguments), "--data", str(self.data)]
        return CliRunner().invoke(main, command)

    def works(self, *arguments: object) -> str:
        result = self(*arguments)
        assert result.exit_code == 0, result.output
        return result.output

    def fails(self, *arguments: object) -> str:
        result = self(*arguments)
        assert result.exit_code == 2, result.output
        assert self.served == []
        return result.output

    def projects(self) -> list[Summary]:
        return ProjectStore(self.data / "projects").list()


@pytest.fixture
def shopcat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Labels:
    return Labels(tmp_path / "data", monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_photos(tmp_path / "My cats", 3)


def test_the_same_folder_is_the_same_project_and_the_service_opens_its_page(shopcat: Labels, folder: Path) -> None:
    first = shopcat.works(folder, "--bundle", BUNDLE, "--port", 8123)
    assert f"looking for photos in {folder} ...\nproject My cats: 3 photos, 3 of them new\n" in first
    (project,) = shopcat.projects()
    again = shopcat.works(f"{folder}/../{folder.name}/", "--bundle", BUNDLE)
    assert "3 photos, 0 of them new" in again
    assert shopcat.projects() == [project]
    served = shopcat.served[0]
    assert served["page"] == f"label?project={project.id}"
    assert (served["bundles"], served["port"], served["runner"]) == ((BUNDLE,), 8123, "python")
    assert (served["data"], served["console"]) == (shopcat.data, True)
    assert sorted(path.name for path in folder.iterdir()) == ["000.png", "001.png", "002.png"]


def test_sub_folders_are_labels_if_they_should_be(shopcat: Labels, tmp_path: Path) -> None:
    for first, name in ((0, "train/cat"), (10, "train/dog"), (20, "valid/dog")):
        save_photos(tmp_path / "export" / name, 3, first=first)
    without = shopcat.works(tmp_path / "export", "--bundle", BUNDLE)
    assert "labelled" not in without
    text = shopcat.works(tmp_path / "export", "--folder-labels", "--bundle", BUNDLE)
    assert "9 photos labelled by their sub-folders, 2 labels are new\n" in text
    again = shopcat.works(tmp_path / "export", "--folder-labels", "--bundle", BUNDLE)
    assert "0 photos labelled by their sub-folders, 0 labels are new\n9 photos had that label already\n" in again
    (summary,) = shopcat.projects()
    project = ProjectStore(shopcat.data / "projects").open(summary.id)
    names = {label.id: label.name for label in project.labels.list()}
    labels = {
        project.photos[photo].name: names[current.label or 0] for photo, current in project.events.labels().items()
    }
    assert {name: label for name, label in labels.items() if label not in name} == {}
    assert len(labels) == 9
    project.close()


def test_options_of_the_service_come_from_the_environment(shopcat: Labels, folder: Path) -> None:
    command = ["label", str(folder), "--bundle", str(BUNDLE), "--data", str(shopcat.data)]
    assert CliRunner(env={"SHOPCAT_SERVE_IDLE_AT_STOP": "3"}).invoke(main, command).exit_code == 0
    assert shopcat.served[0]["idle_at_stop"] == 3


def test_changes_of_the_folder_are_found_and_said(shopcat: Labels, folder: Path) -> None:
    shopcat.works(folder, "--bundle", BUNDLE)
    (folder / "000.png").rename(folder / "moved.png")
    (folder / "001.png").unlink()
    save_photos(folder, 2, first=3)
    shutil.copy(folder / "003.png", folder / "copy.png")
    for number in range(7):
        (folder / f"empty-{number}.jpg").touch()
    text = shopcat.works(folder, "--bundle", BUNDLE, "--name", "Cats of 2026")
    assert "project Cats of 2026: 5 photos, 2 of them new\n1 further files are copies\n" in text
    assert f"1 photos are missing:\n  {folder / '001.png'}: the file is gone" in text
    assert f"7 files are left out:\n  {folder / 'empty-0.jpg'}: the file is empty" in text
    assert "and 2 more" in text
    assert [project.name for project in shopcat.projects()] == ["Cats of 2026"]


def test_the_demonstration_is_one_project_of_drawn_vehicles(shopcat: Labels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label, "_VEHICLES", 5)
    text = shopcat.works("--demo", "--bundle", BUNDLE)
    assert "drawing 5 vehicles ...\nproject Demonstration: 5 photos, 5 of them new\n" in text
    assert "project Demonstration: 5 photos, 0 of them new\n" in shopcat.works("--demo", "--bundle", BUNDLE)
    assert [project.photos for project in shopcat.projects()] == [5]


def test_a_running_service_gets_the_project_and_no_second_one_starts(shopcat: Labels, folder: Path) -> None:
    shopcat.data.mkdir()
    with announced(shopcat.data) as announce:
        announce("https://labels.example")
        text = shopcat.works(folder, "--bundle", "no-bundle-is-needed")
        (project,) = shopcat.projects()
        assert f"runs already: open https://labels.example/console/label?project={project.id} in a browser" in text
        assert "open https://labels.example/console/label in a browser" in shopcat.works()
    assert shopcat.served == []


def test_without_a_folder_the_projects_are_listed(shopcat: Labels, folder: Path) -> None:
    text = shopcat.works()
    assert f"no projects in {shopcat.data / 'projects'}\nbegin or continue one with `shopcat label FOLDER`" in text
    assert not shopcat.data.exists()
    shopcat.works(folder, "--bundle", BUNDLE)
    store = ProjectStore(shopcat.data / "projects")
    store.create("Old").archive()
    (store.create("Damaged").folder / "project.sqlite").write_bytes(b"no database " * 999)
    lines = shopcat.works().splitlines()
    assert lines[:2] == ["My cats  3 photos, 0 labelled", "Old  0 photos, 0 labelled  archived"]
    assert lines[2].startswith("damaged  0 photos, 0 labelled  ")
    assert "restore a copy, or delete the project" in lines[2]
    assert lines[3] == 'labelled: photos with a label; "can\'t tell" and blind answers are labels too'


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "is no folder that can be read; name a folder of photos"),
        (lambda folder: folder.mkdir(), "has no photos; their names end with .bmp"),
        (lambda folder: folder.write_text("x"), "is a file"),
        (lambda folder: (folder.mkdir(), (folder / "cat.jpg").touch()), "cat.jpg: the file is empty"),
    ],
    ids=["missing", "empty", "file", "empty photo"],
)
def test_a_folder_without_photos_leaves_no_project(shopcat: Labels, tmp_path: Path, make: Any, message: str) -> None:
    make(tmp_path / "photos")
    assert message in shopcat.fails(tmp_path / "photos", "--bundle", BUNDLE)
    assert shopcat.projects() == []


def test_wrong_arguments_are_named(shopcat: Labels, folder: Path) -> None:
    assert "give one of them" in shopcat.fails(folder, "--demo")
    assert "--name needs a FOLDER" in shopcat.fails("--name", "Cats")
    assert "--folder-labels needs a FOLDER" in shopcat.fails("--folder-labels", "--demo")
    assert "name: it is empty" in shopcat.fails(folder, "--name", " ", "--bundle", BUNDLE)
    assert "no-bundle" in shopcat.fails(folder, "--bundle", "no-bundle")
    assert shopcat.projects() == []


def test_a_bundle_without_features_names_the_command_that_adds_them(
    shopcat: Labels, folder: Path, tmp_path: Path
) -> None:
    old = shutil.copytree(BUNDLE, tmp_path / "old")
    manifest = json.loads((old / "bundle.json").read_text())
    del manifest["files"][FEATURES]
    (old / FEATURES).unlink()
    (old / "bundle.json").write_text(json.dumps(manifest))
    assert f"run `shopcat add-features {old}`" in shopcat.fails(folder, "--bundle", old)


def test_data_among_the_photos_is_rejected_unless_it_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cat.png").write_bytes(picture(0))
    visible = Labels(tmp_path / "data", monkeypatch)
    assert "where its pictures would be photos; name another" in visible.fails(tmp_path, "--bundle", BUNDLE)
    Labels(tmp_path / ".local" / "data", monkeypatch).works(tmp_path, "--bundle", BUNDLE)


def test_data_that_cannot_be_written_is_named(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    shopcat = Labels(tmp_path / "file" / "data", monkeypatch)
    assert f"{shopcat.data / 'projects'} can't be used" in shopcat.fails(folder, "--bundle", BUNDLE)


def test_an_interrupt_leaves_no_half_project(shopcat: Labels, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("labelling.projects.photos.list_photos", interrupt)
    result = shopcat(folder, "--bundle", BUNDLE)
    assert (result.exit_code, result.output.endswith("Interrupted.\n")) == (130, True)
    assert shopcat.projects() == []
