"""The full WN18RR, where its files are: the commands of the paper's run train, and rank 40,943 entities."""
import os

import pytest
from conftest import sh

from mtlkgc import Run, load_kg
from mtlkgc.model import tiny_encoder

pytestmark = pytest.mark.skipif(
    not os.environ.get("MTLKGC_DATA"), reason="MTLKGC_DATA is not set: WN18RR is not on this machine")


def test_full_graph_commands(tmp_path):
    kg = load_kg("wn18rr")
    encoder = tiny_encoder(tmp_path / "tiny", kg.entity_texts + kg.relation_texts, hidden=16, layers=1)
    options = ("--preset", "paper", "--encoder", encoder, "--max-steps", 6, "--evaluations", 1)
    sh("train", "wn18rr", "--out", tmp_path / "run", *options)
    sh("rank", tmp_path / "run", "--sample", 2)
    rankings = Run(tmp_path / "run").rankings("test-2")
    assert (rankings.entity_rows.n_candidates > 40_000).all() and len(rankings.rows) == 6
    assert rankings.kg.fingerprint == kg.fingerprint
