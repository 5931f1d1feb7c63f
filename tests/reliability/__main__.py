"""Kills, faults and damage for runs of the built program; what of it was lost.

python3 tests/reliability --program build/bin/lookback; tests/reliability.sh builds that first.
"""

import argparse
import collections
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import cases
import closed_descriptors
import faults
import flips
import kills
import pairs
import power_cuts
from program import Program
from small_run import SmallRun

# How many cases; 0: all that there are.
LENGTHS = {
    "short": {"kills": 24, "faults": 90, "flips": 48, "cuts": 16, "swaps": 15, "pairs": 10,
              "closed descriptors": 1},
    "normal": {"kills": 500, "faults": 2000, "flips": 1000, "cuts": 240, "swaps": 30, "pairs": 100,
               "closed descriptors": 1},
    "full": {"kills": 600, "faults": 0, "flips": 4000, "cuts": 400, "swaps": 30, "pairs": 100,
             "closed descriptors": 1},
}
PARTS = (*LENGTHS["normal"], "power cuts")
# Whose cases are processes that must have the machine to themselves.
ALONE = ("pairs", "closed descriptors")


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, required=True, help="lookback")
    parser.add_argument("--preload", type=Path, help="system_calls.so; without it no faults")
    parser.add_argument("--tests", type=Path, help="lookback_tests; without it no power cuts")
    parser.add_argument("--length", choices=LENGTHS, default="normal")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100000)
    parser.add_argument("--part", action="append", choices=PARTS, help="only this one")
    parser.add_argument("--scratch", type=Path, help="where the runs go; without it into memory")
    parser.add_argument("--case", help="only cases whose names hold this text")
    return parser.parse_args()


def new_folder(parent):
    """Where runs go: in memory, where syncing a file takes no time, if that can be had."""
    memory = Path("/dev/shm")
    if parent is None and os.access(memory, os.W_OK):
        parent = memory
    return Path(tempfile.mkdtemp(prefix="lookback-reliability-", dir=parent)).resolve()


def cases_of(part, small, count, seed, scratch):
    if part in ("kills", "faults"):
        return {"kills": kills, "faults": faults}[part].cases(small, count, seed, scratch)
    makers = {"flips": flips.flips, "cuts": flips.cuts,
              "swaps": flips.swaps, "pairs": pairs.cases,
              "closed descriptors": closed_descriptors.cases}
    return makers[part](small, count, seed)


def run_cases_of(part, arguments, scratch):
    """Prints the failures as they come; how many of each outcome there were."""
    small = SmallRun(Program(arguments.program, arguments.preload), scratch / "small")
    chosen = [case for case in cases_of(part, small, LENGTHS[arguments.length][part],
                                        arguments.seed, scratch)
              if not arguments.case or arguments.case in case.name]
    tally = collections.Counter()
    for outcome in cases.run_cases(chosen, scratch, 1 if part in ALONE else os.cpu_count()):
        tally["failures" if outcome.failure else outcome.result] += 1
        if outcome.failure:
            print(f"{part}: FAILED: {outcome.case.name}: {outcome.failure} ({outcome.folder})",
                  flush=True)
    return tally


def run_power_cuts(arguments, scratch):
    cuts, failures = power_cuts.run(arguments.tests, scratch)
    for failure in failures:
        print(f"power cuts: FAILED: {failure}", flush=True)
    return collections.Counter({"survived": cuts, "failures": len(failures)})


def run_part(part, arguments, scratch):
    """Prints the part's line; how many failures there were."""
    begin = time.monotonic()
    run = run_power_cuts if part == "power cuts" else lambda *rest: run_cases_of(part, *rest)
    tally = run(arguments, scratch)
    failures = tally.pop("failures", 0)
    results = "".join(f"{result}: {count}, " for result, count in sorted(tally.items()))
    print(f"{part}: {tally.total() + failures} cases: {results}failures: {failures} "
          f"({time.monotonic() - begin:.0f} s)", flush=True)
    return failures


def main():
    arguments = read_arguments()
    arguments.program = arguments.program.resolve()
    arguments.preload = arguments.preload and arguments.preload.resolve()
    missing = {"faults": not arguments.preload, "power cuts": not arguments.tests}
    print(f"seed {arguments.seed}", flush=True)
    failures = 0
    for part in arguments.part or PARTS:
        if missing.get(part):
            print(f"{part}: not run")
            continue
        scratch = new_folder(arguments.scratch)
        found = run_part(part, arguments, scratch)
        failures += found
        if not found:
            shutil.rmtree(scratch)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
