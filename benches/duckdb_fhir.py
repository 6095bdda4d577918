"""Views written by hand in DuckDB SQL over one NDJSON file. Needs duckdb and pyarrow.

    duckdb_fhir.py query FILE THREADS PASSES SQL...   each pass runs all queries, one after the other, each to an Arrow table in memory
    duckdb_fhir.py write FILE THREADS OUT SQL...      writes each one's rows as Parquet, OUT/NAME.parquet

SQL names a file with a query over '{file}', or a Python script that makes its query as `query` and runs it by `duckdb.connect()`:
that script is run with a connection that does nothing, and its query taken. Prints one JSON line; wall_s is the best pass, start and
imports left out.
"""

import contextlib
import io
import json
import os
import runpy
import sys
import time
from unittest import mock

import duckdb


def query_of(path, file, threads):
    if not path.endswith(".py"):
        with open(path, encoding="utf-8") as text:
            return text.read().replace("{file}", file)
    nothing = mock.MagicMock()
    nothing.sql.return_value.to_arrow_table.return_value.num_rows = 0
    with mock.patch.object(duckdb, "connect", lambda *_: nothing), mock.patch.object(sys, "argv", [path, file, threads]), contextlib.redirect_stdout(io.StringIO()):
        return runpy.run_path(path)["query"]


def main(what, file, threads, argument, *scripts):
    queries = [query_of(path, file, threads) for path in scripts]
    connection = duckdb.connect()
    connection.execute(f"set threads={int(threads)}")
    if what == "write":
        for path, query in zip(scripts, queries):
            name = os.path.splitext(os.path.basename(path))[0]
            connection.execute(f"copy ({query}) to '{argument}/{name}.parquet' (format parquet)")
        print(json.dumps({"written": len(queries)}))
        return
    passes, rows = [], 0
    for _ in range(int(argument)):
        start = time.perf_counter()
        rows = sum(connection.sql(query).to_arrow_table().num_rows for query in queries)
        passes.append(time.perf_counter() - start)
    print(json.dumps({"rows": rows, "wall_s": min(passes), "passes_s": [round(taken, 4) for taken in passes]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
