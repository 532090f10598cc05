"""Any encoder of AutoModel serves: with other special tokens, without segment ids, without a pooler."""
import json

import pytest
import torch
import transformers
from transformers import AutoTokenizer

from mtlkgc import train

SMALL = dict(hidden_size=32, num_attention_heads=2, num_hidden_layers=2, intermediate_size=64, pad_token_id=0)
FAMILIES = {
    "Roberta": dict(SMALL, max_position_embeddings=130),
    "DistilBert": dict(dim=32, n_heads=2, n_layers=2, hidden_dim=64),
    "ModernBert": dict(SMALL, cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3),
}


def save_encoder(family, tokenizer, folder):
    "An encoder of a family with random weights; its tokenizer gives no segment ids."
    tokenizer.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    said = json.loads(file.read_text())
    file.write_text(json.dumps({**said, "model_input_names": ["input_ids", "attention_mask"]}))
    config = getattr(transformers, f"{family}Config")(vocab_size=len(tokenizer), **FAMILIES[family])
    torch.manual_seed(0)
    getattr(transformers, f"{family}Model")(config).save_pretrained(folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_trains_and_ranks(family, nations, tiny, tmp_path):
    save_encoder(family, AutoTokenizer.from_pretrained(tiny), tmp_path / "encoder")
    run = train(
        nations, encoder=str(tmp_path / "encoder"), out=tmp_path / "run", max_steps=6, negatives=1,
        evaluations=1, dev_triples=3, progress=False)
    metrics = run.rank(sample=5, progress=False).metrics()
    assert metrics.loc["both", "n"] == 10 and 1 <= metrics.loc["both", "mr"] <= 14
