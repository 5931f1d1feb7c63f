"""Two runs that are started together."""

import random
import shutil
import time

import run_folder
from cases import Case, Failure

KINDS = ("new folder", "missing parent", "overwritten", "resumed", "two folders of one parent",
         "beside one that fails")
# So long that the second comes while the first is at work.
STEPS = 600
LONGER = ("--max-steps", STEPS, "--save-steps", STEPS // 2, "--eval-steps", STEPS,
          "--logging-steps", STEPS // 2, "--inspect-every", STEPS)
# How often a pair is started again of which one came when the other was done.
TRIES = 3


class Pairs:
    """Runs with two seeds, so that what comes of a pair tells whose it is."""

    def __init__(self, small):
        self.small = small
        self.whole = {seed: self._reference(seed) for seed in (1, 2, 3)}
        self.old = small.folder / "pair-3"
        self.cut = small.folder / "pair-cut"
        shutil.copytree(small.folder / "pair-1", self.cut)
        shutil.rmtree(self.cut / f"checkpoint-{STEPS}")

    def _arguments(self, seed, out, *more):
        return [*self.small.arguments, *LONGER, "--seed", seed, "--output-dir", out, *more]

    def _reference(self, seed):
        path = self.small.folder / f"pair-{seed}"
        result = self.small.program.run(self._arguments(seed, path))
        if result.code != 0:
            raise SystemExit(f"the run that pairs are compared with fails: {result.err}")
        return run_folder.tree(path)

    def _both(self, commands, moments, environment=None):
        first = self.small.program.start(commands[0])
        time.sleep(moments.choice((0, 0, moments.uniform(0, 0.01))))
        second = self.small.program.start(commands[1], environment)
        return [self.small.program.wait(process) for process in (first, second)]

    def _both_in_copy(self, source, out, commands, moments):
        """Where a second that comes late has a right to go on."""
        for _ in range(TRIES):
            shutil.rmtree(out, ignore_errors=True)
            shutil.copytree(source, out)
            results = self._both(commands, moments)
            if any(result.code != 0 for result in results):
                break
        return results

    def _check_one(self, results, out, wholes):
        """One has trained, the other was refused."""
        if sorted(result.code for result in results) != [0, 1]:
            raise Failure(f"exit codes {[r.code for r in results]}: {[r.err for r in results]}")
        winner = 0 if results[0].code == 0 else 1
        refusal = results[1 - winner].error()
        if str(out) not in refusal:
            raise Failure(f"the folder is not named: {refusal}")
        run_folder.check_is_whole(out, wholes[winner])
        return "the first trained" if winner == 0 else "the second trained"

    def _same_folder(self, out, moments):
        results = self._both([self._arguments(seed, out) for seed in (1, 2)], moments)
        return self._check_one(results, out, [self.whole[1], self.whole[2]])

    def new_folder(self, folder, moments):
        return self._same_folder(folder / "run", moments)

    def missing_parent(self, folder, moments):
        return self._same_folder(folder / "a" / "b" / "run", moments)

    def overwritten(self, folder, moments):
        out = folder / "run"
        results = self._both_in_copy(
            self.old, out, [self._arguments(seed, out, "--overwrite") for seed in (1, 2)], moments)
        return self._check_one(results, out, [self.whole[1], self.whole[2]])

    def resumed(self, folder, moments):
        out = folder / "run"
        results = self._both_in_copy(self.cut, out, [self.small.resumed(out)] * 2, moments)
        return self._check_one(results, out, [self.whole[1]] * 2)

    def two_folders_of_one_parent(self, folder, moments):
        outs = [folder / "sweep" / name for name in "ab"]
        results = self._both([self._arguments(i + 1, out) for i, out in enumerate(outs)], moments)
        for i, out in enumerate(outs):
            if results[i].code != 0:
                raise Failure(f"exit code {results[i].code}: {results[i].err[-300:]}")
            run_folder.check_is_whole(out, self.whole[i + 1])
        return "both trained"

    def beside_one_that_fails(self, folder, moments):
        outs = [folder / "sweep" / name for name in "ab"]
        environment = self.small.program.failing(outs[1], "write", "1+", "28", folder / "note")
        results = self._both([self._arguments(i + 1, out) for i, out in enumerate(outs)], moments,
                             environment)
        if [result.code for result in results] != [0, 1]:
            raise Failure(f"exit codes {[r.code for r in results]}: {[r.err for r in results]}")
        results[1].error()
        run_folder.check_is_whole(outs[0], self.whole[1])
        if outs[1].exists():
            raise Failure("the folder of the one that failed is left")
        return "one trained"


def cases(small, count, seed):
    """`count` into a new folder; of each other kind a fifth as many."""
    pairs = Pairs(small)
    found = []
    for kind in KINDS:
        if kind == "beside one that fails" and not small.program.preload:
            continue
        run = getattr(pairs, kind.replace(" ", "_"))
        found += [Case(f"{kind} {i}",
                       lambda folder, run=run, moments=random.Random(f"{seed} {kind} {i}"):
                       run(folder, moments))
                  for i in range(count if kind == KINDS[0] else max(1, count // 5))]
    return found
