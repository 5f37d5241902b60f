"""A corpus of relative paths that no door may accept, each with the words its refusal must hold.

Knows names; does not know which door they are pushed through (a tool argument, a source folder, a server's plan).
Grows with every bug. ``STORABLE`` leaves out what no disk or JSON text can carry. ``generated`` makes any number more.
"""

import random

ABSOLUTE, EMPTY, SEGMENT = "is absolute", "is empty", "holds an empty segment"
DOTS, EDGE, DEVICE = "holds the segment '", "begins or ends with a space or a dot", "holds the device name"
NFC, LONG_SEGMENT, LONG, DEEP = "not in Unicode NFC", "a segment of more than", "is longer than", "levels"

ESCAPES = [
    ("", EMPTY),
    ("/", ABSOLUTE),
    ("/etc/passwd", ABSOLUTE),
    ("//server/share/x.md", ABSOLUTE),
    ("/content/01-A/01-B/01-c.md", ABSOLUTE),
    ("..", DOTS),
    (".", DOTS),
    ("../x.md", DOTS),
    ("../../../../../../etc/passwd", DOTS),
    ("content/../../../etc/passwd", DOTS),
    ("content/..", DOTS),
    ("content/01-A/../../../x.md", DOTS),
    ("content/./x.md", DOTS),
    ("./x.md", DOTS),
    ("content/01-A/.", DOTS),
    ("static/img/../../../x.png", DOTS),
    ("content//x.md", SEGMENT),
    ("content/01-A//x.md", SEGMENT),
    ("content/", SEGMENT),
    ("content/01-A/", SEGMENT),
    ("a//b", SEGMENT),
    ("a///b", SEGMENT),
    ("~root\\..\\x.md", "U+005C"),
    ("..\\x.md", "U+005C"),
    ("..\\..\\windows\\system32\\x.md", "U+005C"),
    ("content\\01-A\\x.md", "U+005C"),
    ("C:\\x.md", "U+003A"),
    ("C:x.md", "U+003A"),
    ("C:/x.md", "U+003A"),
    ("\\\\server\\share\\x.md", "U+005C"),
    ("\\\\?\\C:\\x.md", "U+005C"),
    ("file:///etc/passwd", "U+003A"),
    ("content/x.md:stream", "U+003A"),
    ("content/x.md::$DATA", "U+003A"),
    ("content/%2e%2e/x.md", "U+0025"),
    ("%2e%2e%2fx.md", "U+0025"),
    ("content/..%2f..%2fx.md", "U+0025"),
    ("content/...", EDGE),
    ("content/.../x.md", EDGE),
    ("content/....//x.md", EDGE),
]

CHARACTERS = [
    ("content/\x00.md", "U+0000"),
    ("content/x.md\x00.png", "U+0000"),
    ("\x00", "U+0000"),
    ("content/x\n.md", "U+000A"),
    ("content/x.md\n", "U+000A"),
    ("content/x\r.md", "U+000D"),
    ("content/x\r\nSet-Cookie: a", "U+000D"),
    ("content/x\t.md", "U+0009"),
    ("content/\x1b[31mred.md", "U+001B"),
    ("content/bell\x07.md", "U+0007"),
    ("content/del\x7f.md", "U+007F"),
    ("content/c1\x85.md", "U+0085"),
    ("content/a\u2028b.md", "U+2028"),
    ("content/a\u2029b.md", "U+2029"),
    ("content/a\u00a0b.md", "U+00A0"),
    ("content/a\u3000b.md", "U+3000"),
    ("content/a\u2003b.md", "U+2003"),
    ("content/a\u200bb.md", "U+200B"),
    ("content/a\u200cb.md", "U+200C"),
    ("content/a\u200db.md", "U+200D"),
    ("content/a\u200eb.md", "U+200E"),
    ("content/a\u200fb.md", "U+200F"),
    ("content/a\u202ab.md", "U+202A"),
    ("content/a\u202edm.exe", "U+202E"),
    ("content/a\u2066b.md", "U+2066"),
    ("content/a\u2069b.md", "U+2069"),
    ("content/a\u00adb.md", "U+00AD"),
    ("content/a\u2060b.md", "U+2060"),
    ("\ufeffcontent/x.md", "U+FEFF"),
    ("content/a\U000e0041b.md", "U+E0041"),
    ("content/a\ue000b.md", "U+E000"),
    ("content/a\uffffb.md", "U+FFFF"),
    ("content/a\u0378b.md", "U+0378"),
    ("content/a\ud800b.md", "U+D800"),
    ("content/a\udcffb.md", "U+DCFF"),
    ("content/a*b.md", "U+002A"),
    ("content/what?.md", "U+003F"),
    ("content/a<b>.md", "U+003C"),
    ("content/a|b.md", "U+007C"),
    ('content/a"b.md', "U+0022"),
    ("content/$HOME.md", "U+0024"),
    ("content/`id`.md", "U+0060"),
    ("content/a;rm -rf.md", "U+003B"),
    ("content/{a}.md", "U+007B"),
    ("content/[id].md", "U+005B"),
    ("content/a^b.md", "U+005E"),
    ("content/a\u2215b.md", "U+2215"),
    ("content/a\u2044b.md", "U+2044"),
    ("content/\uff0e\uff0e/x.md", "U+FF0E"),
    ("content/a\uff0fb.md", "U+FF0F"),
    ("content/a\u2024b.md", "U+2024"),
    ("content/\u2026/x.md", "U+2026"),
    ("content/\U0001f600.md", "U+1F600"),
]

SPELLINGS = [
    ("content/cafe\u0301.md", NFC),
    ("content/Cafe\u0301/x.md", NFC),
    ("content/\u1100\u1161.md", NFC),
    ("content/\u212b.md", NFC),
    ("content/\u2126.md", NFC),
    ("content/q\u0307\u0323.md", NFC),
    ("content/ x.md", EDGE),
    ("content/x.md ", EDGE),
    ("content/x.md.", EDGE),
    ("content/x.md...", EDGE),
    (" content/x.md", EDGE),
    ("content /x.md", EDGE),
    ("content./x.md", EDGE),
    (".git/config", EDGE),
    ("content/.env", EDGE),
    (".panaversity/manifest.json", EDGE),
    ("content/01-A/.hidden/x.md", EDGE),
    ("content/ ", EDGE),
]

DEVICES = [
    ("CON", DEVICE),
    ("con.md", DEVICE),
    ("content/NUL", DEVICE),
    ("content/nul.md", DEVICE),
    ("content/Nul.tar.gz", DEVICE),
    ("content/AUX/x.md", DEVICE),
    ("content/aux.md", DEVICE),
    ("content/prn.txt", DEVICE),
    ("content/COM1", DEVICE),
    ("content/com9.md", DEVICE),
    ("content/COM0.md", DEVICE),
    ("content/com\u00b9.md", DEVICE),
    ("content/LPT1.md", DEVICE),
    ("content/lpt\u00b3/x.md", DEVICE),
    ("content/con .md", DEVICE),
    ("content/NUL   .x.md", DEVICE),
]

SIZES = [
    ("a" * 121, LONG_SEGMENT),
    ("content/" + "b" * 118 + ".md", LONG_SEGMENT),
    ("content/" + "\u00e9" * 61, LONG_SEGMENT),
    ("content/" + "\u6f22" * 41, LONG_SEGMENT),
    ("\U00020000" * 31, LONG_SEGMENT),
    ("/".join(["a"] * 17), DEEP),
    ("/".join(["a"] * 400), DEEP),
    ("/".join(["c" * 100] * 10), LONG),
    ("a/" * 500 + "b", LONG),
    ("\u00e9/" * 334 + "b", LONG),
    ("x" * 100_000, LONG),
]

HOSTILE: list[tuple[str, str]] = ESCAPES + CHARACTERS + SPELLINGS + DEVICES + SIZES
"""(path, words that its refusal holds)."""

STORABLE: list[tuple[str, str]] = [
    (path, why) for path, why in HOSTILE if not any(0xD800 <= ord(c) <= 0xDFFF for c in path)
]
"""Those that JSON or a URL can carry."""

_HOMES = ("", "content/", "content/01-Part/", "content/01-Part/02-Chapter/", "static/img/", "static/slides/01-A/")
_TAILS = ("", "/03-lesson.md", "/x.png", "/a/b/c.md")
_SEGMENTS = (
    "..",
    ".",
    "",
    " ",
    "...",
    ". .",
    ".. ",
    " ..",
    ".git",
    ".env",
    "x ",
    " x",
    "x.",
    "\u2024\u2024",
    "..\\..",
    "\\",
    "..\x00",
    "..%2f",
    "%2e%2e",
    "..;",
    "~\\",
    "C:",
    "C:\\",
    "file:",
    "CON",
    "nul.md",
    "Aux",
    "com1.txt",
    "lpt9",
    "PRN.x.y",
    "a" * 121,
    "\u00e9" * 61,
    "cafe\u0301",
    "\uff0e\uff0e",
    "a\u202eb",
    "a\u200bb",
    "\ufeffa",
    "a\U000e0041",
    "$(id)",
    "`id`",
    "a|b",
    "a;b",
    "a*",
    "a?",
    "<a>",
    '"a"',
    "a:b",
    "{a}",
    "[a]",
    "a^b",
    "a\nb",
    "a\rb",
    "a\tb",
    "\x1b[2J",
    "a\x7f",
)
_INTRUDERS = (
    '\x00\x01\x1f\x7f\x85\u00a0\u00ad\u200b\u200e\u2028\u202e\u2060\u2066\ufeff\ufffe\U000e0041\\:*?"<>|%$`;{}[]^'
)


def generated(count: int, seed: object) -> list[str]:
    """That many different paths no door may accept: a bad segment, or one bad character somewhere in a good path."""
    rng = random.Random(str(seed))
    made: dict[str, None] = {}
    while len(made) < count:
        path = _bad_segment(rng) if rng.random() < 0.5 else _bad_character(rng)
        made[path] = None
    return list(made)


def _bad_segment(rng: random.Random) -> str:
    return rng.choice(_HOMES) + rng.choice(_HOMES) + rng.choice(_SEGMENTS) + rng.choice(_TAILS)


def _bad_character(rng: random.Random) -> str:
    good = rng.choice(_HOMES[1:]) + f"{rng.randrange(100):02}-lesson-{rng.randrange(1000)}.md"
    at = rng.randrange(len(good) + 1)
    return good[:at] + rng.choice(_INTRUDERS) + good[at:]
