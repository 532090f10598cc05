"""The ranks of the library against an implementation that shares nothing with it but the weights.

Each candidate triple is tokenised on its own, from text, and read on its own; filtering is a set; ranks are
counted in plain loops.
"""
import pytest
import torch
from transformers import AutoTokenizer

from mtlkgc import load_kg, train
from mtlkgc.model import MtlkgcModel


def naive_score(model, tokenizer, head, relation, tail):
    tokens, types = ["[CLS]"], [0]
    for text, segment in ((head, 0), (relation, 1), (tail, 0)):
        words = tokenizer.tokenize(text) + ["[SEP]"]
        tokens += words
        types += [segment] * len(words)
    ids = torch.tensor([tokenizer.convert_tokens_to_ids(tokens)])
    inputs = dict(input_ids=ids, token_type_ids=torch.tensor([types]), attention_mask=torch.ones_like(ids))
    with torch.no_grad():
        hidden = model.encoder(**inputs).last_hidden_state
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
                    head, tail = text[candidate[0]], text[candidate[2]]
                    scores[e] = naive_score(model, tokenizer, head, relation_text[r], tail)
            true = scores[h if side == "head" else t]
            above, equal = (sum(s > true for s in scores.values()), sum(s == true for s in scores.values()))
            ranks[side, h, r, t] = (1 + above, above + equal)
    return ranks


@pytest.mark.parametrize("encoder, graph, n", [
    ("tiny", {"name": "nations"}, 60),
    ("minilm", {"name": "umls", "subgraph": 30}, 12),
])
def test_ranks_equal_naive_ranks(encoder, graph, n, tiny, tmp_path):
    kg = load_kg(**graph)
    run = train(
        kg, "lp+rr", tiny if encoder == "tiny" else encoder, tmp_path / "run", max_steps=20, lr=1e-3,
        negatives=1, evaluations=0, precision="fp32", dropout=0.1, progress=False)
    run.scorer.model.double()  # with 16 digits, scores that differ are never rounded to the same rank
    rows = run.rank(progress=False).rows

    model = MtlkgcModel.from_pretrained(run.model_folder).double().eval()
    tokenizer = AutoTokenizer.from_pretrained(run.model_folder)
    facts = [*kg.train, *kg.dev, *kg.test]
    named = [(kg.entities[h], kg.relations[r], kg.entities[t]) for h, r, t in facts]
    expected = naive_ranks(model, tokenizer, kg, named[-len(kg.test):][:n], set(named))
    assert len(expected) == 2 * min(n, len(kg.test))
    got = {}
    for row in rows.itertuples():
        got[row.side, row.head, row.relation, row.tail] = (row.rank_optimistic, row.rank_pessimistic)
    assert {k: got[k] for k in expected} == expected
