"""The program is started with some of the descriptors 0 to 2 closed."""

import itertools

import run_folder
from cases import Case, Failure


def _train(small, kind, closed):
    def run(folder):
        out = folder / "run"
        result = small.program.run(small.prepare(kind, out), closed=closed)
        if result.code != 0:
            raise Failure(f"exit code {result.code}: {result.err[-300:]}")
        run_folder.check_is_whole(out, small.whole)
        for path in out.glob("events.out.tfevents.*"):
            if b"validation loss" in path.read_bytes():
                raise Failure(f"{path.name} holds lines that were for a terminal")
        return "trained"

    return run


def _evaluate(small, closed):
    def run(_):
        result = small.program.run(["eval", small.whole_path], closed=closed)
        if result.code != (1 if 1 in closed else 0):
            raise Failure(f"exit code {result.code}: {result.err[-300:]}")
        if 1 not in closed and not result.out.startswith("loss "):
            raise Failure(f"says {result.out!r}")
        return "evaluated"

    return run


def cases(small, count, _):
    """Every combination, `count` times."""
    found = []
    for size in range(4):
        for closed in itertools.combinations((0, 1, 2), size):
            name = "".join(map(str, closed)) or "none"
            for kind in ("fresh", "resumed", "overwritten"):
                found.append(Case(f"train {kind}, closed: {name}", _train(small, kind, closed)))
            found.append(Case(f"eval, closed: {name}", _evaluate(small, closed)))
    return found * count
