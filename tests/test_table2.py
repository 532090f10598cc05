"""The script that makes Table 2: stopped by its time limit, it goes on, and does every piece of work once."""
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from mtlkgc import Run, load_kg

SCRIPT = Path(__file__).parent.parent / "tools" / "table2.py"
MIXES = {"nations_lp": 1, "nations_lp_rp": 2, "nations_lp_rr": 2, "nations_lp_rp_rr": 3}


def table2(runs, tiny, minutes):
    options = ["--encoder", tiny, "--epochs", "2", "--sample", "20", "--runs", runs]
    command = [sys.executable, SCRIPT, "nations", *options, "--minutes", str(minutes)]
    return subprocess.run(command, text=True, capture_output=True)


def test_table2(tmp_path, tiny):
    stopped, some, done = (table2(tmp_path, tiny, minutes) for minutes in (.05, .15, 10))
    assert stopped.returncode == 3 and "goes on from there" in stopped.stderr
    assert "Traceback" not in stopped.stderr + some.stderr
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "nations_table2.jsonl").read_text().splitlines()]
    read = pd.DataFrame(lines).groupby("what").sequences.sum()
    for name, tasks in MIXES.items():
        run = Run(tmp_path / name)
        history = run.history()
        assert read[f"training {name}"] == history.sequences.sum() and history.task.nunique() == tasks
        assert len(run.rankings("test-20").entity_rows) == 40
    kg = load_kg("nations")
    queries = sum(len(np.unique(kg.test[:, given], axis=0)) for given in ([0, 1], [2, 1]))
    for run in ("nations_lp", "nations_lp_rp_rr"):
        assert read[f"ranking {run} test"] == queries * len(set(kg.entity_texts))
    trials = [Run(folder) for folder in (tmp_path / "nations_trials").iterdir()]
    for mix in ("lp_rr", "lp_rp_rr"):  # six changes are tried for each mix, beside the defaults
        assert sum(t.name.startswith(f"{mix}_") and "=" in t.name for t in trials) == 6
    of_lp = ("lp_lr", "lp_neg", "lp_pooled", "lp_defaults")  # a margin means nothing to LP
    assert sum(t.name.startswith(of_lp) for t in trials) == 6
    assert all((t.ranking_folder / "dev").is_dir() for t in trials)
    assert "the mixes did not do equal work; steps: lp+rp+rr" in done.stdout
    assert all(0 < line["share of limit"] < 1.5 for line in lines if line["sequences"])
    again = table2(tmp_path, tiny, 10)
    assert again.stdout == done.stdout and "the whole test split" in again.stdout
    assert len((tmp_path / "nations_table2.jsonl").read_text().splitlines()) == len(lines)
