"""`assay warehouse`: build the sample, load one's own data, see what is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import JsonFlag, err, out, print_json, table

if TYPE_CHECKING:
    from services.warehouse import CatalogTable

app = typer.Typer(help="The data that reports are made of.", no_args_is_help=True)


@app.command()
def build(*, as_json: JsonFlag = False) -> None:
    """Build the sample warehouse: real market and credit data, and a fictional bank."""
    from services.settings import load_settings
    from services.warehouse import build_sample

    err().print("building the sample warehouse ...")
    snapshot = build_sample(load_settings().warehouse_dir)
    if as_json:
        print_json(snapshot)
    else:
        err().print(f"snapshot {snapshot.short_id}")
        out().print(str(snapshot.path))


@app.command()
def load(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="CSV, Parquet or DuckDB files.")
    ],
    *,
    as_json: JsonFlag = False,
) -> None:
    """
    Add tables of your own; they make a new snapshot, and runs under way keep theirs.

    A CSV or Parquet file becomes a table named after the file, a DuckDB file brings its tables.
    """
    from agent.cli.report import ensure_warehouse
    from services.settings import load_settings
    from services.warehouse import load_files

    settings = load_settings()
    ensure_warehouse(settings)
    snapshot = load_files(settings.warehouse_dir, files)
    if as_json:
        print_json(snapshot)
    else:
        err().print(f"snapshot {snapshot.short_id}; `assay warehouse show` lists its tables")
        out().print(str(snapshot.path))


@app.command()
def show(
    name: Annotated[
        str | None, typer.Argument(metavar="TABLE", help="Show the columns of this table.")
    ] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Print the tables, or one table's columns with units and sensitivity."""
    from services.settings import load_settings
    from services.warehouse import Warehouse

    with Warehouse.open(load_settings().warehouse_dir) as warehouse:
        catalog = warehouse.catalog()
        snapshot = warehouse.snapshot
    if name is not None:
        _show_columns(catalog.table(name), as_json=as_json)
        return
    if as_json:
        print_json({"snapshot": snapshot.id, **catalog.model_dump(mode="json")})
        return
    err().print(f"snapshot {snapshot.short_id}  {snapshot.path}")
    rows = table("table", "rows", "as of", "kind", "what it holds", right=("rows",))
    for entry in catalog.tables:
        kind = "yours" if entry.origin == "user" else "synthetic" if entry.synthetic else "real"
        rows.add_row(
            entry.name, f"{entry.row_count:,}", str(entry.as_of or ""), kind, entry.comment
        )
    out().print(rows)


@app.command("serve-copy")
def serve_copy_to(
    folder: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder of the copy: a warehouse of its own.")
    ],
    *,
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What may be read; without it, every table and column."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """
    Copy the tables and columns that a policy lists, and nothing else, into a warehouse to serve.

    With OUT as `HOME/warehouse` and `ASSAY_HOME=HOME`, reports and questions run on the copy: what
    the policy leaves out is not there to leak. `assay guard policy` prints a policy to start from.
    """
    from services.settings import load_settings
    from services.warehouse import find_snapshot, serve_copy

    listed = None
    if policy is not None:
        from agent.roles import read_policy

        listed = read_policy(policy)
    snapshot = serve_copy(find_snapshot(load_settings().warehouse_dir, None), folder, listed)
    if as_json:
        print_json(snapshot)
    else:
        err().print(f"snapshot {snapshot.short_id}")
        out().print(str(snapshot.path))


@app.command()
def prune(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Remove the snapshots that no run refers to; the current one, and the last hour's, stay."""
    from agent.cli.store import keep

    files = keep(lambda house: house.prune_warehouse(dry_run=dry_run))
    if as_json:
        print_json({"dry_run": dry_run, "files": [str(path) for path in files]})
        return
    for path in files:
        out().print(str(path))
    err().print(f"{'would be removed' if dry_run else 'removed'}: {len(files)} snapshots")


def _show_columns(entry: CatalogTable, *, as_json: bool) -> None:
    if as_json:
        print_json(entry)
        return
    err().print(f"{entry.name}: {entry.comment}")
    rows = table("column", "type", "unit", "sensitivity", "what it holds")
    for column in entry.columns:
        rows.add_row(column.name, column.type, column.unit, column.sensitivity, column.comment)
    out().print(rows)
