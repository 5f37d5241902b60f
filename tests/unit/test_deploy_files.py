"""The container files say what this version does: no engine runs here, so what they name is held against the code."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from panaversity_fs.config import Settings
from support.live import Wire, clean_environment, serve_command

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVERS = sorted(name for name in SERVICES if name.startswith("server-"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PROMETHEUS = yaml.safe_load((ROOT / "deploy" / "prometheus.yaml").read_text(encoding="utf-8"))


def filled_in(value: str) -> str:
    """What compose makes of ``${NAME:-default}`` where nothing is set, and of ``$$``."""
    return re.sub(r"\$\{[A-Z0-9_]+:-([^}]*)\}", r"\1", value).replace("$$", "$")


def server_environment() -> dict[str, str]:
    """The environment of a server: the image's own settings, then compose's."""
    of_image = dict(re.findall(r"(PANAVERSITY_[A-Z_]+)=(\S+)", DOCKERFILE))
    return of_image | {name: filled_in(value) for name, value in SERVICES[SERVERS[0]]["environment"].items()}


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Path there → path of this repository, of one service."""
    parts = [volume.split(":") for volume in service.get("volumes", [])]
    return {part[1]: part[0] for part in parts if part[0].startswith("./")}


def volumes(service: dict[str, Any]) -> dict[str, str]:
    """Path there → named volume, of one service."""
    parts = [volume.split(":") for volume in service.get("volumes", [])]
    return {part[1]: part[0] for part in parts if not part[0].startswith("./")}


def in_folder(command: str, folder: Path) -> str:
    """A command of the file with the folders of its volumes below this one."""
    return re.sub(r"(?<![\w.])/(keys|jwks|scrape)\b", rf"{folder}/\1", command)


def test_the_linter_of_dockerfiles_has_nothing_to_say() -> None:
    linter = shutil.which("hadolint", path=os.path.dirname(sys.executable))
    if linter is None:
        pytest.skip("hadolint is not installed here")
    done = subprocess.run([linter, str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_what_is_copied_into_the_image_is_there_and_let_in() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert source.split("/")[0] in let_in, source


def test_what_is_mounted_from_here_is_here() -> None:
    found = [path for service in SERVICES.values() for path in mounts(service).values()]
    assert len(found) >= 6
    assert [path for path in found if not (ROOT / path).is_file()] == []


def test_the_servers_settings_are_settings_and_make_sense_together() -> None:
    settings = Settings.read(server_environment())
    assert (settings.host, settings.port, settings.storage_backend, settings.auth_on) == ("0.0.0.0", 8000, "s3", True)
    assert settings.database_url.startswith("postgresql+asyncpg://")


def test_two_servers_differ_in_nothing_but_their_names() -> None:
    assert len(SERVERS) == 2
    assert SERVICES[SERVERS[0]] == SERVICES[SERVERS[1]]


def test_the_key_that_signs_is_with_those_who_sign_and_nobody_else() -> None:
    holders = {name for name, service in SERVICES.items() if "keys" in volumes(service).values()}
    assert holders == {"keys", "token"}
    assert os.path.dirname(server_environment()["PANAVERSITY_AUTH_JWKS_FILE"]) in volumes(SERVICES[SERVERS[0]])
    credentials = PROMETHEUS["scrape_configs"][0]["authorization"]["credentials_file"]
    assert os.path.dirname(credentials) in volumes(SERVICES["prometheus"])


def test_P13_what_waits_to_be_sent_waits_on_a_disk_that_the_server_may_write_to() -> None:
    """The file system is read-only and /tmp is memory: uploads that wait there would be held by no bound."""
    server = SERVICES[SERVERS[0]]
    spool = server_environment()["TMPDIR"]
    assert spool in volumes(server)
    assert all("size=" in place for place in server["tmpfs"])
    made = re.findall(r"install -d -o panaversity -g panaversity (.+)", DOCKERFILE)[0].split()
    written = {path for service in ("keys", "token", SERVERS[0]) for path in volumes(SERVICES[service])}
    assert written <= set(made), "a volume belongs to whom the image's folder belongs to"


def test_gateway_and_prometheus_know_the_servers_and_the_servers_know_their_names() -> None:
    there = {f"{name}:8000" for name in SERVERS}
    nginx = (ROOT / "deploy" / "nginx.conf").read_text()
    assert set(re.findall(r"^\s+server (\S+:8000) ", nginx, re.MULTILINE)) == there
    assert set(PROMETHEUS["scrape_configs"][0]["static_configs"][0]["targets"]) == there
    assert set(server_environment()["PANAVERSITY_ALLOWED_HOSTS"].split(",")) == there


def test_files_lie_where_whoever_reads_them_looks() -> None:
    assert PROMETHEUS["rule_files"] == ["/etc/prometheus/alerts.yaml"]
    assert mounts(SERVICES["prometheus"])["/etc/prometheus/alerts.yaml"] == "./observability/alerts.yaml"
    provided = yaml.safe_load((ROOT / "deploy" / "grafana" / "dashboards.yaml").read_text())
    folder = provided["providers"][0]["options"]["path"]
    assert mounts(SERVICES["grafana"])[f"{folder}/panaversity-fs.json"] == "./observability/dashboard.json"


def test_whoever_is_waited_for_is_there_and_can_say_that_it_is_ready() -> None:
    for name, service in SERVICES.items():
        waits = service.get("depends_on", {})
        for other, how in waits.items() if isinstance(waits, dict) else ((entry, {}) for entry in waits):
            assert other in SERVICES, (name, other)
            if how.get("condition") == "service_healthy" and other not in SERVERS:  # theirs is the image's
                assert "healthcheck" in SERVICES[other], (name, other)


def test_S31_every_image_of_others_has_a_version() -> None:
    others = {service["image"] for service in SERVICES.values()} - {"panaversity-fs"}
    assert len(others) >= 5
    for image in others:
        assert re.fullmatch(r"[\w./-]+:(?!latest)[\w.-]*\d[\w.-]*", image), image


def test_the_keys_and_the_scrape_token_made_by_compose_open_a_server_with_its_settings(tmp_path: Path) -> None:
    """The very commands of the file, with the folder of the volume and the database of this machine."""
    command = in_folder(SERVICES["keys"]["command"][0], tmp_path)
    for folder in ("keys", "jwks", "scrape"):
        (tmp_path / folder).mkdir(mode=0o700)
    tools = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    subprocess.run(["sh", "-c", command], check=True, env={**clean_environment(), "PATH": tools}, stderr=-3)
    given = server_environment()
    own = {name: value for name, value in given.items() if "_AUTH_" in name or name == "PANAVERSITY_ALLOWED_HOSTS"}
    own["PANAVERSITY_AUTH_JWKS_FILE"] = in_folder(given["PANAVERSITY_AUTH_JWKS_FILE"], tmp_path)
    errors = tmp_path / "errors"
    words = ("--store", str(tmp_path / "store"), "--host", "0.0.0.0", "--port", "0", "--log-format", "text")
    with errors.open("wb") as log:
        process = subprocess.Popen(
            serve_command(*words), env={**clean_environment(), **own}, stderr=log, stdin=subprocess.DEVNULL
        )
    try:
        while not (tmp_path / "store" / "server.json").exists():
            assert process.poll() is None, errors.read_text()
        server = Wire()
        server.url = json.loads((tmp_path / "store" / "server.json").read_text())["url"].replace("0.0.0.0", "127.0.0.1")
        credentials = PROMETHEUS["scrape_configs"][0]["authorization"]["credentials_file"]
        token = Path(in_folder(credentials, tmp_path)).read_text().strip()
        asked = {"Authorization": f"Bearer {token}", "Host": "server-2:8000"}
        assert server.request("GET", "/metrics", headers=asked).status == 200
        assert server.request("GET", "/metrics", headers={"Host": "server-2:8000"}).status == 401
        assert server.request("GET", "/metrics", headers=asked | {"Host": "elsewhere:8000"}).status in (400, 403, 421)
        assert server.request("GET", "/readyz").status == 200  # as the image's own check asks
    finally:
        process.terminate()
        process.wait(20)


def test_the_commands_of_the_file_are_commands_of_this_version(tmp_path: Path) -> None:
    lines = [SERVICES["token"]["command"], json.loads(re.findall(r"^CMD (.+)$", DOCKERFILE, re.MULTILINE)[-1])]
    for line in lines:
        words = [in_folder(word, tmp_path) for word in line]
        done = subprocess.run(
            [sys.executable, "-m", "panaversity_fs", *words, *(["--help"] if words[0] == "serve" else [])],
            capture_output=True, text=True, env=clean_environment(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()


def test_the_installed_wheel_is_whole(tmp_path: Path) -> None:
    """What the image installs: migrations, commands and the builder's core come along, tests do not."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "wheel"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        points = next(archive.read(name).decode() for name in names if name.endswith("entry_points.txt"))
    for package in ("server/panaversity_fs", "builder/panaversity_builder"):
        folder = ROOT / package
        ours = {file.relative_to(folder.parent).as_posix() for file in folder.rglob("*.py")}
        assert ours <= names
    assert "panaversity-fs = panaversity_fs.cli:main" in points
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]
