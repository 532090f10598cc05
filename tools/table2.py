"""The paper's Table 2 for one graph: hyperparameters chosen on dev for each task mix alike, four mixes trained, ranked on a sample and in whole.

    python tools/table2.py wn18rr --minutes 10

does as much as fits into ten minutes and stops; the same command goes on from there, until all is done. Everything is kept as run folders in nbs/experiments/runs: `<graph>_trials/…` for the
trials, `<graph>_<mix>` for the four runs. What each stretch of time was spent on, how fast it was and what share of the machine's matrix products that is, is added to `<graph>_table2.jsonl`.
"""
import json, shutil, signal, sys, time
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Optional
import numpy as np
import pandas as pd
import torch
import typer
from mtlkgc.bench import flop_per_sequence, matmul_rate
from mtlkgc.cli import _quiet
from mtlkgc.data import GIVEN, KnowledgeGraph, load_kg
from mtlkgc.model import new_model
from mtlkgc.plots import bootstrap
from mtlkgc.ranking import read_parts
from mtlkgc.results import Rankings, in_both_protocols
from mtlkgc.runs import load_run, rank_run, save_metrics
from mtlkgc.scoring import PRECISIONS, CrossEncoder
from mtlkgc.text import TokenizedKG
from mtlkgc.training import DevSample, train

MIXES = ("lp+rp+rr", "lp", "lp+rp", "lp+rr") # in the order in which they are wanted
TRIALS = (("lr", 1e-4), ("lr", 4e-4), ("negatives", 1), ("negatives", 7), ("pooled", True), ("margin", 0.5)) # each stands if it helps beyond noise, for each mix by itself

class Log:
    "Adds a line for each piece of work: seconds, sequences, and the operations that took as a share of what the machine can multiply."
    def __init__(self, path:Path, kg:KnowledgeGraph, encoder:str, precision:str):
        self.path, self.device = path, torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model, tokenizer = new_model(encoder, kg.n_relations)
        self.scorer = CrossEncoder(model.to(self.device), TokenizedKG(kg, tokenizer))
        self.limit = {p: matmul_rate(self.device, PRECISIONS[p])["together"] for p in {precision, "bf16" if self.device.type == "cuda" else "fp32"}}
        some = np.random.default_rng(0).integers(kg.n_entities, size=(1000, 3)) % [kg.n_entities, kg.n_relations, kg.n_entities]
        self.length = self.scorer.tkg.sequence_lengths(self.scorer.tkg.triple_parts(torch.from_numpy(some).to(self.device))).float().mean().item() # tokens of a candidate triple

    def trained(self, run:Path)->tuple[int, int]: # sequences and tokens, padding included
        "What a run has read so far."
        return tuple(int(x) for x in pd.read_parquet(run/"history.parquet")[["sequences", "tokens"]].sum()) if (run/"history.parquet").is_file() else (0, 0)

    def ranked(self, rankings:Path)->tuple[int, int]:
        "What a ranking has read so far: each distinct query with each distinct text."
        tables = [t.to_pandas() for t in read_parts(rankings)[0]]
        rows = pd.concat(tables) if tables else pd.DataFrame(columns=["head", "relation", "tail", "side"])
        queries = sum(len(rows.loc[rows.side == side, [("head", "relation", "tail")[c] for c in GIVEN[side]]].drop_duplicates()) for side in ("tail", "head"))
        return queries*len(self.scorer.texts), int(queries*len(self.scorer.texts)*self.length)

    @contextmanager
    def spent(self, what:str, count, folder:Path, precision:str, passes:int): # passes: 3 for training, forward and twice that backward
        "Time what happens inside."
        begun, before = time.time(), count(folder)
        try: yield
        finally:
            seconds, (sequences, tokens) = time.time() - begun, np.subtract(count(folder), before).tolist()
            L = max(2, round(tokens/max(sequences, 1)))
            flop = passes*tokens*flop_per_sequence(self.scorer, L, whole=passes > 1)/L
            line = {"what": what, "begun": round(begun), "seconds": round(seconds, 1), "sequences": sequences, "tokens": tokens, "sequences/s": round(sequences/seconds, 1), "share of limit": round(flop/seconds/self.limit[precision], 4),
                    "precision": precision, "device": torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu", "limit, GFLOP/s": round(self.limit[precision]/1e9)}
            with open(self.path, "a") as f: f.write(json.dumps(line) + "\n")
            print(f"{what}: {seconds:.0f} s, {line['sequences/s']:,.0f} sequences/s, {line['share of limit']:.0%} of {line['limit, GFLOP/s']:,} GFLOP/s", file=sys.stderr)

def table2(graph:str, runs:Path, epochs:int, batch_size:int, sample:int, encoder:str, names_only:bool):
    "All pieces of work in their order; those that are done take no time."
    kg, on_gpu = load_kg(graph, names_only=names_only), torch.cuda.is_available()
    name, training, precision = kg.name + ("-names" if names_only else ""), "bf16" if on_gpu else "fp32", "fp16" if on_gpu else "fp32"
    runs.mkdir(parents=True, exist_ok=True)
    log, suffix = Log(runs/f"{name}_table2.jsonl", kg, encoder, precision), "" if precision == "fp32" else f"-{precision}"

    def trained(out:Path, mix:str, **hp)->Path:
        if (out/"checkpoints").is_dir() or not (out/"metrics"/"selection.json").is_file(): # not finished
            with log.spent(f"training {out.name}", log.trained, out, training, 3):
                train(kg, mix, encoder, out, batch_size=batch_size, dev_triples=200, dev_candidates=1000, progress=sys.stderr.isatty(), **hp)
        return out

    def ranked(out:Path, n:Optional[int]):
        saved = (f"test-{n}" if n and n < len(kg.test) else "test") + suffix
        if (out/"metrics"/f"{saved}.json").is_file(): return Rankings.load(out, saved)
        with log.spent(f"ranking {out.name} {saved}", log.ranked, out/"rankings"/saved, precision, 1): return rank_run(out, sample=n, precision=precision, progress=sys.stderr.isatty())

    def on_dev(mix:str, hp:dict)->Rankings: # of a trial: one epoch, then the dev sample
        trial = "_".join(f"{k}={v}" for k, v in hp.items()) or "defaults"
        out = runs/f"{name}_trials"/f"{mix.replace('+', '_')}_{trial}"
        if not (out/"metrics"/"dev.json").is_file():
            trained(out, mix, epochs=1, evaluations=0, **hp)
            run = load_run(out)
            DevSample(kg, 200, 1000, 0, run.own_last).rank(run.scorer, out=out/"rankings"/"dev", top_k=1, progress=False)
            save_metrics(out, "dev", Rankings.load(out, "dev"))
            shutil.rmtree(out/"model") # nobody needs it
        return Rankings.load(out, "dev")
    def tuned(mix:str)->dict: # hyperparameters; each change stands if dev's interval says that it helps
        best = {}
        for key, value in TRIALS:
            if key in ("negatives", "margin") and mix == "rp" or key == "margin" and "rr" not in mix: continue
            if bootstrap(on_dev(mix, best), on_dev(mix, {**best, key: value}))["low"] > 0: best[key] = value
        return best
    best = {mix: tuned(mix) for mix in MIXES}
    outs = {mix: runs/f"{name}_{mix.replace('+', '_')}" for mix in MIXES}
    found = {mix: ranked(trained(out, mix, epochs=epochs, evaluations=3, **best[mix]), sample) for mix, out in outs.items()}
    print("\nchosen on dev: " + "; ".join(f"{mix}: {hp or 'the defaults'}" for mix, hp in best.items()))
    print(in_both_protocols(found).round(4).to_string())
    steps = {mix: len(pd.read_parquet(out/"history.parquet")) for mix, out in outs.items()}
    print("the mixes did not do equal work; steps: " + ", ".join(f"{mix} {n:,}" for mix, n in steps.items()))
    whole = {mix: ranked(runs/f"{name}_{mix.replace('+', '_')}", None) for mix in MIXES[:2]}
    print("\nthe whole test split\n" + in_both_protocols(whole).round(4).to_string())

def main(graph:Annotated[str, typer.Argument(help="wn18rr, fb15k-237, umls, nations, or a folder")],
         minutes:Annotated[float, typer.Option(help="stop after so long")]=10., runs:Annotated[Path, typer.Option(help="where run folders are kept")]=Path("nbs/experiments/runs"),
         epochs:Annotated[int, typer.Option(help="of each of the four runs; trials have one")]=3, batch_size:Annotated[int, typer.Option(help="training triples in a batch")]=128,
         sample:Annotated[int, typer.Option(help="test triples that all four mixes rank")]=500, encoder:Annotated[str, typer.Option(help="minilm, bert-base, a folder, or a Hugging Face model")]="minilm",
         names_only:Annotated[bool, typer.Option("--names-only", help="read the names of entities without their descriptions")]=False):
    _quiet()
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT)) # training saves a checkpoint then, and ranking what it has ranked
    signal.setitimer(signal.ITIMER_REAL, 60*minutes)
    try: table2(graph, runs, epochs, batch_size, sample, encoder, names_only)
    except KeyboardInterrupt: print("time is up, and what was reached is kept; the same command goes on from there", file=sys.stderr); sys.exit(3)
    except (ValueError, OSError) as e: print(f"table2: {e}", file=sys.stderr); sys.exit(2)

if __name__ == "__main__": typer.run(main)
