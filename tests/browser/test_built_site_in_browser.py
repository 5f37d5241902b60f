"""``npm run build`` in the example site, seen in a real browser: Show of part 4. Needs node, npm ci and Chromium."""

import functools
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from support import chromium
from support.command import clean_environ

ROOT = Path(__file__).parents[2]
WRITTEN = ("book", "build", ".docusaurus", "node_modules", ".panaversity")
LESSON = "Part-01/Chapter-02/01-introduction"

pytestmark = [
    pytest.mark.site,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not (ROOT / "node_modules/learn-app-hooks").exists(), reason="needs npm ci"),
    pytest.mark.skipif(chromium.why_not() is not None, reason=str(chromium.why_not())),
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """The workspace in small: the example's folders copied, the installed packages linked."""
    place = tmp_path_factory.mktemp("workspace")
    for name in ("book", "learn-app"):
        written = shutil.ignore_patterns(*WRITTEN) if name == "learn-app" else None
        shutil.copytree(ROOT / "examples" / name, place / "examples" / name, ignore=written)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / name, place / name)
    (place / "node_modules").symlink_to(ROOT / "node_modules")
    return place


def npm(place, *words):
    """npm in the example site, as its author would type it; the builder is the one under test."""
    builder = json.dumps([sys.executable, "-m", "panaversity_builder"])
    environ = clean_environ(PANAVERSITY_BUILDER=builder, NO_UPDATE_NOTIFIER="1", npm_config_update_notifier="false")
    site = place / "examples" / "learn-app"
    return subprocess.run(["npm", *words], cwd=site, env=environ, capture_output=True, text=True, timeout=280)


@pytest.fixture(scope="module")
def site(workspace):
    """The address of the site: built of a book that was hydrated before and has one lesson changed since."""
    first = npm(workspace, "run", "prebuild")
    assert first.returncode == 0, first.stderr
    lesson = workspace / "examples" / "book" / f"{LESSON}.md"
    lesson.write_text(lesson.read_text() + "\nThis sentence was added later.\n")
    second = npm(workspace, "run", "build")
    assert second.returncode == 0, second.stdout + second.stderr
    assert f"M {LESSON}.md" in second.stderr
    assert "[WARNING]" not in second.stdout + second.stderr
    built = workspace / "examples" / "learn-app" / "build"
    with served(built) as address:
        yield address


def written(place):
    """When and by whom the journal says that the lesson was last written."""
    state = place / "examples" / "learn-app" / "book" / ".panaversity"
    return json.loads((state / "metadata.json").read_text())["files"][f"{LESSON}.md"]


class served:  # noqa: N801 — reads as a word
    """A folder over HTTP on loopback, page ``x`` being ``x.html`` or ``x/index.html``."""

    def __init__(self, folder):
        handler = functools.partial(_Quiet, directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_address[1]}/"

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_Show_the_built_site_opens_with_navigation_an_image_dates_and_the_changed_lesson(site, workspace):
    with chromium.page() as page:
        faults = []
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        page.goto(site, timeout=60_000)
        assert page.title()

        page.goto(f"{site}{LESSON}", timeout=60_000)
        page.wait_for_selector("text=This sentence was added later.")
        date = page.locator("footer time[itemprop=dateModified]")
        assert date.get_attribute("datetime") == written(workspace)["at"]
        assert re.fullmatch(r"Last updated on .* by [^:@]+", page.locator(".theme-last-updated").inner_text().strip())
        page.locator("text=This sentence was added later.").scroll_into_view_if_needed()
        shot = chromium.keep_shot(page, "built-site")

        heading = page.locator("article h1").inner_text()
        page.locator("a.pagination-nav__link--next").click()
        page.wait_for_function("before => document.querySelector('article h1').innerText !== before", arg=heading)
        page.locator(".menu__link").first.click()
        page.wait_for_load_state()

        page.goto(f"{site}Part-01/Chapter-01/01-introduction", timeout=60_000)
        image = page.locator("article img").first
        image.scroll_into_view_if_needed()
        page.wait_for_function("() => document.querySelector('article img').naturalWidth > 0")
        assert faults == []
    print(f"kept {shot}")


def test_the_sitemap_has_the_dates_of_the_journal(site, workspace):
    built = workspace / "examples" / "learn-app" / "build"
    entry = re.search(rf"<loc>[^<]*{LESSON}</loc><lastmod>([^<]+)</lastmod>", (built / "sitemap.xml").read_text())
    assert entry is not None
    assert entry[1] == written(workspace)["at"][:10]


def test_a_build_past_the_hooks_is_stopped_when_a_lesson_is_missing(site, workspace):
    app = workspace / "examples" / "learn-app"
    (app / "book" / f"{LESSON}.md").rename(app / "kept.md")
    done = npm(workspace, "exec", "--offline", "--", "docusaurus", "build")
    (app / "kept.md").rename(app / "book" / f"{LESSON}.md")
    assert done.returncode == 1
    assert f"is not what was hydrated: missing {LESSON}.md. Run panaversity hydrate" in done.stderr + done.stdout
