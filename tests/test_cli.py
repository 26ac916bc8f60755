"""The command line as scripts use it: JSON keys, exit codes, one object on stdout."""

import hashlib
import json
import re
import subprocess
import sys
from datetime import datetime

import numpy as np
import pytest
import typer

from core import cli
from core.console import Console
from core.export import EXPORT_FORMATS
from core.project import Project
from core.replay import ReplayReport
from core.selection import RULES
from core.targets import load_target


def in_a_process(*arguments, check=0):
    """As a shell runs it, with nothing imported or in memory from the command before."""
    done = subprocess.run(
        [sys.executable, "-m", "core", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == check, done.stderr
    return done


def json_of_a_process(*arguments):
    done = in_a_process("--json", *arguments)
    assert done.stdout.count("\n") == 1, done.stdout
    return json.loads(done.stdout)


def test_the_whole_way_from_files_to_an_export(planted_files, tmp_path):
    root = tmp_path / "p"
    report = json_of_a_process("init", root, planted_files / "pool.jsonl")
    assert (report["rows"], report["rejected"], report["format"]) == (240, 0, "alpaca")
    assert {"rejections", "exact_duplicates", "seconds"} <= set(report)
    report = json_of_a_process("embed", root, "--features", planted_files / "features.npy")
    assert {"encoder", "resumed_rows", "rows_per_second", "seconds"} <= set(report)
    assert (report["rows"], report["dim"]) == (240, 24)
    report = json_of_a_process("cluster", root, "--k", "4")
    assert report["k"] == 4 and sum(report["sizes"]) == 240
    assert len(set(report["titles"])) == 4 and {"silhouette", "seconds"} <= set(report)
    report = json_of_a_process("map", root, "--seed", "3")
    assert report["rows"] == 240 and 0.5 < report["trustworthiness"] <= 1
    report = json_of_a_process(
        "target", root, "cook", planted_files / "target.jsonl",
        "--features", planted_files / "target.npy",
    )  # fmt: skip
    assert (report["name"], report["rows"]) == ("cook", 5)
    report = json_of_a_process(
        "select", root, "--method", "tsds-kde", "--budget", "12", "--target", "cook",
        "--diversity-weight", "0.3", "--name", "mine",
    )  # fmt: skip
    assert (report["run"], report["method"], report["selected"]) == ("mine", "tsds-kde", 12)
    assert report["sources"] == {"cooking": 12} and report["support"] >= 12
    out = tmp_path / "out" / "subset.jsonl"
    written = json_of_a_process("export", root, "mine", "--format", "jsonl", "--out", out)
    assert written["rows"] == 12 and written["bytes"] == out.stat().st_size
    pool = (planted_files / "pool.jsonl").read_text().splitlines()
    rows = [pool.index(line) for line in out.read_text().splitlines()]
    assert (
        hashlib.sha256(np.array(sorted(rows), "<i8").tobytes()).hexdigest()
        == (report["rows_sha256"])
    )
    again = json_of_a_process("replay", out.parent / "recipe.yaml", "--out", tmp_path / "again")
    assert again["same"] is True and again["rows_sha256"] == report["rows_sha256"]
    assert json_of_a_process("runs", tmp_path / "again")["runs"][0]["run"] == "mine"


def test_decisions_are_obeyed_and_undone(winnow_json, mapped_root):
    state = winnow_json("drop", mapped_root, "--where", "source = 'cooking'")
    assert (state["candidates"], state["dropped"], state["pinned"]) == (180, 60, 0)
    winnow_json("pin", mapped_root, "--rows", "70,100-101")
    report = winnow_json(
        "select", mapped_root, "--method", "Random", "--ratio", "0.1", "--name", "r"
    )
    assert report["method"] == "random"  # its label stands for it
    assert report["selected"] == 24 and "cooking" not in report["sources"]
    assert winnow_json("decisions", mapped_root)["pinned"] == 3
    assert winnow_json("undo", mapped_root)["pinned"] == 0
    assert winnow_json("redo", mapped_root)["pinned"] == 3
    assert winnow_json("unpin", mapped_root, "--rows", "100,5")["pinned"] == 2
    assert winnow_json("restore", mapped_root, "--rows", "0,1")["dropped"] == 58
    kept = winnow_json("keep", mapped_root, "--clusters", "0")
    assert kept["candidates"] == 60 and kept["log"][-1]["action"] == "keep"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["select", "ROOT", "--method", "magic", "--ratio", "0.1"], "Unknown method 'magic'"),
        (["select", "ROOT", "--method", "random"], "--ratio or --budget"),
        (["select", "ROOT", "--method", "random", "--ratio", "1.5"], "--ratio: The ratio must be"),
        (["select", "ROOT", "--method", "random", "--budget", "9999"], "9,?999"),
        (["select", "ROOT", "--method", "tsds-kde", "--budget", "5"], "--target"),
        (["select", "ROOT", "--method", "kmq", "--budget", "5"], "--quality"),
        (["select", "ROOT", "--method", "kmq", "--budget", "5", "--quality", "source"], "source"),
        (["select", "ROOT", "--method", "kmq", "--budget", "5", "--quality", "x"], "--quality: "),
        (["select", "ROOT", "--method", "random", "--budget", "5", "--scale", "2"], "--scale: "),
        (["select", "ROOT", "--method", "stratified", "--budget", "5", "--by", "x"], "column 'x'"),
        (["cluster", "ROOT", "--k", "many"], "whole number"),
        (["select", "ROOT", "--ratio", "10%"], "--ratio takes a number, such as 0.1;"),
        (["select", "ROOT", "--budget", "1.5"], "--budget takes a whole number;"),
        (["cluster", "ROOT", "--k", "0"], "--k: The number of clusters"),
        (["drop", "ROOT", "--rows", "a"], "--rows: "),
        (["export", "ROOT", "none", "--format", "jsonl", "--out", "x"], "No run 'none'"),
        (["drop", "ROOT"], "exactly one"),
        (["drop", "ROOT", "--where", "1=1; DROP TABLE x"], "."),
        (["undo", "ROOT"], "nothing to undo"),
        (["init", "ROOT", "nowhere.jsonl"], "."),
        (["embed", "nowhere"], "No project at .*; run `python -m core init nowhere FILE`"),
        (["replay", "nowhere.yaml"], "There is no file nowhere.yaml"),
        (
            ["select-arrays", "no.npy", "--method", "random", "--budget", "5", "--out", "x.npy"],
            "There is no file no.npy",
        ),
        (["nonsense"], "No such command"),
        (["nonsense", "--help"], "No such command"),
        (["select", "ROOT"], "--method"),
    ],
)
def test_unusable_input_is_one_sentence_and_exit_code_2(winnow, mapped_root, arguments, message):
    arguments = [mapped_root if a == "ROOT" else a for a in arguments]
    is_one_sentence(winnow("--json", *arguments, check=2), message)


def is_one_sentence(done, message):
    assert re.search(message, done.stderr) and "Traceback" not in done.stderr
    sentence = done.stderr.splitlines()[-1]  # progress may come before, on a slow machine
    assert json.loads(done.stdout) == {"error": sentence, "exit_code": 2}


def test_a_process_ends_with_the_exit_code(mapped_root):
    wrong = ["select", mapped_root, "--method", "magic", "--ratio", "0.1"]
    is_one_sentence(in_a_process("--json", *wrong, check=2), "Unknown method 'magic'")
    is_one_sentence(in_a_process("nonsense", "--json", check=2), "No such command")


def test_a_busy_project_is_exit_code_3(mapped_root):
    with Project.open(mapped_root).writing("embed"):
        done = in_a_process("cluster", mapped_root, check=3)
    assert "in use by “embed”" in done.stderr and done.stdout == ""


def test_select_arrays_needs_no_project(winnow_json, planted_files, tmp_path):
    out, probabilities = tmp_path / "rows.npy", tmp_path / "p.npy"
    report = winnow_json(
        "select-arrays", planted_files / "features.npy", planted_files / "target.npy",
        "--method", "tsds-uniform", "--budget", "10", "--diversity-weight", "0.2",
        "--out", out, "--probabilities", probabilities,
    )  # fmt: skip
    rows = np.load(out)
    assert report["selected"] == 10 == len(set(rows.tolist())) and {"support", "seconds"} <= set(
        report
    )
    assert rows.max() < 60  # the target is cooking, the first topic
    assert np.load(probabilities).shape == (240,)


def test_doctor_and_methods_speak(winnow_json, tmp_path):
    checks = winnow_json("doctor")
    assert checks["ok"] is all(check["ok"] for check in checks["checks"])
    assert {m["id"] for m in winnow_json("methods")["methods"]} >= {"random", "kmq", "tsds-kde"}


def test_a_person_reads_aligned_lines_without_empty_values(winnow, mapped_root):
    winnow("pin", mapped_root, "--rows", "3,5", check=0)
    winnow("undo", mapped_root, check=0)
    lines = winnow("decisions", mapped_root, check=0).stdout.splitlines()
    assert lines[:3] == ["candidates  240", "dropped     0", "pinned      0"]
    assert lines[3].split() == [
        "log",
        "id",
        "created",
        "action",
        "row",
        "count",
        "origin",
        "active",
        "about",
        "what",
    ]
    assert lines[5].split()[3:] == ["undo", "0", "no", "1", "pinned", "2", "rows"]
    assert re.search(r"  1   \d{4}-\d\d-\d\d \d\d:\d\d  pin     2 ", lines[4])
    none = winnow("runs", mapped_root, check=0).stdout
    assert none.startswith("No runs yet; `python -m core select ")


def test_values_as_a_person_reads_them(capsys):
    console = Console()
    console.values(
        {
            "rows_per_second": 12345.6,
            "share": 0.123456,
            "mean_cosine": 0.29,
            "count": 1234567,
            "created": datetime(2026, 11, 21, 8, 30).timestamp(),
            "reason": None,
            "notes": [],
            "settings": {"k": 3, "scale": None},
            "sizes": [1, 2000],
            "titles": ["one, two", "three"],
        }
    )
    assert capsys.readouterr().out.splitlines() == [
        "rows per second  12,346",
        "share            0.123",
        "mean cosine      0.290",
        "count            1,234,567",
        "created          2026-11-21 08:30",
        "settings         k 3",
        "sizes            1, 2,000",
        "titles           one, two",
        "                 three",
    ]


@pytest.mark.parametrize(
    ("same", "why", "line"),
    [
        (True, "", "The same rows (first, 1,200 rows, made again in 2.5 s)."),
        (False, "versions differ.", "Not the same, because versions differ."),
    ],
)
def test_a_replay_is_one_line_for_a_person(capsys, same, why, line):
    report = ReplayReport("first", "0" * 64, same, why, 1200, 2.54)
    Console().report(report, report.sentence)
    assert capsys.readouterr().out == line + "\n"


def test_runs_and_target_sets_are_listed_and_deleted(winnow, winnow_json, mapped_root):
    winnow_json(
        "select", mapped_root, "--method", "round-robin", "--target", "cooking", "--budget", 9,
        "--seed", 4, "--name", "r",
    )  # fmt: skip
    (run,) = winnow_json("runs", mapped_root)["runs"]
    assert (run["run"], run["target"], run["budget"], run["seed"]) == ("r", "cooking", 9, 4)
    shown = winnow("runs", mapped_root, check=0).stdout.splitlines()
    assert shown[0].split()[:5] == ["run", "method", "target", "budget", "seed"]
    assert shown[1].split()[:5] == ["r", "round-robin", "cooking", "9", "4"]
    listed = winnow_json("targets", mapped_root)["targets"]
    made = load_target(Project.open(mapped_root), "cooking").meta["fingerprint"]
    assert listed == [{"name": "cooking", "rows": 5, "origin": "target.jsonl", "fingerprint": made}]
    assert winnow_json("targets", mapped_root, "--delete", "cooking") == {"deleted": "cooking"}
    assert winnow_json("targets", mapped_root) == {"targets": []}
    assert list((mapped_root / "targets").iterdir()) == []
    # The recipe says itself where the target set came from.
    assert winnow_json("replay", mapped_root / "runs" / "r" / "recipe.yaml")["same"]
    for command, message in (("runs", "No run 'x'"), ("targets", "There is no target set 'x'")):
        assert message in winnow(command, mapped_root, "--delete", "x", check=2).stderr
    assert winnow_json("runs", mapped_root, "--delete", "r") == {"deleted": "r"}
    assert winnow_json("runs", mapped_root) == {"runs": []}
    assert not (mapped_root / "runs" / "r").exists()


@pytest.mark.parametrize(("json", "terminal"), [(False, True), (True, True), (False, False)])
def test_progress_is_rewritten_on_a_terminal_and_plain_lines_elsewhere(
    capsys, monkeypatch, json, terminal
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    console = Console()
    console.json = json
    monkeypatch.setattr(console, "_shown", -1e9)
    console.progress(1000, 2000, "encoding rows")
    shown = capsys.readouterr()
    start, end = ("\r\033[K", "") if terminal and not json else ("", "\n")
    assert (shown.out, shown.err) == ("", f"{start}encoding rows 1,000 of 2,000{end}")


def test_help_has_a_line_for_every_command_and_option(winnow):
    top = winnow("--help", check=0).stdout
    assert "--json" in top and "python -m core export my-project first" in top
    commands = dict(re.findall(r"^  ([a-z][a-z-]+)  +(\w.+)", top, re.MULTILINE))
    assert {"init", "select-arrays", "doctor"} <= set(commands)
    assert not any(line.endswith("...") for line in commands.values())
    app = typer.main.get_command(cli.app)
    for name in commands:
        for parameter in app.commands[name].params:
            assert parameter.help, (name, parameter.name)
            assert parameter.metavar or parameter.is_flag, (name, parameter.name)


def test_methods_and_formats_are_all_in_the_help():
    app = typer.main.get_command(cli.app)
    said = {
        (name, parameter.name): re.split(r"[ ,;.]+", parameter.help)
        for name in ("select", "export")
        for parameter in app.commands[name].params
    }
    assert set(RULES) <= set(said["select", "method"])
    assert set(EXPORT_FORMATS) <= set(said["export", "format"])


def test_an_interrupt_is_one_sentence_and_exit_code_130():
    script = (
        "import os, signal, sys, core.stages\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job of a shell ignores it
        "core.stages.run_stage = lambda *a, **k: os.kill(os.getpid(), signal.SIGINT)\n"
        "from core.cli import main\n"
        "sys.exit(main(['map', 'p']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "Stopped; what was finished is kept. The same command goes on.\n"
