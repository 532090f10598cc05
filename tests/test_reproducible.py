"""The same command and seed twice gives the same rankings, bit for bit, and so does a run that was killed on its way."""
import signal
import time

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
    for part in (calm / "rankings" / "test").iterdir():
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


def test_rankings_of_a_changed_run_are_refused(calm, tmp_path):
    "A part that was made under other conditions is not mixed in."
    import shutil

    shutil.copytree(calm, tmp_path / "run")
    folder = tmp_path / "run" / "rankings" / "test"
    part = next(folder.iterdir())
    table = pq.read_table(part)
    changed = table.replace_schema_metadata({"mtlkgc": table.schema.metadata[b"mtlkgc"].replace(b'"config": "', b'"config": "x')})
    pq.write_table(changed, folder / "part-999999.parquet")
    with pytest.raises(DataError, match="made under other conditions"):
        Rankings.load(tmp_path / "run")
