"""Incremental equals clean: a site with the plugin incremental-ssg after edits, against rendering everything.

After each edit the judge in the site renders everything with the same bundles and compares bytes and collected data; at
the end, and under the full counts after each edit, the whole folder is compared with that of a build of its own.
"""

import random
import shutil

import pytest

from support.lab_site import EDITS, MAKE_BOOK, ROOT, LabSite

pytestmark = [
    pytest.mark.site,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(
        not (ROOT / "node_modules" / "learn-app-hooks").exists() or not shutil.which("node") or not MAKE_BOOK.is_file(),
        reason="needs node, npm ci and the generator of test books",
    ),
]


def seed_of(request):
    """The seed of this run, so that a failure can be repeated."""
    given = request.config.getoption("--hypothesis-seed")
    return str(given) if given is not None else str(random.randrange(10**9))


def assert_same_folder(wanted, made, hint):
    differing = sorted(name for name in wanted.keys() | made.keys() if wanted.get(name) != made.get(name))
    assert not differing, f"{hint}: {len(differing)} files differ from a clean build: {differing[:5]}"


def test_every_edit_of_a_100_lesson_site_leaves_what_a_full_rendering_makes(tmp_path, request):
    seed = seed_of(request)
    rng = random.Random(seed)
    site = LabSite(tmp_path, 100, size=1500)
    assert "rendered all" in site.build().said
    # A body first: it is what the plugin is for, and a plugin that reuses nothing would pass all the rest.
    edits = ["body", *rng.sample([name for name in EDITS if name != "body"], 5)]
    for step, name in enumerate(edits):
        EDITS[name](site, rng)
        if name == "body":
            site.touch_box()
        built = site.build(LAB_JUDGE="1")
        hint = f"seed {seed}, step {step} of {edits}, {built.text[-2000:]}"
        assert built.status == 0, hint
        assert built.judged_same, hint
        if name == "body":
            assert built.counts[0] == 2, hint
            assert built.counts[1] > 100, hint
    made = site.digests()
    assert site.build("off").status == 0
    assert_same_folder(site.digests(), made, f"seed {seed}, after {edits}")


@pytest.mark.full
@pytest.mark.parametrize("sequence", range(6))
def test_after_every_edit_the_folder_is_that_of_a_build_without_reuse(tmp_path, request, sequence):
    seed = f"{seed_of(request)}-{sequence}"
    rng = random.Random(seed)
    site = LabSite(tmp_path, 100, size=8000)
    assert site.build().status == 0
    edits = rng.sample(sorted(EDITS), len(EDITS))
    for step, name in enumerate(edits):
        EDITS[name](site, rng)
        built = site.build()
        made = site.digests()
        assert built.status == 0, built.text[-2000:]
        assert site.build("off").status == 0
        assert_same_folder(site.digests(), made, f"seed {seed}, step {step} of {edits}: {built.said}")
    site.forget()
    assert site.build("off").status == 0
    assert_same_folder(site.digests(), made, f"seed {seed}, from nothing after {edits}")


VARIANTS = {
    "a base URL and trailing slashes": {"baseUrl": "/base/", "trailingSlash": True},
    "no trailing slashes": {"trailingSlash": False},
    "two languages": {"locales": ["en", "de"]},
    "the terser minifier and one thread": {
        "future": {"experimental_vcs": "disabled", "faster": {"rspackBundler": True, "swcJsLoader": True}}
    },
}


@pytest.mark.full
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_changed_body_is_rendered_alone_and_right_with(tmp_path, variant):
    site = LabSite(tmp_path, 12, size=1500, **VARIANTS[variant])
    (site.folder / "static").mkdir()
    (site.folder / "static" / "robots.txt").write_text("")
    assert site.build().status == 0
    EDITS["body"](site, random.Random(1))
    built = site.build(LAB_JUDGE="1")
    assert built.status == 0, built.text[-3000:]
    assert built.judged_same, built.text[-3000:]
    assert all("rendered 1, reused 14 (1 changed)" in line for line in built.all_said), built.all_said
    made = site.digests()
    assert site.build("off").status == 0
    assert_same_folder(site.digests(), made, variant)


@pytest.mark.full
def test_without_faster_the_server_bundle_is_one_file_and_that_is_said(tmp_path):
    site = LabSite(tmp_path, 3, size=1500, future={"experimental_vcs": "disabled"})
    (site.folder / "static").mkdir()
    (site.folder / "static" / "robots.txt").write_text("")
    assert site.build().status == 0
    EDITS["body"](site, random.Random(1))
    built = site.build(LAB_JUDGE="1")
    assert built.judged_same, built.text[-3000:]
    assert "rendered all 6" in built.said
    assert "future.faster with its swcJsLoader splits it" in built.said
    assert site.build(LAB_JUDGE="1").counts == (0, 6)


@pytest.mark.full
def test_the_hash_router_is_rendered_by_docusaurus_alone(tmp_path):
    site = LabSite(tmp_path, 3, size=1500, router="hash")
    assert "rendered all" in site.build().said
    assert "the hash router has no pages of its own" in site.build().said


@pytest.mark.full
def test_an_anchor_that_goes_breaks_the_link_of_a_page_that_is_reused(tmp_path):
    site = LabSite(tmp_path, 3, size=1500)
    box = site.book / "box.mdx"
    box.write_text(box.read_text() + "\n## Here\n")
    lesson = site.lesson(random.Random(1))
    lesson.write_bytes(lesson.read_bytes() + b"\n\n[there](/box#here)\n")
    assert site.build().status == 0
    box.write_text(box.read_text().replace("## Here", "## Elsewhere"))
    built = site.build()
    assert "rendered 1, reused" in built.said
    assert built.status != 0
    assert "/box#here" in built.text


@pytest.mark.full
def test_a_variable_that_code_names_renders_its_page_and_verify_finds_what_is_not_named(tmp_path):
    site = LabSite(tmp_path, 3, size=1500)
    assert site.build().status == 0
    built = site.build(LAB_WORD="other", LAB_JUDGE="1")
    assert (built.counts[0], built.judged_same) == (1, True), built.text[-3000:]
    assert "remembered pages are as rendered" in site.build("verify", LAB_WORD="other").said
    component = site.folder / "src" / "components" / "Box.jsx"
    component.write_text(component.read_text().replace("Box 0", "Box {Math.random()}"))
    assert site.build().status == 0
    built = site.build("verify")
    assert built.status != 0
    assert "incremental-ssg: verify: /box: the remembered page is not what was rendered now." in built.text


# Each leaves a part out of the keys; the edit that follows then goes unnoticed by the plugin, and has to be judged.
MUTANTS = {
    "body": [("keys.js", "chunks.map(({file, digest}) => [file, digest]),", "chunks.map(({file}) => file),")],
    # What pages share is seen twice: by its digest, and by its content hash in the entry.
    "title": [
        ("keys.js", "shared.map(({file, digest}) => [file, digest])]", "shared.map(({file}) => file)]"),
        ("server-bundle.js", "(hashes.has(hash) ?", "(true ?"),
    ],
    "config": [("keys.js", "code: [steadyEntry(site.bundle.entry, hashes, stableKeys),", "code: [0,")],
    "css": [("page-record.js", "Buffer.from(assets[index])", "html.subarray(offset, offset + length)")],
}


@pytest.mark.full
@pytest.mark.parametrize("edit", MUTANTS)
def test_a_plugin_with_a_part_of_the_key_left_out_is_caught(tmp_path, edit):
    site = LabSite(tmp_path, 12, size=1500)
    mutant = site.folder / "mutant"
    shutil.copytree(ROOT / "learn-app-hooks" / "src" / "incremental-ssg", mutant)
    for name, sound, broken in MUTANTS[edit]:
        text = (mutant / name).read_text()
        assert text.count(sound) == 1
        (mutant / name).write_text(text.replace(sound, broken))
    plugin = str(mutant / "index.js")
    assert site.build(LAB_PLUGIN=plugin).status == 0
    EDITS[edit](site, random.Random(3))
    built = site.build(LAB_PLUGIN=plugin, LAB_JUDGE="1")
    assert not built.judged_same, built.text[-3000:]
