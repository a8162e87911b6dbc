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
    """From IMDb's data sets, of which `imdb_people.py` made a database: cinemagoer no longer reads IMDb's pages."""
    sys.path.insert(0, str(HERE / "vendor"))
    from imdb import Cinemagoer, IMDbError

    try:
        imdb = Cinemagoer("s3", uri=f"sqlite:///{HERE / 'imdb.db'}")
        # Names that only sound alike are found, too.
        alike = [person for person in imdb.search_person(name) if person["name"].casefold() == name.casefold()]
        return sentences(imdb.get_person(alike[0].personID, info=["main"])) if alike else None
    except IMDbError as error:
        # Whose face it is, is worth telling without.
        print(f"IMDb's data cannot be read: {error}")
        return None


def sentences(person):
    """`Born 1971. Actress, producer. Known for The Last Ferry (2009).`"""
    titles = [(title.get("title"), title.get("year")) for title in person.get("known for", [])]
    known_for = [f"{title} ({year})" if year else title for title, year in titles if title]
    lived = [f"{word} {person[year]}" for word, year in [("Born", "birth date"), ("died", "death date")] if person.get(year)]
    professions = person.get("primary profession", "").replace("_", " ").replace(",", ", ")
    parts = [", ".join(lived), professions, known_for and "Known for " + ", ".join(known_for)]
    return " ".join(part[0].upper() + part[1:] + "." for part in parts if part) or None
