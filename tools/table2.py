"""The paper's Table 2 for one graph: hyperparameters chosen on dev for each mix, four mixes trained, ranked.

    python tools/table2.py wn18rr --minutes 10

does as much as fits into ten minutes and stops; the same command goes on from there, until all is done.
Everything is kept as run folders in nbs/experiments/runs: `<graph>_trials/…` for the trials,
`<graph>_<mix>` for the four runs. Each piece of work adds a line to `<graph>_table2.jsonl`: how long it
took, how fast it was, and what share of the machine's matrix products that is.
"""
import json
import shutil
import signal
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import typer
from typer import Argument, Option

from mtlkgc.bench import flop_per_sequence, matmul_rate
from mtlkgc.benchmarks import load_kg
from mtlkgc.cli import be_quiet
from mtlkgc.data import GIVEN, KnowledgeGraph
from mtlkgc.model import new_model, resolve_precision
from mtlkgc.plots import bootstrap
from mtlkgc.rankings import DevSample, Rankings, in_both_protocols, read_parts
from mtlkgc.run import Run
from mtlkgc.scoring import PRECISIONS, CrossEncoder
from mtlkgc.tasks import TASKS, RelevanceRanking, parse_tasks
from mtlkgc.text import TokenizedKG
from mtlkgc.training import train
from mtlkgc.use import save_metrics

MIXES = ("lp+rp+rr", "lp", "lp+rp", "lp+rr")  # in the order in which they are wanted
TRIALS = (  # each stands if it helps beyond noise, for each mix by itself
    ("lr", 1e-4), ("lr", 4e-4), ("negatives", 1), ("negatives", 7), ("pooled", True), ("margin", 0.5))
ON_GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if ON_GPU else "cpu")
PRECISION = resolve_precision("auto", DEVICE)  # of training and of ranking


def read_in_training(run: Run) -> tuple[int, int]:
    "Sequences and tokens, padding included, that a run has read so far."
    if not (run / "history.parquet").is_file():
        return 0, 0
    return tuple(int(n) for n in run.history()[["sequences", "tokens"]].sum())


class Log:
    "Adds a line for each piece of work: seconds, sequences, and the share of the machine's limit."

    def __init__(self, path: Path, kg: KnowledgeGraph, encoder: str):
        self.path = path
        model, tokenizer = new_model(encoder, kg.n_relations)
        self.scorer = CrossEncoder(model.to(DEVICE), TokenizedKG(kg, tokenizer))
        self.limit = matmul_rate(DEVICE, PRECISIONS[PRECISION])["together"]
        sizes = [kg.n_entities, kg.n_relations, kg.n_entities]
        some = np.random.default_rng(0).integers(kg.n_entities, size=(1000, 3)) % sizes
        tkg = self.scorer.tkg
        lengths = tkg.sequence_lengths(tkg.triple_parts(torch.from_numpy(some).to(DEVICE)))
        self.length = lengths.float().mean().item()  # tokens of a candidate triple

    def read_in_ranking(self, folder: Path) -> tuple[int, int]:
        "Sequences and tokens that a ranking has read so far: each distinct query with each distinct text."
        tables = [table.to_pandas() for table in read_parts(folder)[0]]
        if not tables:
            return 0, 0
        rows, queries = pd.concat(tables), 0
        for side in ("tail", "head"):
            given = [("head", "relation", "tail")[column] for column in GIVEN[side]]
            queries += len(rows.loc[rows.side == side, given].drop_duplicates())
        sequences = queries * len(self.scorer.texts)
        return sequences, int(sequences * self.length)

    @contextmanager
    def spent(self, what: str, count, where, passes: int):
        "Time what happens inside. Training passes three times: forward, and twice that backward."
        begun, before = time.time(), count(where)
        try:
            yield
        finally:
            sequences, tokens = np.subtract(count(where), before).tolist()
            self.write(what, begun, sequences, tokens, passes)

    def write(self, what: str, begun: float, sequences: int, tokens: int, passes: int):
        seconds, limit = time.time() - begun, self.limit
        length = max(2, round(tokens / max(sequences, 1)))
        flop = passes * tokens * flop_per_sequence(self.scorer, length, whole=passes > 1) / length
        line = {
            "what": what, "begun": round(begun), "seconds": round(seconds, 1), "sequences": sequences,
            "tokens": tokens, "sequences/s": round(sequences / seconds, 1),
            "share of limit": round(flop / seconds / limit, 4), "precision": PRECISION,
            "device": torch.cuda.get_device_name() if ON_GPU else "cpu", "limit, GFLOP/s": round(limit / 1e9)}
        with open(self.path, "a") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{what}: {seconds:.0f} s, {line['sequences/s']:,.0f} sequences/s, "
              f"{line['share of limit']:.0%} of {line['limit, GFLOP/s']:,} GFLOP/s", file=sys.stderr)


@dataclass
class Table2:
    "Every piece of work of the table; one that is done takes no time."
    kg: KnowledgeGraph
    name: str  # of the graph
    runs: Path
    encoder: str
    batch_size: int
    log: Log

    def trained(self, out: Path, mix: str, **hyperparameters) -> Run:
        run = Run(out)
        if run.checkpoint_folder.is_dir() or run.said("selection") is None:  # not finished
            with self.log.spent(f"training {run.name}", read_in_training, run, passes=3):
                train(self.kg, mix, self.encoder, out, batch_size=self.batch_size, dev_triples=200,
                      dev_candidates=1000, progress=sys.stderr.isatty(), **hyperparameters)
        return run

    def ranked(self, run: Run, n: int | None = None) -> Rankings:
        "Rankings of `n` test triples, or of all."
        saved = f"test-{n}" if n and n < len(self.kg.test) else "test"
        if run.metrics_file(saved).is_file():
            return run.rankings(saved)
        what, folder = f"ranking {run.name} {saved}", run.ranking_folder / saved
        with self.log.spent(what, self.log.read_in_ranking, folder, passes=1):
            return run.rank(sample=n, progress=sys.stderr.isatty())

    def on_dev(self, mix: str, changes: dict) -> Rankings:
        "A trial: one epoch with changed hyperparameters, then a sample of dev."
        trial = "_".join(f"{name}={value}" for name, value in changes.items()) or "defaults"
        run = Run(self.runs / f"{self.name}_trials" / f"{mix.replace('+', '_')}_{trial}")
        if not run.metrics_file("dev").is_file():
            self.trained(run.folder, mix, epochs=1, evaluations=0, **changes)
            sample = DevSample(self.kg, 200, 1000, 0, run.own_last)
            sample.rank(run.scorer, out=run.ranking_folder / "dev", top_k=1, progress=False)
            save_metrics(run.rankings("dev"), "dev")
            shutil.rmtree(run.model_folder)  # nobody needs it
        return run.rankings("dev")

    def tuned(self, mix: str) -> dict:
        "Hyperparameters of a mix; each change stands if dev's interval says that it helps."
        tasks, best = parse_tasks(mix), {}
        for name, value in TRIALS:
            if name == "negatives" and not any(TASKS[task].needs_negatives for task in tasks):
                continue
            if name == "margin" and RelevanceRanking.name not in tasks:
                continue
            changed = {**best, name: value}
            if bootstrap(self.on_dev(mix, best), self.on_dev(mix, changed))["low"] > 0:
                best = changed
        return best

    def make(self, epochs: int, sample: int):
        "All pieces in their order, and the tables."
        best = {mix: self.tuned(mix) for mix in MIXES}
        runs, found = {}, {}
        for mix in MIXES:
            out = self.runs / f"{self.name}_{mix.replace('+', '_')}"
            runs[mix] = self.trained(out, mix, epochs=epochs, evaluations=3, **best[mix])
            found[mix] = self.ranked(runs[mix], sample)
        print("\nchosen on dev: " + "; ".join(f"{mix}: {best[mix] or 'the defaults'}" for mix in MIXES))
        print(in_both_protocols(found).round(4).to_string())
        steps = ", ".join(f"{mix} {len(run.history()):,}" for mix, run in runs.items())
        print(f"the mixes did not do equal work; steps: {steps}")
        whole = {mix: self.ranked(runs[mix]) for mix in MIXES[:2]}
        print("\nthe whole test split\n" + in_both_protocols(whole).round(4).to_string())


def time_is_up(*_):
    signal.raise_signal(signal.SIGINT)  # training saves a checkpoint then, and ranking what it has ranked


def stop(message: str, status: int):
    print(message, file=sys.stderr)
    sys.exit(status)


def main(
    graph: Annotated[str, Argument(help="wn18rr, fb15k-237, umls, nations, or a folder")],
    minutes: Annotated[float, Option(help="stop after so long")] = 10.,
    runs: Annotated[Path, Option(help="where run folders are kept")] = Path("nbs/experiments/runs"),
    epochs: Annotated[int, Option(help="of each of the four runs; trials have one")] = 3,
    batch_size: Annotated[int, Option(help="training triples in a batch")] = 128,
    sample: Annotated[int, Option(help="test triples that all four mixes rank")] = 500,
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
        runs.mkdir(parents=True, exist_ok=True)
        log = Log(runs / f"{name}_table2.jsonl", kg, encoder)
        Table2(kg, name, runs, encoder, batch_size, log).make(epochs, sample)
    except KeyboardInterrupt:
        stop("time is up, and what was reached is kept; the same command goes on from there", 3)
    except (ValueError, OSError) as e:
        stop(f"table2: {e}", 2)


if __name__ == "__main__":
    typer.run(main)
