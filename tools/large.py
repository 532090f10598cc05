"""Load, train on and rank a graph of a million entities and five million triples: seconds and peak memory.

    python tools/large.py --out large.json"""
import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np


def write_graph(folder, entities, triples):
    "A random graph in the layout of a benchmark, with names of two words."
    rng = np.random.default_rng(0)
    words = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    syllables = rng.integers(len(words), size=(entities, 5))
    with open(folder / "entity2text.txt", "w") as f:
        for i, s in enumerate(syllables.tolist()):
            f.write(f"e{i}\t{words[s[0]]}{words[s[1]]} {words[s[2]]}{words[s[3]]}{words[s[4]]}\n")
    for split, n in (("train", triples - 2000), ("dev", 1000), ("test", 1000)):
        with open(folder / f"{split}.tsv", "w") as f:
            for h, r, t in rng.integers((entities, 20, entities), size=(n, 3)).tolist():
                f.write(f"e{h}\tr{r}\te{t}\n")


def measured(*arguments):
    "Seconds and peak memory of a command."
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "mtlkgc.cli", *map(str, arguments)])
    _, status, usage = os.wait4(process.pid, 0)
    if status: raise RuntimeError(f"{arguments[0]} failed")
    return {"seconds": time.perf_counter() - start, "peak memory, GB": usage.ru_maxrss * 1024 / 1e9}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--triples", type=int, default=5_000_000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with TemporaryDirectory() as d:
        graph = Path(d) / "large"
        graph.mkdir()
        write_graph(graph, options.entities, options.triples)
        begin = ("train", graph, "--tasks", "cl", "--evaluations", 0)
        table = {"loading": measured("data", graph)}
        for steps in (5, 20):
            run = f"{d}/run-{steps}"
            table[f"CL, {steps} steps of 256 triples"] = measured(*begin, "--max-steps", steps, "--out", run)
        for triples in (5, 20):
            name = f"ranking, {2 * triples} queries" + (", entities read" if triples == 5 else "")
            table[name] = measured("rank", f"{d}/run-5", "--sample", triples)
    print(json.dumps(table, indent=1))
    if options.out: options.out.write_text(json.dumps(table, indent=1))
