"""The ranks of the library against an implementation that shares nothing with it but the weights.

Each candidate triple is tokenised on its own, from text, and read on its own; filtering is a set; ranks are counted in plain loops.
"""
import pytest
import torch
from transformers import AutoTokenizer

from mtlkgc.data import load_kg
from mtlkgc.model import MtlkgcModel
from mtlkgc.runs import load_run, rank_run
from mtlkgc.training import train


def naive_score(model, tokenizer, head, relation, tail):
    tokens, types = ["[CLS]"], [0]
    for text, segment in ((head, 0), (relation, 1), (tail, 0)):
        words = tokenizer.tokenize(text) + ["[SEP]"]
        tokens += words
        types += [segment] * len(words)
    ids = tokenizer.convert_tokens_to_ids(tokens)
    with torch.no_grad():
        hidden = model.encoder(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([types]), attention_mask=torch.ones(1, len(ids))).last_hidden_state
        return float((hidden[0, 0] @ model.heads["lp"].weight[1]).float())


def naive_ranks(model, tokenizer, kg, triples, facts):
    "Optimistic and pessimistic rank for each triple and side."
    text, relation_text = dict(zip(kg.entities, kg.entity_texts)), dict(zip(kg.relations, kg.relation_texts))
    ranks = {}
    for h, r, t in triples:
        for side in ("head", "tail"):
            scores = {}
            for e in kg.entities:
                candidate = (e, r, t) if side == "head" else (h, r, e)
                if candidate == (h, r, t) or candidate not in facts:
                    scores[e] = naive_score(model, tokenizer, text[candidate[0]], relation_text[r], text[candidate[2]])
            true = scores[h if side == "head" else t]
            ranks[side, h, r, t] = (1 + sum(s > true for s in scores.values()), sum(s >= true for s in scores.values()))
    return ranks


@pytest.mark.parametrize("encoder, graph, n", [("tiny", {"name": "nations"}, 60), ("minilm", {"name": "umls", "subgraph": 30}, 12)])
def test_ranks_equal_naive_ranks(encoder, graph, n, tiny, tmp_path):
    kg = load_kg(**graph)
    folder = train(kg, "lp+rr", tiny if encoder == "tiny" else encoder, tmp_path / "run", max_steps=20, lr=1e-3, negatives=1, evaluations=0, progress=False)
    run = load_run(folder)
    run.scorer.model.double()  # with 16 digits, scores that differ are never rounded to the same rank
    rows = rank_run(run, progress=False).rows

    model, tokenizer = MtlkgcModel.from_pretrained(folder / "model").double().eval(), AutoTokenizer.from_pretrained(folder / "model")
    named = [(kg.entities[h], kg.relations[r], kg.entities[t]) for h, r, t in [*kg.train, *kg.dev, *kg.test]]
    expected = naive_ranks(model, tokenizer, kg, named[-len(kg.test):][:n], set(named))
    assert len(expected) == 2 * min(n, len(kg.test))
    got = {(row["side"], row["head"], row["relation"], row["tail"]): (row["rank_optimistic"], row["rank_pessimistic"]) for row in rows.to_dict("records")}
    assert {k: got[k] for k in expected} == expected
