"""The script that makes Table 2: stopped by its time limit, it goes on, and does every piece of work once."""
import runpy
import subprocess
import sys
from pathlib import Path

from mtlkgc import Run, load_kg

SCRIPT = Path(__file__).parent.parent / "tools" / "table2.py"
MIXES = {"nations_lp": 1, "nations_lp_rp": 2, "nations_lp_rr": 2, "nations_lp_rp_rr": 3}


def table2(runs, tiny, minutes):
    options = ["--encoder", tiny, "--epochs", "2", "--sample", "20", "--candidates", "5", "--runs", runs]
    command = [sys.executable, SCRIPT, "nations", *options, "--minutes", str(minutes)]
    return subprocess.run(command, text=True, capture_output=True)


def states(folder):
    "When each file of all runs was written."
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}


def test_table2(tmp_path, tiny):
    stopped, some, done = (table2(tmp_path, tiny, minutes) for minutes in (.05, .15, 10))
    assert stopped.returncode == 3 and "goes on from there" in stopped.stderr
    assert "Traceback" not in stopped.stderr + some.stderr
    assert done.returncode == 0, done.stderr
    for name, tasks in MIXES.items():
        history = Run(tmp_path / name).history()
        assert history.task.nunique() == tasks and len(history) == 2 * tasks * 13  # 128 triples each
        rankings = Run(tmp_path / name).rankings("test-20-among-5")
        assert len(rankings.entity_rows) == 40 and rankings.header["candidates"] <= 14
    trials = [Run(folder) for folder in (tmp_path / "nations_trials").iterdir()]
    assert {t.name.rsplit("_", 1)[0] for t in trials if t.name.endswith("_defaults")} == {"lp", "lp_rp_rr"}
    assert sum("=" in t.name for t in trials) == 8  # four changes, for LP and for all tasks
    assert all((t.ranking_folder / "dev").is_dir() for t in trials)
    before = states(tmp_path)
    again = table2(tmp_path, tiny, 10)
    assert again.stdout == done.stdout and "lp+rp+rr" in again.stdout
    changed = {file for file, when in states(tmp_path).items() if before.get(file) != when}
    assert all("metrics" in file.parts for file in changed), changed  # they are computed again, and equal


def test_equal_budgets():
    "With a budget, every mix reads as many sequences, whatever a step of it reads."
    Table2 = runpy.run_path(str(SCRIPT))["Table2"]
    made = Table2(load_kg("umls"), "umls", Path(), "tiny", 3, 32, 96_000, 500, None)
    read = {"lp": 128, "lp+rp": (128 + 32) / 2, "lp+rr": 128, "lp+rp+rr": (128 + 32 + 128) / 3}
    for mix, of_a_step in read.items():
        assert made.steps(mix, negatives=3) == 96_000 / of_a_step
