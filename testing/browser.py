"""A real Chromium, without a window: a phone's page or the wall's."""

import shutil
import tempfile
from contextlib import contextmanager

from axe_core_python.selenium import Axe
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from testing.servers import wait_until

PHONE, WALL = (375, 667), (1920, 1080)
SWITCHES = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--no-first-run", "--hide-scrollbars", "--force-color-profile=srgb"),
)
# What Chromium says of a server that is away, and of nothing else.
AWAY = "WebSocket connection to"


class Page:
    """One page in a browser of its own."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, address):
        self.driver.get(address)

    def find(self, css):
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def text(self, css):
        try:
            return " ".join(one.text for one in self.driver.find_elements(By.CSS_SELECTOR, css))
        except StaleElementReferenceException:  # drawn anew meanwhile
            return ""

    def count(self, css):
        return len(self.driver.find_elements(By.CSS_SELECTOR, css))

    def shows(self, css, text):
        wait_until(
            lambda: text in self.text(css), f"{text!r} in {css}, which has {self.text(css)!r}"
        )

    def type(self, css, text):
        field = self.find(css)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text)

    def clear(self, css):
        field = self.find(css)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(Keys.DELETE)

    def press(self, css, *, nth=0):
        wait_until(lambda: self._pressed(css, nth), f"{css} to be pressed")

    def _pressed(self, css, nth):
        try:
            there = [e for e in self.driver.find_elements(By.CSS_SELECTOR, css) if e.is_displayed()]
            if len(there) <= nth:
                return False
            there[nth].click()
        except StaleElementReferenceException:
            return False
        return True

    def slide(self, css, value):
        """Move a slider as a finger does: it says so with each step."""
        self.driver.execute_script(
            "arguments[0].value = arguments[1];"
            "arguments[0].dispatchEvent(new Event('input', {bubbles: true}));",
            self.find(css),
            value,
        )

    def dark(self, dark=True):
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def violations(self):
        """What axe-core finds of contrast, labels and all else, each in a line."""
        found = Axe().run(self.driver)["violations"]
        return [f"{v['id']}: {[node['html'][:120] for node in v['nodes']]}" for v in found]

    def complaints(self):
        """What the browser's console says, but for lost connections."""
        return [e["message"] for e in self.driver.get_log("browser") if AWAY not in e["message"]]


@contextmanager
def page(size):
    """Open a browser whose window has a size; phones are touched."""
    binary = shutil.which("chromium")
    service = shutil.which("chromedriver")
    assert binary is not None, "no chromium: apt-get install chromium chromium-driver"
    assert service is not None, "no chromedriver: apt-get install chromium-driver"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        for switch in (*SWITCHES, f"--user-data-dir={folder}"):
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(service))
        try:
            width, height = size
            metrics = dict(width=width, height=height, mobile=size == PHONE)
            metrics["deviceScaleFactor"] = 2 if size == PHONE else 1
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            yield Page(driver)
        finally:
            driver.quit()
