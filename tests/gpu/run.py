#!/usr/bin/env python3
"""What only a GPU can show: see ../gpu.sh. Each line is a function (speed_lines.py,
correctness_lines.py); its result has a "status": passed, measured, failed or unverified."""
import argparse
import datetime
import json
import os
import pathlib
import shutil
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import correctness_lines
import limited_process
import speed_lines
from line import SECTIONS, Bench, Failed, Unverified, lines_in_order

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CLOCKS = "clocks.sm,clocks.mem,power.draw,temperature.gpu"


def options(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    built = ROOT / "bin" if (ROOT / "bin" / "lookback").exists() else ROOT / "build" / "bin"
    parser.add_argument("--program", type=pathlib.Path, default=built / "lookback")
    parser.add_argument("--tests", type=pathlib.Path, default=built / "lookback_tests")
    parser.add_argument("--probe", type=pathlib.Path, default=built / "gemm_probe")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("gpu-results"))
    parser.add_argument("--python", default=sys.executable, help="a Python with torch")
    parser.add_argument("--only", default="", help="names of lines or sections, with commas")
    parser.add_argument("--seconds", type=float, default=540, help="for all lines together")
    chosen = parser.parse_args(arguments)
    for name in ("program", "tests"):
        if not os.access(getattr(chosen, name), os.X_OK):
            parser.error(f"--{name} {getattr(chosen, name)}: there is no such program")
    names = [each for each in chosen.only.split(",") if each]
    known = [*SECTIONS, *(each.name for each in lines_in_order())]
    for name in names:
        if name not in known:
            parser.error(f"--only {name}: must be of {', '.join(known)}")
    chosen.lines = [each for each in lines_in_order()
                    if not names or {each.name, each.section} & set(names)]
    return chosen


def ask_driver(*arguments):
    """What nvidia-smi says; empty where it is not there, or has nothing to say."""
    if shutil.which("nvidia-smi") is None:
        return ""
    ended = limited_process.run(["nvidia-smi", *arguments], 15)
    return ended.out.strip() if ended.code == 0 and not ended.timed_out else ""


class Clocks:
    """Read while a line runs: a GPU that is hot or held back explains a figure."""

    def __init__(self):
        self.readings = []

    def read(self):
        text = ask_driver(f"--query-gpu={CLOCKS}", "--format=csv,noheader,nounits")
        if text:
            self.readings.append(text.splitlines()[0])

    def summary(self):
        columns = list(zip(*(reading.split(",") for reading in self.readings)))
        return {name: [column[0].strip(), column[-1].strip()]  # first and last
                for name, column in zip(CLOCKS.split(","), columns)}


def environment(bench):
    """The GPU, the driver, cuBLAS, and the code that runs: without them no line can."""
    bench.seconds = 60
    machine = bench.ours("bench", "machine", "--device", "cuda")
    bench.gpu = machine["device"]
    figures = [bench.figure("copy_gbps", machine["copy_gbps"])]
    return {"status": "measured", "figures": figures, **machine}


def outcome(bench, run):
    """The result of one line: whatever happens in it, the others follow."""
    start = time.monotonic()
    try:
        result = run(bench)
    except Unverified as why:
        result = {"status": "unverified", "reason": str(why)}
    except Failed as why:
        result = {"status": "failed", "reason": str(why), **why.result}
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OSError) as error:
        result = {"status": "failed", "reason": f"what it wrote cannot be read: {error!r}"}
    return {**result, "seconds": round(time.monotonic() - start, 1)}


class Report:
    """gpu.json: whole after each line, whatever becomes of the next."""

    def __init__(self, output):
        output.mkdir(parents=True, exist_ok=True)
        self.path = output / "gpu.json"
        self.content = {"started": datetime.datetime.now().isoformat(timespec="seconds"),
                        "lines": {}}

    def add(self, name, what, result):
        self.content["lines"][name] = {"what": what, **result}
        self.write()
        reason = f": {result['reason']}" if "reason" in result else ""
        seconds = result.get("seconds", 0)
        print(f"{result['status']:10} {name:14} {seconds:6.1f} s{reason}", flush=True)

    def write(self):
        whole = self.path.with_suffix(".new")
        whole.write_text(json.dumps(self.content, indent=1) + "\n")
        whole.replace(self.path)

    def count(self, status):
        return sum(each["status"] == status for each in self.content["lines"].values())

    def table(self):
        """Every figure beside what was expected of it."""
        rows = []
        for each in self.content["lines"].values():
            for figure in each.get("figures", []):
                row = f"{figure['name']:45} {figure['value']:12.4g}"
                if "expected" in figure:
                    span = "-".join(dict.fromkeys(f"{number:.4g}" for number in figure["expected"]))
                    off = figure["ratio"] > 1.3 or figure["ratio"] < 1 / 1.3
                    row += f"  expected {span:12} {figure['ratio']:6.2f} x"
                    row += "  look here" if off else ""
                rows.append(row)
        return rows


def begin(bench, report):
    """Why no line can be looked at here; empty where they can."""
    listed = ask_driver("-L")
    report.content["driver"] = ask_driver(
        "--query-gpu=name,driver_version,memory.total,power.limit", "--format=csv,noheader")
    result = outcome(bench, environment)
    reason = result.get("reason", "")
    if result["status"] == "failed" and "GPU" not in listed:
        result["status"] = "unverified"
    report.add("environment", environment.__doc__, result)
    if not reason:
        return ""
    reason = reason.partition("lookback: error: ")[2] or reason
    return f"the program cannot use the GPU: {reason}" if "GPU" in listed else f"no GPU: {reason}"


def end_by(number, _):
    sys.exit(128 + number)


def main(arguments=None):
    o = options(arguments)
    end = time.monotonic() + o.seconds
    report = Report(o.output)
    (o.output / "gpu.log").write_text("")
    bench = Bench(root=ROOT, program=o.program.resolve(), tests=o.tests.resolve(),
                  probe=o.probe.resolve(), python=o.python, output=o.output.resolve())
    why_not = begin(bench, report)
    for each in o.lines:
        left = end - time.monotonic()
        if why_not or left < 5:
            result = {"status": "unverified", "reason": why_not or "no time left"}
        else:
            clocks = Clocks()
            bench.seconds, bench.while_running = min(each.seconds, left), clocks.read
            result = {**outcome(bench, each.run), "clocks": clocks.summary()}
            bench.results[each.name] = result
        report.add(each.name, each.what, result)
    for row in report.table():
        print(row)
    counts = [f"{report.count(status)} {status}"
              for status in ("passed", "measured", "failed", "unverified")]
    print(f"{', '.join(counts)}: {report.path}")
    return 1 if report.count("failed") else 0


if __name__ == "__main__":
    # What runs is in a session of its own, which no signal to this process reaches: it is ended as
    # the process leaves (limited_process.py).
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, end_by)
    sys.exit(main())
