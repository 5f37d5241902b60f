"""A program that answers as ``docker`` and ``podman`` do to the words we use, and refuses every other word.

State is one JSON file beside this call's ``FAKE_DOCKER`` variable: images and containers with their files in a
dictionary. It shows that our argument lists are what these programs take as far as their documentation goes; that an
engine does what they say, it does not show. Knows no adapter.
"""

import fcntl
import json
import os
import sys
import time

STATE = os.environ["FAKE_DOCKER"]
DOCKER = os.environ["FAKE_DOCKER_NAME"] == "docker"
"""Whether it answers as docker does, else as podman."""
Json = dict
BYTES = "latin-1"
TAKES_VALUE = {
    "--name", "--volume", "--entrypoint", "--user", "--workdir", "--env", "--label", "--change", "--format",
    "--filter", "--input", "--output", "--mount",
}  # fmt: skip
FLAGS = {
    "version": {"--format"},
    "pull": {"--quiet"},
    "image inspect": set(),
    "image ls": {"--no-trunc", "--format"},
    "run": {
        "--detach", "--name", "--volume", "--entrypoint", "--rm", "--interactive", "--tty", "--user", "--workdir",
        "--env", "--mount",
    },
    "exec": {"--interactive", "--user", "--workdir", "--env"},
    "cp": {"--follow-link"} if DOCKER else set(),
    "kill": set(),
    "commit": {"--change"},
    "create": {"--name", "--entrypoint", "--env", "--label", "--workdir", "--user"},
    "rm": {"--force", "--volumes"},
    "rmi": set(),
    "tag": set(),
    "ps": {"--all", "--format", "--quiet", "--filter"},
    "import": set(),
    "load": {"--input"},
    "save": {"--output"} if DOCKER else {"--output", "--format"},
}  # fmt: skip


class Refused(Exception):
    """Said on stderr; the exit status is 125, or the one given."""

    def __init__(self, text: str, status: int = 125) -> None:
        super().__init__(text)
        self.status = status


def taken_apart(command: str, words: list[str]) -> tuple[Json, list[str]]:
    """Options up to the first word that is none, and what follows."""
    options: Json = {}
    while words and words[0].startswith("--") and words[0] != "--":
        word = words.pop(0)
        if word not in FLAGS[command]:
            raise Refused(f"unknown flag: {word} of {command}")
        if word in TAKES_VALUE:
            options.setdefault(word, []).append(words.pop(0))
        else:
            options[word] = True
    return options, words


def files_of(path: str) -> Json:
    """Paths and contents of a tar."""
    found = {}
    import tarfile  # late: most calls are done before it is loaded

    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile() and (content := tar.extractfile(member)):
                found["/" + os.path.normpath(member.name)] = content.read().decode(BYTES)
    return found


class Engine:
    """The state and the verbs."""

    def __init__(self, state: Json) -> None:
        self.images: dict[str, Json] = state.setdefault("images", {})
        self.containers: dict[str, Json] = state.setdefault("containers", {})
        self.state = state

    def image(self, reference: str) -> str:
        """The id of an image by id or tag."""
        for number, image in self.images.items():
            if reference == number or reference in image["tags"] or f"{reference}:latest" in image["tags"]:
                return number
        raise Refused(f"No such image: {reference}", 1)

    def container(self, name: str) -> Json:
        """A container by name."""
        if name not in self.containers:
            raise Refused(f"No such container: {name}", 1)
        return self.containers[name]

    def keep(self, files: Json, config: Json, tag: str | None, parent: str | None) -> str:
        """A new image."""
        self.state["number"] = self.state.get("number", 0) + 1
        number = f"sha256:{self.state['number']:064x}"
        for image in self.images.values():
            image["tags"] = [one for one in image["tags"] if one != tag]
        created = f"2026-01-01T00:{self.state['number'] // 60:02}:{self.state['number'] % 60:02}.123456789Z"
        self.images[number] = {
            "tags": [tag] if tag else [], "files": files, "config": config, "created": created, "parent": parent,
        }  # fmt: skip
        return number

    def verb(self, command: str, options: Json, words: list[str]) -> int:
        """One call."""
        method = getattr(self, "do_" + command.replace(" ", "_"))
        answer = method(options, words)
        return answer if isinstance(answer, int) else 0

    def do_version(self, options: Json, words: list[str]) -> None:
        print('{"Client": {"Version": "0"}, "Server": {"Version": "0"}}')

    def do_pull(self, options: Json, words: list[str]) -> None:
        self.image(words[0])

    def do_image_inspect(self, options: Json, words: list[str]) -> None:
        found = []
        for number in map(self.image, words):
            image = self.images[number]
            size = sum(len(data) for data in image["files"].values())
            found.append(
                {"Id": number, "RepoTags": image["tags"], "Config": image["config"], "Size": size,
                 "Created": image["created"], "RepoDigests": image.get("digests", [])}
            )  # fmt: skip
        print(json.dumps(found))

    def do_image_ls(self, options: Json, words: list[str]) -> None:
        for number, image in self.images.items():
            for tag in image["tags"] or ["<none>:<none>"]:
                print(f"{number}|{tag}")

    def do_run(self, options: Json, words: list[str]) -> int:
        number = self.image(words[0])
        name = options["--name"][0]
        self._make(name, number, options)
        if options.get("--detach"):
            if options["--entrypoint"] != ["/bin/sh"] or words[1] != "-c":
                raise Refused("this engine's containers only sleep")
            print(name)
            return 0
        config = self.images[number]["config"]
        env = {**pairs(config.get("Env") or []), **pairs(options.get("--env", []))}
        user = (options.get("--user") or [config.get("User") or "0"])[0]
        cwd = (options.get("--workdir") or [config.get("WorkingDir") or "/"])[0]
        status = self._program(self.containers[name], [*options["--entrypoint"], *words[1:]], env, user, cwd, b"")
        del self.containers[name]
        return status

    def _make(self, name: str, number: str, options: Json) -> None:
        if name in self.containers:
            raise Refused(f"The container name {name} is already in use")
        image = self.images[number]
        mounts = dict(volume.split(":")[1::-1] for volume in options.get("--volume", []) if ":" in volume)
        self.containers[name] = {
            "image": number, "files": dict(image["files"]), "config": json.loads(json.dumps(image["config"])),
            "mounts": mounts, "running": bool(options.get("--detach")),
        }  # fmt: skip
        if "--entrypoint" in options:
            self.containers[name]["config"] |= {"Entrypoint": options["--entrypoint"], "Cmd": None}

    def do_exec(self, options: Json, words: list[str]) -> int:
        container = self.container(words[0])
        if not container["running"]:
            raise Refused(f"container {words[0]} is not running", 1)
        stdin = sys.stdin.buffer.read() if options.get("--interactive") else b""
        config = container["config"]
        env = {**pairs(config.get("Env") or []), **pairs(options.get("--env", []))}
        user = (options.get("--user") or [config.get("User") or "0"])[0]
        cwd = (options.get("--workdir") or [config.get("WorkingDir") or "/"])[0]
        return self._program(container, words[1:], env, user, cwd, stdin)

    def _program(self, container: Json, argv: list[str], env: Json, user: str, cwd: str, stdin: bytes) -> int:
        files, out = container["files"], sys.stdout.buffer
        match argv:
            case ["put", path, text]:
                files[path] = text.encode().decode(BYTES)
            case ["take", path]:
                files[path] = stdin.decode(BYTES)
            case ["show", *paths]:
                return max(self._show(container, path) for path in paths)
            case ["vars", *names]:
                out.write("".join(env.get(name, "") + "\x1e" for name in names).encode())
            case ["me"]:
                out.write(f"{ {'0:0': '0', 'root': '0', 'ann': '1500'}.get(user, user) } {cwd}\n".encode())
            case ["fail", number]:
                return int(number)
            case ["say", *words]:
                out.write("".join(f"{word}\n" for word in words).encode())
            case ["grumble", *words]:
                sys.stderr.write("".join(f"{word}\n" for word in words))
            case ["hang", _]:
                out.write(b"hanging\n")
                out.flush()
                save(self.state)
                unlock()
                time.sleep(3600)
            case ["test", "-d", path]:
                return 0 if any(one.startswith(path.rstrip("/") + "/") for one in files) else 1
            case ["mkdir", "-p", "--", _] | ["xargs", "-0", "chown", "-h", _, "--"]:
                pass
            case _:
                sys.stderr.write(f"exec: {argv[0]}: not found\n")
                return 127
        return 0

    def _show(self, container: Json, path: str) -> int:
        for there, here in container["mounts"].items():
            if path.startswith(there + "/"):
                file = os.path.join(here, os.path.relpath(path, there))
                if os.path.exists(file):
                    sys.stdout.buffer.write(read(file).encode(BYTES))
                    return 0
        if path not in container["files"]:
            sys.stderr.write("no such file\n")
            return 1
        sys.stdout.buffer.write(container["files"][path].encode(BYTES))
        return 0

    def do_cp(self, options: Json, words: list[str]) -> None:
        source, (name, _, target) = words[0], words[1].partition(":")
        files = self.container(name)["files"]
        if not os.path.exists(source) or (not DOCKER and set(source) & set("*?[")):  # podman reads patterns
            raise Refused(f"lstat {source}: no such file or directory", 1)
        if os.path.islink(source) and "--follow-link" not in options:
            raise Refused(f"{source}: a link is copied as a link, and nobody wants that here", 1)
        if not source.endswith("/."):
            files[target] = read(source)
            return
        for here, _, names in os.walk(source):
            for path in (os.path.join(here, name) for name in names):
                if not os.path.islink(path):
                    files[os.path.normpath(os.path.join(target, os.path.relpath(path, source)))] = read(path)

    def do_kill(self, options: Json, words: list[str]) -> None:
        self.container(words[0])["running"] = False

    def do_commit(self, options: Json, words: list[str]) -> None:
        container = self.container(words[0])
        config, before = container["config"], dict(container["config"])
        for change in options.get("--change", []):
            verb, _, value = change.partition(" ")
            if verb == "ENTRYPOINT":
                config["Cmd"] = None
            config |= {{"ENTRYPOINT": "Entrypoint", "CMD": "Cmd"}[verb]: json.loads(value) or None}
        if DOCKER and not config.get("Entrypoint"):  # what a change left empty is taken from the container
            config |= {"Cmd": config.get("Cmd") or before.get("Cmd"), "Entrypoint": before.get("Entrypoint")}
        tag = words[1] if len(words) > 1 else None
        print(self.keep(container["files"], config, tag, container["image"]))

    def do_create(self, options: Json, words: list[str]) -> None:
        number, name = self.image(words[0]), options["--name"][0]
        self._make(name, number, {})
        config = self.containers[name]["config"]
        if "--entrypoint" in options:
            config |= {"Entrypoint": list(filter(None, options["--entrypoint"])) or None, "Cmd": None}
        env = {**pairs(config.get("Env") or []), **pairs(options.get("--env", []))}
        config["Env"] = [f"{key}={value}" for key, value in env.items()]
        config["Labels"] = {**(config.get("Labels") or {}), **pairs(options.get("--label", []))}
        for option, key in (("--workdir", "WorkingDir"), ("--user", "User")):
            if option in options:
                config[key] = options[option][0]
        if words[1:]:
            config["Cmd"] = words[1:]
        if not config.get("Entrypoint") and not config.get("Cmd"):
            raise Refused("no command specified", 1)
        print(name)

    def do_rm(self, options: Json, words: list[str]) -> None:
        if self.containers.pop(words[0], None) is None and not options.get("--force"):
            raise Refused(f"No such container: {words[0]}", 1)

    def do_rmi(self, options: Json, words: list[str]) -> None:
        number = self.image(words[0])
        image = self.images[number]
        if len(image["tags"]) == 1 and any(one["image"] == number for one in self.containers.values()):
            raise Refused("conflict: unable to remove repository reference", 1)
        image["tags"].remove(words[0])
        while not image["tags"] and not any(one["parent"] == number for one in self.images.values()):
            del self.images[number]
            number = image["parent"]
            if number is None:
                return
            image = self.images[number]

    def do_tag(self, options: Json, words: list[str]) -> None:
        number = self.image(words[0])
        for image in self.images.values():
            image["tags"] = [one for one in image["tags"] if one != words[1]]
        self.images[number]["tags"].append(words[1])

    def do_ps(self, options: Json, words: list[str]) -> None:
        wanted = [one.removeprefix("ancestor=") for one in options.get("--filter", [])]
        for name, container in self.containers.items():
            if not wanted or container["image"] in map(self.image, wanted):
                print(name)

    def do_import(self, options: Json, words: list[str]) -> None:
        print(self.keep(files_of(words[0]), {}, None, None))

    def do_load(self, options: Json, words: list[str]) -> None:
        found = files_of(options["--input"][0])
        index = json.loads(found["/index.json"])
        print(f"Loaded image: {self.keep({}, {}, None, None)}" if index else "")

    def do_save(self, options: Json, words: list[str]) -> None:
        number = self.image(words[0])
        target = options["--output"][0]
        if not os.path.isdir(os.path.dirname(target)):
            raise Refused(f"invalid output path: directory {os.path.dirname(target)!r} does not exist", 1)
        write(target, json.dumps(self.images[number]["files"]))


def pairs(lines: list[str]) -> Json:
    """``NAME=value`` lines as a dictionary."""
    return dict(line.split("=", 1) for line in lines)


def read(path: str) -> str:
    """A file's bytes as JSON can hold them."""
    with open(path, "rb") as file:
        return file.read().decode(BYTES)


def write(path: str, text: str, mode: str = "w") -> None:
    """Write or add to a file."""
    with open(path, mode) as file:
        file.write(text)


def save(state: Json) -> None:
    """Keep the state for the next call."""
    write(STATE, json.dumps(state))


def unlock() -> None:
    """Let other calls in while this one sleeps."""
    fcntl.flock(LOCK, fcntl.LOCK_UN)


def main(words: list[str]) -> int:
    """One call; answers its exit status."""
    write(f"{STATE}.calls", json.dumps(words) + "\n", "a")
    state: Json = json.loads(read(STATE)) if os.path.exists(STATE) else {}
    command = words.pop(0)
    if command == "image":
        command += " " + words.pop(0)
    try:
        if command not in FLAGS:
            raise Refused(f"{command} is not a command")
        options, rest = taken_apart(command, words)
        status = Engine(state).verb(command, options, rest)
    except Refused as error:
        sys.stderr.write(f"Error response from daemon: {error}\n")
        return error.status
    save(state)
    return status


LOCK = os.open(f"{STATE}.lock", os.O_RDWR | os.O_CREAT)
if __name__ == "__main__":
    fcntl.flock(LOCK, fcntl.LOCK_EX)
    sys.exit(main(sys.argv[1:]))
