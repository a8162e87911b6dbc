"""Makes `imdb.db`, in which biographies are looked up, of IMDb's data sets: of the named people and what they are known for.

    python3 imdb_people.py <folder with name.basics.tsv.gz and title.basics.tsv.gz> "Grace Kelly" "Cary Grant" ...

The data sets as a whole make a database of gigabytes, more than a function may carry.
"""

import gzip
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "vendor"))

from imdb.parser.s3.importer import import_dir


def main(folder, *names):
    wanted = {name.casefold() for name in names}
    with tempfile.TemporaryDirectory() as reduced:
        people = keep(folder, reduced, "name.basics.tsv.gz", lambda row: row["primaryName"].casefold() in wanted)
        titles = {title for person in people for title in person["knownForTitles"].split(",")}
        keep(folder, reduced, "title.basics.tsv.gz", lambda row: row["tconst"] in titles)
        database = HERE / "imdb.db"
        database.unlink(missing_ok=True)
        import_dir(reduced, f"sqlite:///{database}")
    print(f"{len(people)} people of these names are in {database}")


def keep(folder, reduced, name, is_wanted):
    """Copies the wanted rows of a data set, and gives them."""
    kept = []
    with gzip.open(Path(folder, name), "rt", encoding="utf-8") as all_rows, gzip.open(Path(reduced, name), "wt", encoding="utf-8") as few:
        heading = next(all_rows)
        few.write(heading)
        columns = heading.rstrip("\n").split("\t")
        for line in all_rows:
            row = dict(zip(columns, line.rstrip("\n").split("\t")))
            if is_wanted(row):
                few.write(line)
                kept.append(row)
    return kept


if len(sys.argv) < 3:
    sys.exit(__doc__)
main(*sys.argv[1:])
