"""Two processes train the model, and make the rankings, of one."""
import json
import os
import subprocess
import sys

import pandas as pd
import pytest
import torch
from conftest import sh
from safetensors.torch import load_file

from mtlkgc import Run
from mtlkgc.model import tiny_encoder


@pytest.fixture(scope="module")
def calm_encoder(nations, tmp_path_factory):
    "A tiny encoder without dropout: two processes drop other units than one."
    folder = tmp_path_factory.mktemp("encoder")
    tiny_encoder(folder, nations.entity_texts + nations.relation_texts)
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def sh2(*args):
    "The command line under torchrun, in two processes."
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [sys.executable, *launcher, "-m", "mtlkgc.cli", *map(str, args)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_two_processes_do_what_one_does(calm_encoder, tmp_path):
    options = ("--encoder", calm_encoder, "--epochs", 1, "--lr", "1e-3", "--negatives", 2,
               "--batch-size", 33, "--evaluations", 2, "--precision", "fp32")  # halves add up exactly enough
    one, two = Run(tmp_path / "one"), Run(tmp_path / "two")
    sh("train", "nations", "--out", one.folder, *options)
    assert "saved in" in sh2("train", "nations", "--out", two.folder, *options)

    a, b = one.history(), two.history()
    same = ["step", "task", "sequences", "tokens"]  # one task a step, the same one
    assert a[same].equals(b[same])
    torch.testing.assert_close(torch.tensor(a.loss), torch.tensor(b.loss), atol=1e-4, rtol=1e-4)
    a, b = (load_file(run.model_folder / "model.safetensors") for run in (one, two))
    for name in a:
        torch.testing.assert_close(a[name], b[name], atol=1e-4, rtol=1e-3, msg=name)
    assert two.config["made_with"]["processes"] == 2

    assert sh2("rank", two.folder).count("both, own entity last") == 1  # one of them speaks
    together = two.rankings().rows
    for file in [*(two.ranking_folder / "test").iterdir(), two.metrics_file("test")]:
        file.unlink()
    sh("rank", two.folder)
    alone = two.rankings().rows
    pd.testing.assert_frame_equal(alone, together)
