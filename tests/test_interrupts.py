"""Signals end a command with what it has saved; two commands do not write into one folder."""
import signal
import subprocess
import sys
import time

import pytest
from conftest import start

from mtlkgc import combine, train_graph_model
from mtlkgc.best import best
from mtlkgc.data import DataError
from mtlkgc.degrees import learn_degrees
from mtlkgc.nbfnet import train_nbfnet
from mtlkgc.paths import learn_paths
from mtlkgc.rules import learn_rules

LONG = ("--epochs", 500, "--lr", "1e-3", "--batch-size", 16, "--evaluations", 5000, "--dev-triples", 2)
IGNORES = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); from mtlkgc.cli import main; main()"


def wait_for_checkpoint(process, run):
    deadline = time.time() + 120
    while not list(run.glob("checkpoints/*/seal.json")):
        assert process.poll() is None and time.time() < deadline, process.communicate()[0]
        time.sleep(0.05)


def ends(process):
    "What a process printed that was interrupted, without the progress bar."
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 130 and "Traceback" not in out, out
    return out


@pytest.fixture(scope="module")
def interrupted(tiny, tmp_path_factory):
    "A run that got SIGTERM, where SIGINT is ignored; and what it and a second command printed."
    run = tmp_path_factory.mktemp("run") / "run"
    command = ["train", "nations", "--encoder", tiny, "--out", run, *LONG]
    process = subprocess.Popen([sys.executable, "-c", IGNORES, *map(str, command)], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_for_checkpoint(process, run)
    process.send_signal(signal.SIGINT)
    second = start(*command)
    refusal, _ = second.communicate(timeout=120)
    assert second.returncode == 2 and process.poll() is None, refusal
    process.send_signal(signal.SIGTERM)
    return run, process.pid, ends(process), refusal


def test_sigterm_saves_and_says_how_to_go_on(interrupted):
    run, _, out, _ = interrupted
    assert "interrupted: a checkpoint is saved after this step" in out
    assert out.endswith("mtlkgc: interrupted; the same command continues from what was saved\n")
    assert len(list(run.glob("checkpoints/*/seal.json"))) == 2
    assert not list(run.glob("*.lock")) and not list(run.glob("*.owner"))


def test_a_second_command_is_refused_by_the_name_of_the_first(interrupted):
    _, pid, _, refusal = interrupted
    assert f"is being written by process {pid} on " in refusal
    assert len(refusal.strip().splitlines()) == 1


def test_a_second_interrupt_ends_it_without_a_traceback(tiny, tmp_path):
    process = start("train", "nations", "--encoder", tiny, "--out", tmp_path / "run", *LONG)
    wait_for_checkpoint(process, tmp_path / "run")
    for again in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGINT):  # some while it is ending
        process.send_signal(again)
        time.sleep(0.02)
    assert "the same command continues" in ends(process)


HOLDS = """
import sys
from mtlkgc.run import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("make", [
    lambda kg, out, member: learn_rules(kg, out),
    lambda kg, out, member: learn_paths(kg, out),
    lambda kg, out, member: learn_degrees(kg, out),
    lambda kg, out, member: train_graph_model(kg, "transe", out, epochs=1, progress=False),
    lambda kg, out, member: train_nbfnet(kg, out, max_steps=1, progress=False),
    lambda kg, out, member: combine([member, member], out, progress=False),
    lambda kg, out, member: best(kg, out, progress=False),
], ids=["rules", "paths", "degrees", "graph model", "nbfnet", "ensemble", "best"])
def test_what_another_process_writes_is_left_alone(make, nations, tmp_path):
    member = learn_rules(nations, tmp_path / "member")
    with subprocess.Popen([sys.executable, "-c", HOLDS, tmp_path / "run"], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(DataError, match=f"is being written by process {other.pid} on "):
            make(nations, tmp_path / "run", member)
        other.stdin.close()
    assert not (tmp_path / "run").exists()
