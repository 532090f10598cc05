"""The same command and seed give the same rankings, bit for bit, and so does a run that was killed."""
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import same_weights, sh, start

from mtlkgc import Run
from mtlkgc.data import DataError

OPTIONS = (
    "--epochs", 1, "--lr", "1e-3", "--negatives", 2, "--batch-size", 16, "--evaluations", 5, "--seed", 3)
SMALL_PARTS = """
import mtlkgc.use
from functools import partial
mtlkgc.use.rank = partial(mtlkgc.use.rank, part_seconds=0, block=20)
from mtlkgc.cli import main
main()
"""


@pytest.fixture(scope="module")
def calm(tiny, tmp_path_factory):
    "A run that was left alone."
    run = Run(tmp_path_factory.mktemp("calm") / "run")
    sh("train", "nations", "--encoder", tiny, "--out", run.folder, *OPTIONS)
    sh("rank", run.folder)
    return run


def test_twice_the_same(calm, tiny, tmp_path):
    sh("train", "nations", "--encoder", tiny, "--out", tmp_path / "run", *OPTIONS)
    sh("rank", tmp_path / "run")
    assert same_weights(calm, tmp_path / "run")
    again = Run(tmp_path / "run")
    for part in (calm.ranking_folder / "test").glob("part-*.parquet"):
        assert pq.read_table(part).equals(pq.read_table(again.ranking_folder / "test" / part.name))
    assert calm.metrics_file("test").read_bytes() == again.metrics_file("test").read_bytes()


def test_another_seed_is_another_run(calm, tiny, tmp_path):
    sh("train", "nations", "--encoder", tiny, "--out", tmp_path / "run", *OPTIONS[:-1], 4)
    assert not same_weights(calm, tmp_path / "run")


@pytest.mark.parametrize("mix", [(), ("--tasks", "rp+cl", "--cl-batch-size", 32)])
def test_killed_training_continues_to_the_same_model(mix, calm, tiny, tmp_path):
    run, options = tmp_path / "run", ("--encoder", tiny, *OPTIONS, *mix)
    if mix:
        calm = tmp_path / "calm"
        sh("train", "nations", "--out", calm, *options)
    process = start("train", "nations", "--out", run, *options)
    deadline = time.time() + 300
    while not list(run.glob("checkpoints/*/trainer_state.json")):
        assert process.poll() is None and time.time() < deadline, process.communicate()[0]
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (run / "model").exists()
    sh("train", "nations", "--out", run, *options)
    assert same_weights(calm, run)


def test_killed_ranking_continues_to_the_same_rankings(calm, tmp_path):
    "SIGKILL at three moments, in small parts, so that there is something to be killed."
    left_alone, killed = runs = [Run(tmp_path / "left_alone"), Run(tmp_path / "killed")]
    for run in runs:
        shutil.copytree(calm, run, ignore=shutil.ignore_patterns("rankings", "metrics"))
    command = [sys.executable, "-c", SMALL_PARTS, "rank"]
    subprocess.run([*command, left_alone], check=True, capture_output=True)
    parts = killed.ranking_folder / "test"
    for some in (1, 40, 150):
        process = subprocess.Popen([*command, killed], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(list(parts.glob("part-*.parquet"))) < some:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (killed / "metrics").exists()
    subprocess.run([*command, killed], check=True, capture_output=True)
    pd.testing.assert_frame_equal(left_alone.rankings().rows, killed.rankings().rows)
    assert left_alone.metrics_file("test").read_bytes() == killed.metrics_file("test").read_bytes()


def test_rankings_of_a_changed_run_are_refused(calm, tmp_path):
    "A part that was made under other conditions is not mixed in."
    run = Run(shutil.copytree(calm, tmp_path / "run"))
    folder = run.ranking_folder / "test"
    table = pq.read_table(next(folder.glob("part-*.parquet")))
    other = table.schema.metadata[b"mtlkgc"].replace(b'"config": "', b'"config": "x')
    pq.write_table(table.replace_schema_metadata({"mtlkgc": other}), folder / "part-999999.parquet")
    with pytest.raises(DataError, match="made under other conditions"):
        run.rankings()
