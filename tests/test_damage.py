"""Run folders that were moved, damaged or filled up: one sentence, or the same model as ever."""
import json
import os
import pickle
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock
from zipfile import ZipFile

import pytest
import torch
from conftest import same_weights
from transformers import TrainerCallback

from mtlkgc import Run, train
from mtlkgc.data import DataError
from mtlkgc.rankings import DevSample
from mtlkgc.run import step_of

SETUP = dict(epochs=1, lr=1e-3, negatives=2, batch_size=96, evaluations=5, dev_triples=5, progress=False)


class StopsAt(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def said():
    "What the dev sample says: that a model gets worse and worse."
    seen = []

    def worse(self, scorer):
        seen.append(scorer)
        return {"mrr": 1 / len(seen)}

    with mock.patch.object(DevSample, "metrics", worse):
        yield seen


@pytest.fixture(scope="module")
def calm(nations, tiny, tmp_path_factory, said):
    return train(nations, encoder=tiny, out=tmp_path_factory.mktemp("calm") / "run", **SETUP)


@pytest.fixture(scope="module")
def stopped_once(calm, nations, tiny, tmp_path_factory, said):
    "A run that stopped between its last checkpoint but one and its end."
    said.clear()
    out = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.raises(KeyboardInterrupt):
        train(nations, encoder=tiny, out=out, callbacks=(StopsAt(46),), **SETUP)
    return Run(out)


@pytest.fixture
def stopped(stopped_once, tmp_path, said):
    "A copy of it, and the dev sample as it was at its first checkpoint."
    del said[1:]
    return Run(shutil.copytree(stopped_once, tmp_path / "stopped"))


def checkpoints(run):
    return sorted(run.checkpoint_folder.glob("checkpoint-*"), key=step_of)


def test_the_best_state_is_kept_when_a_run_is_moved(calm, stopped, nations, tiny, tmp_path):
    assert [p.name for p in checkpoints(stopped)] == ["checkpoint-11", "checkpoint-44"]
    for file in stopped.checkpoint_folder.glob("*/trainer_state.json"):
        assert not json.loads(file.read_text())["best_model_checkpoint"].startswith(str(stopped.folder))
    os.rename(stopped, tmp_path / "moved")
    moved = train(nations, encoder=tiny, out=tmp_path / "moved", **SETUP)
    assert same_weights(calm, moved) and moved.said("choices")[0]["what"].startswith("the state of step 11,")


def cut(file):
    file.write_bytes(file.read_bytes()[:-50])


def overwrite(file):
    content = bytearray(file.read_bytes())
    content[len(content)//2] ^= 1
    file.write_bytes(content)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


def plant(file):
    file.write_bytes(pickle.dumps(Evil()))


DAMAGE = [  # what happens to a file of the newest checkpoint, and what is said
    (cut, "model.safetensors", "could not be read"),
    (overwrite, "model.safetensors", "is not what was written"),
    (cut, "optimizer.pt", "could not be read"),
    (overwrite, "optimizer.pt", "could not be read|is not what was written"),
    (plant, "rng_state.pth", "could not be read"),
    (cut, "trainer_state.json", "could not be read"),
    (Path.unlink, "scheduler.pt", "is not what was written"),
    (plant, "pytorch_model.bin", "may hold a program"),
]


@pytest.mark.parametrize("damage, name, says", DAMAGE)
def test_a_damaged_checkpoint_is_left_out(damage, name, says, stopped, capsys):
    damage(checkpoints(stopped)[-1] / name)
    assert stopped.last_checkpoint() == checkpoints(stopped)[0]
    told = capsys.readouterr().err
    assert re.search(rf"checkpoint-44 is left out: .*/{name} ({says})", told), told
    assert not Path("evil").exists()


def test_the_one_before_leads_to_the_same_model(calm, stopped, nations, tiny, capsys):
    cut(checkpoints(stopped)[-1] / "optimizer.pt")
    train(nations, encoder=tiny, out=stopped, **SETUP)
    assert "checkpoint-44 is left out" in capsys.readouterr().err
    assert same_weights(calm, stopped) and not stopped.checkpoint_folder.exists()


def test_without_the_best_state_nothing_is_continued(stopped, capsys):
    cut(checkpoints(stopped)[0] / "model.safetensors")
    assert stopped.last_checkpoint() is None
    told = capsys.readouterr().err
    assert "checkpoint-44 is left out" in told and "checkpoint-11 is left out" in told


def test_a_checkpoint_without_a_seal_runs_no_program(stopped, nations, tiny):
    "As those of before there were seals: they are read, but never more than numbers."
    newest = checkpoints(stopped)[-1]
    (newest / "seal.json").unlink()
    torch.save({"cpu": Evil()}, newest / "rng_state.pth")
    assert ZipFile(newest / "rng_state.pth").testzip() is None
    with pytest.raises(DataError, match="checkpoint-44 holds more than numbers, and was not loaded"):
        train(nations, encoder=tiny, out=stopped, **SETUP)
    assert not Path("evil").exists()


def test_a_full_disk_ends_training_in_one_sentence(tiny, tmp_path):
    "No file may grow beyond some kilobytes, which fails like a disk without room; then it may."
    out = tmp_path / "run"
    options = ("--epochs", 1, "--batch-size", 96, "--evaluations", 3, "--dev-triples", 5)
    main = "from mtlkgc.cli import main; main()"
    args = ["train", "nations", "--encoder", tiny, "--out", out, *map(str, options)]
    command = [sys.executable, "-c", main, *args]

    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    done = subprocess.run(command, preexec_fn=little_room, capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if line.startswith("mtlkgc:")]
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert len(said) == 1 and "could not be written" in said[0], done.stderr
    assert "the same command continues" in said[0]
    assert not list(out.rglob("*.tmp"))
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and Run(out).is_finished, done.stderr
