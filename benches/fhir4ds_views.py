"""Views by fhir4ds, which turns a ViewDefinition into DuckDB SQL: fhir4ds_views.py FILE THREADS OUT NAME=VIEW.json...

Its own loaders take no NDJSON (one JSON document a file, or resources one by one), so the lines go into its table in one DuckDB
statement, which is the quickest way in. Writes OUT/NAME.parquet, prints one JSON line.
"""

import contextlib
import json
import sys
import time

import duckdb
import pyarrow
import pyarrow.parquet


class Connection:
    """DuckDB comes with JSON built in; installing it, as fhir4ds does with each connection, would need the network."""

    def __init__(self, inner):
        self.inner = inner

    def execute(self, sql, *parameters):
        return None if sql.startswith("INSTALL json") else self.inner.execute(sql, *parameters)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def main(file, threads, out, *views):
    with contextlib.redirect_stdout(sys.stderr):  # it prints what it thinks
        connect = duckdb.connect
        duckdb.connect = lambda *place, **options: Connection(connect(*place, **options))
        from fhir4ds.datastore import FHIRDataStore
        from fhir4ds.dialects import DuckDBDialect

        start, rows = time.perf_counter(), 0
        connection = duckdb.connect()
        connection.execute(f"set threads={int(threads)}")
        store = FHIRDataStore(dialect=DuckDBDialect(connection=connection))
        connection.execute(f"insert into {store.table_name} ({store.json_col}) select json from read_ndjson_objects('{file}')")
        for text in views:
            name, path = text.split("=", 1)
            with open(path, encoding="utf-8") as view:
                sql = store.view_runner().execute_view_definition(json.load(view)).sql
            table = connection.inner.sql(sql).to_arrow_table()
            pyarrow.parquet.write_table(table, f"{out}/{name}.parquet")
            rows += table.num_rows
    print(json.dumps({"rows": rows, "wall_s": time.perf_counter() - start}))


if __name__ == "__main__":
    main(*sys.argv[1:])
