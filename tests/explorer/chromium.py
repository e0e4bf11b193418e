"""A real browser for the tests of the tier `browser`: Chromium through selenium, and offline."""

import base64
import json
import os
import shutil
from importlib.util import find_spec

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next((path for name in NAMES if (path := shutil.which(name))), None)
DRIVER = shutil.which("chromedriver")
AXE = os.environ.get("AXE_CORE")  # axe.min.js of the npm package axe-core

_missing = [
    *(["selenium (the extra `browser`)"] if find_spec("selenium") is None else []),
    *([] if BROWSER else ["Chromium"]),
    *([] if DRIVER else ["chromedriver (Debian: chromium-driver)"]),
]
needs_browser = pytest.mark.skipif(bool(_missing), reason=f"not installed: {', '.join(_missing)}")
needs_axe = pytest.mark.skipif(
    not AXE, reason="axe-core is not at hand: set AXE_CORE to its axe.min.js"
)


class Page:
    """One tab, with the few things that the tests do in it."""

    def __init__(self, profile):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = BROWSER
        for argument in (
            "--headless",
            "--no-sandbox",  # it runs as root in containers
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={profile}",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        # Without a path to the driver, selenium would look for one on the network.
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.look()

    def close(self):
        self.driver.quit()

    def open(self, path, fragment=""):
        """Opens a file, and waits until it has checked itself."""
        self.driver.get("about:blank")
        self.requests(), self.errors()
        self.driver.get(path.resolve().as_uri() + fragment)
        self.wait("return document.getElementById('badge').textContent")

    def run(self, script, *arguments):
        """What a piece of JavaScript returns, in the page."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, script):
        from selenium.webdriver.support.wait import WebDriverWait

        return WebDriverWait(self.driver, 20).until(lambda _: self.run(script))

    def command(self, name, **parameters):
        """A command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def look(self, width=1280, height=900, scheme="light", motion="no-preference", media=""):
        """Another size of the window, other wishes of the reader."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": motion}
        self.command(
            "Emulation.setEmulatedMedia",
            media=media,
            features=[{"name": name, "value": value} for name, value in features.items()],
        )

    def press(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains

        chain = ActionChains(self.driver, duration=0)
        for key in keys:
            chain.send_keys(key)
        chain.perform()

    def requests(self):
        """The addresses asked for since the last call."""
        messages = [json.loads(line["message"]) for line in self.driver.get_log("performance")]
        events = [message["message"] for message in messages]
        return [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def errors(self):
        """What the console has been told since the last call."""
        return [line["message"] for line in self.driver.get_log("browser")]

    def picture(self, path):
        """A picture of the whole page."""
        height = self.run("return document.documentElement.scrollHeight")
        width = self.run("return innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self.command("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))
