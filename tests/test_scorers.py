"""Every scorer against what `mtlkgc.scoring.Scorer` promises: one table, one test for each promise."""
import numpy as np
import pytest
import torch

from mtlkgc.biencoder import BiEncoder, scorer_of
from mtlkgc.data import ANSWER, GIVEN, make_kg
from mtlkgc.degrees import DegreeScorer, count_degrees
from mtlkgc.ensemble import Ensemble, Shortlist, standardise
from mtlkgc.graph_models import GraphScorer, build, settings
from mtlkgc.model import new_model, tiny_encoder
from mtlkgc.nbfnet import Edges, NBFNet, NBFNetScorer
from mtlkgc.paths import PathScorer, count_paths
from mtlkgc.ranking import OwnLast
from mtlkgc.rankings import rank
from mtlkgc.rules import RuleScorer, count_rules
from mtlkgc.scoring import CrossEncoder, Scorer
from mtlkgc.tasks import TASKS
from mtlkgc.text import TokenizedKG

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
DEVICES = ["cpu", pytest.param("cuda", marks=NO_GPU)]
SIDES = ("tail", "head", "relation")
TWINS = ("springfield_il", "springfield_mo")  # two towns, one text


@pytest.fixture(scope="module")
def kg():
    capitals = dict(rome="italy", paris="france", berlin="germany", bern="switzerland", madrid="spain")
    towns = dict(milan="italy", nice="france", bonn="germany", basel="switzerland", springfield_il="usa")
    train = [(city, "part_of", country) for city, country in (capitals | towns).items()]
    train += [(country, "has_capital", city) for city, country in capitals.items()]
    train += [("france", "borders", other) for other in ("italy", "germany", "spain", "switzerland")]
    splits = {
        "train": [*train, ("springfield_mo", "twin_of", "nice")],
        "dev": [("italy", "borders", "france"), ("spain", "borders", "france")],
        "test": [
            ("springfield_mo", "part_of", "usa"), ("germany", "borders", "france"),
            ("bonn", "twin_of", "nice")]}
    return make_kg("cities", splits, dict.fromkeys(TWINS, "springfield, a town"))


class Makers:
    "A new scorer of each kind, on a device, with the same weights each time."

    def __init__(self, kg, encoder, device):
        self.kg, self.encoder, self.device = kg, encoder, device

    def cross(self, tasks="lp+rp+rr", heads=None, seed=0):
        torch.manual_seed(seed)
        model, tokenizer = new_model(self.encoder, self.kg.n_relations, tasks)
        return CrossEncoder(model.to(self.device), TokenizedKG(self.kg, tokenizer)).with_(heads)

    def retriever(self, tasks):
        torch.manual_seed(0)
        model, tokenizer = new_model(self.encoder, self.kg.n_relations, tasks)
        return scorer_of(model.to(self.device), TokenizedKG(self.kg, tokenizer))

    def graph(self, model, **changes):
        s = settings(self.kg, model, model_kwargs=dict(embedding_dim=8), **changes)
        net, _, _ = build(s, self.kg.n_entities, self.kg.n_relations)
        return GraphScorer(net.to(self.device))

    def nbfnet(self, **shape):
        torch.manual_seed(0)
        return NBFNetScorer(NBFNet(self.kg.n_relations, 8, 3, **shape).to(self.device), Edges(self.kg))

    def rules(self):
        return RuleScorer(self.kg, count_rules(self.kg.train, self.kg.n_relations))

    def paths(self):
        return PathScorer(self.kg, count_paths(self.kg))

    def degrees(self):
        return DegreeScorer(self.kg, count_degrees(self.kg))

    def ensemble(self, **options):
        weights = {"all": [0.4, 0.6], "head": [0.9, 0.1], "tail": [0.0, 1.0]}
        return Ensemble([self.cross(), self.graph("transe")], self.kg, weights, "side", **options)

    def readers(self):
        return Ensemble([self.cross(), self.cross("rr", seed=1)], self.kg, {"all": [0.3, 0.7]})

    def shortlist(self, **options):
        weights = {"all": [0.3, 0.7], "head": [0.8, 0.2]}
        first = self.own_last("graph", model="complex")
        return Shortlist(first, [self.cross()], self.kg, 4, weights, "side", **options)

    def own_last(self, of, **options):
        return OwnLast(getattr(self, of)(**options), self.kg)


SCORERS = {  # name: how to make it, and whether it knows entities by their texts only
    "cross-encoder": ("cross", {}, True),
    "cross-encoder that reads each relation": ("cross", {"tasks": "rr"}, True),
    "cross-encoder, several heads": ("cross", {"heads": "lp+rp"}, True),
    "bi-encoder": ("retriever", {"tasks": "cl"}, True),
    "bi-encoder beside heads that read in full": ("retriever", {"tasks": "lp+rp+cl"}, True),
    "own last, bi-encoder": ("own_last", {"of": "retriever", "tasks": "cl"}, True),
    "graph model, distances": ("graph", {"model": "transe"}, False),
    "graph model, inverse relations": ("graph", {"model": "complex", "inverse": True}, False),
    "graph model, products": ("graph", {"model": "distmult"}, False),
    "neural Bellman-Ford network": ("nbfnet", {}, False),
    "neural Bellman-Ford network, mean and deviation": ("nbfnet", {"pna": True}, False),
    "rules": ("rules", {}, False),
    "paths": ("paths", {}, False),
    "degrees": ("degrees", {}, False),
    "ensemble": ("ensemble", {}, False),
    "ensemble, one unit for each member": ("ensemble", {"units": [0.5, 3.0]}, False),
    "ensemble of cross-encoders": ("readers", {}, True),
    "shortlist": ("shortlist", {}, False),
    "shortlist, one unit for each member": ("shortlist", {"units": [0.5, 3.0]}, False),
    "own last, cross-encoder": ("own_last", {"of": "cross"}, True),
    "own last, graph model": ("own_last", {"of": "graph", "model": "rotate"}, False),
    "own last, ensemble": ("own_last", {"of": "ensemble"}, False),
}


@pytest.fixture(scope="module")
def encoder(kg, tmp_path_factory):
    return tiny_encoder(tmp_path_factory.mktemp("tiny"), kg.entity_texts + kg.relation_texts)


@pytest.fixture(params=DEVICES)
def make(request, kg, encoder):
    makers = Makers(kg, encoder, request.param)

    def new(how, options):
        return getattr(makers, how)(**options)
    return new


# What a call with some candidates must return, from calls without.

def columns(scorer, kg, queries, side, some):
    return scorer(queries, side)[:, some].cpu()


def weighted(scorer, kg, queries, side, some):
    "Members are standardised over the candidates that compete."
    weights = scorer.weights.get(side, scorer.weights["all"])
    members = zip(weights, scorer.units, scorer.scorers)
    return sum(w * standardise(expected(s, kg, queries, side, some), unit) for w, unit, s in members)


def own_at_the_end(scorer, kg, queries, side, some):
    return with_own_last(expected(scorer.scorer, kg, queries, side, some), queries, side, some)


def with_own_last(out, queries, side, some):
    place = some.tolist()
    for row, query in zip(out, queries.tolist()):
        own = query[GIVEN[side][0]]
        if own in place:  # no relation of this graph links an entity with itself
            row[place.index(own)] = row.min() - 1
    return out


def rescored(scorer, kg, queries, side, some):
    "The best of the first member that are not known, as the readers see them; the others and own below."
    weights = scorer.weights.get(side, scorer.weights["all"])
    rough = expected(scorer.first, kg, queries, side, some)
    fine = [columns(reader, kg, queries, side, some) for reader in scorer.readers]
    out = torch.empty_like(rough)
    for i, query in enumerate(queries):
        known = set(kg.known(side, ("train",)).lookup(query[None])[1].tolist())
        order = sorted(range(len(some)), key=lambda c: (some[c] in known, -rough[i, c]))
        at = order[:scorer.k]
        units = [None] * 2 if scorer.units is None else scorer.units.flatten().tolist()
        members = zip(weights, units, [rough, *fine])
        new = sum(w * standardise(x[i, at][None], unit)[0] for w, unit, x in members)
        old = rough[i, at]
        out[i] = (rough[i] - old.min()) / old.std(correction=0).clamp(min=1e-12) + new.min() - 1
        out[i, at] = new
    return with_own_last(out, queries, side, some)


EXPECTED = {
    BiEncoder: columns, CrossEncoder: columns, GraphScorer: columns, NBFNetScorer: columns,
    PathScorer: columns, RuleScorer: columns, DegreeScorer: columns, Ensemble: weighted,
    OwnLast: own_at_the_end, Shortlist: rescored}


def expected(scorer, *args):
    return EXPECTED[type(scorer)](scorer, *args)


@pytest.mark.parametrize("how, options, by_text", SCORERS.values(), ids=SCORERS)
def test_protocol(how, options, by_text, make, kg):
    scorer, queries = make(how, options), np.concatenate([kg.test, kg.dev, kg.train])
    E, R = kg.n_entities, kg.n_relations
    same = dict(atol=1e-3, rtol=1e-3)  # standardising enlarges what rounding does

    # the attributes that ranking may use
    assert isinstance(scorer.device, torch.device) and scorer.block >= 1 and scorer.n_read == 0
    assert isinstance(scorer.heads, tuple) and set(scorer.heads) <= TASKS.keys()

    for side in SIDES:
        before = scorer.n_read
        scores = scorer(queries, side)
        assert scores.shape == (len(queries), R if side == "relation" else E)
        assert scores.dtype == torch.float32 and scores.device.type == scorer.device.type
        assert scores.isfinite().all() and (scorer.n_read > before or side == "relation")

        # the same bits again, by a new scorer too; whatever stands in the answer's column
        other = queries.copy()
        other[:, ANSWER[side]] = 0
        assert scores.equal(scorer(queries, side)) and scores.equal(make(how, options)(other, side))
        torch.testing.assert_close(scorer(queries[2:3], side), scores[2:3], **same)  # of one query

        if side == "relation":
            continue
        for some in (np.array([3]), np.array([0, 2, 3, 7, E - 1]), np.arange(E)):
            got = scorer(queries, side, some)
            torch.testing.assert_close(got.cpu(), expected(scorer, kg, queries, side, some), **same)
        if by_text:
            a, b = (kg.entities.index(name) for name in TWINS)
            asked = ~np.isin(queries[:, GIVEN[side][0]], [a, b])  # not about one of them, which may be last
            assert scores[asked, a].equal(scores[asked, b]) and len(scores[asked]) > 3

    rows = rank(scorer, kg, kg.test, sides=SIDES, top_k=3, progress=False)
    assert rows.num_rows == 3 * len(kg.test) and (np.array(rows["rank_optimistic"]) >= 1).all()


def test_the_table_has_every_scorer_of_the_library():
    def below(kind):
        return {kind}.union(*map(below, kind.__subclasses__()))
    public = {kind for kind in below(Scorer) - {Scorer} if not kind.__name__.startswith("_")}
    assert {kind for kind in public if kind.__module__.startswith("mtlkgc.")} == set(EXPECTED)
