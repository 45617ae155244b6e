"""
The guard beside published ones, on the same cases, in one run: `python bench/guard.py`.

Each peer is installed in a virtual environment of its own (`--environments` keeps them for the next
run) and is given the same tables, denied columns and functions, as far as it has words for them. A
case counts as blocked when the guard refuses it, raises, or gives no answer within ten seconds.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "tests" / "sql_guard" / "fixtures"
PEERS = {
    "sql-guardrail": "sql-guardrail==0.5.2",
    "agent-sql-guard": "agent-sql-guard==0.2.0",
    "sql-data-guard": "sql-data-guard==0.1.9",
}
OURS = ("assay", "assay with DuckDB's parser")
ROUNDS = 3
PATIENCE = 10

Check = Callable[[str], bool]


def ours(setup: dict[str, Any], *, second_opinion: bool) -> Check:
    from services.warehouse import DuckDBOpinion
    from sql_guard import Guard, GuardPolicy

    policy = GuardPolicy.load(setup["policy"])
    guard = Guard(policy, DuckDBOpinion() if second_opinion else None)
    return lambda sql: guard.check(sql).allowed


def sql_guardrail(setup: dict[str, Any]) -> Check:
    from sqlguard import Policy, verify

    tables = [
        {"name": name.split(".")[1], "schema": name.split(".")[0], "allow_columns": columns}
        for name, columns in setup["tables"].items()
    ]
    policy = Policy.from_dict({"tables": tables, "allowed_functions": setup["functions"]})
    return lambda sql: verify(sql, policy).allowed


def agent_sql_guard(setup: dict[str, Any]) -> Check:
    from sql_guard import PiiDenylist, SqlGuard, SqlGuardConfig

    guard = SqlGuard(
        SqlGuardConfig.from_settings(
            pii_denylist=PiiDenylist.from_mapping({"columns": setup["denied"], "substrings": []}),
            allowed_tables=list(setup["tables"]),
            dialect="duckdb",
        )
    )
    return lambda sql: not guard.evaluate_static(sql).denied


def sql_data_guard(setup: dict[str, Any]) -> Check:
    from sql_data_guard import verify_sql

    tables = [
        {"table_name": name.split(".")[1], "database_name": name.split(".")[0], "columns": columns}
        for name, columns in setup["tables"].items()
    ]
    return lambda sql: bool(verify_sql(sql, {"tables": tables}, "duckdb")["allowed"])


def build(name: str, setup: dict[str, Any]) -> Check:
    """The check of the guard called *name*."""
    if name in OURS:
        return ours(setup, second_opinion=name != OURS[0])
    peers = {
        "sql-guardrail": sql_guardrail,
        "agent-sql-guard": agent_sql_guard,
        "sql-data-guard": sql_data_guard,
    }
    return peers[name](setup)


def measure(name: str) -> None:
    """Answers on stdin's cases: for each whether it was allowed, and the best time in seconds."""
    import logging

    logging.disable(logging.CRITICAL)
    setup = json.load(sys.stdin)
    check = build(name, setup)

    def give_up(*_: Any) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, give_up)
    answers = []
    for case in setup["cases"]:
        allowed, best = False, float(PATIENCE)
        for _ in range(ROUNDS):
            signal.alarm(PATIENCE)
            started = time.perf_counter()
            try:
                allowed = check(case["sql"])
            except BaseException:  # noqa: BLE001  # a guard that breaks has refused, and took its time
                allowed = False
            signal.alarm(0)
            best = min(best, time.perf_counter() - started)
        answers.append((allowed, best))
    json.dump(answers, sys.stdout)


def setup_of(corpus: Path | None) -> dict[str, Any]:
    """What every guard is told, and the cases."""
    import yaml

    from sql_guard._function_names import ANALYTIC, TABLE_FUNCTIONS

    policy = yaml.safe_load((FIXTURES / "policy.yaml").read_text(encoding="utf-8"))
    files = [corpus] if corpus else sorted((FIXTURES / "cases").glob("*.jsonl"))
    cases = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    return {
        "policy": policy,
        "tables": {name: list(columns) for name, columns in policy["tables"].items()},
        "denied": [name.rpartition(".")[2] for name in policy["deny"]],
        "functions": sorted(ANALYTIC | TABLE_FUNCTIONS | {"cast", "case", "try_cast", "extract"}),
        "cases": [{"sql": case["sql"], "verdict": case["verdict"]} for case in cases],
    }


def python_for(name: str, folder: Path) -> str:
    """The interpreter of the environment of *name*, made when it is not there."""
    if name in OURS:
        return sys.executable
    home = folder / name
    python = home / "bin" / "python"
    if not python.exists():
        print(f"installing {PEERS[name]} ...", file=sys.stderr)
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PEERS[name]], check=True)
    return str(python)


def row(name: str, python: str, setup: dict[str, Any]) -> str:
    """One line of the table."""
    done = subprocess.run(
        [python, __file__, "--measure", name],
        input=json.dumps(setup),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT if name in OURS else None,
    )
    if done.returncode:
        return f"| {name} | failed: {done.stderr.strip().splitlines()[-1][:80]} |"
    answers = json.loads(done.stdout)
    right = {"block": 0, "allow": 0}
    total = {"block": 0, "allow": 0}
    for case, (allowed, _) in zip(setup["cases"], answers, strict=True):
        total[case["verdict"]] += 1
        right[case["verdict"]] += allowed == (case["verdict"] == "allow")
    times = sorted(seconds * 1e6 for _, seconds in answers)
    shares = [f"{100 * right[kind] / max(1, total[kind]):.1f} %" for kind in ("block", "allow")]
    p99 = times[min(len(times) - 1, int(0.99 * len(times)))]
    return (
        f"| {name} | {shares[0]} of {total['block']} | {shares[1]} of {total['allow']} "
        f"| {statistics.median(times):.0f} us | {p99 / 1e3:.2f} ms | {times[-1] / 1e3:.1f} ms |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, help="cases as JSON lines, instead of the tests'")
    parser.add_argument("--environments", type=Path, help="where the peers are installed")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
        return
    setup = setup_of(options.corpus)
    print("| guard | blocked | allowed | median | p99 | worst |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.environments or Path(temporary)
        for name in (*OURS, *PEERS):
            print(row(name, python_for(name, folder), setup), flush=True)


if __name__ == "__main__":
    main()
