"""What a line of the harness is, and what it is given."""
import dataclasses
import glob
import json
import os
import pathlib
import shutil
import typing

import limited_process
from expected import beside_expectation


class Failed(Exception):
    """With what was found all the same."""

    def __init__(self, reason, result=None):
        super().__init__(reason[:600])
        self.result = result or {}


class Unverified(Exception):
    """It could not be looked at here: no more than that was shown."""


@dataclasses.dataclass
class Line:
    section: str
    name: str
    seconds: int  # at most
    what: str
    run: typing.Callable  # of a Bench: gives the members of the result


# Where the toolkit's installers leave tools that they do not put on PATH.
TOOL_FOLDERS = ["/usr/local/cuda/bin", *sorted(glob.glob("/opt/nvidia/nsight-compute/*"))]


def tool(name):
    """Its path; throws Unverified where there is none."""
    home = os.environ.get("CUDA_HOME")
    folders = [os.environ.get("PATH", ""), *([f"{home}/bin"] if home else []), *TOOL_FOLDERS]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        raise Unverified(f"{name} is not installed")
    return found


LINES = []
# In the order in which they run: what is wanted most comes first, what takes longest last.
SECTIONS = ("smoke", "speed", "profile", "products", "correctness", "memcheck", "yardstick")


def lines_in_order():
    return sorted(LINES, key=lambda each: SECTIONS.index(each.section))


def line(section, name, seconds, what):
    """Registers a function as a line."""
    def register(function):
        LINES.append(Line(section, name, seconds, what, function))
        return function
    return register


@dataclasses.dataclass
class Bench:
    """What a line works with: the programs, the folder of results, the seconds that are left."""
    root: pathlib.Path
    program: pathlib.Path
    tests: pathlib.Path
    probe: pathlib.Path
    python: str
    output: pathlib.Path
    gpu: str = ""               # its description
    seconds: float = 0          # of the line at hand
    while_running: typing.Callable = None
    results: dict = dataclasses.field(default_factory=dict)  # of the lines before, by name

    def config(self, name):
        return self.root / "tests" / "bench" / f"llama-{name}.json"

    def run(self, command, allowed=(0,), environment=None):
        """Throws Failed where it takes too long, or ends with another exit code."""
        command = [str(word) for word in command]
        # Tests that were carried here ask where the project lies; cuBLAS may be among the packages
        # of the interpreter, which need not be on PATH.
        path = os.pathsep.join([str(pathlib.Path(self.python).parent), os.environ.get("PATH", "")])
        environment = {"LOOKBACK_SOURCE_DIR": str(self.root), "PATH": path, **(environment or {})}
        try:
            ended = limited_process.run(command, self.seconds, environment, self.while_running)
        except OSError as error:
            raise Failed(f"{command[0]} cannot be run: {error.strerror}") from None
        self.log(command, ended)
        if ended.timed_out:
            raise Failed(f"took longer than its {self.seconds:.0f} seconds: {ended.tail(2)}")
        self.seconds = max(1, self.seconds - ended.seconds)
        if ended.code not in allowed:
            by_signal = f"killed by signal {-ended.code}"
            how = f"exit code {ended.code}" if ended.code >= 0 else by_signal
            raise Failed(f"{how}: {ended.tail()}")
        return ended

    def log(self, command, ended):
        most = 100_000  # characters of an output: its beginning and its end
        with open(self.output / "gpu.log", "a") as log:
            log.write(f"$ {' '.join(command)}\n")
            for text in (ended.out, ended.err):
                if len(text) > most:
                    text = text[:most // 2] + "\n[...]\n" + text[-most // 2:]
                log.write(text)
            log.write(f"[exit code {ended.code}, {ended.seconds:.1f} s]\n\n")

    def ours(self, *arguments, allowed=(0,)):
        """The JSON object that the program writes."""
        ended = self.run([self.program, *arguments, "--json"], allowed)
        try:
            result = json.loads(ended.out)
        except ValueError:
            raise Failed(f"wrote no JSON: {ended.tail()}") from None
        if not isinstance(result, dict):
            raise Failed(f"wrote no JSON object: {ended.tail()}")
        return result

    def figure(self, name, value):
        return beside_expectation(self.gpu, name, value)
