"""SIGKILL at random moments; then --resume, which may be killed as well."""

import random
import shutil
import time

from cases import Case, Failure

KINDS = ("fresh", "resumed", "overwritten")


def _killed(small, command, seconds):
    """Whether the run was killed before it ended by itself."""
    process = small.program.start(command)
    try:
        result = small.program.wait(process, seconds)
    except Failure:
        return True
    if result.code != 0:
        raise Failure(f"exit code {result.code}: {result.err[-300:]}")
    return False


def _kill_once(small, kind, out, longest, moments):
    """Kills such a run at a moment that it has not outrun."""
    seconds = moments.uniform(0, longest)
    while not _killed(small, small.prepare(kind, out), seconds):
        shutil.rmtree(out)
        seconds *= 0.8


def _case(small, kind, longest, seed):
    def run(folder):
        moments = random.Random(seed)
        out = folder / "run"
        _kill_once(small, kind, out, longest, moments)
        small.check_in_between(out)
        kills = 1
        while moments.random() < 0.5 and any(out.glob("checkpoint-*")):
            if not _killed(small, small.resumed(out), moments.uniform(0, longest)):
                break
            kills += 1
            small.check_in_between(out)
        if kind == "resumed" and not any(out.glob("checkpoint-*")):
            raise Failure("the checkpoint that it went on from is gone")
        small.finish(out)
        return "killed once" if kills == 1 else "killed more than once"

    return run


def _seconds(small, kind, out):
    """How long such a run takes, undisturbed."""
    command = small.prepare(kind, out)
    begin = time.monotonic()
    if small.program.run(command).code != 0:
        raise SystemExit(f"a run that is {kind} fails")
    return time.monotonic() - begin


def cases(small, count, seed, scratch):
    longest = {kind: _seconds(small, kind, scratch / f"timed-{kind}") for kind in KINDS}
    return [Case(f"{kind} {i}", _case(small, kind, longest[kind], f"{seed} {i}"))
            for i, kind in ((i, KINDS[i % 3]) for i in range(count))]
