"Training refuses what it cannot do, ends where it should, and is ranked by the function that was trained."
import json

import numpy as np
import pytest
import torch
from conftest import same_weights
from test_encoders import save_encoder
from torch import nn
from transformers import AutoTokenizer, TrainerCallback

from mtlkgc import complete, train
from mtlkgc.data import DataError, make_kg
from mtlkgc.scoring import CrossEncoder
from mtlkgc.tasks import TASKS, LinkPrediction, register
from mtlkgc.training import hyperparameters, prepare_training
from mtlkgc.use import Run

FEW = dict(negatives=1, evaluations=0, progress=False)


@pytest.fixture
def mean_task():
    "LP from the mean over tokens, by a head with a bias."
    @register
    class Mean(LinkPrediction):
        name, priority = "mean", 9

        def head(self, hidden, n_relations):
            return nn.Linear(hidden, 2)

        def pool(self, hidden, mask):
            weights = mask[..., None].to(hidden.dtype)
            return (hidden * weights).sum(1) / weights.sum(1)

    yield
    TASKS.pop("mean", None)


@pytest.mark.parametrize("family", ["Bert", "DistilBert"])
def test_a_task_is_ranked_by_its_own_pool_and_head(mean_task, family, nations, tiny, tmp_path):
    encoder = tiny
    if family != "Bert":
        encoder = tmp_path / "encoder"
        save_encoder(family, AutoTokenizer.from_pretrained(tiny), encoder)
    hp = hyperparameters(encoder=str(encoder), precision="fp32")
    model, tokenizer, schedule = prepare_training(nations, "lp+mean", hp)
    model.eval()
    tkg = schedule.tkg
    scorer, parts = CrossEncoder(model, tkg), tkg.triple_parts(torch.from_numpy(nations.test[:20]))
    for task in ("lp", "mean"):
        with torch.no_grad():
            torch.testing.assert_close(scorer.logits(parts, task), model(task, **tkg.assemble(parts)))
    assert not torch.allclose(scorer.logits(parts, "lp"), scorer.logits(parts, "mean"))


def test_a_run_with_a_task_that_is_not_registered_says_so(mean_task, nations, tiny, tmp_path):
    run = train(nations, "lp+mean", tiny, tmp_path / "run", max_steps=2, **FEW)
    assert len(complete(run, head="usa", relation="treaties", k=3)) == 3
    del TASKS["mean"]
    with pytest.raises(DataError, match="'mean' that is not registered here; import the module"):
        complete(Run(run.folder), head="usa", relation="treaties")


@pytest.mark.parametrize("name", ["BPR", "a+b", " x"])
def test_a_name_that_no_mix_can_have_is_refused(name):
    with pytest.raises(ValueError, match="in small letters and has no +"):
        register(type("Odd", (LinkPrediction,), {"name": name}))


class StopAtTheEnd(TrainerCallback):
    "As if the process died after its last checkpoint and before the model was saved."
    def on_save(self, args, state, control, **kwargs):
        if state.global_step == args.max_steps:
            raise RuntimeError("died")


@pytest.mark.parametrize("evaluations", [0, 2])
def test_a_run_that_died_after_its_last_step_does_no_further_one(evaluations, nations, tiny, tmp_path):
    settings = dict(max_steps=5, negatives=1, evaluations=evaluations, dev_triples=5, progress=False)
    with pytest.raises(RuntimeError, match="died"):
        train(nations, "lp+rp", tiny, tmp_path / "died", callbacks=(StopAtTheEnd(),), **settings)
    again = train(nations, "lp+rp", tiny, tmp_path / "died", **settings)
    whole = train(nations, "lp+rp", tiny, tmp_path / "whole", **settings)
    assert again.history().step.tolist() == [1, 2, 3, 4, 5]
    assert same_weights(again, whole)


REFUSED = {
    "gradient_accumulation_steps, raise batch_size": dict(trainer_args={"gradient_accumulation_steps": 2}),
    "for tasks with negatives; rp[+]cl has none": dict(tasks="rp+cl", own_negative=True, negatives=2),
    "hard must be at most 30": dict(negatives=60, hard=50, negatives_from="somewhere"),
    "schedule 'warmup_stable_decay' needs more": dict(schedule="warmup_stable_decay"),
    "schedule 'cosine_with_min_lr' needs more": dict(schedule="cosine_with_min_lr"),
}


@pytest.mark.parametrize("says", REFUSED)
def test_what_would_be_ignored_or_fail_later_is_refused(says, nations, tiny, tmp_path):
    with pytest.raises(ValueError, match=says):
        train(nations, encoder=tiny, out=tmp_path / "run", **{**FEW, **REFUSED[says]})
    assert not (tmp_path / "run").exists()


def test_numbers_may_be_numpys(nations, tiny, tmp_path):
    run = train(nations, "rp", tiny, tmp_path / "run", max_steps=np.int64(2), lr=np.float32(1e-3),
                seed=np.arange(3)[1], evaluations=0, progress=False)
    assert run.what["seed"] == 1 and len(run.history()) == 2


def test_a_roberta_reads_fewer_tokens_than_it_has_places(nations, tiny, tmp_path):
    save_encoder("Roberta", AutoTokenizer.from_pretrained(tiny), tmp_path / "encoder")  # its padding is 0
    settings = dict(encoder=str(tmp_path / "encoder"), out=tmp_path / "run", max_length=130)
    with pytest.raises(ValueError, match="max_length=130 is more than the 129 tokens"):
        train(nations, **settings, **FEW)


def test_an_encoder_without_padding_is_refused_by_name(nations, tiny, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    save_encoder("DistilBert", tokenizer, tmp_path / "encoder")
    file = tmp_path / "encoder" / "tokenizer_config.json"
    said = json.loads(file.read_text())
    file.write_text(json.dumps({**said, "pad_token": None}))
    with pytest.raises(ValueError, match="cannot read triples"):
        train(nations, encoder=str(tmp_path / "encoder"), out=tmp_path / "run", max_steps=1, **FEW)


def test_two_texts_of_the_same_tokens_are_no_reason_to_refuse_an_encoder(tiny, tmp_path):
    kg = make_kg("zoo", {"train": [("Usa", "likes", "uk"), ("uk", "likes", "usa")], "dev": [], "test": []})
    assert kg.entities[-1] == "usa" and kg.entity_texts[0] == "Usa"  # the tokenizer makes them equal
    assert len(train(kg, "lp", tiny, tmp_path / "run", max_steps=1, **FEW).history()) == 1


def test_entity_vectors_that_cannot_be_saved_do_not_stop_a_retriever(nations, tiny, tmp_path, monkeypatch):
    run = train(nations, "cl", tiny, tmp_path / "run", max_steps=2, cl_batch_size=16, **FEW)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mtlkgc.biencoder.save_file", full)
    assert len(complete(run, head="usa", relation="treaties", k=3)) == 3
    assert not list(run.folder.glob("entities*"))


def test_a_text_that_is_not_utf8_is_named(nations, tiny, tmp_path):
    run = train(nations, "rp", tiny, tmp_path / "run", max_steps=1, **FEW)
    with pytest.raises(DataError, match=r"not UTF-8 text: caf\\udce9"):
        complete(run, head_text="caf\udce9", relation="treaties")
