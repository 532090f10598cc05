"""Any encoder of AutoModel serves: families with other special tokens, without segment ids, without a pooler."""
import json

import pytest
import torch
from transformers import AutoTokenizer, DistilBertConfig, DistilBertModel, ModernBertConfig, ModernBertModel, RobertaConfig, RobertaModel

from mtlkgc.runs import rank_run
from mtlkgc.training import train

SMALL = dict(hidden_size=32, num_attention_heads=2, num_hidden_layers=2, intermediate_size=64)
FAMILIES = {
    "roberta": (RobertaModel, RobertaConfig, {**SMALL, "max_position_embeddings": 130, "pad_token_id": 0}),
    "distilbert": (DistilBertModel, DistilBertConfig, dict(dim=32, n_heads=2, n_layers=2, hidden_dim=64)),
    "modernbert": (ModernBertModel, ModernBertConfig, {**SMALL, "pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_trains_and_ranks(family, nations, tiny, tmp_path):
    cls, config, options = FAMILIES[family]
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.save_pretrained(tmp_path / "encoder")
    told = json.loads((tmp_path / "encoder" / "tokenizer_config.json").read_text())
    told["model_input_names"] = ["input_ids", "attention_mask"]
    (tmp_path / "encoder" / "tokenizer_config.json").write_text(json.dumps(told))
    torch.manual_seed(0)
    cls(config(vocab_size=len(tokenizer), **options)).save_pretrained(tmp_path / "encoder")
    run = train(nations, encoder=str(tmp_path / "encoder"), out=tmp_path / "run", max_steps=6, negatives=1, evaluations=1, dev_triples=3, progress=False)
    metrics = rank_run(run, sample=5, progress=False).metrics()
    assert metrics.loc["both", "n"] == 10 and 1 <= metrics.loc["both", "mr"] <= 14
