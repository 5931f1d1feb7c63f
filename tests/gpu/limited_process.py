"""Runs one command for so many seconds at most, and ends all that it started."""
import dataclasses
import os
import pathlib
import signal
import subprocess
import tempfile
import time


@dataclasses.dataclass
class Ended:
    code: int  # as subprocess has it: -9 where SIGKILL ended it
    out: str
    err: str
    seconds: float
    timed_out: bool

    def tail(self, lines=4):
        """The last words of it, on one line."""
        text = (self.out + "\n" + self.err).strip().splitlines()[-lines:]
        return " | ".join(line.strip() for line in text if line.strip())[-600:]


@dataclasses.dataclass
class Process:
    pid: int
    parent: int
    group: int
    is_dead: bool  # and not yet waited for


def processes():
    """All of this machine."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            except OSError:
                continue  # it has ended meanwhile
            found.append(Process(int(entry.name), int(parent), int(group), state in "ZX"))
    return found


def descendants(pid):
    """The processes below `pid`, those in a session of their own among them."""
    all_of_them = processes()
    found = [pid]
    for above in found:
        found += [each.pid for each in all_of_them if each.parent == above]
    return found[1:]


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def kill_group(process):
    """All of it: with the group alone, what a profiler started in a session of its own would work
    on beside the lines that follow, and spoil their figures. Returns when they are gone."""
    below = descendants(process.pid)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    for pid in below:
        kill(pid)
    process.wait()
    end = time.monotonic() + 10  # what the driver holds may not be ended
    while time.monotonic() < end and any(
            not each.is_dead and (each.group == process.pid or each.pid in below)
            for each in processes()):
        time.sleep(0.02)


def ends_within(process, seconds, while_running):
    end = time.monotonic() + seconds
    while True:
        left = end - time.monotonic()
        try:
            process.wait(timeout=max(0, min(left, 2)))
            return True
        except subprocess.TimeoutExpired:
            if left <= 0:
                return False
            if while_running is not None:
                while_running()


def run(command, seconds, environment=None, while_running=None):
    """`while_running`, where there is one, is called about every two seconds."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        # Files and no pipes: a child that outlives its parent would keep a pipe open.
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=err, start_new_session=True,
                                   env={**os.environ, **(environment or {})})
        try:
            timed_out = not ends_within(process, seconds, while_running)
        finally:
            kill_group(process)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
        return Ended(process.returncode, *texts, time.monotonic() - start, timed_out)
