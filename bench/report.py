"""
How long a default report takes from a warm install, and where the time goes.

Runs `assay report` several times as a user would, in a home of its own, and reads the split by
step from the run's own trace. The peer in the same run is the floor: starting Python and
importing what the report needs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ASSAY = [sys.executable, "-m", "agent"]
IMPORTS = "import agent.opening, agent.graph, reports.render, duckdb, typst, vl_convert, xlsxwriter"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="assay bench ") as folder:
        env = {**os.environ, "ASSAY_HOME": f"{folder}/home", "ASSAY_OUTPUT": f"{folder}/out"}
        timed([*ASSAY, "warehouse", "build"], env, "build the sample warehouse")
        walls = []
        for number in range(runs):
            seconds = timed(
                [*ASSAY, "report", "--no-input", "--run-id", f"b{number}"],
                env,
                f"report {number + 1}",
            )
            walls.append(seconds)
        floor = timed([sys.executable, "-c", IMPORTS], env, "imports alone")
        split(env, f"b{runs - 1}")
        subprocess.run([*ASSAY, "store", "stop"], env=env, check=True, capture_output=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"\nmedian {statistics.median(walls):.2f} s, {statistics.median(walls) / floor:.1f} times the imports; peak {peak:,.0f} MB"
    )


def timed(command: list[str], env: dict[str, str], name: str) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode not in (0, 3):
        sys.exit(f"{name} failed with {done.returncode}:\n{done.stderr}")
    print(f"{seconds:8.2f} s  {name}")
    return seconds


def split(env: dict[str, str], run_id: str) -> None:
    """Seconds by step, of the last report; sections run in parallel, so they sum to more."""
    trace = Path(env["ASSAY_HOME"]) / "traces" / f"{run_id}.jsonl"
    spans = [json.loads(line) for line in trace.read_text(encoding="utf-8").splitlines()]
    totals: dict[str, list[float]] = defaultdict(list)
    for span in spans:
        totals[span["name"]].append((span["end"] - span["start"]) / 1e6)
    print(f"\n{'span':<45}{'count':>6}{'total ms':>11}{'longest':>9}")
    for name, times in sorted(totals.items(), key=lambda item: -sum(item[1]))[:25]:
        print(f"{name[:44]:<45}{len(times):>6}{sum(times):>11,.1f}{max(times):>9,.1f}")


if __name__ == "__main__":
    main()
