"""Building an environment: which phases run, what is kept of them, and what a failure costs."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_builder.environment.backend.memory import MemoryBackend, MemoryContainer
from panaversity_builder.environment.build import finished, foresee, key_documents
from panaversity_builder.environment.checkout import checked_out
from panaversity_builder.environment.kept_images import KEY, KeptImages, labels_of, own_record, prefix_of, record_of
from panaversity_builder.environment.lock import environment_lock
from panaversity_builder.environment.prune import Wanted, choose, let_go, snapshots
from panaversity_builder.environment.recipe import BaseImage, Clone, Configure, Copy, Environment, Run
from panaversity_builder.environment.source_tree import source_digest
from panaversity_builder.lifecycle import KeyDocument
from panaversity_builder.snapshots import Record
from panaversity_fs.core.errors import ConfigInvalid, NoSpace, OutputLocked, PhaseFailed, PhaseUnknown, TimedOut
from support.made_environments import PHASES, Desk, limited, made, put


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def memory_of(desk: Desk) -> MemoryBackend:
    assert isinstance(desk.backend, MemoryBackend)
    return desk.backend


def tags(desk: Desk) -> set[str]:
    return {tag for image in desk.backend.images("habitat-docs:") for tag in image.tags}


def test_ten_phases_leave_ten_snapshots_and_a_final_image(desk: Desk) -> None:
    built = desk.build(made())
    key = built.results[-1].output
    named = {f"habitat-docs:{i}-{name}" for i, name in enumerate(PHASES, 1)}
    assert desk.ran == PHASES
    assert built.final_tag == f"habitat-docs:final-{key[:12]}"
    assert {tag for tag in tags(desk) if ":key-" not in tag} == {*named, built.final_tag}
    assert built.image is not None
    assert built.image.labels[KEY] == key
    container = memory_of(desk).follow("look", built.image)
    assert {f"/opt/{name}" for name in PHASES} <= set(container.files)


def test_nothing_runs_when_nothing_changed(desk: Desk) -> None:
    first = desk.build(made())
    before = list(memory_of(desk).calls)
    second = desk.build(made())
    assert desk.ran == []
    assert (second.final_tag, second.image) == (first.final_tag, first.image)
    assert memory_of(desk).calls == before
    assert [one.state for one in desk.foreseen] == ["cached"] * 10


@pytest.mark.parametrize("phase", PHASES)
def test_a_changed_phase_runs_with_all_after_it_and_none_before(desk: Desk, phase: str) -> None:
    desk.build(made())
    desk.build(made(**{phase: "2"}))
    assert desk.ran == PHASES[PHASES.index(phase) :]
    assert desk.reason(phase) == "changed: text (1 → 2)"
    assert all(desk.reason(one).startswith("previous phase changed") for one in desk.ran[1:])


def test_what_was_built_before_is_found_again_when_a_change_is_taken_back(desk: Desk) -> None:
    first = desk.build(made())
    desk.build(made(repos="2"))
    again = desk.build(made())
    assert desk.ran == []
    assert again.final_tag == first.final_tag
    found = {tag: image.labels[KEY] for image in desk.backend.images("habitat-docs:") for tag in image.tags}
    assert found["habitat-docs:10-final"] == again.results[-1].output


def test_another_checkout_on_this_machine_finds_what_was_built_here(desk: Desk, tmp_path: Path) -> None:
    desk.build(made())
    other = Desk(tmp_path / "other", desk.backend)
    other.build(made())
    assert other.ran == []


def test_rebuild_runs_the_phase_and_all_that_stand_on_it(desk: Desk) -> None:
    desk.build(made())
    desk.build(made(), rebuild=("files",))
    assert desk.ran == PHASES[4:]
    assert {desk.reason(name) for name in desk.ran} == {"rebuild requested"}
    images = desk.backend.images("habitat-docs:")
    assert len(images) == 10, "what was replaced is gone"
    desk.build(made(), rebuild=["9", "10"])
    assert desk.ran == PHASES[8:]


def test_a_rebuild_that_fails_is_gone_on_with_by_the_next_build(desk: Desk) -> None:
    desk.build(made())
    memory_of(desk).failures["run put repos"] = PhaseFailed("env build", "x", "y")
    with pytest.raises(PhaseFailed):
        desk.build(made(), rebuild=("files",))
    desk.build(made())
    assert desk.ran == PHASES[6:]


def test_until_stops_after_a_phase_and_makes_nothing_final(desk: Desk) -> None:
    built = desk.build(made(), until="setup")
    assert desk.ran == PHASES[:6]
    assert (built.final_tag, built.image) == (None, None)
    assert not any("final" in tag for tag in tags(desk))
    desk.build(made())
    assert desk.ran == PHASES[6:]


def test_an_unknown_phase_is_told_with_the_list_before_anything_happens(desk: Desk) -> None:
    for options in ({"rebuild": ("docs",)}, {"until": "11"}):
        with pytest.raises(PhaseUnknown, match="7 repos"):
            desk.build(made(), **options)
    assert [call for call in memory_of(desk).calls if call != "require"] == []


def test_a_failing_command_fails_its_phase_whatever_it_said(desk: Desk) -> None:
    setup = [put("setup", "1"), Run(("say", "one", "two"), "talk"), Run(("fail", "3"), "install nothing")]
    with pytest.raises(PhaseFailed) as failed:
        desk.build(made(setup=setup))
    error = failed.value
    assert error.subject == "phase 6 setup"
    assert error.problem == "install nothing ended with status 3"
    assert error.details["status"] == 3
    assert error.details["log"] == str(desk.log("setup"))
    assert error.exit_status == 14
    assert desk.log("setup").read_text() == "== put setup\n== talk\none\ntwo\n== install nothing\n"
    assert memory_of(desk).containers == {}
    assert [one.kind for one in desk.events][-1] == "failed"
    desk.build(made(setup=[*setup[:2], Run(("fail", "0"), "install nothing")]))
    assert desk.ran == PHASES[5:], "what was built before the failure is believed"


def test_the_end_of_the_log_is_that_of_the_command_that_failed(desk: Desk) -> None:
    def complain(machine: object) -> int:
        machine.out.extend(b"\x1b[31mred\x1b[0m\n\n" + b"".join(b"line %d\n" % i for i in range(40)))  # type: ignore[attr-defined]
        return 1

    memory_of(desk).programs["complain"] = complain
    tools = [Run(("say", "before"), "talk"), Run(("complain",), "complain")]
    with pytest.raises(PhaseFailed) as failed:
        desk.build(made(tools=tools))
    assert failed.value.details["log_tail"] == [f"line {i}" for i in range(20, 40)]


def test_a_command_out_of_its_time_fails_its_phase(desk: Desk) -> None:
    with pytest.raises(PhaseFailed, match="wait for ever is not done after 5 s and was stopped"):
        desk.build(made(tools=[Run(("hang", "x"), "wait for ever", seconds=5)]))
    with pytest.raises(PhaseFailed, match=r"the phase is not done after 0\.0001 s"):
        desk.build(limited(made(tools=[Run(("hang", "x"), "wait for ever", seconds=5)]), "tools", 0.0001))
    assert memory_of(desk).containers == {}


@pytest.mark.parametrize("error", [NoSpace("env build", "x", "full"), KeyboardInterrupt(), OSError(28, "full")])
@pytest.mark.parametrize("call", ["begin registry", "run put files", "commit"])
def test_whatever_happens_no_container_is_left_and_no_snapshot_is_half_named(
    desk: Desk, error: BaseException, call: str
) -> None:
    environment = made()
    tag = f"habitat-docs:key-{key_documents(environment)[4].key[:32]}"
    memory_of(desk).failures[f"commit {tag}" if call == "commit" else call] = error
    with pytest.raises(BaseException) as raised:
        desk.build(environment)
    assert isinstance(raised.value, PhaseFailed if isinstance(error, OSError) else type(error))
    assert memory_of(desk).containers == {}
    assert "habitat-docs:5-files" not in tags(desk)
    desk.build(environment)
    assert desk.ran == (PHASES if call.startswith("begin") else PHASES[4:])


def test_one_environment_is_built_by_one_at_a_time(desk: Desk) -> None:
    inside, go = threading.Event(), threading.Event()

    def wait(_machine: object) -> int:
        inside.set()
        go.wait(10)
        return 0

    memory_of(desk).programs["wait"] = wait
    first = threading.Thread(target=lambda: desk.build(made(files=[Run(("wait",), "wait")])))
    first.start()
    try:
        assert inside.wait(10)
        with pytest.raises(OutputLocked) as locked:
            Desk(desk.folder, desk.backend).build(made())
        assert locked.value.exit_status == 5
        Desk(desk.folder, desk.backend).build(made("other"))
    finally:
        go.set()
        first.join()


def test_a_lock_that_cannot_be_made_is_a_setting_to_correct(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigInvalid), environment_lock(str(tmp_path / "file" / "locks"), "docs"):
        pass


def test_pruned_snapshots_in_the_middle_are_harmless(desk: Desk) -> None:
    desk.build(made())
    kept = KeptImages(desk.backend, "docs")
    kept.forget(document.key for document in key_documents(made())[7:9])
    for tag in ("habitat-docs:8-tools", "habitat-docs:9-verify"):
        desk.backend.untag(tag)
    desk.build(made())
    assert desk.ran == []
    desk.build(made(final="2"))
    assert desk.ran == ["tools", "verify", "final"], "the parents of what must run are made again, and nothing else"


def test_a_tag_alone_is_not_believed(desk: Desk) -> None:
    environment = made()
    key = key_documents(environment)[9].key
    container = memory_of(desk).begin("stranger", environment.base)
    stranger = container.commit(f"habitat-docs:key-{key[:32]}", {KEY: "f" * 64})
    desk.backend.tag(stranger, "habitat-docs:10-final")
    desk.build(environment)
    assert desk.ran == PHASES
    assert finished(environment, desk.backend) is not None


def test_a_dry_run_says_the_same_and_does_nothing(desk: Desk) -> None:
    from panaversity_builder.environment.build import BuildOptions

    desk.build(made())
    before = list(memory_of(desk).calls)
    options = BuildOptions(str(desk.folder / ".panaversity"), str(desk.folder / "locks"))
    ahead = foresee(made(repos="2"), desk.backend, options)
    assert memory_of(desk).calls == before
    assert [one.state for one in ahead] == ["cached"] * 6 + ["run"] * 4
    desk.build(made(repos="2"))
    assert ahead[6].reason == desk.reason("repos")


def test_a_repository_is_fetched_before_it_is_copied(desk: Desk) -> None:
    with pytest.raises(PhaseFailed, match="clone here to /opt/repo"):
        desk.build(made(repos=[Clone("here", "0" * 40, "/opt/repo")]))


def test_a_file_that_changes_while_a_phase_runs_fails_it_and_is_copied_by_the_next_build(
    desk: Desk, tmp_path: Path
) -> None:
    source = tmp_path / "motd"
    source.write_text("read for the key")

    def edit(_machine: object) -> int:
        source.write_text("edited meanwhile")
        return 0

    memory_of(desk).programs["edit"] = edit
    copy = Copy(str(source), "/etc/motd", digest=source_digest(str(source))[1])
    with pytest.raises(PhaseFailed, match=f"copy to /etc/motd: {source} changed while it was copied; run again"):
        desk.build(made(users=[Run(("edit",), "edit")], files=[copy]))
    assert "habitat-docs:5-files" not in tags(desk)
    source.unlink()
    with pytest.raises(PhaseFailed):
        desk.build(made(files=[copy]))
    source.write_text("read for the key")
    desk.build(made(files=[copy]))
    assert "habitat-docs:5-files" in tags(desk)


def test_the_folder_this_build_writes_its_logs_in_can_be_copied(desk: Desk) -> None:
    desk.build(made(), until="users")
    copy = Copy(str(desk.folder), "/project", digest=source_digest(str(desk.folder))[1])
    desk.build(made(files=[copy]))
    assert desk.ran == PHASES[2:]


def test_a_base_that_changes_while_it_is_filled_in_fails_the_first_phase(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    base = BaseImage("rootfs", str(tmp_path / "root"), desk.backend.resolve("rootfs", str(tmp_path / "root")))
    environment = replace(made(), base=base)
    (tmp_path / "root" / "file").write_text("new")
    with pytest.raises(PhaseFailed, match=r"phase 1 base: begin: .*/root changed while it was copied; run again"):
        desk.build(environment)
    assert (tags(desk), memory_of(desk).containers) == (set(), {})
    (tmp_path / "root" / "file").unlink()
    desk.build(environment)


@pytest.mark.parametrize("call", ["begin registry", "copy /etc/motd"])
def test_what_takes_the_phase_too_long_is_stopped_whatever_it_is(desk: Desk, call: str, tmp_path: Path) -> None:
    (tmp_path / "motd").write_text("1")
    memory_of(desk).failures[call] = TimedOut("env build", "x", "is not done")
    environment = limited(made(base=[Copy(str(tmp_path / "motd"), "/etc/motd")]), "base", 60)
    title = "begin" if call.startswith("begin") else "copy to /etc/motd"
    with pytest.raises(PhaseFailed, match=f"phase 1 base: {title} was stopped: the phase is not done after 60 s"):
        desk.build(environment)
    assert memory_of(desk).containers == {}


def test_copies_and_the_base_get_what_is_left_of_the_phases_time(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "motd").write_text("1")
    given: list[float | None] = []
    begin, copy = MemoryBackend.begin, MemoryContainer.copy
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryBackend, "begin", lambda self, *words: given.append(words[2]) or begin(self, *words))
        patch.setattr(MemoryContainer, "copy", lambda self, one: given.append(one.seconds) or copy(self, one))
        clone = Clone("here", "0" * 40, "/opt/repo")
        actions = [Copy(str(tmp_path / "motd"), "/etc/motd"), clone]
        checkout = lambda one: given.append(one.seconds) or Copy(str(tmp_path), one.target)  # noqa: E731
        desk.build(limited(made(base=actions), "base", 60), checkout=checkout)
    assert len(given) == 4
    assert all(59 < seconds <= 60 for seconds in given if seconds is not None)
    assert None not in given


def test_a_container_that_cannot_be_made_fails_its_phase_with_its_log(desk: Desk) -> None:
    desk.build(made(), until="users")
    (call,) = [f"follow {one.tags[0]}" for one in desk.backend.images("habitat-") if "habitat-docs:2-users" in one.tags]
    memory_of(desk).failures[call] = PhaseFailed("env build", "x", "buildah from ended with status 125 (why)")
    with pytest.raises(PhaseFailed, match="phase 3 env: begin: buildah from ended with status 125") as failed:
        desk.build(made())
    assert failed.value.details["log"] == str(desk.log("env"))
    assert failed.value.details["phase"] == "3"


def test_a_repository_that_cannot_be_fetched_fails_its_phase_with_its_log(desk: Desk) -> None:
    def checkout(clone: Clone) -> Copy:
        return checked_out(clone, str(desk.folder / "cache"), {})

    with pytest.raises(PhaseFailed, match="phase 7 repos: clone /none to /opt/repo: /none cannot be fetched") as failed:
        desk.build(made(repos=[Clone("/none", "0" * 40, "/opt/repo")]), checkout=checkout)
    assert failed.value.details["log"] == str(desk.log("repos"))


def test_secrets_are_asked_for_when_a_phase_will_run_that_reads_them(desk: Desk) -> None:
    def environment(**phases: str) -> Environment:
        secret = [Run(("say", "x"), "read it", secrets=("TOKEN",))]
        return made(users=[Run(("say", "y"), "it", secrets=("KEY",))], **{"setup": secret, **phases})

    values = {"TOKEN": b"1", "KEY": b"2"}
    desk.build(environment(), values, until="users")
    assert desk.asked == [["KEY"]]
    desk.build(environment(), values)
    assert desk.asked == [["TOKEN"]]
    desk.build(environment(final="2"), values)
    assert desk.asked == []
    desk.build(environment(), values, rebuild=("users",))
    assert desk.asked == [["KEY", "TOKEN"]]


def test_an_image_that_somebody_uses_hinders_no_build_and_is_kept_under_a_tag_of_its_own(desk: Desk) -> None:
    first = desk.build(made())
    assert first.image is not None
    shell = memory_of(desk).follow("a shell", first.image)
    second = desk.build(made(), rebuild=("verify",))
    assert desk.ran == ["verify", "final"]
    assert second.final_tag == first.final_tag
    spare = f"habitat-docs:kept-{first.image.id[:12]}"
    images = {tag: one.id for one in desk.backend.images("habitat-docs:") for tag in one.tags}
    assert (images[spare], images["habitat-docs:10-final"]) == (first.image.id, second.image and second.image.id)
    desk.build(made(), rebuild=("final",))
    desk.build(made())
    assert desk.ran == []
    state = {one.image.id: one.state for one in snapshots(desk.backend, {"docs": ""}, None)}
    assert (state[first.image.id], len(state)) == ("orphan", 11)
    shell.close()
    gone, used = let_go(desk.backend, choose(snapshots(desk.backend, {"docs": ""}, None), Wanted(orphans=True)))
    assert ([one.image.id for one in gone], used) == ([first.image.id], [])


def test_an_image_that_somebody_uses_keeps_all_its_names(desk: Desk) -> None:
    built = desk.build(made())
    assert built.image is not None
    before = tags(desk)
    shell = memory_of(desk).follow("a shell", built.image)
    gone, used = let_go(desk.backend, choose(snapshots(desk.backend, {"docs": ""}, None), Wanted(everything=True)))
    assert (len(gone), [one.image.id for one in used]) == (9, [built.image.id])
    (image,) = desk.backend.images("habitat-docs:")
    assert len(image.tags) == 3
    assert set(image.tags) == {tag for tag in before if tag in built.image.tags}
    shell.close()


def test_what_is_in_force_is_kept_before_what_is_newer(desk: Desk) -> None:
    desk.build(made())
    desk.build(made(verify="2"))
    again = desk.build(made())
    found = snapshots(desk.backend, {"docs": ""}, None)
    let_go(desk.backend, choose(found, Wanted(keep=1)))
    assert again.image is not None
    assert again.image.id in {one.id for one in desk.backend.images("habitat-docs:")}
    desk.build(made())
    assert desk.ran == []


def test_what_an_image_says_stays_from_phase_to_phase(desk: Desk) -> None:
    built = desk.build(made(env=[Configure(env={"A": "1"})], final=[Configure(command=("say",))]))
    assert built.image is not None
    config = memory_of(desk).follow("look", built.image).config
    assert (config.env["A"], config.command) == ("1", ("say",))


inputs = st.dictionaries(st.text(max_size=8), st.text(max_size=40), max_size=4)


@given(inputs, st.text(alphabet="abc…😀\n", max_size=20), st.integers(0, 9000), st.floats(0, 1e6))
def test_a_record_comes_back_from_its_labels(values: dict[str, str], unit: str, times: int, seconds: float) -> None:
    document = KeyDocument("environment", 1, "7", {**values, "long": unit * times}, "f" * 64)
    record = Record(document, document.key, "2026-01-01T00:00:00+00:00", round(seconds, 3))
    labels = labels_of(record)
    assert record_of(labels, "7") == record
    assert all(len(value.encode()) < 128 * 1024 for value in labels.values())
    assert own_record(labels) == record
    assert own_record({**labels, KEY: "0" * 64}) is None
    assert record_of(labels, "8") is None
    assert record_of({}, "7") is None


def test_environments_whose_names_begin_alike_do_not_meet(desk: Desk) -> None:
    desk.build(made("docs-2"))
    assert desk.backend.images(prefix_of("docs")) == []
