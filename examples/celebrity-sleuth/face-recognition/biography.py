"""Who somebody is, in a sentence or two: from IMDb, or from a small file of people who do not exist."""

import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
# A text message holds little.
LONGEST = 300


def of(name):
    """What is known about a person; nothing when there is no such person."""
    known = from_imdb(name) if os.environ["BIOGRAPHIES"] == "imdb" else offline(name)
    return known if not known or len(known) <= LONGEST else known[:LONGEST].rsplit(" ", 1)[0] + " ..."


def offline(name):
    return json.loads((HERE / "people.json").read_text()).get(name)


def from_imdb(name):
    sys.path.insert(0, str(HERE / "vendor"))
    from imdb import Cinemagoer

    imdb = Cinemagoer()
    people = imdb.search_person(name)
    if not people:
        return None
    person = imdb.get_person(people[0].personID, info=["main", "biography"])
    texts = person.get("mini biography") or person.get("biography") or []
    return texts[0].split("::")[0].strip() if texts else None
