"""A task is one class: whoever adds one touches nothing else."""
import re
from pathlib import Path

import pytest
import torch.nn.functional as F

import mtlkgc
from mtlkgc import combine, complete, train
from mtlkgc.tasks import TASKS, Task, register


@pytest.fixture
def toy():
    "Bayesian personalised ranking (Rendle et al. 2009)."
    @register
    class BPR(Task):
        name, title, priority = "bpr", "BPR: valid above invalid, by probability", 4

        def n_outputs(self, n_relations):
            return 1

        def loss(self, logits, labels, margin=None):
            s = logits.float().view(labels.shape)  # [B, 1+K]
            return -F.logsigmoid(s[:, :1] - s[:, 1:]).mean()

        def score(self, logits, relations):
            return logits[:, 0].float()

    yield BPR
    del TASKS["bpr"]


def test_a_new_task_trains_ranks_and_completes(toy, nations, tiny, tmp_path):
    run = train(
        nations, "lp+bpr+rp", tiny, tmp_path / "run", epochs=2, lr=2e-3, negatives=2, batch_size=16,
        evaluations=1, dev_triples=20, progress=False)
    history = run.history()
    assert set(history.task) == {"lp", "rp", "bpr"} and run.what["tasks"] == "lp+rp+bpr"
    losses = history.loss[history.task == "bpr"]
    assert losses.tail(20).mean() < losses.head(20).mean()

    ranked = run.rank(progress=False)
    assert run.scorer.heads == ("bpr",) and ranked.header["scored_by"] == "bpr"
    assert set(ranked.rows.side) == {"head", "tail", "relation"} and ranked.metrics().mrr["both"] > 0.3
    voted = run.rank(score_with="bpr+rp", sample=20, progress=False)
    assert voted.header["scored_by"] == "rp+bpr" and not voted.rows.score.isna().any()

    guess = complete(run, head="usa", relation="treaties", k=3)
    assert guess.score.is_monotonic_decreasing and len(guess) == 3
    assert len(complete(run, head="usa", tail="uk")) == 10

    again = mtlkgc.Run(run.folder)  # loaded from its folder, not kept
    assert complete(again, head="usa", relation="treaties", k=3).equals(guess)
    alone = train(nations, "bpr", tiny, tmp_path / "alone", max_steps=5, evaluations=0, progress=False)
    both = combine([run, alone], tmp_path / "both", score_with="bpr", progress=False)
    assert set(both.rank(sample=10, progress=False).rows.side) == {"head", "tail"}


def test_no_other_module_compares_the_names_of_tasks():
    compares = re.compile(r"""task ==|"rp" in|== "lp"|'rp' in""")
    for module in Path(mtlkgc.__file__).parent.glob("*.py"):
        lines = module.read_text(encoding="utf-8").splitlines()
        found = [line for line in lines if compares.search(line)]
        assert module.name == "tasks.py" or not found, f"{module.name}: {found}"
