"""A real browser for tests: the machine's Chromium, driven by Playwright, nothing downloaded.

Knows where a browser may be and why there is none; does not know any page.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SHOTS = Path(__file__).parents[2] / ".screenshots"
"""Where tests keep what they saw; git ignores it."""


def why_not() -> str | None:
    """Why no browser can be driven here; None when one can."""
    if find_spec("playwright") is None:
        return "playwright is not installed (make install-dev)"
    if executable() is None:
        return "no Chromium: set CHROMIUM, or install the package chromium"
    return None


def executable() -> str | None:
    """The browser: ``$CHROMIUM``, else the PATH's, else Playwright's own."""
    if named := os.environ.get("CHROMIUM"):
        return shutil.which(named)
    return next((found for name in NAMES if (found := shutil.which(name))), None) or _own()


def _own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if os.path.exists(path) else None


@contextmanager
def page() -> Iterator[Any]:
    """A page of a fresh browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=["--disable-dev-shm-usage"])
        try:
            yield browser.new_page()
        finally:
            browser.close()


def keep_shot(page: Any, name: str) -> Path:
    """Keep what the page shows."""
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=str(SHOTS / f"{name}.png"))
    return SHOTS / f"{name}.png"
