"""One system call of a run fails, is short, or is the last."""

import errno
import random

from cases import Case, Failure

KINDS = ("fresh", "resumed", "overwritten")
# Only the first error of a call is final; a + behind it: all later calls of the kind fail, too.
WAYS = {
    "write": ("EIO", "ENOSPC", "EINTR", "short", "kill", "kill-after", "EIO+", "ENOSPC+"),
    "fsync": ("EIO", "ENOSPC", "EINTR", "kill", "EIO+"),
    "open": ("EMFILE", "EACCES", "EIO", "EINTR", "kill", "EMFILE+", "EIO+"),
    "rename": ("EIO", "EACCES", "ENOSPC", "kill", "kill-after", "EIO+"),
    "unlink": ("EIO", "EACCES", "kill", "kill-after", "EIO+"),
    "mkdir": ("ENOSPC", "EACCES", "kill", "kill-after"),
    "ftruncate": ("EIO", "EINTR", "kill", "kill-after"),
    "flock": ("EIO", "EINTR"),
    "close": ("EIO",),
    "lseek": ("EIO",),
    "opendir": ("EMFILE", "EACCES"),
    "mmap": ("ENOMEM", "EIO"),
}
# What the program has to carry through.
REPEATED = ("EINTR", "short")


def _number_of(way):
    name = way.rstrip("+")
    return str(getattr(errno, name)) if name.startswith("E") else name


class _Fault:
    def __init__(self, small, kind, call, number, way):
        self.small, self.kind, self.call, self.number, self.way = small, kind, call, number, way

    def run(self, folder):
        small, out, note = self.small, folder / "run", folder / "note"
        command = small.prepare(self.kind, out)
        number = f"{self.number}+" if self.way.endswith("+") else self.number
        result = small.program.run(
            command, small.program.failing(folder, self.call, number, _number_of(self.way), note))
        if not note.exists() or not note.read_text():
            raise Failure("the call did not come")
        where = note.read_text().splitlines()[0].replace(str(folder), "")
        try:
            self._check(result, folder, out)
        except Failure as failure:
            raise Failure(f"{where}: {failure}; it said {result.err[-300:]!r}") from None
        return "carried through" if result.code == 0 else "ended the run"

    def _check(self, result, folder, out):
        if self.way.startswith("kill"):
            if result.code != -9:
                raise Failure(f"exit code {result.code}, not killed")
        elif result.code == 1:
            if str(folder) not in result.error():
                raise Failure("the error names no file")
        elif result.code != 0:
            raise Failure(f"exit code {result.code}")
        if self.way in REPEATED and result.code != 0:
            raise Failure("was not repeated")
        self.small.check_in_between(out)
        if self.kind == "resumed" and not any(out.glob("checkpoint-*")):
            raise Failure("the checkpoint that it went on from is gone")
        if self.kind == "overwritten" and not out.exists():
            raise Failure("neither the old run nor the new one is there")
        self.small.finish(out)
        if result.code == 0 and self.small.is_old(out):
            raise Failure("exit code 0, and the old run is there")


def _counted(small, kind, call, folder):
    """How many such calls a run of that kind makes."""
    folder.mkdir()
    note = folder / "note"
    result = small.program.run(small.prepare(kind, folder / "run"),
                               small.program.failing(folder, call, 0, "0", note))
    if result.code != 0:
        raise SystemExit(f"fails under the library that lets calls fail: {result.err}")
    return len(note.read_text().splitlines()) if note.exists() else 0


def cases(small, count, seed, scratch):
    """`count` of all that can fail, at random; 0: all of them."""
    every = []
    for kind in KINDS:
        for call, ways in WAYS.items():
            calls = _counted(small, kind, call, scratch / f"counted-{kind}-{call}")
            every += [_Fault(small, kind, call, k, way)
                      for k in range(1, calls + 1) for way in ways]
    if count:
        every = _sample(every, count, random.Random(seed))
    return [Case(f"{f.kind} {f.call} {f.number} {f.way}", f.run) for f in every]


def _sample(faults, count, choice):
    """Each kind of call as often as the others, as far as there are so many."""
    groups = {}
    for fault in faults:
        groups.setdefault((fault.kind, fault.call), []).append(fault)
    for group in groups.values():
        choice.shuffle(group)
    chosen = []
    while len(chosen) < min(count, len(faults)):
        for group in groups.values():
            if group:
                chosen.append(group.pop())
    return chosen[:count]
