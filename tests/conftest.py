"""Real graphs, real processes; encoders are tiny and random unless a test says otherwise."""
import os
import subprocess
import sys

import pytest
from safetensors.torch import load_file

from mtlkgc import Run
from mtlkgc.benchmarks import load_kg
from mtlkgc.model import tiny_encoder

os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def nations():
    return load_kg("nations")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, nations):
    "Folder of a tiny encoder that knows the words of Nations."
    return tiny_encoder(tmp_path_factory.mktemp("tiny"), nations.entity_texts + nations.relation_texts)


def start(*args):
    "Start the command line in a process of its own."
    command = [sys.executable, "-c", "from mtlkgc.cli import main; main()", *map(str, args)]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def sh(*args):
    "Run the command line; its output, and a failure of the test if it failed."
    process = start(*args)
    out, _ = process.communicate()
    assert process.returncode == 0, out
    return out


def same_weights(a, b):
    "Whether the models of two runs are the same, bit for bit."
    a, b = (load_file(Run(run).model_folder / "model.safetensors") for run in (a, b))
    return a.keys() == b.keys() and all(a[k].equal(b[k]) for k in a)
