"""The map of photos in Chromium, by WebGL 2 in software and by Canvas 2D: what it shows, and how photos are chosen.

Longer than 350 lines, because all tests share one browser for each renderer.
"""

import io
import math
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from benchmarks.labelling.drawn_project import COLOURS, MAP, Drawn, name_of, serving
from tests.integration.console.conftest import QUIET, SECONDS, OpenPage, violations

pytestmark = pytest.mark.integration

PHOTOS, LABELLED = 600, 200
SPACE, PROJECTION = "high-where", "pacmap"
ELEMENT = "document.querySelector('shopcat-label-map')"
RENDERERS = {"webgl": ("--enable-unsafe-swiftshader",), "canvas": ("--disable-3d-apis",)}
SOFTWARE = "GPU stall due to ReadPixels"  # Chromium reads what WebGL drew, because it has no GPU to show it
DRAWN = Drawn.make(PHOTOS, LABELLED)


@pytest.fixture(scope="module")
def console_service() -> Iterator[str]:
    """Address of pages with a made-up project."""
    with serving(PHOTOS, LABELLED) as address:
        yield address


@pytest.fixture(scope="module", params=RENDERERS)
def renderer(request: pytest.FixtureRequest) -> str:
    """Name of the renderer that the browser allows."""
    return str(request.param)


@pytest.fixture(scope="module")
def browser(renderer: str) -> Iterator[Browser]:
    """A Chromium with or without WebGL."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium; Debian has it in the package chromium")
    expect.set_options(timeout=SECONDS * 1000)
    options = [option for option in QUIET if option != "--disable-3d-apis"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=[*options, *RENDERERS[renderer]])
        yield running
        running.close()


class Map:
    """A page with the map, and where its photos are by the service's own positions."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.stage: Locator = page.locator("shopcat-label-map .stage")
        expect(self.stage).to_have_attribute("aria-label", f"Map of {PHOTOS} photos")
        self.stage.scroll_into_view_if_needed()
        self.settle()

    def settle(self) -> None:
        """Wait until all photos and their pictures are drawn at their places."""
        self.page.evaluate(f"""new Promise((resolve) => {{
            const look = () => {{
              const {{stage}} = {ELEMENT};
              const {{sheet}} = stage ?? {{}};
              const comes = !stage || !stage.order.length || sheet.running || sheet.queue.length || stage.pending;
              if (comes || !stage.drawn.complete || stage.asked) requestAnimationFrame(look);
              else resolve(null);
            }};
            look();
        }})""")

    def get(self, expression: str) -> Any:
        return self.page.evaluate(f"(() => {{ const map = {ELEMENT}; return {expression}; }})()")

    @property
    def selection(self) -> set[int]:
        return set(self.get("[...map.store.selection]"))

    def points(self, space: str = SPACE, projection: str = PROJECTION) -> NDArray[np.float64]:
        """Return the points of the window where photos are while the whole map is in view."""
        box = self.stage.bounding_box()
        assert box is not None
        width, height = box["width"], box["height"]
        scale = 0.94 * min(width, height) / 2
        middle = np.array([box["x"] + width / 2, box["y"] + height / 2])
        return middle + DRAWN.positions(space, projection) * [scale, -scale]

    def draw(self, *corners: tuple[float, float]) -> None:
        """Drag the mouse along points of the window."""
        self.page.mouse.move(*corners[0])
        self.page.mouse.down()
        for corner in corners[1:]:
            self.page.mouse.move(*corner, steps=8)
        self.page.mouse.up()

    def tool(self, name: str) -> None:
        self.page.locator("shopcat-label-map").get_by_role("button", name=name, exact=True).click()

    def says(self, text: str) -> None:
        expect(self.page.locator("#live")).to_contain_text(text)


OpenMap = Callable[..., Map]


@pytest.fixture
def open_map(open_page: OpenPage) -> OpenMap:
    """Open the map in a new page."""

    def open_with(**options: Any) -> Map:
        watched = open_page(MAP, **options)
        watched.expected.append(SOFTWARE)
        return Map(watched.page)

    return open_with


@pytest.fixture
def shown(open_map: OpenMap) -> Map:
    return open_map()


def middle(points: NDArray[np.float64]) -> tuple[float, float]:
    x, y = points.mean(axis=0)
    return float(x), float(y)


def within(points: NDArray[np.float64], left: float, top: float, right: float, bottom: float) -> set[int]:
    x, y = points.T
    return set(np.flatnonzero((x > left) & (x < right) & (y > top) & (y < bottom)).tolist())


def within_box(points: NDArray[np.float64], width: float, height: float, edge: float) -> NDArray[np.bool_]:
    """Return true for points that keep a distance from the edges of a box."""
    return ((points > edge) & (points < [width - edge, height - edge])).all(axis=1)


def test_labelled_photos_have_their_colours_at_their_places(shown: Map, renderer: str) -> None:
    assert shown.get("map.stage.renderer.kind") == renderer
    box = shown.stage.bounding_box()
    assert box is not None
    points = shown.points()[:LABELLED]
    inside = (points - [box["x"], box["y"]]).tolist()
    free = np.array(shown.get(f"{inside}.map(([x, y]) => map.stage.pictureAt(x, y) < 0)"))
    assert free.sum() > 20
    points = points[free].round().astype(int)
    picture = np.asarray(Image.open(io.BytesIO(shown.page.screenshot())).convert("RGB")).astype(int)
    colours = [[int(colour[start : start + 2], 16) for start in (1, 3, 5)] for colour in COLOURS]

    def share(kinds: NDArray[np.int64]) -> float:
        """Return the share of photos with the colour of a kind at their place."""
        found = [
            np.abs(picture[y - 2 : y + 3, x - 2 : x + 3] - colours[kind]).sum(axis=2).min(initial=999) < 30
            for (x, y), kind in zip(points, kinds, strict=True)
        ]
        return float(np.mean(found))

    truth = DRAWN.truth[:LABELLED][free]
    assert share(truth) > 0.6  # other dots cover some
    assert share(truth) > 3 * share((truth + 1) % 4)


def test_a_random_sample_is_shown_as_pictures_and_grows_as_one_zooms_in(shown: Map) -> None:
    before = set(shown.get("map.stage.pictures"))
    assert 50 < len(before) < PHOTOS / 2
    shown.tool("Shuffle")
    shown.settle()
    shuffled = set(shown.get("map.stage.pictures"))
    assert len(before & shuffled) < len(before) / 2
    shown.page.mouse.move(*middle(shown.points()))
    for _ in range(3):
        shown.page.mouse.wheel(0, -120)
    shown.settle()
    assert shown.get("map.stage.view.place.zoom") > 2
    nearer = shown.get("map.stage.pictures")
    assert len(set(nearer) - shuffled) > 5


@pytest.mark.parametrize("tool", ["Rectangle", "Lasso", "Polygon"])
def test_photos_within_an_outline_are_selected_and_counted(shown: Map, tool: str) -> None:
    x, y = middle(shown.points())
    corners = [(x, y), (x + 200, y), (x + 200, y + 170), (x, y + 170)]
    expected = within(shown.points(), x, y, x + 200, y + 170)
    shown.tool(tool)
    if tool == "Rectangle":
        shown.draw(corners[0], corners[2])
    elif tool == "Lasso":
        shown.draw(*corners, corners[0])
    else:
        for corner in (*corners, corners[0]):
            shown.page.mouse.click(*corner)
    # A dot on the line may be on either side.
    assert len(expected) > 20
    assert len(shown.selection ^ expected) <= 3
    shown.says(f"{len(shown.selection)} photos selected")
    assert shown.get("map.store.how") == "lasso"


def test_shift_adds_alt_removes_and_an_empty_place_changes_nothing(shown: Map) -> None:
    shown.tool("Rectangle")

    def draw(side: str) -> set[int]:
        """Select one half of the map, and return the photos that are there. The bar above may have moved it."""
        points = shown.points()
        left, top = points.min(axis=0) - 8
        right, bottom = points.max(axis=0) + 8
        across = np.sort(points[:, 0])[PHOTOS // 3 : -PHOTOS // 3]
        gap = int(np.argmax(np.diff(across)))
        x = float(across[gap : gap + 2].mean())  # no dot is near this line
        left, right = (left, x) if side == "left" else (x, right)
        shown.draw((left, top), (right, bottom))
        return within(points, left, top, right, bottom)

    left = draw("left")
    assert shown.selection == left
    shown.page.keyboard.down("Shift")
    right = draw("right")
    shown.page.keyboard.up("Shift")
    assert shown.selection == left | right == set(range(PHOTOS))
    shown.page.keyboard.down("Alt")
    draw("left")
    shown.page.keyboard.up("Alt")
    assert shown.selection == right
    x, y = shown.points().min(axis=0) - 10
    shown.page.mouse.click(x, y)
    assert shown.selection == right


def test_a_click_selects_the_photo_under_it_and_the_buttons_replace_modifiers(shown: Map) -> None:
    points, pictures = shown.points(), shown.get("map.stage.pictures")
    away = np.abs(points[pictures][:, None] - points[pictures]).max(axis=2) + np.eye(len(pictures)) * 1e6
    one, other = np.array(pictures)[np.argsort(away.min(axis=1))[-2:]].tolist()  # no other picture covers these
    shown.page.mouse.click(*points[one])
    assert shown.selection == {one}
    shown.says(f"photo_{one:05d}.jpg")
    change = shown.page.get_by_label("What becomes of the selection")
    change.select_option("add")
    shown.page.mouse.click(*shown.points()[other])
    assert shown.selection == {one, other}
    change.select_option("remove")
    shown.page.mouse.click(*shown.points()[one])
    assert shown.selection == {other}
    assert shown.get("map.store.focus") == one


def test_a_polygon_can_be_corrected_and_given_up_and_the_map_says_how_to_close_it(shown: Map) -> None:
    x, y = middle(shown.points())
    words = shown.page.locator("shopcat-label-map .step")
    expect(words).to_have_count(0)
    shown.tool("Polygon")
    expect(words).to_contain_text("click a first corner")
    shown.says("double-click or press Enter to close it")
    outline = shown.page.locator("shopcat-label-map .outline")
    for corner in ((x, y), (x + 150, y), (x - 150, y - 150)):
        shown.page.mouse.click(*corner)
    expect(words).to_contain_text("click the first one again, double-click or press Enter to close it")
    shown.page.keyboard.press("Backspace")
    assert shown.get("map.gestures.corners.length") == 2
    expect(words).to_contain_text("click the next corner")
    shown.page.keyboard.press("Escape")
    expect(outline).to_have_attribute("d", "")
    assert shown.selection == set()
    for corner in ((x, y), (x + 150, y), (x + 150, y + 150)):
        shown.page.mouse.click(*corner)
    shown.page.keyboard.press("Enter")
    expect(outline).to_have_attribute("d", "")
    assert len(shown.selection) > 5


@pytest.mark.parametrize("colours", ["light", "dark", "forced"])
def test_selected_photos_have_two_rings_and_no_label_has_their_colours(open_map: OpenMap, colours: str) -> None:
    if colours == "forced":
        shown = open_map(color_scheme="light", forced_colors="active")
    else:
        shown = open_map(color_scheme=colours)
    box = shown.stage.bounding_box()
    assert box is not None
    inside = shown.points() - [box["x"], box["y"]]
    pictures = shown.get("map.stage.pictures")
    away = np.abs(inside[:, None] - inside[pictures]).max(axis=2)
    away[~within_box(inside, box["width"], box["height"], 50)] = 0
    dot = int(np.argmax(away.min(axis=1)))  # no picture is near this one
    picture = int(pictures[np.argmax(np.sort(away[pictures], axis=1)[:, 1])])
    shown.get(f"map.store.select([{dot}, {picture}])")
    shown.settle()
    theme = shown.get("map.stage.theme")
    wide, high = shown.get(f"map.stage.extent({picture}, map.stage.side() / 2)")
    radius = shown.get("map.stage.size") * (1.25 if dot < LABELLED else 1) / 2
    pixels = np.asarray(Image.open(io.BytesIO(shown.stage.screenshot())).convert("RGB")).astype(int)

    def has_rings(row: int, reach: float, right: int, down: int) -> bool:
        """Return true if the text's colour, and then the background's, are on the way to a photo."""
        steps = np.arange(reach + 2, reach - 8, -1)
        x, y = (inside[row] + np.array([right, down]) * steps[:, None]).T.astype(int)
        found = {name: np.abs(pixels[y, x] - theme[name]).max(axis=1) < 60 for name in ("ink", "card")}
        outer = int(np.argmax(found["ink"]))
        return bool(found["ink"][outer] and found["card"][outer + 1 : outer + 5].any())

    for row, across, up in ((picture, wide, high), (dot, radius + 4.5, radius + 4.5)):
        sides = [has_rings(row, across, side, 0) + has_rings(row, up, 0, side) for side in (-1, 1)]
        assert sum(sides) >= 3, row  # a picture may cover one side
    for colour in COLOURS:
        label = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)])
        assert min(np.abs(label - theme[name]).max() for name in ("ink", "card")) > 60


def test_no_message_moves_the_map_or_outlives_what_it_is_about(open_map: OpenMap) -> None:
    for width in (1280, 390):
        shown = open_map(width=width)
        top = shown.get("map.getBoundingClientRect().top")
        message = shown.page.locator(".message")
        long = "photo_00001.jpg, perhaps a vehicle that is seen from the left (63 %). 1 photo selected. " * 2
        shown.get(f"map.store.say({long!r})")
        expect(message).to_contain_text("seen from the left")
        assert shown.get("map.getBoundingClientRect().top") == top
        shown.get("map.choosing.select([1, 2], 'replace', 'lasso')")
        expect(message).to_have_text("2 photos selected.")
        shown.get("map.store.select([3])")
        expect(message).to_have_text("")
        assert shown.get("map.getBoundingClientRect().top") == top


def test_photos_are_found_selected_and_labelled_by_keys_alone(shown: Map) -> None:
    page = shown.page
    shown.stage.focus()
    page.keyboard.press("x")
    shown.says("Go to a photo first")
    page.keyboard.press("Shift+ArrowRight")
    start = shown.get("map.store.focus")
    points = shown.points()
    assert (
        start == int(np.argmin(np.hypot(*(points - middle(np.array([points.min(0), points.max(0)]))).T))) or start >= 0
    )
    page.keyboard.press("Shift+ArrowRight")
    focus = shown.get("map.store.focus")
    assert points[focus][0] > points[start][0]
    shown.says(f"photo_{focus:05d}.jpg")
    page.keyboard.press("x")
    assert shown.selection == {focus}
    for _ in range(4):
        page.keyboard.press("]")
    distances = np.hypot(*(points - points[focus]).T)
    nearest = set(np.argsort(distances)[: len(shown.selection)].tolist())
    assert len(nearest) >= 5
    assert shown.selection == nearest
    page.keyboard.press("[")
    assert shown.selection < nearest
    page.keyboard.press("2")
    shown.says("labelled left")
    assert shown.get(f"map.store.labels[{focus}]") == 2
    page.keyboard.press("Control+z")
    shown.says("Undone")


def test_arrows_flick_through_layers_and_projections_which_the_address_keeps(shown: Map) -> None:
    page = shown.page
    shown.stage.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="last, whole things, by place")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="ICA", exact=True)).to_have_attribute("aria-pressed", "true")
    shown.says("last: whole things, by place in the photo. ICA")
    shown.settle()
    assert np.allclose(shown.get("[...map.stage.to]"), DRAWN.positions("last-where", "ica").ravel())
    page.keyboard.press("+")
    shown.settle()
    expect(page).to_have_url(re.compile("space=last-where&projection=ica&zoom=0,0,1.5"))
    page.reload()
    again = Map(page)
    assert again.get("map.stage.view.place") == {"x": 0, "y": 0, "zoom": 1.5}
    assert np.allclose(again.get("[...map.stage.to]"), DRAWN.positions("last-where", "ica").ravel())
    for _ in range(28):  # all layers, round to the first one
        page.keyboard.press("ArrowRight")


def test_photos_glide_unless_motion_is_to_be_reduced(open_map: OpenMap) -> None:
    began = """(map.chooseProjection("ica"), map.store.map())
        .then(() => new Promise(requestAnimationFrame)).then(() => map.stage.began)"""
    moving = open_map()
    assert moving.get(began) > 0
    moving.settle()
    still = open_map(reduced_motion="reduce")
    assert still.get(began) == -math.inf


def test_the_wheel_a_double_click_keys_and_buttons_zoom(shown: Map) -> None:
    def zoom() -> float:
        return float(shown.get("map.stage.view.place.zoom"))

    x, y = middle(shown.points())
    shown.tool("Move")
    shown.page.mouse.dblclick(x, y)
    assert zoom() == 2
    shown.tool("Nearer")
    assert zoom() == 3
    shown.stage.focus()
    shown.page.keyboard.press("-")
    assert zoom() == pytest.approx(2)
    place = shown.get("map.stage.view.place")
    shown.draw((x, y), (x + 100, y))
    assert shown.get("map.stage.view.place.x") < place["x"]
    shown.page.keyboard.press("Home")
    assert shown.get("map.stage.view.place") == {"x": 0, "y": 0, "zoom": 1}
    shown.page.mouse.move(x, y)
    shown.page.mouse.wheel(0, -300)
    shown.settle()
    assert zoom() > 1.5


def test_two_fingers_zoom_and_one_draws(open_map: OpenMap) -> None:
    shown = open_map(width=390, has_touch=True)
    x, y = middle(shown.points())
    session = shown.page.context.new_cdp_session(shown.page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        fingers = [{"x": left, "y": top, "id": number} for number, (left, top) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    touch("touchStart", (x - 20, y))
    touch("touchStart", (x - 20, y), (x + 20, y))
    touch("touchMove", (x - 60, y), (x + 60, y))
    touch("touchEnd")
    shown.settle()
    assert shown.get("map.stage.view.place.zoom") == pytest.approx(3, rel=0.05)
    assert shown.selection == set()
    touch("touchStart", (x - 80, y - 80))
    for corner in ((x + 80, y - 80), (x + 80, y + 80), (x - 80, y + 80)):
        touch("touchMove", corner)
    touch("touchEnd")
    assert len(shown.selection) > 0
    assert shown.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_letters_can_be_switched_off_but_arrows_stay(shown: Map) -> None:
    shown.page.evaluate("localStorage.setItem('shopcat.label.keys', 'off')")
    shown.stage.focus()
    shown.page.keyboard.press("p")
    assert shown.get("map.mode") == "lasso"
    shown.page.keyboard.press("ArrowDown")
    assert shown.get("map.store.view.projection") == "ica"
    shown.page.evaluate("localStorage.removeItem('shopcat.label.keys')")
    shown.page.keyboard.press("p")
    assert shown.get("map.mode") == "polygon"


def test_a_separation_has_its_score_its_warning_and_scores_of_all_layers(shown: Map) -> None:
    page = shown.page
    expect(page.get_by_role("button", name="separates 93.6 % of the pairs of labels").first).to_be_visible()
    page.locator("shopcat-label-map").get_by_role("button", name="Separate", exact=True).click()
    notice = page.locator("shopcat-label-map .notice")
    expect(notice).to_contain_text("separates 94 of 100 pairs (cross-validated)")
    expect(notice).to_contain_text("Warning: random labels can look as good as these")
    shown.settle()
    assert np.allclose(shown.get("[...map.stage.to]"), DRAWN.positions("separate", "[1, 2, 3, 4]").ravel())
    page.get_by_role("button", name="Separate labels").click()
    expect(page.get_by_text("All spaces, the best first")).to_be_visible()
    expect(page.locator("main").get_by_text("94 of 100 pairs")).to_have_count(1)
    expect(notice).not_to_contain_text("Labels have changed since")
    shown.get("map.store.label(1, 'click', [map.store.labels.indexOf(-1)])")
    expect(notice).to_contain_text("Labels have changed since: choose Separate again")
    shown.stage.focus()
    page.keyboard.press("ArrowDown")
    expect(notice).to_have_count(0)


def test_a_lost_context_is_replaced_by_canvas_and_comes_back(open_page: OpenPage, renderer: str) -> None:
    if renderer == "canvas":
        pytest.skip("there is no context to lose")
    watched = open_page(MAP)
    watched.expected += [SOFTWARE, "CONTEXT_LOST", "context lost"]
    shown = Map(watched.page)
    canvas = shown.stage.locator("canvas")
    shown.get("(window.lost = map.stage.renderer.gl.getExtension('WEBGL_lose_context')).loseContext()")
    expect(canvas).to_have_attribute("data-renderer", "canvas")
    shown.settle()
    shown.get("window.lost.restoreContext()")
    expect(canvas).to_have_attribute("data-renderer", "webgl")
    shown.settle()
    assert shown.get("map.stage.sheet.changed.size") == 0
    pixels = np.asarray(Image.open(io.BytesIO(shown.stage.screenshot())).convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500


def test_new_photos_join_the_map_and_the_selection_stays(open_page: OpenPage) -> None:
    watched = open_page("/console/sign-in")
    watched.expected.append(SOFTWARE)
    page = watched.page

    def first_half(route: Any) -> None:
        answer = route.fetch().json()
        answer["photos"] = answer["photos"][: PHOTOS // 2]
        route.fulfill(json={**answer, "rows_version": str(PHOTOS // 2)})

    page.route("**/labels/drawn/photos", first_half)
    page.goto(page.url.rpartition("/console")[0] + MAP)
    stage = page.locator("shopcat-label-map .stage")
    expect(stage).to_have_attribute("aria-label", f"Map of {PHOTOS // 2} photos")
    page.evaluate(f"{ELEMENT}.store.select([7, 100])")
    page.unroute("**/labels/drawn/photos")
    page.evaluate(f"{ELEMENT}.store.loadPhotos()")
    shown = Map(page)
    assert shown.selection == {7, 100}
    assert shown.get("map.stage.to.length") == 2 * PHOTOS
    assert shown.get("map.hashes[7]") == name_of(7)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_map_is_accessible_and_its_colours_follow_the_scheme(open_map: OpenMap, scheme: str) -> None:
    shown = open_map(color_scheme=scheme)
    assert violations(shown.page) == []
    other = "dark" if scheme == "light" else "light"
    card = shown.get("map.stage.theme.card")
    shown.page.emulate_media(color_scheme=other)  # type: ignore[arg-type]
    shown.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert shown.get("map.stage.theme.card") != card
