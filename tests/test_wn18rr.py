"""The full WN18RR, where its files are: the commands of the paper's run start, train, and rank against all 40,943 entities."""
import os

import pytest
from conftest import sh

from mtlkgc.data import load_kg
from mtlkgc.model import tiny_encoder
from mtlkgc.results import Rankings

pytestmark = pytest.mark.skipif(not os.environ.get("MTLKGC_DATA"), reason="MTLKGC_DATA is not set: WN18RR is not on this machine")


def test_full_graph_commands(tmp_path):
    kg = load_kg("wn18rr")
    encoder = tiny_encoder(tmp_path / "tiny", kg.entity_texts + kg.relation_texts, hidden=16, layers=1)
    sh("train", "wn18rr", "--out", tmp_path / "run", "--preset", "paper", "--encoder", encoder, "--max-steps", 6, "--evaluations", 1)
    sh("rank", tmp_path / "run", "--sample", 2)
    rankings = Rankings.load(tmp_path / "run", "test-2")
    assert (rankings.rows[rankings.rows.side != "relation"].n_candidates > 40_000).all() and len(rankings.rows) == 6
    assert rankings.kg.fingerprint == kg.fingerprint
