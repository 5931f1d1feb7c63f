"""What is in the folder of a run, and what two runs must have in common to be the same."""

import json
from pathlib import Path

from cases import Failure

# What no two runs share, at any depth: how long they took.
TIMES = ("seconds", "tokens_per_second", "peak_bytes")


def tree(folder):
    """The bytes of every file by its path, but for what the run's own work folder holds."""
    folder = Path(folder)
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and ".lookback" not in path.relative_to(folder).parts}


def _without_times(value):
    if isinstance(value, dict):
        return {key: _without_times(each) for key, each in value.items() if key not in TIMES}
    return value


def _lines(data):
    return [_without_times(json.loads(line)) for line in data.decode().splitlines()]


def _settings(data):
    return sorted(line for line in data.splitlines()
                  if not line.startswith((b"#", b"output_dir")))


def comparable(name, data):
    """What of a file is the same in two runs that are the same."""
    if name == "metrics.jsonl":
        return _lines(data)
    if name.endswith("trainer_state.json"):
        state = _without_times(json.loads(data))
        # Of a reference that kept more checkpoints; the program itself looks after the checksum.
        state.pop("checksum", None)
        state["settings"].pop("save_total_limit", None)
        return state
    if name.endswith("options.toml"):
        return _settings(data)
    if name.endswith("report.html"):
        return None  # shows the run's name and its times
    return data


def _is_events(name):
    return name.startswith("events.out.tfevents.")


def differing_files(ours, theirs):
    """Names of the files that only one of two ended runs has, or that differ; by their trees."""
    names = {name for name in (*ours, *theirs) if not _is_events(name)}
    return sorted(name for name in names
                  if name not in ours or name not in theirs or
                  comparable(name, ours[name]) != comparable(name, theirs[name]))


def checkpoints(folder):
    return sorted(path.name for path in Path(folder).glob("checkpoint-*"))


def _of_checkpoint(files, name):
    return {path: comparable(path, data) for path, data in files.items()
            if path.startswith(name + "/")}


def check_checkpoints(folder, references):
    """Raises Failure unless each checkpoint is that of one of the runs, whole.

    The references are trees of runs that kept all their checkpoints.
    """
    files = tree(folder)
    for name in checkpoints(folder):
        ours = {}
        try:
            ours = _of_checkpoint(files, name)
        except ValueError:
            pass  # half a file
        if not ours or all(ours != _of_checkpoint(reference, name) for reference in references):
            raise Failure(f"{name} is not whole: {sorted(ours)}")
    lines = files.get("metrics.jsonl", b"").split(b"\n")
    for line in lines[:-1]:  # the last may be half there
        try:
            json.loads(line)
        except ValueError:
            raise Failure(f"metrics.jsonl has a line {line!r}") from None


def check_is_whole(folder, whole, older_checkpoints=()):
    """`older_checkpoints` may be there beside what a whole run has: a run that ended between its
    last checkpoint and the removal of an older one has that for good."""
    files = {name: data for name, data in tree(folder).items()
             if not name.startswith(tuple(older_checkpoints))}
    different = differing_files(files, whole)
    if different:
        raise Failure(f"differs from a whole run in {', '.join(different)}")
    if (Path(folder) / ".lookback").exists():
        raise Failure("a work folder is left over")
