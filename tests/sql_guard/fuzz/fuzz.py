"""
Throws random statements at the guard, and asks the engine about each one that it accepts.

The guard runs without a second opinion here, so that its own rules are what is tested. A finding is
printed as a line of JSON; the exit code is 1 if there is any but texts that fail when canonical only.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from random import Random
from typing import Any

from grammar import Grammar
from mutations import Mutator
from oracle import FIXTURES, Oracle

from sql_guard import Guard, GuardPolicy

_LONGEST = 1_500
_CHUNK = 5_000


def texts() -> list[str]:
    """Every text of the cases, those that pass more often, because what comes of them passes more often."""
    cases = [
        json.loads(line)
        for path in sorted((FIXTURES / "cases").glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    found = [case["sql"] for case in cases for _ in range(6 if case["verdict"] == "allow" else 1)]
    useful = (FIXTURES / "useful.sql").read_text(encoding="utf-8").split(";\n")
    return [text for text in (*found, *useful) if text.strip() and len(text) < _LONGEST]


def share(task: tuple[int, int]) -> dict[str, Any]:
    """One process's share of the cases, from its own seed."""
    cases, seed = task
    random = Random(seed)
    policy = GuardPolicy.load((FIXTURES / "policy.yaml").read_text(encoding="utf-8"))
    if seed % 2:
        # The same column hidden in the other way: as one that is not listed.
        policy = policy.model_copy(update={"deny": ()})
    guard, oracle = Guard(policy), Oracle(policy)
    grammar, mutator = Grammar(random), Mutator(random, texts())
    makers = [grammar.statement, mutator.words, mutator.characters, mutator.trees]
    accepted: Counter[str] = Counter()
    findings: list[dict[str, str]] = []
    slowest = 0.0
    for _ in range(cases):
        maker = random.choice(makers)
        sql = maker()
        started = time.perf_counter()
        verdict = guard.check(sql)
        slowest = max(slowest, time.perf_counter() - started)
        if not verdict.allowed:
            continue
        accepted[maker.__name__] += 1
        if (finding := oracle.finding(sql, verdict)) is not None:
            findings.append({"finding": finding, "sql": sql, "canonical": verdict.sql or ""})
    return {"accepted": accepted, "findings": findings, "slowest": slowest}


def main() -> int:
    """Run, report, and say by the exit code whether anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    tasks = [
        (min(_CHUNK, options.cases - done), options.seed + number)
        for number, done in enumerate(range(0, options.cases, _CHUNK))
    ]
    started = time.perf_counter()
    shares, findings = [], []
    # A process for each part: the engine keeps what large results took.
    with multiprocessing.Pool(options.jobs, maxtasksperchild=1) as pool:
        for made in pool.imap_unordered(share, tasks):
            shares.append(made)
            findings += made["findings"]
            for finding in made["findings"]:
                sys.stdout.write(json.dumps(finding) + "\n")
            sys.stdout.flush()
            told = f"{len(shares)} of {len(tasks)} parts, {len(findings)} findings"
            sys.stderr.write(f"{told}, {time.perf_counter() - started:.0f} s\n")
    accepted = sum((made["accepted"] for made in shares), Counter())
    kinds = Counter(finding["finding"].partition(":")[0] for finding in findings)
    sys.stderr.write(
        f"{options.cases} cases from seed {options.seed} in {time.perf_counter() - started:.0f} s: "
        f"{accepted.total()} accepted {dict(accepted)}, "
        f"{kinds['escape']} escapes, {kinds['rows']} with other rows, {kinds['useless']} that only "
        f"fail when canonical, {kinds['slow']} slow; slowest check {max(s['slowest'] for s in shares) * 1e3:.0f} ms\n"
    )
    return 1 if kinds["escape"] or kinds["rows"] or kinds["slow"] else 0


if __name__ == "__main__":
    sys.exit(main())
