"""Whatever a file holds: it is read as it was written, or refused in a sentence that names it."""
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlkgc.data import DataError, printable, read_folder, read_tsv
from mtlkgc.rankings import SCHEMA, read_parts, write_part

settings.register_profile("quick", max_examples=60, deadline=None, derandomize=True, database=None)
settings.load_profile("quick")

ID = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\r\n"), min_size=1, max_size=9)
ID = ID.map(str.strip).filter(lambda id: id and not id.startswith("\ufeff"))
TRIPLES = st.lists(st.tuples(ID, ID, ID), max_size=8)
FIELDS = st.text("ab \t\n\r\0\x1b\x85\u2028\u202e\ufeffé", max_size=60)


def write(folder, **splits):
    for split in ("train", "dev", "test"):
        (folder / f"{split}.tsv").write_bytes(splits.get(split, b""))


@given(TRIPLES.filter(len), TRIPLES)
def test_triples_are_read_as_written(train, test):
    with TemporaryDirectory() as d:
        lines = {split: "".join("\t".join(t) + "\n" for t in some).encode()
                 for split, some in {"train": train, "test": test}.items()}
        write(Path(d), **lines)
        kg = read_folder(d)
    for split, some in {"train": train, "test": test}.items():
        got = [(kg.entities[h], kg.relations[r], kg.entities[t]) for h, r, t in getattr(kg, split).tolist()]
        assert got == list(dict.fromkeys(some))  # repeated ones once, in the order of the file
    assert kg.entities == sorted({e for h, _, t in train + test for e in (h, t)})


@given(FIELDS.map(str.encode) | st.binary(max_size=60))
def test_any_bytes_are_a_graph_or_a_sentence(content):
    with TemporaryDirectory() as d:
        write(Path(d), train=content)
        (Path(d) / "entity2text.txt").write_bytes(content.replace(b"\t", b"", 1))
        try:
            kg = read_folder(d)
        except DataError as e:
            assert str(e).startswith(d) and len(str(e).splitlines()) == 1
        else:
            assert len(kg.train) and all(map(str.strip, kg.entities + kg.relations))


@given(st.dictionaries(ID, st.text("ab é\t", max_size=9), max_size=5))
def test_texts_are_read_as_written(texts):
    with TemporaryDirectory() as d:
        file = Path(d) / "entity2text.txt"
        file.write_text("".join(f"{id}\t{text}\n" for id, text in texts.items()), encoding="utf-8")
        assert read_tsv(file, 2) == [(id, text.strip()) for id, text in texts.items()]


@given(st.text(max_size=30))
def test_nothing_hidden_is_left(text):
    shown = printable(text)
    shown.encode()  # no lone surrogate
    hidden = [c for c in shown if c < " " and c != "\t" or "\x7f" <= c <= "\x9f" or c in "\u202a\u202e"]
    assert not hidden and printable(shown) == shown and (shown == text or "\\" in shown)


def block(number, ids):
    "A block of rankings that is told from others."
    n = len(ids)
    values = {"head": ids, "relation": ["r"] * n, "tail": ids, "side": ["tail"] * n,
              "score": [float(number)] * n,
              "rank_optimistic": [1] * n, "rank_realistic": [1.5] * n, "rank_pessimistic": [2] * n,
              "n_candidates": [9] * n, "top_candidates": [ids] * n, "top_scores": [[0.0] * n] * n,
              "own_score": [None] * n}
    return pa.table(values, schema=SCHEMA)


BLOCKS = st.lists(st.lists(ID, min_size=1, max_size=3), min_size=1, max_size=6)


@given(BLOCKS, st.data())
def test_rankings_are_read_as_written(ids, data):
    tables = [block(i, some) for i, some in enumerate(ids)]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(ids) - 1)))) if len(ids) > 1 else []
    with TemporaryDirectory() as d:
        for first, last in zip([0, *cuts], [*cuts, len(ids)]):
            write_part(Path(d), tables[first:last], list(range(first, last)), {"n_blocks": len(ids)})
        got, header, done = read_parts(d)
        assert header["n_blocks"] == len(ids) and done == set(range(len(ids)))
        assert pa.concat_tables(got).to_pylist() == pa.concat_tables(tables).to_pylist()


@given(BLOCKS, st.data())
def test_a_part_that_was_cut_off_is_named(ids, data):
    with TemporaryDirectory() as d:
        tables = [block(i, some) for i, some in enumerate(ids)]
        write_part(Path(d), tables, list(range(len(ids))), {"n_blocks": 9})
        part = next(Path(d).glob("part-*.parquet"))
        whole = part.read_bytes()
        part.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        with pytest.raises(DataError, match=part.name):
            read_parts(d)
