"Other models, losses and optimizers of PyKEEN, and graphs of one's own, work or are refused in a sentence."
import pytest

from mtlkgc import load_kg, train_graph_model, train_nbfnet
from mtlkgc.best import best, effort
from mtlkgc.data import DataError, make_kg
from mtlkgc.graph_models import settings
from mtlkgc.use import Run

FEW = dict(epochs=2, batch_size=64, evaluations=2, dev_triples=5, progress=False)


@pytest.mark.parametrize("model, changes", [
    ("rgcn", {}), ("transe", dict(optimizer="adamw")), ("distmult", dict(optimizer="sgd")),
    ("rotate", dict(loss="crossentropy", loop="lcwa"))])
def test_other_choices_of_pykeen_train_and_rank(model, changes, nations, tmp_path):
    run = train_graph_model(nations, model, tmp_path / "run", **FEW, **changes)
    assert len(Run(run.folder).rank(sample=3, progress=False).rows) == 6


def test_another_loss_does_not_keep_arguments_of_the_presets(nations):
    assert settings(nations, "rotate").loss_kwargs
    assert not settings(nations, "rotate", loss="crossentropy").loss_kwargs


def test_1vsall_applies_the_regularizer_of_the_model(nations, tmp_path):
    def entities(weight):
        kwargs = dict(embedding_dim=8, regularizer="lp", regularizer_kwargs=dict(weight=weight))
        how = dict(loop="1vsall", loss="crossentropy", inverse=True, n3=0.0, model_kwargs=kwargs)
        run = train_graph_model(nations, "complex", tmp_path / str(weight), **FEW, **how)
        return run.scorer.model.entity_representations[0](None)
    assert not entities(0.).equal(entities(100.))


@pytest.mark.parametrize("model, changes", [
    ("rotate", dict(loop="lcwa", loss="nssa", label_smoothing=0.1)), ("fixed", {})])
def test_what_pykeen_refuses_is_refused_before_anything_is_written(model, changes, nations, tmp_path):
    with pytest.raises(ValueError, match="PyKEEN does not take these settings"):
        train_graph_model(nations, model, tmp_path / "run", **FEW, **changes)
    assert not (tmp_path / "run").exists()


def test_models_of_the_graph_are_trained_by_one_process(nations, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for call in (lambda: train_graph_model(nations, "transe", tmp_path / "a"),
                 lambda: train_nbfnet(nations, tmp_path / "b")):
        with pytest.raises(ValueError, match="trained by one process"):
            call()


def test_best_needs_dev_and_test(nations, tmp_path):
    all_triples = {s: nations.ids(getattr(nations, s)) for s in ("train", "dev", "test")}
    for missing in ("dev", "test"):
        kg = make_kg("lacks", {**all_triples, missing: []})
        for call in (effort, lambda kg: best(kg, tmp_path / "best", progress=False)):
            with pytest.raises(DataError, match="lacks has"):
                call(kg)
    few = make_kg("few", {**all_triples, "dev": all_triples["dev"][:3]})  # none to hold out from fitting
    with pytest.raises(DataError, match="few has too few dev triples"):
        best(few, tmp_path / "best", progress=False)
    assert not (tmp_path / "best").exists()


def test_a_table_with_unquoted_commas_is_refused(tmp_path):
    file = tmp_path / "towns.csv"
    file.write_text("head,relation,tail,tail_text\nBonn,part_of,Germany,Country, in Europe\n"
                    "Paris,part_of,France,Country, in Europe\n")
    with pytest.raises(DataError, match="more fields than its header; quote texts"):
        load_kg(str(file))


def test_names_keep_their_commas(tmp_path):
    file = tmp_path / "towns.csv"
    file.write_text('head,relation,tail\n"Paris, Texas",in,USA\n"Paris, France",in,France\n')
    assert {"Paris, Texas", "Paris, France"} <= set(load_kg(str(file)).entity_names)


def test_a_label_may_be_a_uri(tmp_path):
    file = tmp_path / "towns.nt"
    comment = "http://www.w3.org/2000/01/rdf-schema#comment"
    file.write_text(f"<http://x/a> <{comment}> <http://x/doc> .\n"
                    "<http://x/a> <http://x/near> <http://x/b> .\n")
    assert "http://x/a" in load_kg(str(file)).entities


def test_a_file_that_is_no_graph_is_called_a_file(tmp_path):
    (tmp_path / "facts.tsv").write_text("a\tr\tb\n")
    with pytest.raises(DataError, match="is no folder, nor a file .csv or .nt"):
        load_kg(str(tmp_path / "facts.tsv"))
