"""The script that makes Table 2: stopped by its time limit, it goes on where it was, and does every piece of work once."""
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd

from mtlkgc.data import load_kg
from mtlkgc.results import Rankings

SCRIPT = Path(__file__).parent.parent / "tools" / "table2.py"
MIXES = {"nations_lp": 1, "nations_lp_rp": 2, "nations_lp_rr": 2, "nations_lp_rp_rr": 3}


def table2(runs, tiny, minutes):
    return subprocess.run([sys.executable, SCRIPT, "nations", "--encoder", tiny, "--epochs", "2", "--sample", "20", "--runs", runs, "--minutes", str(minutes)],
                          text=True, capture_output=True)


def test_table2(tmp_path, tiny):
    stopped, some, done = (table2(tmp_path, tiny, minutes) for minutes in (.05, .15, 10))
    assert stopped.returncode == 3 and "goes on from there" in stopped.stderr and "Traceback" not in stopped.stderr + some.stderr
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "nations_table2.jsonl").read_text().splitlines()]
    read = pd.DataFrame(lines).groupby("what").sequences.sum()
    for run, tasks in MIXES.items():
        history = pd.read_parquet(tmp_path / run / "history.parquet")
        assert read[f"training {run}"] == history.sequences.sum() and history.task.nunique() == tasks
        assert (Rankings.load(tmp_path / run, "test-20").rows.side != "relation").sum() == 40
    kg = load_kg("nations")
    queries = sum(len(pd.DataFrame(kg.test[:, given]).drop_duplicates()) for given in ([0, 1], [2, 1]))
    for run in ("nations_lp", "nations_lp_rp_rr"):
        assert read[f"ranking {run} test"] == queries * len(set(kg.entity_texts))
    trials = [p.name for p in (tmp_path / "nations_trials").iterdir()]
    assert {mix: sum(t.startswith(f"{mix[8:]}_") and "=" in t for t in trials) for mix in ("nations_lp_rr", "nations_lp_rp_rr")} == {
        "nations_lp_rr": 6, "nations_lp_rp_rr": 6}  # six changes are tried for each mix, beside the defaults
    assert sum(t.startswith(("lp_lr", "lp_neg", "lp_pooled", "lp_defaults")) for t in trials) == 6  # a margin means nothing to LP
    assert all((tmp_path / "nations_trials" / t / "rankings" / "dev").is_dir() for t in trials)
    assert "the mixes did not do equal work; steps: lp+rp+rr" in done.stdout
    assert all(0 < line["share of limit"] < 1.5 for line in lines if line["sequences"])
    again = table2(tmp_path, tiny, 10)
    assert again.stdout == done.stdout and "the whole test split" in again.stdout
    assert len((tmp_path / "nations_table2.jsonl").read_text().splitlines()) == len(lines)
