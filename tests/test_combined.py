"Ensembles, classifiers and comparisons where two things could be confused."
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mtlkgc import combine, complete, load_kg, train
from mtlkgc.classify import corrupted, fit_classifier, judge
from mtlkgc.data import DataError
from mtlkgc.paths import learn_paths
from mtlkgc.plots import bootstrap
from mtlkgc.rules import learn_rules
from mtlkgc.use import Run

HOLDS = """
import sys
from mtlkgc.run import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    input()"""


@pytest.fixture(scope="module")
def runs(nations, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return learn_paths(nations, folder / "paths"), learn_rules(nations, folder / "rules")


@pytest.fixture
def asked(nations, tmp_path):
    "A file of ten true triples of test, without labels."
    file = tmp_path / "asked.tsv"
    file.write_text("".join("\t".join(row) + "\n" for row in nations.ids(nations.test[:10])))
    return file


def test_a_file_that_another_process_writes_is_left_alone(runs, asked, tmp_path):
    out = tmp_path / "new" / "told.tsv"
    command = [sys.executable, "-c", HOLDS, str(out.with_name("told.tsv.lock"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(DataError, match="is being written by process"):
            runs[0].classify_file(asked, out, progress=False)
        other.communicate("\n")
    assert len(runs[0].classify_file(asked, out, progress=False)) == 10
    assert [p.name for p in out.parent.iterdir()] == ["told.tsv"]


def test_other_labels_are_another_file(runs, asked, tmp_path, monkeypatch):
    "What was begun is not continued after labels were added."
    append, calls = Run._append, []

    def stops(self, *args, **kwargs):
        if calls:
            raise KeyboardInterrupt
        calls.append(1)
        append(self, *args, **kwargs)

    monkeypatch.setattr(Run, "_append", stops)
    with pytest.raises(KeyboardInterrupt):
        runs[0].classify_file(asked, tmp_path / "told.tsv", block=4, progress=False)
    monkeypatch.undo()
    asked.write_text("".join(line + "\t1\n" for line in asked.read_text().splitlines()))
    told = runs[0].classify_file(asked, tmp_path / "told.tsv", block=4, progress=False)
    assert told.label.tolist() == [1]*10


def test_an_ensemble_is_classified_by_its_members(nations, runs, tmp_path):
    "A triple's score is a weighted sum of the members' own scores, not of scores standardised per query."
    both = combine(runs, tmp_path / "both", progress=False)
    told = both.classify(nations.test[:10])
    scores = np.stack([run.classify(nations.test[:10]).score for run in runs], 1)
    classifier = both.classifier()
    used = np.any(list(json.loads((both.model_folder / "config.json").read_text())["weights"].values()), 0)
    assert len(classifier.slope) == used.sum()
    np.testing.assert_allclose(told.score, scores[:, used] @ classifier.slope + classifier.intercept)
    best = both.complete(head=nations.entities[0], relation=nations.relations[0], k=3)
    triples = [(nations.entities[0], nations.relations[0], tail) for tail in best.id]
    np.testing.assert_allclose(best.probability, both.classify(triples).probability)


def test_a_classifier_of_an_ensembles_sum_is_not_used(nations, runs, tmp_path):
    "Earlier versions fitted one slope to the sum of standardised scores."
    both = combine(runs, tmp_path / "both", progress=False)
    both.classifier()
    said = json.loads((both / "classifier.json").read_text())
    said["classifier"]["slope"] = 1.5
    (both / "classifier.json").write_text(json.dumps(said))
    with pytest.raises(DataError, match="has one slope .*; delete it, and it is fitted again"):
        both.classify(nations.test[:2])


def test_what_another_classifier_began_is_not_continued(runs, asked, tmp_path, monkeypatch):
    append = Run._append
    monkeypatch.setattr(Run, "_append", lambda self, part, *a, **k: append(self, part, *a, **k) or 1/0)
    run = runs[1]
    with pytest.raises(ZeroDivisionError):
        run.classify_file(asked, tmp_path / "told.tsv", block=4, progress=False)
    monkeypatch.undo()
    said = json.loads((run / "classifier.json").read_text())
    before = said["classifier"]["intercept"]
    try:
        said["classifier"]["intercept"] = before + 1
        (run / "classifier.json").write_text(json.dumps(said))
        told = run.classify_file(asked, tmp_path / "told.tsv", block=4, progress=False)
        log_odds = np.log(told.probability/(1 - told.probability))
        expected = said["classifier"]["slope"]*told.score + before + 1
        np.testing.assert_allclose(log_odds, expected, atol=1e-3)
    finally:
        (run / "classifier.json").unlink()


def test_a_relation_may_be_called_all():
    "It has no threshold of its own, and its row is not that of all triples."
    scores, labels = np.arange(40.), np.repeat([False, True], 20)
    relations = np.tile(["all", "other"], 20)
    fitted = fit_classifier(scores, labels, relations)
    plain = fit_classifier(scores, labels, np.tile(["first", "other"], 20))
    assert fitted.thresholds["all"] == plain.thresholds["all"] and "other" in fitted.thresholds
    told = {"label": labels, "predicted": labels, "probability": labels*1.0}
    judged = judge(pd.DataFrame({"relation": relations, **told}))
    assert judged.index.tolist() == ["all", "all", "other"]
    assert judged.true.tolist() == [20, 10, 10]


def test_an_ensemble_of_a_graph_in_memory_is_used(tmp_path):
    kg = load_kg([(f"e{i}", "next to", f"e{(i + k) % 40}") for i in range(40) for k in (1, 2)])
    members = [learn_paths(kg, tmp_path / "a"), learn_rules(kg, tmp_path / "b")]
    both = combine(members, tmp_path / "both", progress=False)
    assert len(both.rank(sample=3, progress=False).rows) == 6
    assert len(complete(both, head="e1", relation="next to", k=3)) == 3


def test_one_dev_triple_is_too_few_and_leaves_nothing(runs, tmp_path):
    with pytest.raises(DataError, match="have only one on each side; take more"):
        combine(runs, tmp_path / "both", dev_triples=1, progress=False)
    assert not (tmp_path / "both").exists()


def test_rankings_among_other_candidates_are_not_compared(runs):
    whole = runs[0].rank(progress=False)
    few = runs[1].rank(candidates=3, progress=False)
    with pytest.raises(DataError, match="ranked among different candidates"):
        bootstrap(whole, few)


def test_rankings_in_two_protocols_are_not_compared(runs):
    competes = runs[0].rank(progress=False)
    with pytest.raises(DataError, match="own entity is last in only one of .*; compare both by own_last"):
        bootstrap(competes, competes.own_last())


def test_an_ensemble_keeps_the_precision_of_a_ranking_that_was_begun(nations, tiny, tmp_path, monkeypatch):
    members = [train(nations, "cl", tiny, tmp_path / str(seed), seed=seed, max_steps=2, cl_batch_size=16,
                     evaluations=0, precision="bf16", progress=False) for seed in (0, 1)]
    both = combine(members, tmp_path / "both", progress=False)
    begun = both.rank(sample=4, precision="bf16", progress=False).header
    other = "fp32" if Run(both.folder).scorer.precision == "bf16" else "bf16"
    asked = Run(both.folder).scored_with(None, other)
    assert begun["precision"] == "bf16" and asked.precision == other


def test_false_triples_of_a_fold_are_none_of_its_own(nations, tmp_path, monkeypatch):
    seen = []

    def noted(kg, triples):
        false = corrupted(kg, triples)
        seen.append(false)
        return false

    monkeypatch.setattr("mtlkgc.classify.corrupted", noted)
    learn_paths(nations, tmp_path / "run").doubt(tmp_path / "doubts", folds=2, progress=False)
    train_triples = {tuple(x) for x in nations.train.tolist()}
    assert len(seen) == 2 and not train_triples & {tuple(x) for false in seen for x in false.tolist()}


@pytest.mark.parametrize("n_true, n_false", [(100, 20), (20, 100)])
def test_as_many_true_triples_as_labelled_false_ones(nations, tmp_path, monkeypatch, n_true, n_false):
    seen = []

    def noted(scores, labels, relations):
        seen.append(labels)
        return fit_classifier(scores, labels, relations)

    monkeypatch.setattr("mtlkgc.classify.fit_classifier", noted)
    run = learn_paths(nations, tmp_path / "run")
    false = corrupted(nations, nations.dev[:n_false])
    run.kg = replace(nations, dev=nations.dev[:n_true], false={"dev": false})
    run.classifier()
    assert seen[0].sum() == (~seen[0]).sum() == 20


def test_triples_to_classify_come_in_many_forms(nations, runs):
    ids = nations.ids(nations.test[:5])
    table = pd.DataFrame(ids, columns=["head", "relation", "tail"]).assign(note="more")
    told = [runs[0].classify(x) for x in (ids, nations.test[:5], nations.test[:5].tolist(), table,
                                          table[["head", "relation", "tail"]].to_numpy())]
    assert all(t.equals(told[0]) for t in told)
    assert len(runs[0].classify([])) == 0
    with pytest.raises(DataError, match="triple 2: a triple has a head, a relation and a tail, unlike"):
        runs[0].classify([ids[0], ids[1][:2]])
