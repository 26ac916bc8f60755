"""Decisions of two people on one pool: files that go back and forth, and files not to trust."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import cli
from core.decision_exchange import export_decisions, import_decisions
from core.decisions import annotate, decide, go_back, load_decisions, undo
from core.errors import InputError
from core.project import Project, write_json

ROWS = 20
POOL = {"fingerprint": "0123456789abcdef", "rows": ROWS}


def make_project(root, **pool):
    """A project with as much of a pool as decisions need."""
    project = Project.create(root)
    write_json(project.pool_dir / "meta.json", POOL | pool | {"parts": []})
    return project


def say(project, action, rows, label=None, note=""):
    return decide(project, ROWS, action, rows, "test", label=label, note=note)


def standing(project):
    state = load_decisions(project, ROWS)
    tags = {label: state.tags[label].tolist() for label in state.tags}
    return state.dropped.tolist(), state.pinned.tolist(), tags


@pytest.fixture
def ours(tmp_path):
    return make_project(tmp_path / "ours")


@pytest.fixture
def theirs(tmp_path):
    return make_project(tmp_path / "theirs")


def decisions_on(rows):
    action = st.sampled_from(["drop", "pin", "unpin", "tag"])
    return st.lists(st.tuples(action, st.sets(st.sampled_from(rows), min_size=1)), max_size=5)


@settings(max_examples=12)
@given(
    before=decisions_on(range(ROWS)),
    first=decisions_on(range(0, ROWS, 2)),
    second=decisions_on(range(1, ROWS, 2)),
)
def test_a_merge_without_conflict_is_the_same_in_both_orders(before, first, second):
    with tempfile.TemporaryDirectory() as folder:
        base = make_project(folder + "/base")
        for action, rows in before:
            say(base, action, sorted(rows), "seen" if action == "tag" else None)
        people = {}
        for name, said in (("a", first), ("b", second)):
            shutil.copytree(base.root, Path(folder) / name)
            people[name] = Project.open(Path(folder) / name)
            for action, rows in said:
                say(people[name], action, sorted(rows), "seen" if action == "tag" else None)
            export_decisions(people[name], f"{folder}/{name}.json")
        into_a = import_decisions(people["a"], folder + "/b.json")
        into_b = import_decisions(people["b"], folder + "/a.json")
        assert (into_a.added, into_a.known) == (len(second), len(before))
        assert (into_b.added, into_b.known) == (len(first), len(before))
        assert into_a.conflicts == into_b.conflicts == 0
        assert standing(people["a"]) == standing(people["b"])
        for name, other in (("a", "b"), ("b", "a")):
            path = f"{folder}/{name}.again.json"
            export_decisions(people[name], path)
            again = import_decisions(people[other], path)
            assert (again.added, again.known) == (0, len(before) + len(first) + len(second))


def test_what_stands_is_exported_and_comes_back_whole(ours, theirs, tmp_path):
    say(ours, "drop", [1, 2, 3, 9], note="rude")
    say(ours, "pin", [4])
    undo(ours, ROWS)
    say(ours, "tag", [2, 5], "später")
    annotate(ours, 1, "rude\nor wrong")
    written = export_decisions(ours, tmp_path / "d.json")
    assert (written.decisions, written.bytes) == (2, (tmp_path / "d.json").stat().st_size)
    value = json.loads((tmp_path / "d.json").read_text())
    assert value["pool"] == POOL
    assert [(one["action"], one["rows"]) for one in value["decisions"]] == [
        ("drop", "1-3,9"),
        ("tag", "2,5"),
    ]
    report = import_decisions(theirs, tmp_path / "d.json")
    assert (report.added, report.known, report.conflicts) == (2, 0, 0)
    assert standing(theirs) == standing(ours)
    mine = [entry for entry in load_decisions(ours, ROWS).log if entry.active]
    for entry, one in zip(load_decisions(theirs, ROWS).log, mine, strict=True):
        assert (entry.uid, entry.created, entry.note, entry.label, entry.row_count) == (
            *(one.uid, one.created, one.note, one.label),
            one.row_count,
        )
        assert entry.origin == "imported: test"


def test_importing_twice_adds_nothing_and_says_so(ours, theirs, tmp_path):
    say(theirs, "drop", [1])
    export_decisions(theirs, tmp_path / "d.json")
    assert import_decisions(ours, tmp_path / "d.json").added == 1
    undo(ours, ROWS)  # also when it was taken back meanwhile
    again = import_decisions(ours, tmp_path / "d.json")
    assert (again.known, again.undone) == (1, 1)
    assert again.sentence == (
        "Nothing was added: all decisions of the file (1) were here before. Undone here, and left "
        "so: 1; redo, or going back in the history, brings them back."
    )
    assert len(load_decisions(ours, ROWS).log) == 2
    export_decisions(ours, tmp_path / "empty.json")
    assert json.loads((tmp_path / "empty.json").read_text())["decisions"] == []


def test_what_was_undone_here_stays_so_beside_what_is_new(ours, theirs, tmp_path):
    for rows in ([1], [2]):
        say(theirs, "drop", rows)
    export_decisions(theirs, tmp_path / "d.json")
    import_decisions(ours, tmp_path / "d.json")
    undo(ours, ROWS)
    say(theirs, "restore", [1])
    export_decisions(theirs, tmp_path / "d.json", overwrite=True)
    report = import_decisions(ours, tmp_path / "d.json")
    assert (report.added, report.known, report.undone) == (1, 2, 1)
    assert not load_decisions(ours, ROWS).dropped.any() and "left so: 1" in report.sentence
    assert import_decisions(theirs, tmp_path / "d.json").undone == 0


def test_a_folder_that_is_not_there_is_refused(ours, tmp_path):
    with pytest.raises(InputError, match=r"There is no folder .*none; make it"):
        export_decisions(ours, tmp_path / "none" / "d.json")
    assert not (tmp_path / "none").exists()


def test_who_imports_an_export_has_the_state_of_who_wrote_it(ours, theirs, tmp_path):
    """Also where what another had decided earlier was imported after one's own decision."""
    say(theirs, "drop", [1])
    export_decisions(theirs, tmp_path / "theirs.json")
    say(ours, "pin", [1])
    import_decisions(ours, tmp_path / "theirs.json")
    assert load_decisions(ours, ROWS).dropped[1]
    export_decisions(ours, tmp_path / "ours.json")
    third = make_project(tmp_path / "third")
    import_decisions(third, tmp_path / "ours.json")
    assert standing(third) == standing(ours)


def test_rows_that_one_side_dropped_and_the_other_pinned_are_told(ours, theirs, tmp_path):
    say(ours, "pin", [8])
    export_decisions(ours, tmp_path / "both.json")
    import_decisions(theirs, tmp_path / "both.json")
    say(theirs, "drop", [8])  # knowing that it was pinned: no conflict
    say(theirs, "pin", [2, 3])
    say(theirs, "drop", [5, 6])
    say(ours, "drop", [3, 4])
    say(ours, "pin", [6, 7])
    export_decisions(theirs, tmp_path / "d.json")
    before = len(load_decisions(ours, ROWS).log)
    report = import_decisions(ours, tmp_path / "d.json")
    assert report.as_dict() == {
        "added": 3,
        "known": 1,
        "conflicts": 2,
        "now_dropped": "6",
        "now_pinned": "3",
        "now_restored": "",
        "undone": 0,
        "dropped": 3,
        "restored": 1,
        "pinned": 2,
    }
    assert "3 rows are dropped, 1 restored and 2 pinned that were not." in report.sentence
    state = load_decisions(ours, ROWS)
    assert np.flatnonzero(state.dropped).tolist() == [4, 5, 6, 8]
    assert state.pinned_rows.tolist() == [2, 3, 7]
    assert report.sentence.endswith("the file holds; rows now dropped: 1, now pinned: 1.")
    assert go_back(ours, ROWS, before).pinned_rows.tolist() == [6, 7, 8]


def test_rows_dropped_here_that_the_file_restores_are_told(ours, theirs, tmp_path):
    say(ours, "drop", [0, 1, 2])
    say(theirs, "drop", [0, 1, 2, 3])
    say(theirs, "restore", [1, 2, 3])
    export_decisions(theirs, tmp_path / "d.json")
    report = import_decisions(ours, tmp_path / "d.json")
    assert report.now_restored.tolist() == [1, 2] and report.conflicts == 2
    assert "no longer dropped: 2" in report.sentence and standing(ours) == standing(theirs)


def test_a_file_is_only_replaced_when_asked(ours, tmp_path):
    (tmp_path / "d.json").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        export_decisions(ours, tmp_path / "d.json")
    with pytest.raises(InputError, match="is a folder"):
        export_decisions(ours, tmp_path)
    with pytest.raises(InputError, match="There is no folder"):
        export_decisions(ours, tmp_path / "d.json" / "in" / "x.json")
    assert (tmp_path / "d.json").read_text() == "mine"
    export_decisions(ours, tmp_path / "d.json", overwrite=True)
    assert json.loads((tmp_path / "d.json").read_text())["winnow_decisions"] == 1


GOOD = {
    "uid": "0" * 16,
    "created": 1.7e9,
    "action": "drop",
    "rows": "0-3,7",
    "note": "",
    "origin": "map lasso",
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"action": "burn"}, "no action 'burn'"),
        ({"action": ["drop"]}, "action is no text"),
        ({"action": "undo"}, "no action 'undo'"),
        ({"uid": "../../x"}, "16 hex digits"),
        ({"uid": None}, "uid is no text"),
        ({"created": "now"}, "no number of seconds"),
        ({"created": True}, "no number of seconds"),
        ({"created": float("nan")}, "no number of seconds"),
        ({"created": 10**400}, "no number of seconds"),
        ({"created": -1}, "no number of seconds"),
        ({"rows": f"0-{ROWS}"}, "not a list of numbers|no row 20"),
        ({"rows": f"{ROWS}"}, "no row 20"),
        ({"rows": "0-99999999"}, "not a list of numbers"),
        ({"rows": "-1"}, "not a list of numbers"),
        ({"rows": ""}, "no rows"),
        ({"rows": [1]}, "rows is no text"),
        ({"label": "a"}, "must have a label"),
        ({"action": "tag"}, "must have a label"),
        ({"action": "tag", "label": "a\x00b"}, "control characters"),
        ({"action": "tag", "label": 5}, "label is no text"),
        ({"note": "x" * 501}, "at most 500"),
        ({"origin": "\ud800"}, "origin is no text"),
    ],
)
def test_a_file_with_one_bad_decision_is_refused_whole(ours, tmp_path, changed, message):
    listed = [GOOD, GOOD | {"uid": "1" * 16} | changed]
    value = {"winnow_decisions": 1, "pool": POOL, "decisions": listed}
    (tmp_path / "d.json").write_text(json.dumps(value))
    with pytest.raises(InputError, match=message) as error:
        import_decisions(ours, tmp_path / "d.json")
    assert "decision 2" in str(error.value) and len(str(error.value).splitlines()) == 1
    assert load_decisions(ours, ROWS).log == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no file of decisions"),
        (b"\xff\xfe\x00", "no file of decisions"),
        (b"[" * 100_000, "no file of decisions"),
        (b'{"winnow_decisions": 1, "pool"', "no file of decisions"),
        (b"[1, 2]", "no file of decisions"),
        (b"{}", "no file of decisions"),
        (json.dumps({"winnow_decisions": 2}).encode(), "update Winnow"),
        (json.dumps({"winnow_decisions": True}).encode(), "update Winnow"),
        (json.dumps({"winnow_decisions": 1}).encode(), "another pool"),
        (
            json.dumps({"winnow_decisions": 1, "pool": POOL | {"rows": 21}}).encode(),
            "another pool",
        ),
        (json.dumps({"winnow_decisions": 1, "pool": POOL}).encode(), "no list"),
        (
            json.dumps({"winnow_decisions": 1, "pool": POOL, "decisions": [GOOD, GOOD]}).encode(),
            "uid is that of another",
        ),
        (
            json.dumps({"winnow_decisions": 1, "pool": POOL, "decisions": [None]}).encode(),
            "has no parts",
        ),
    ],
)
def test_what_is_no_file_of_these_decisions_is_refused(ours, tmp_path, content, message):
    (tmp_path / "d.json").write_bytes(content)
    with pytest.raises(InputError, match=message):
        import_decisions(ours, tmp_path / "d.json")
    assert load_decisions(ours, ROWS).log == ()


def test_files_that_are_not_there_or_too_large_are_refused(ours, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="There is no file"):
        import_decisions(ours, tmp_path / "none.json")
    say(ours, "drop", [1])
    monkeypatch.setattr("core.decision_exchange._LARGEST_FILE", 100)
    with pytest.raises(InputError, match="copy the project instead"):
        export_decisions(ours, tmp_path / "d.json")
    (tmp_path / "d.json").write_text(" " * 101)
    with pytest.raises(InputError, match="larger than"):
        import_decisions(ours, tmp_path / "d.json")


def test_an_import_that_brings_too_many_labels_adds_none(ours, theirs, tmp_path, monkeypatch):
    for label in ("a", "b", "c"):
        say(theirs, "tag", [1], label)
    export_decisions(theirs, tmp_path / "d.json")
    monkeypatch.setattr("core.decisions.MOST_LABELS", 2)
    with pytest.raises(InputError, match="2 labels already"):
        import_decisions(ours, tmp_path / "d.json")
    assert load_decisions(ours, ROWS).log == ()


@pytest.fixture
def winnow(capfd):
    def run(*arguments, code=0):
        assert cli.main(["--json", *map(str, arguments)]) == code
        return json.loads(capfd.readouterr().out)

    return run


def test_the_command_line_tags_notes_goes_back_and_exchanges(ours, theirs, tmp_path, winnow):
    root, path = ours.root, tmp_path / "d.json"
    assert winnow("tag", root, "odd one", "--rows", "1,3", "--note", "why")["tags"] == {
        "odd one": 2
    }
    winnow("drop", root, "--rows", "3,4")
    state = winnow("untag", root, "odd one", "--rows", "3")
    assert (state["tags"], state["dropped"]) == ({"odd one": 1}, 2)
    state = winnow("decisions", root, "--note", "2=rude = bad")
    assert [entry["note"] for entry in state["log"]] == ["why", "rude = bad", None, "rude = bad"]
    state = winnow("decisions", root, "--back", 1)
    assert (state["tags"], state["dropped"]) == ({"odd one": 2}, 0)
    assert winnow("undo", root)["dropped"] == 2
    written = winnow("decisions", root, "--export", path)
    assert written == {"path": str(path), "decisions": 3, "bytes": path.stat().st_size}
    assert winnow("decisions", theirs.root, "--import", path)["added"] == 3
    assert standing(theirs) == standing(ours)
    winnow("decisions", root, "--export", path, "--overwrite")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["decisions", "ROOT", "--note", "x"], "--note: A note is given as ID=TEXT"),
        (["decisions", "ROOT", "--note", "9=x"], "The log has no entry 9"),
        (["decisions", "ROOT", "--back", "9"], "The log has no entry 9"),
        (["decisions", "ROOT", "--back", "0"], "The rows are already as they were before"),
        (["decisions", "ROOT", "--back", "1", "--note", "1=x"], "Give at most one"),
        (["decisions", "ROOT", "--rows", "9"], "The log has no entry 9"),
        (["decisions", "ROOT", "--export", "no/where.json"], "--export: There is no folder"),
        (["decisions", "ROOT", "--overwrite"], "--overwrite belongs to --export"),
        (["decisions", "ROOT", "--import", "none.json"], "--import: There is no file"),
        (["tag", "ROOT", "", "--rows", "1"], "A label is empty"),
        (["tag", "ROOT", "a", "--rows", "99"], "--rows: There is no row 99"),
        (["untag", "ROOT", "a", "--rows", "1"], "No row has the label"),
        (["drop", "ROOT", "--rows", "1", "--note", "x" * 501], "--note: The note"),
    ],
)
def test_unusable_input_is_one_sentence(ours, winnow, arguments, message):
    arguments = [ours.root if one == "ROOT" else one for one in arguments]
    told = winnow(*arguments, code=2)["error"]
    assert told.startswith(message) and "\n" not in told


def test_a_person_reads_one_line_of_what_was_done(ours, capfd):
    def said(*arguments):
        assert cli.main([*map(str, arguments)]) == 0
        return capfd.readouterr().out.splitlines()

    root = str(ours.root)
    left = f"of {ROWS:,} rows are kept"
    assert said("drop", root, "--rows", "1,3") == [f"Dropped 2 rows. {ROWS - 2} {left}, 0 pinned."]
    again = "Dropped 3 rows, 2 of which had been dropped before."
    assert said("drop", root, "--rows", "1-3") == [f"{again} {ROWS - 3} {left}, 0 pinned."]
    assert said("undo", root)[-1] == f"{ROWS - 2} {left}, 0 pinned."
    assert said("tag", root, "odd", "--rows", "3") == [
        f"Tagged 1 row “odd”. {ROWS - 2} {left}, 0 pinned."
    ]
    assert said("restore", root, "--rows", "1") == [f"Restored 1 row. {ROWS - 1} {left}, 0 pinned."]
    again = "Restored 2 rows, 1 of which had not been dropped."
    assert said("restore", root, "--rows", "1,3") == [f"{again} {ROWS} {left}, 0 pinned."]
    assert said("undo", root)[-1] == f"{ROWS - 1} {left}, 0 pinned."
    stay = f"Kept only {ROWS - 1} rows, 1 of which had been dropped before and stay so."
    assert said("keep", root, "--rows", f"1-{ROWS - 1}") == [f"{stay} {ROWS - 2} {left}, 0 pinned."]
    assert said("undo", root)[-1] == f"{ROWS - 1} {left}, 0 pinned."
    assert said("undo", root) == [
        "Taken back: restored 1 row (command line: rows 1).",
        f"{ROWS - 2} {left}, 0 pinned.",
    ]
    assert said("redo", root)[0] == "Brought back: restored 1 row (command line: rows 1)."
    for row in (5, 6):
        said("pin", root, "--rows", row)
    assert said("decisions", root, "--back", 0)[0] == (
        "Taken back: 2 earlier decisions; restored 1 row (command line: rows 1); "
        "pinned 1 row (command line: rows 5); pinned 1 row (command line: rows 6)."
    )
    assert said("undo", root)[0].startswith("Brought back: 2 earlier decisions; ")
    assert said("decisions", root, "--note", "1=why") == ["The note on entry 1 is written."]
    assert said("decisions", root, "--note", "1=") == ["The note on entry 1 is removed."]
    assert said("decisions", root, "--rows", 1) == ["1,3"]
    assert json.loads(said("--json", "decisions", root, "--rows", 1)[0])["rows"] == "1,3"


def test_a_person_reads_no_uids(ours, capfd):
    say(ours, "tag", [1, 2], "a", note="two\nlines")
    assert cli.main(["decisions", str(ours.root)]) == 0
    shown = capfd.readouterr().out.splitlines()
    assert shown[3] == "tags        a 2"
    assert shown[4].split()[-2:] == ["label", "note"]
    assert shown[5].endswith("a      two, lines")
