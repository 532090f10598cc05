"""The same command and seed twice gives the same rankings, bit for bit, and so does a run that was killed on its way."""
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import sh, start
from safetensors.torch import load_file

from mtlkgc.data import DataError
from mtlkgc.results import Rankings

OPTIONS = ("--epochs", 1, "--lr", "1e-3", "--negatives", 2, "--batch-size", 16, "--evaluations", 5, "--seed", 3)


@pytest.fixture(scope="module")
def calm(tiny, tmp_path_factory):
    "A run that was left alone."
    run = tmp_path_factory.mktemp("calm") / "run"
    sh("train", "nations", "--encoder", tiny, "--out", run, *OPTIONS)
    sh("rank", run)
    return run


def same_weights(a, b):
    a, b = (load_file(run / "model" / "model.safetensors") for run in (a, b))
    return a.keys() == b.keys() and all(a[k].equal(b[k]) for k in a)


def test_twice_the_same(calm, tiny, tmp_path):
    sh("train", "nations", "--encoder", tiny, "--out", tmp_path / "run", *OPTIONS)
    sh("rank", tmp_path / "run")
    assert same_weights(calm, tmp_path / "run")
    for part in (calm / "rankings" / "test").glob("part-*.parquet"):
        assert pq.read_table(part).equals(pq.read_table(tmp_path / "run" / "rankings" / "test" / part.name))
    assert (calm / "metrics" / "test.json").read_bytes() == (tmp_path / "run" / "metrics" / "test.json").read_bytes()


def test_another_seed_is_another_run(calm, tiny, tmp_path):
    sh("train", "nations", "--encoder", tiny, "--out", tmp_path / "run", *OPTIONS[:-1], 4)
    assert not same_weights(calm, tmp_path / "run")


def test_killed_training_continues_to_the_same_model(calm, tiny, tmp_path):
    run = tmp_path / "run"
    process = start("train", "nations", "--encoder", tiny, "--out", run, *OPTIONS)
    deadline = time.time() + 300
    while not list(run.glob("checkpoints/*/trainer_state.json")):
        assert process.poll() is None and time.time() < deadline, process.communicate()[0]
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (run / "model").exists()
    sh("train", "nations", "--encoder", tiny, "--out", run, *OPTIONS)
    assert same_weights(calm, run)


def test_killed_ranking_continues_to_the_same_rankings(calm, tmp_path):
    "SIGKILL at three moments, in small parts, so that there is something to be killed."
    small = "import mtlkgc.runs as r; from functools import partial; r.rank = partial(r.rank, part_seconds=0, block=20); from mtlkgc.cli import main; main()"
    runs = [tmp_path / "left_alone", tmp_path / "killed"]
    for run in runs:
        shutil.copytree(calm, run, ignore=shutil.ignore_patterns("rankings", "metrics"))
    command = [sys.executable, "-c", small, "rank"]
    subprocess.run([*command, runs[0]], check=True, capture_output=True)
    parts = runs[1] / "rankings" / "test"
    for some in (1, 40, 150):
        process = subprocess.Popen([*command, runs[1]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(list(parts.glob("part-*.parquet"))) < some:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (runs[1] / "metrics").exists()
    subprocess.run([*command, runs[1]], check=True, capture_output=True)
    whole, resumed = (Rankings.load(run).rows.sort_values(["side", "head", "relation", "tail"], ignore_index=True) for run in runs)
    pd.testing.assert_frame_equal(whole, resumed)
    assert (runs[0] / "metrics" / "test.json").read_bytes() == (runs[1] / "metrics" / "test.json").read_bytes()


def test_rankings_of_a_changed_run_are_refused(calm, tmp_path):
    "A part that was made under other conditions is not mixed in."
    shutil.copytree(calm, tmp_path / "run")
    folder = tmp_path / "run" / "rankings" / "test"
    part = next(folder.glob("part-*.parquet"))
    table = pq.read_table(part)
    changed = table.replace_schema_metadata({"mtlkgc": table.schema.metadata[b"mtlkgc"].replace(b'"config": "', b'"config": "x')})
    pq.write_table(changed, folder / "part-999999.parquet")
    with pytest.raises(DataError, match="made under other conditions"):
        Rankings.load(tmp_path / "run")
