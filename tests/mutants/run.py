#!/usr/bin/env python3
"""What `lookback diagnose` says of mutants: of healthy code with one wrong place each.

python3 tests/mutants/run.py [NAME...] [--build build] [--output table.md]; README.md says more.
"""
import argparse
import collections
import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

from mutant import Mutant, MutantError, read_mutant
from program import Build

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LIMIT = 3600  # seconds of one command

# 4 layers, with query heads that share keys: what has to be told apart is all there.
SMALL_MODEL = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 172, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 256,
    "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "tie_word_embeddings": False,
}


@dataclasses.dataclass
class Result:
    mutant: Mutant
    verdict: str
    findings: list
    place: str  # the evidence, which names it
    seconds: float  # of the diagnosis, and of the run before it

    def judged(self):
        if self.verdict in self.mutant.expect:
            return "caught"
        return "missed" if self.verdict == "healthy" else "another class"


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="how a mutant's name begins, or a patch; without any: all")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build",
                        help="a finished build by Ninja; it is read and not changed")
    parser.add_argument("--config", type=pathlib.Path, help="in place of a small model of 4 layers")
    parser.add_argument("--output", type=pathlib.Path, help="also writes a table in Markdown")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="compilers at once")
    parser.add_argument("--gpu", action="store_true", help="also mutants that need a GPU")
    parser.add_argument("--check", action="store_true",
                        help="only see whether every patch fits the sources beside this script")
    return parser.parse_args()


def chosen_paths(names):
    every = sorted(HERE.rglob("*.patch"))
    if not names:
        return every
    chosen = []
    for name in names:
        found = [path for path in every if path.stem.startswith(name)]
        if not found and pathlib.Path(name).is_file():
            found = [pathlib.Path(name)]
        if not found:
            sys.exit(f"{name}: there is no such mutant")
        chosen += [path for path in found if path not in chosen]
    return chosen


def known_classes():
    classes = (ROOT / "apps/diagnosis/verdict.cpp").read_text()
    return set(re.findall(r'VerdictClass\{\s*\w+,\s*"([a-z-]+)"', classes))


def check(paths):
    """Whether each can be read, fits, and expects what there is; prints those that do not."""
    failures = 0
    for path in paths:
        try:
            mutant = read_mutant(path)
            if unknown := sorted(set(mutant.expect) - known_classes()):
                raise MutantError(f"it expects {', '.join(unknown)}, which is no class")
            with tempfile.TemporaryDirectory(prefix="lookback-mutant-") as overlay:
                mutant.write_into(overlay, ROOT)
        except MutantError as error:
            print(f"{path.name}: error: {error}")
            failures += 1
    print(f"{len(paths) - failures} of {len(paths)} patches fit")
    return 1 if failures else 0


class Runner:
    def __init__(self, arguments, folder):
        self.arguments = arguments
        self.folder = pathlib.Path(folder)
        self.build = Build(arguments.build)
        if not self.build.is_finished():
            raise MutantError(f"{arguments.build} is older than its sources: build it first")
        self.config = arguments.config or self.folder / "config.json"
        if not arguments.config:
            self.config.write_text(json.dumps(SMALL_MODEL))
        self.text = self.folder / "text.txt"
        pages = sorted(self.build.sources.glob("docs/*.md"))
        self.text.write_text("".join(page.read_text() for page in pages))

    def result_of(self, mutant):
        with tempfile.TemporaryDirectory(prefix=f"{mutant.name}-", dir=self.folder) as folder:
            overlay = pathlib.Path(folder)
            mutant.write_into(overlay, self.build.sources)
            program = self.build.compiled(mutant, overlay, self.arguments.jobs)
            begin = time.monotonic()
            report = self.report_of(mutant, program, overlay)
            seconds = time.monotonic() - begin
        place = report["evidence"].replace(str(self.text), self.text.name)
        return Result(mutant, report["verdict"], report["findings"], place, seconds)

    def report_of(self, mutant, program, folder):
        """report.json of the mutant's program, of its run where it wants one."""
        subject = ["--config", str(self.config)]
        data = ["--data", "builtin:stories"]
        if mutant.train is not None:
            flags = self.flags(mutant.train)
            self.run([program, "train", *subject, *([] if "--data" in flags else data), *flags,
                      "--output-dir", folder / "run", "--quiet"], {0})
            subject, data = [str(folder / "run")], []
        flags = self.flags(mutant.diagnose)
        effort = [] if "--full" in flags else ["--quick"]
        self.run([program, "diagnose", *subject, *([] if "--data" in flags else data), *effort,
                  *flags, "--output-dir", folder / "diagnosis", "--quiet"], {0, 3})
        return json.loads((folder / "diagnosis" / "report.json").read_text())

    def flags(self, words):
        return [word.replace("{text}", str(self.text)) for word in words]

    @staticmethod
    def run(words, good):
        try:
            done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  check=False, timeout=LIMIT)
        except subprocess.TimeoutExpired as error:
            raise MutantError(f"{words[1]} took more than {LIMIT} seconds") from error
        if done.returncode not in good:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise MutantError(f"{words[1]} ended with {done.returncode}: {last[:300]}")


def line_of(result):
    others = [name for name in result.findings if name != result.verdict]
    also = f" (also {', '.join(others)})" if others else ""
    scope = ", out of scope" if result.mutant.out_of_scope else ""
    return (f"{result.mutant.name}: {result.judged()}{scope}: {result.verdict}{also}, "
            f"{result.seconds:.0f} s: {result.place}")


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def table_of(results):
    """In scope, then the others, which have no right answer."""
    lines = ["| mutant | what is wrong | expected | verdict | evidence | s | |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for result in results:
        mutant = result.mutant
        if not mutant.out_of_scope:
            lines.append(f"| {mutant.name} | {cell(mutant.what)} | {', '.join(mutant.expect)} | "
                         f"{result.verdict} | {cell(result.place)} | {result.seconds:.0f} | "
                         f"{result.judged()} |")
    apart = [result for result in results if result.mutant.out_of_scope]
    if apart:
        lines += ["", "Out of scope:", "", "| mutant | what is changed | why nobody can tell | verdict |",
                  "| --- | --- | --- | --- |"]
    for result in apart:
        lines.append(f"| {result.mutant.name} | {cell(result.mutant.what)} | "
                     f"{cell(result.mutant.out_of_scope)} | {result.verdict} |")
    return "\n".join(lines) + "\n"


def run_all(runner, paths):
    """Prints a line for each, and writes the table, as they come; how many are of which kind."""
    results, tally = [], collections.Counter()
    for path in paths:
        try:
            mutant = read_mutant(path)
            if mutant.needs == "gpu" and not runner.arguments.gpu:
                print(f"{mutant.name}: not run: needs a GPU (--gpu)", flush=True)
                tally["not run"] += 1
                continue
            results.append(runner.result_of(mutant))
        except MutantError as error:
            print(f"{path.stem}: error: {error}", flush=True)
            tally["errors"] += 1
            continue
        print(line_of(results[-1]), flush=True)
        if runner.arguments.output:
            runner.arguments.output.write_text(table_of(results))
        tally["out of scope" if results[-1].mutant.out_of_scope else results[-1].judged()] += 1
    return tally


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # temporary folders go all the same
    arguments = read_arguments()
    paths = chosen_paths(arguments.names)
    if arguments.check:
        return check(paths)
    with tempfile.TemporaryDirectory(prefix="lookback-mutants-") as folder:
        try:
            tally = run_all(Runner(arguments, folder), paths)
        except MutantError as error:
            print(f"error: {error}")
            return 1
    print(f"{len(paths)} mutants: " + ", ".join(f"{n} {what}" for what, n in tally.items()))
    return 1 if tally["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
