"""The pages in a real browser: what a person does, and that nothing is blocked, broken or run on the way."""

import re
import shutil
import tempfile
from collections.abc import Iterator

import pytest

from imprint.store.actors import Verb

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed"),
]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator["webdriver.Chrome"]:
    """A new browser without a past."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        log = tmp_path_factory.mktemp("browser") / "driver.log"
        driver = webdriver.Chrome(options, Service(DRIVER, log_output=str(log)))
        driver.set_page_load_timeout(60)
        yield driver
        driver.quit()


@pytest.fixture
def visit(browser, server, sample):
    """Open an address of the sample as one of its readers; what the browser complains of is a failure."""
    token = server.token(sample.name, verbs=frozenset({Verb.TRANSCRIPTS}))

    def open_page(address: str) -> None:
        browser.get(server.url.replace("://", f"://reader:{token}@") + address)

    yield open_page
    complaints = [entry["message"] for entry in browser.get_log("browser")]
    assert complaints == []


def text(browser) -> str:
    return browser.find_element(By.TAG_NAME, "body").text


def test_from_the_list_to_the_prompt_behind_a_line(browser, visit, sample) -> None:
    visit("/")
    browser.find_element(By.PARTIAL_LINK_TEXT, sample.name).click()
    assert "3 commits" in text(browser)

    box = browser.find_element(By.CSS_SELECTOR, "main input[name=q]")
    box.send_keys("retry policy", Keys.ENTER)
    hit = browser.find_element(By.CSS_SELECTOR, ".hit .where")
    assert hit.text.startswith("app/retry.py")
    assert {mark.text.lower() for mark in browser.find_elements(By.TAG_NAME, "mark")} >= {"retry", "policy"}
    hit.click()

    assert browser.find_element(By.CSS_SELECTOR, "tr:target").is_displayed()
    origin = browser.find_element(By.CSS_SELECTOR, "td.origin.bound a")
    assert "claude-code" in origin.text
    assert "bound" in origin.text
    assert "growing pause" in origin.get_attribute("title")
    assert "unknown" in browser.find_element(By.CSS_SELECTOR, "td.origin.unknown").text
    origin.click()

    assert "Why is this line here?" in text(browser)
    assert "Retry them with a growing pause." in browser.find_element(By.TAG_NAME, "blockquote").text


def test_the_bar_of_evidence_is_drawn_in_the_colours_of_its_classes(browser, visit, sample) -> None:
    visit(f"/{sample.name}")
    parts = browser.find_elements(By.CSS_SELECTOR, ".coverage rect")
    colours = [part.value_of_css_property("fill") for part in parts]
    assert len(parts) == 2
    assert len(set(colours)) == 2
    assert "rgb(0, 0, 0)" not in colours
    widths = [part.size["width"] for part in parts]
    assert widths[0] * 1.5 < widths[1]


def test_the_menu_of_refs_opens_without_scripts(browser, visit, sample) -> None:
    visit(f"/{sample.name}/blob/main/app/retry.py")
    menu = browser.find_element(By.CSS_SELECTOR, "details.pick")
    menu.find_element(By.TAG_NAME, "summary").click()
    link = menu.find_element(By.LINK_TEXT, "feature/deep")
    assert link.is_displayed()
    link.click()
    assert browser.current_url.endswith(f"/{sample.name}/blob/feature/deep/app/retry.py")


def test_pages_are_light_or_dark_as_the_reader_wishes(browser, visit, sample) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        visit(f"/{sample.name}")
        body = browser.find_element(By.TAG_NAME, "body")
        colours[scheme] = [body.value_of_css_property(name) for name in ("background-color", "color")]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    paper, ink = map(brightness, colours["light"])
    assert (paper > 600, ink < 200) == (True, True)
    paper, ink = map(brightness, colours["dark"])
    assert (paper < 200, ink > 600) == (True, True)


def brightness(colour: str) -> int:
    """The sum of the three parts of a colour such as `rgba(20, 22, 26, 1)`."""
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3])


def test_a_narrow_screen_needs_no_sideways_scrolling(browser, visit, sample) -> None:
    browser.set_window_size(420, 900)
    try:
        for address in (f"/{sample.name}", f"/{sample.name}/blob/main/app/retry.py", "/docs"):
            visit(address)
            page = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
            assert page[0] <= page[1], address
    finally:
        browser.set_window_size(1280, 900)


def test_pushed_markup_does_not_run(browser, visit, sample) -> None:
    """Neither on a page, nor as a raw file, nor in a subject."""
    for address in ("", "/blob/main/assets/page.html", "/raw/main/assets/page.html"):
        visit(f"/{sample.name}{address}")
        assert "alert" in text(browser)
        assert browser.execute_script("return document.scripts.length") == 0


def test_a_picture_is_shown(browser, visit, sample) -> None:
    visit(f"/{sample.name}/blob/main/assets/dot.png")
    assert browser.execute_script("return document.querySelector('.picture img').naturalWidth") == 1


def test_the_manual_leads_to_each_operation(browser, visit) -> None:
    visit("/docs")
    browser.find_element(By.LINK_TEXT, "Create Commit").click()
    section = browser.find_element(By.CSS_SELECTOR, "section:target")
    assert "/api/repos/{owner}/{repo}/commits" in section.text
    assert "expected_head_sha" in section.text
