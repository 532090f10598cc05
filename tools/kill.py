"""Kill commands at random moments, run them again, and compare what they leave with that of one left alone.

    OMP_NUM_THREADS=1 python tools/kill.py --times 20 --out killed.json

Encoders are tiny and random, and parts and checkpoints small, so that there is something to be killed."""
import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import threading
import time
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from tqdm import tqdm

import mtlkgc.best
import mtlkgc.use
from mtlkgc import Run, combine, load_kg, train
from mtlkgc.best import best
from mtlkgc.cli import main
from mtlkgc.data import DataError
from mtlkgc.model import tiny_encoder

TRAIN = ("--epochs", 1, "--lr", "1e-3", "--evaluations", 4, "--cl-batch-size", 32, "--seed", 3)
STEPS = {"retriever-1": dict(tasks="cl", epochs=1), "retriever": dict(tasks="cl", epochs=1),
         "reader": dict(tasks="ls", epochs=1, negatives=2, hard=2)}


def small_best(folder, encoder):
    "`best` with trainings of a second each, on a part of Nations."
    usual = mtlkgc.best.training_steps

    def steps(out, encoder):
        return {step: {**how, **STEPS[step], "max_steps": 20} for step, how in usual(out, encoder).items()}
    mtlkgc.best.training_steps = steps
    best(load_kg("nations", 10), folder / "run", encoder, shortlist=5, progress=False)


def commands(encoder):
    "What is done → what is there before, and how it is done in a folder."
    def cli(*args):
        def run(folder):
            sys.argv = ["mtlkgc", *(str(a).replace("HERE", str(folder)) for a in args)]
            main()
        return run
    begin = ("train", "nations", "--encoder", encoder, *TRAIN, "--out")
    reader, retriever = cli(*begin, "HERE/run", "--batch-size", 16), cli(*begin, "HERE/run", "--tasks", "cl")
    found = cli(*begin, "HERE/found", "--tasks", "cl")
    hard = ("--tasks", "ls", "--negatives", 4, "--hard", 4, "--negatives-from", "HERE/found")

    def members(folder):
        read = train(load_kg("nations"), encoder=encoder, out=folder / "read", max_steps=20, progress=False)
        find = train(load_kg("nations"), "cl", encoder, folder / "find", max_steps=20, progress=False)
        combine([find, read], folder / "run", dev_triples=20, shortlist=5, progress=False)
    rank = cli("rank", "HERE/run")
    return {
        "training, LP+RP+RR": (None, reader),
        "training, RP+CL": (None, cli(*begin, "HERE/run", "--tasks", "rp+cl", "--batch-size", 16)),
        "mining and training, LS": (found, cli(*begin, "HERE/run", *hard)),
        "ranking, every candidate read": (reader, rank),
        "ranking, entities read once": (retriever, rank),
        "ranking, a shortlist": (members, rank),
        "best": (None, partial(small_best, encoder=encoder)),
    }


def child(do, folder):
    "Do it in a process of its own."
    pid = os.fork()
    if pid: return pid
    status = 1
    try:
        with open(folder / "said", "a") as said, redirect_stdout(said), redirect_stderr(said):
            do(folder)
        status = 0
    except SystemExit as e:
        status = e.code or 0
    finally:
        os._exit(status)


def to_its_end(do, folder):
    "Seconds that it took. Raises `RuntimeError` if it failed."
    start = time.perf_counter()
    _, status = os.waitpid(child(do, folder), 0)
    if status: raise RuntimeError((folder / "said").read_text()[-2000:])
    return time.perf_counter() - start


def left(folder):
    "Digests of all weights, metrics and rows of rankings in a folder."
    found = {}
    for path in sorted([*folder.rglob("*.safetensors"), *folder.rglob("metrics/test.json")]):
        found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(folder.rglob("rankings/*")):
        rows = Run(path.parent.parent).rankings(path.name).rows.to_json()
        found[str(path.relative_to(folder))] = hashlib.sha256(rows.encode()).hexdigest()
    return {path: digest for path, digest in found.items() if "checkpoints/" not in path}


def is_finished(folder, alone):
    try: return left(folder) == alone
    except DataError: return False  # rankings with parts missing


def killed(do, before, alone, seconds, folder):
    "Kill it somewhere within its usual seconds and run it again: was it killed, is all the same?"
    shutil.copytree(before, folder)
    pid = child(do, folder)
    time.sleep(random.uniform(0, seconds))
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if not is_finished(folder, alone): to_its_end(do, folder)  # what is finished cannot be done again
    same = left(folder) == alone
    shutil.rmtree(folder)
    return os.WIFSIGNALED(status), same


def tried(first, do, times, place):
    "How often it was killed, and how often that made a difference."
    before = place / "before"
    before.mkdir()
    if first: to_its_end(first, before)
    shutil.copytree(before, place / "here")
    seconds = to_its_end(do, place / "here")
    alone = left(place / "here")
    shutil.rmtree(place / "here")  # the same path for all, as a run's config may hold it
    outcomes = pd.DataFrame([killed(do, before, alone, seconds, place / "here") for _ in range(times)])
    shutil.rmtree(place)
    return {"seconds": seconds, "files compared": len(alone), "killed": int(outcomes[0].sum()),
            "the same in the end": int((outcomes[0] & outcomes[1]).sum())}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    random.seed(0)
    tqdm.set_lock(threading.RLock())  # its usual one is shared with what is killed while it holds it
    mtlkgc.use.rank = partial(mtlkgc.use.rank, part_seconds=0, block=20)
    with TemporaryDirectory() as d:
        nations = load_kg("nations")
        encoder = tiny_encoder(f"{d}/tiny", nations.entity_texts + nations.relation_texts)
        table = {}
        for name, (first, do) in commands(encoder).items():
            place = Path(d) / "place"
            place.mkdir()
            table[name] = tried(first, do, options.times, place)
            print(name, table[name], flush=True)
    if options.out: options.out.write_text(json.dumps(table, indent=1))
