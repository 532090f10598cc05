"""Make mtlkgc/graphs/countries, the graph that `load_kg("countries")` reads, from what the world agrees on.

In an empty folder:

    npm pack cldr-core@48.2.0 cldr-localenames-full@48.2.0 cldr-numbers-full@48.2.0 world-atlas@2.0.2
    for f in *.tgz; do mkdir ${f%-*} && tar xzf $f -C ${f%-*}; done

and then, at the top of this repository: python tools/countries.py THAT_FOLDER
"""
import json, shutil, sys
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from mtlkgc.data import make_kg
from mtlkgc.tables import split_triples, write_folder

SPOKEN = 10 # percent of a country's people, for a language that is not official there
OFFICIAL = ("official", "de_facto_official")
RELATIONS = {
    "borders": "borders", "official_language": "has the official language",
    "spoken_language": "has many speakers of", "currency": "uses the currency", "lies_in": "lies in",
    "script": "is written in", "week_starts_on": "starts the week on"}
DAYS = {"mon": "Monday", "fri": "Friday", "sat": "Saturday", "sun": "Sunday"}
OUT = Path(__file__).parent.parent/"mtlkgc"/"graphs"/"countries"

def supplemental(packages:Path, name:str): # a file of CLDR
    file = packages/"cldr-core"/"package"/"supplemental"/f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8"))["supplemental"]

def names(packages:Path, package:str, what:str)->dict: # in English, by code
    file = packages/package/"package"/"main"/"en"/f"{what}.json"
    found = json.loads(file.read_text(encoding="utf-8"))["main"]["en"]
    return found["numbers"]["currencies"] if what == "currencies" else found["localeDisplayNames"][what]

def arcs(x)->set[int]: # of a shape, whichever way they run
    if isinstance(x, int): return {x if x >= 0 else ~x}
    return set().union(*map(arcs, x))

def borders(packages:Path)->list[tuple[str, str]]: # codes of countries whose shapes share an arc
    codes = supplemental(packages, "codeMappings")["codeMappings"]
    of_number = {x["_numeric"]: code for code, x in codes.items() if "_numeric" in x and len(code) == 2}
    atlas = json.loads((packages/"world-atlas"/"package"/"countries-10m.json").read_text())
    shapes = defaultdict(set)
    for shape in atlas["objects"]["countries"]["geometries"]:
        code = "XK" if shape["properties"]["name"] == "Kosovo" else of_number.get(shape.get("id"))
        if code: shapes[code] |= arcs(shape["arcs"])
    return [pair for pair in combinations(sorted(shapes), 2) if shapes[pair[0]] & shapes[pair[1]]]

def facts(packages:Path)->list[tuple[str, str, str]]: # without borders
    regions = supplemental(packages, "territoryContainment")["territoryContainment"]
    languages = supplemental(packages, "languageData")["languageData"]
    money = supplemental(packages, "currencyData")["currencyData"]["region"]
    week = supplemental(packages, "weekData")["weekData"]["firstDay"]
    people = supplemental(packages, "territoryInfo")["territoryInfo"]
    found, spoken = [], set()
    for country, said in people.items():
        for language, how in said.get("languagePopulation", {}).items():
            language = language.split("_")[0]
            official = how.get("_officialStatus") in OFFICIAL
            if not official and float(how["_populationPercent"]) < SPOKEN: continue
            found.append((country, "official_language" if official else "spoken_language", language))
            spoken.add(language)
        for coin in money.get(country, []):
            for code, when in coin.items():
                if "_to" in when or when.get("_tender") == "false": continue
                found.append((country, "currency", code))
        if country in week: found.append((country, "week_starts_on", week[country]))
    for region, said in regions.items():
        if region.isdigit() and region != "001":
            found += [(x, "lies_in", region) for x in said["_contains"] if x in people or x.isdigit()]
    for language in spoken:
        found += [(language, "script", script) for script in languages.get(language, {}).get("_scripts", [])]
    return sorted(set(found))

def all_names(packages:Path)->tuple[dict[str, str], dict[str, str]]: # code → name; code → what it is
    money = names(packages, "cldr-numbers-full", "currencies")
    kinds = {kind: names(packages, "cldr-localenames-full", what) for kind, what in
             {"country": "territories", "language": "languages", "script": "scripts"}.items()}
    kinds |= {"currency": {code: x["displayName"] for code, x in money.items()}, "day": DAYS}
    named, is_a = {}, {}
    for kind, some in kinds.items():
        named |= some
        is_a |= {code: "region" if code.isdigit() else kind for code in some}
    return named, is_a

def main(packages:Path):
    named, is_a = all_names(packages)
    triples = facts(packages) + [(a, "borders", b) for a, b in borders(packages)]
    splits = split_triples([(h, r, t) for h, r, t in triples if h in named and t in named])
    for split in splits.values(): # a border has two sides, and both are in one split
        split += [(b, r, a) for a, r, b in split if r == "borders"]
    codes = {e for split in splits.values() for h, _, t in split for e in (h, t)}
    texts = {c: f"{named[c]}, {is_a[c]}" for c in codes}
    kg = make_kg("countries", splits, texts, RELATIONS, {c: named[c] for c in codes})
    shutil.rmtree(OUT, ignore_errors=True)
    write_folder(kg, OUT)
    print(kg)

if __name__ == "__main__": main(Path(sys.argv[1]))
