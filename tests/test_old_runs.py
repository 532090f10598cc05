"""Runs and rankings from before configurations said their kind: they load, rank and complete as ever.

The folders in `old_runs` were written by the library as it was then: a tiny language model and a ComplEx on
Nations, an ensemble of both, and a shortlist by the second that the first re-scores. `completions.json` holds
what they proposed. Five of the shortlist's 402 ranks are newer: the query's own entity was last in its header
only, and had a place where fewer than five others remained.
"""
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from mtlkgc import Rankings, Run, complete
from mtlkgc.run import KINDS as ALL_KINDS
from mtlkgc.run import load_run

OLD = Path(__file__).parent / "old_runs"
SAVED = Path(__file__).parent.parent / "nbs" / "experiments" / "runs"
KINDS = {
    "language": "language model", "graph": "graph model", "ensemble": "ensemble", "shortlist": "ensemble"}
QUERIES = {
    "tail": {"head": "usa", "relation": "treaties"},
    "head": {"relation": "treaties", "tail": "usa"},
    "relation": {"head": "usa", "tail": "uk"},
}


@pytest.fixture(params=KINDS)
def run(request, tmp_path):
    "A copy of an old run, beside the members that it may have."
    shutil.copytree(OLD, tmp_path / "runs")
    return load_run(tmp_path / "runs" / request.param)


def same_metrics(got, saved, tolerance):
    "`saved`: what `metrics/<split>.json` holds."
    for row in saved.keys() & {"both", "tail", "head", "relation"}:
        assert got.loc[row].to_dict() == pytest.approx(saved[row], abs=tolerance), row


def test_it_is_what_it_was(run):
    assert run.kind == KINDS[run.name] and run.is_finished and run.own_last
    assert run.kg.name == "nations" and run.name in repr(run)
    rankings = run.rankings()
    same_metrics(rankings.metrics(), run.said("test"), tolerance=0)
    assert "when" in rankings.header["choices"]["chosen"][0]


def test_it_ranks(run):
    "On a machine that rounds otherwise a few ranks may differ."
    old, said = run.rankings(), run.said("test")
    shutil.rmtree(run.ranking_folder)
    shutil.rmtree(run / "metrics")
    new = run.rank(top_k=3, progress=False)
    same_metrics(new.metrics(), said, tolerance=5e-3)
    last = run.said("test").get("both, own entity last")
    assert last == pytest.approx(said.get("both, own entity last"), abs=5e-3)
    assert len(new.rows) == len(old.rows) and (new.rows.n_candidates == old.rows.n_candidates).all()
    assert (new.rows.rank_realistic == old.rows.rank_realistic).mean() > 0.98
    assert new.header["config"] == old.header["config"] and new.header["scored_by"] == old.header["scored_by"]


def test_its_rankings_are_continued(run):
    old, said = run.rankings(), run.said("test")
    first, *others = sorted((run.ranking_folder / "test").glob("part-*.parquet"))
    untouched = {part: part.read_bytes() for part in others}
    first.unlink()
    new = run.rank(top_k=3, progress=False)
    assert len(new.rows) == len(old.rows) and all(part.read_bytes() == untouched[part] for part in others)
    same_metrics(new.metrics(), said, tolerance=5e-3)
    pd.testing.assert_frame_equal(run.rank(top_k=3, progress=False).rows, new.rows)


@pytest.mark.parametrize("side", QUERIES)
def test_it_completes(run, side):
    old = json.loads((OLD / "completions.json").read_text())[run.name][side]
    new = complete(run.folder, **QUERIES[side], k=3)
    assert new.id.tolist() == old["id"] and new.known.tolist() == old["known"]
    assert new.score.tolist() == pytest.approx(old["score"], abs=5e-3)


def test_heads_can_still_be_chosen(tmp_path):
    run = Run(shutil.copytree(OLD / "language", tmp_path / "run"))
    said = run.said("test-20-by-lp+rp")
    shutil.rmtree(run.ranking_folder / "test-20-by-lp+rp")
    new = run.rank(sample=20, top_k=3, score_with="lp+rp", progress=False)
    same_metrics(new.metrics(), said, tolerance=2e-2)
    assert new.header["scored_by"] == "lp+rp" and len(new.entity_rows) == 40


def saved_rankings():
    return sorted(f.relative_to(SAVED).as_posix() for f in SAVED.rglob("rankings/*") if f.is_dir())


@pytest.mark.parametrize("folder", saved_rankings())
def test_saved_results_are_what_they_were(folder):
    path, split = (SAVED / folder).parent.parent, Path(folder).name
    rankings = Rankings.load(path, split)
    assert rankings.run.kind in ALL_KINDS.keys() and len(rankings.rows)
    said = rankings.run.said(split)
    if said is None:  # a table of a few triples has no metrics
        return
    same_metrics(rankings.metrics(), said, tolerance=0)
    last = said.get("both, own entity last")
    if last:
        assert rankings.own_last().metrics().loc["both"].to_dict() == last


def test_every_saved_metric_has_its_ranking():
    there = set(saved_rankings())
    for file in SAVED.rglob("metrics/*.json"):
        if "both" in json.loads(file.read_text()):
            name = file.relative_to(SAVED).parent.parent / "rankings" / file.stem
            assert name.as_posix() in there
