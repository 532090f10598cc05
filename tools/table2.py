"""The paper's Table 2 for one graph, with our encoder: four mixes chosen on dev, trained, and ranked on test.

    python tools/table2.py wn18rr --minutes 10

does as much as fits into ten minutes and stops; the same command goes on from there, until all is done.
Everything is kept as run folders: `<graph>_<mix>`, and those of the trials in `<graph>_trials`. On a CPU,
`--sequences` gives every mix the same, small budget, and `--candidates` ranks among a pool of entities.
"""
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from typer import Argument, Option

from mtlkgc.benchmarks import load_kg
from mtlkgc.cli import be_quiet
from mtlkgc.data import KnowledgeGraph
from mtlkgc.plots import bootstrap
from mtlkgc.rankings import DevSample, Rankings, in_both_protocols
from mtlkgc.run import Run
from mtlkgc.tasks import TASKS, parse_tasks
from mtlkgc.training import hyperparameters, train
from mtlkgc.use import save_metrics

MIXES = {"lp+rp+rr": "lp+rp+rr", "lp": "lp", "lp+rp": "lp+rp+rr", "lp+rr": "lp+rp+rr"}  # → tuned like
TRIALS = (("lr", 1e-4), ("lr", 4e-4), ("negatives", 1), ("negatives", 7))  # what helps beyond noise stands
PAPER = {  # Kim et al. (2020), Table 2: MR, and MRR, Hits@1, @3, @10 in percent
    "wn18rr": {"lp": (108, 21.9, 9.5, 24.3, 49.7), "lp+rp": (112, 30.2, 17.7, 35.3, 56.0),
               "lp+rr": (97, 27.7, 13.0, 34.1, 57.6), "lp+rp+rr": (89, 33.1, 20.3, 38.3, 59.7)},
    "fb15k-237": {"lp": (145, 23.7, 14.4, 26.0, 42.7), "lp+rp": (138, 26.2, 16.9, 28.9, 44.7),
                  "lp+rr": (143, 24.7, 15.4, 27.2, 43.4), "lp+rp+rr": (132, 26.7, 17.2, 29.8, 45.8)}}


@dataclass
class Table2:
    "Every piece of work of the table; one that is done takes no time."
    kg: KnowledgeGraph
    name: str  # of the graph
    runs: Path
    encoder: str
    epochs: int
    batch_size: int
    sequences: int | None  # that each mix reads in training; None: `epochs` of each of its tasks
    sample: int
    candidates: int | None
    bar: bool = sys.stderr.isatty()  # show progress

    def steps(self, mix: str, negatives: int) -> int:
        "How many steps a mix is trained for."
        tasks = parse_tasks(mix)
        if not self.sequences:
            return self.epochs * len(tasks) * -(-len(self.kg.train) // self.batch_size)
        of_a_triple = [1 + negatives if TASKS[task].needs_negatives else 1 for task in tasks]
        return round(self.sequences / (self.batch_size * np.mean(of_a_triple)))

    def trained(self, out: Path, mix: str, share: float = 1., **changes) -> Run:
        run = Run(out)
        if not run.is_finished:
            negatives = hyperparameters(**changes).negatives
            steps = max(1, round(share * self.steps(mix, negatives)))
            train(self.kg, mix, self.encoder, out, max_steps=steps, epochs=self.epochs,
                  batch_size=self.batch_size, evaluations=0, progress=self.bar, **changes)
        return run

    def on_dev(self, mix: str, changes: dict) -> Rankings:
        "A trial: a tenth of the steps with changed hyperparameters, then a sample of dev."
        trial = "_".join(f"{name}={value}" for name, value in changes.items()) or "defaults"
        run = Run(self.runs / f"{self.name}_trials" / f"{mix.replace('+', '_')}_{trial}")
        if not run.metrics_file("dev").is_file():
            self.trained(run.folder, mix, share=.1, **changes)
            sample = DevSample(self.kg, self.sample, self.candidates or 1000, seed=0, own_last=True)
            sample.rank(run.scorer, out=run.ranking_folder / "dev", top_k=1, progress=False)
            save_metrics(run.rankings("dev"), "dev")
            shutil.rmtree(run.model_folder)  # nobody needs it
        return run.rankings("dev")

    def tuned(self, mix: str) -> dict:
        "Hyperparameters of a mix; each change stands if dev's interval says that it helps."
        best = {}
        for name, value in TRIALS:
            changed = {**best, name: value}
            if bootstrap(self.on_dev(mix, best), self.on_dev(mix, changed))["low"] > 0:
                best = changed
        return best

    def make(self):
        "All pieces in their order, and the table."
        best = {like: self.tuned(like) for like in dict.fromkeys(MIXES.values())}
        found, rows = {}, {}
        for mix, like in MIXES.items():
            chosen = best[like]
            run = self.trained(self.runs / f"{self.name}_{mix.replace('+', '_')}", mix, **chosen)
            print(f"{mix}: {chosen or 'the defaults'}, chosen on dev with {like}", file=sys.stderr)
            found[mix] = run.rank(sample=self.sample, candidates=self.candidates, progress=self.bar)
            history, protocol = run.history(), found[mix].header
            rows[mix] = {
                "candidates": protocol.get("candidates", self.kg.n_entities), "encoder": self.encoder,
                "on": run.config["made_with"]["device"], "hours": round(run.hours(), 2),
                "steps": len(history), "sequences": history.sequences.sum()}
        ours = in_both_protocols(found).round(3)
        for mix, (mr, *percent) in PAPER.get(self.kg.name, {}).items():
            names = ("mr", "mrr", "hits@1", "hits@3", "hits@10")
            reached = zip(names, (mr, *(round(x / 100, 3) for x in percent)))
            ours.loc[f"paper, {mix}"] = pd.Series({("own entity competes", m): x for m, x in reached})
            rows[f"paper, {mix}"] = {"candidates": self.kg.n_entities, "encoder": "bert-base"}
        print(ours.fillna("").to_string())
        print(pd.DataFrame(rows).T.fillna("").to_string())


def time_is_up(*_):
    signal.raise_signal(signal.SIGINT)  # training saves a checkpoint then, and ranking what it has ranked


def stop(message: str, status: int):
    print(message, file=sys.stderr)
    sys.exit(status)


def main(
    graph: Annotated[str, Argument(help="wn18rr, fb15k-237, umls, nations, or a folder")],
    minutes: Annotated[float, Option(min=.01, help="stop after so long")] = 10.,
    runs: Annotated[Path, Option(help="where run folders are kept")] = Path("nbs/experiments/runs"),
    epochs: Annotated[int, Option(min=1, help="of each task")] = 3,
    sequences: Annotated[int | None, Option(min=1, help="stop each mix when it has read so many")] = None,
    batch_size: Annotated[int, Option(min=1, help="training triples in a batch")] = 128,
    sample: Annotated[int, Option(min=1, help="test triples that all four mixes rank")] = 500,
    candidates: Annotated[int | None, Option(min=1, help="random ones compete: another protocol")] = None,
    encoder: Annotated[str, Option(help="minilm, bert-base, a folder, or a Hugging Face model")] = "minilm",
    names_only: Annotated[bool, Option("--names-only", help="read names without descriptions")] = False,
):
    be_quiet()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    signal.signal(signal.SIGALRM, time_is_up)
    signal.setitimer(signal.ITIMER_REAL, 60 * minutes)
    try:
        kg = load_kg(graph, names_only=names_only)
        name = kg.name + ("-names" if names_only else "")
        Table2(kg, name, runs, encoder, epochs, batch_size, sequences, sample, candidates).make()
    except KeyboardInterrupt:
        stop("time is up, and what was reached is kept; the same command goes on from there", 3)
    except (ValueError, OSError) as e:
        stop(f"table2: {e}", 2)


if __name__ == "__main__":
    typer.run(main)
