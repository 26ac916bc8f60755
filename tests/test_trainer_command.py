"""The command trainer: real processes that work, fail, hang, and write nothing."""

import json
import shlex
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from refining import make_work, save_tiny_causal, silent

from core.errors import InputError
from core.refinement.brought import left_by_command
from core.refinement.models import load_model
from core.refinement.registry import TRAINERS, Place

WRITE = "import json, os; out = os.environ['WINNOW_OUT']; "


def make(line, seconds=30):
    kind = TRAINERS["command"]
    place = Place(np.zeros(1, np.int32), None)
    return kind.make(kind.resolve({"command": line, "seconds": seconds}), place)


def python(code, *words):
    return shlex.join([sys.executable, "-S", "-c", code, *words])


@pytest.fixture
def work(tmp_path):
    return make_work(tmp_path, chosen=[3, 8, 20])


def test_it_gets_the_rows_the_folder_and_the_seed(work):
    code = WRITE + (
        "import sys; data, given, seed = sys.argv[1:]; "
        "assert [data, given, seed] == [os.environ['WINNOW_DATA'], out, os.environ['WINNOW_SEED']];"
        "rows = [json.loads(line) for line in open(data)]; print(len(rows), 'rows', seed); "
        "open(out + '/scores.jsonl', 'w').writelines("
        "json.dumps({'row': r['row'], 'score': len(r['answer'])}) + '\\n' for r in rows)"
    )
    report = make(python(code, "{data}", "{out}", "{seed}")).train(work, progress=silent)
    assert report.model is None
    lengths = [len(record.answer) for record in work.records]
    assert left_by_command(work).scores == dict(zip([3, 8, 20], lengths, strict=True))
    assert (work.folder / "log.txt").read_text() == "3 rows 5\n"
    first = json.loads((work.folder / "round.jsonl").read_text().splitlines()[0])
    assert first["row"] == 3
    assert [turn["role"] for turn in first["messages"]] == ["user", "assistant"]
    assert first["prompt"] == work.records[0].prompt


def test_no_shell_ever_sees_it(work, tmp_path):
    line = python(WRITE + "open(out + '/generations.jsonl', 'w').write("
                  "json.dumps({'row': 3, 'generation': ' '.join(os.sys.argv[1:])}))")  # fmt: skip
    make(f"{line} $HOME ';' touch {tmp_path}/made '&&' '*'").train(work, progress=silent)
    said = left_by_command(work).generations[3]
    assert said == f"$HOME ; touch {tmp_path}/made && *"
    assert not (tmp_path / "made").exists()


def test_a_model_that_it_leaves_is_the_rounds_model(work, tmp_path):
    save_tiny_causal(tmp_path / "tiny")
    line = f"cp -r {shlex.quote(str(tmp_path / 'tiny'))}/. {{out}}"
    report = make(line).train(work, progress=silent)
    assert load_model(report.model, "cpu").name == str(report.model)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "print('one'); print('the disk is full'); raise SystemExit(3)",
            "exit code 3 and said last: the disk",
        ),
        ("import os; os.kill(os.getpid(), 9)", "failed with signal 9; see .*log.txt"),
        ("pass", "ended well but left nothing in .*out; let it write a model"),
        (WRITE + "open(out + '/scores.jsonl', 'w').write('{}')", "line 1, must be an object with"),
        (
            WRITE + "open(out + '/scores.jsonl', 'w').write('{\"row\": 4, \"score\": 1}')",
            "line 1, is for row 4, which is not of this round",
        ),
        (
            WRITE + "open(out + '/scores.jsonl', 'w').write('{\"row\": 3, \"score\": NaN}')",
            r"line 1, has the score nan for row 3; it must be a finite number of at most 1e\+100\.",
        ),
    ],
)
def test_a_command_that_fails_or_writes_nothing_usable(work, code, message):
    with pytest.raises(InputError, match=message):
        make(python(code)).train(work, progress=silent)
    good = WRITE + "open(out + '/scores.jsonl', 'w').write('{\"row\": 3, \"score\": 1}')"
    assert make(python(good)).train(work, progress=silent).model is None  # can be tried again


def test_what_a_failed_try_wrote_is_not_the_next_ones(work):
    write = WRITE + "open(out + '/scores.jsonl', 'w').write('{\"row\": 3, \"score\": 1}'); "
    write += "open(out + '/generations.jsonl', 'w').write('{\"row\": 3, \"generation\": \"\"}'); "
    write += "open(out + '/checkpoint', 'w').write('step 7'); "
    with pytest.raises(InputError, match="exit code 1"):
        make(python(write + "raise SystemExit(1)")).train(work, progress=silent)
    with pytest.raises(InputError, match="ended well but left nothing"):
        make("true").train(work, progress=silent)
    assert not left_by_command(work)
    assert (work.folder / "out" / "checkpoint").read_text() == "step 7"  # to go on from


def test_a_model_that_a_failed_try_wrote_is_not_the_next_ones(work, tmp_path):
    tiny = save_tiny_causal(tmp_path / "tiny")
    copy = f"import shutil, os; shutil.copytree({str(tiny)!r}, os.environ['WINNOW_OUT'], "
    copy += "dirs_exist_ok=True); "
    out = work.folder / "out"
    with pytest.raises(InputError, match="exit code 1"):
        make(python(copy + "raise SystemExit(1)")).train(work, progress=silent)
    (out / "checkpoint-5").mkdir()
    (out / "checkpoint-5" / "model.safetensors").write_bytes(b"1")
    (out / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="ended well but left nothing"):
        make("true").train(work, progress=silent)
    assert (out / "checkpoint-5" / "model.safetensors").read_bytes() == b"1"  # to go on from
    assert make(python(copy)).train(work, progress=silent).model == out.absolute()


def test_a_text_may_hold_what_ends_a_line_elsewhere(work):
    said = "a\u2028b\u2029c\x85d\x0be\x0cf\x1c"
    left(work, json.dumps({"row": 3, "generation": said}, ensure_ascii=False))
    assert left_by_command(work).generations == {3: said}


def left(work, *lines):
    """Leave generations where the lines hold some, else scores."""
    (work.folder / "out").mkdir()
    name = "generations" if "generation" in lines[0] else "scores"
    (work.folder / "out" / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["[" * 100_000], "line 1 is nested too deep.; write it again"),
        (["", "[3, 1]"], "line 2 is no object.; write it again"),
        (['{"row": 3'], "line 1 is no JSON.; write it again"),
        (['{"row": 3, "score": 1' + "0" * 9_999 + "}"], "line 1 is no JSON"),
        (
            ['{"row": 3, "score": 1' + "0" * 400 + "}"],
            "line 1, has the score 10+\\.+0+ for row 3; it",
        ),
        (['{"row": 3, "score": -2e100}'], "has the score -2e.100 for row 3; it must be a finite"),
        (['{"row": 3, "score": true}'], "has the score True for row 3"),
        (['{"row": 1' + "0" * 400 + ', "score": 1}'], "is for row 10+\\.+0+, which is not of this"),
        (['{"row": 3, "generation": "a\\ud800"}'], "it must be a text"),
        (['{"row": 3, "generation": 7}'], "has the generation 7 for row 3; it must be a text"),
        (['{"row": 3, "score": 1}', "", '{"row": 3, "score": 1}'], "line 3, is for row 3 again"),
    ],
)
def test_lines_that_cannot_be_used_are_named(work, lines, message):
    left(work, *lines)
    with pytest.raises(InputError, match=message):
        left_by_command(work)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "Command is missing; give a command line"),
        ("say 'hello", "cannot be split into words"),
        ("no-such-program-here --x", "'no-such-program-here' cannot be started .No such file"),
    ],
)
def test_a_line_that_is_no_command(work, line, message):
    with pytest.raises(InputError, match=message):
        make(line).train(work, progress=silent)


GRANDCHILD = (
    "import subprocess, sys, os, time; "
    "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)']); "
    "print(child.pid, flush=True); time.sleep(60)"
)


def alive(process):
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(process, seconds=5):
    until = time.monotonic() + seconds
    while alive(process) and time.monotonic() < until:
        time.sleep(0.05)
    return not alive(process)


def test_a_command_that_hangs_is_stopped_with_all_that_it_started(work):
    began = time.monotonic()
    with pytest.raises(InputError, match="ran longer than 1 seconds and was stopped; allow it"):
        make(python(GRANDCHILD), seconds=1).train(work, progress=silent)
    assert time.monotonic() - began < 10
    assert gone(int((work.folder / "log.txt").read_text()))


def test_cancelling_stops_it_and_its_log_is_live(work):
    log = work.folder / "log.txt"

    def cancel(done, total, what):
        if log.is_file() and log.read_text().endswith("\n"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(python(GRANDCHILD)).train(work, progress=cancel)
    assert gone(int(log.read_text()))


def test_one_that_outlived_its_winnow_is_stopped_first(work):
    import subprocess

    from core.project import write_json
    from core.refinement.trainers.command import _started

    old = subprocess.Popen(["sleep", "60"], start_new_session=True)
    threading.Thread(target=old.wait, daemon=True).start()
    write_json(work.folder / "running.json", {"group": old.pid, "started": _started(old.pid)})
    good = WRITE + "open(out + '/scores.jsonl', 'w').write('{\"row\": 3, \"score\": 1}')"
    make(python(good)).train(work, progress=silent)
    assert gone(old.pid)
    assert not (work.folder / "running.json").exists()


def test_the_model_before_is_named(work, tmp_path):
    code = WRITE + (
        "open(out + '/generations.jsonl', 'w').write("
        "json.dumps({'row': 3, 'generation': os.environ['WINNOW_PREVIOUS']}))"
    )
    make(python(code)).train(replace(work, previous=tmp_path / "x"), progress=silent)
    assert left_by_command(work).generations == {3: str(tmp_path / "x")}
