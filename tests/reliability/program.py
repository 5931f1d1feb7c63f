"""Running the built program."""

import dataclasses
import os
import re
import subprocess
from pathlib import Path

from cases import Failure

# Words of the libraries that we use: they say nothing to a user.
FOREIGN = re.compile(
    r"filesystem error|terminate called|basic_string|regex_error|std::|\bsto[dfil]\b")


@dataclasses.dataclass
class Result:
    code: int  # negative: the signal that ended it
    out: str
    err: str

    def errors(self):
        return [line for line in self.err.splitlines() if line.startswith("lookback: error: ")]

    def error(self):
        """Its one error line. Raises Failure where there is another number, or it is not ours."""
        errors = self.errors()
        if len(errors) != 1:
            raise Failure(
                f"exit code {self.code} with {len(errors)} error lines: {self.err[-300:]}")
        if FOREIGN.search(errors[0]):
            raise Failure(f"not in the program's own words: {errors[0]}")
        return errors[0]


class Program:
    def __init__(self, path, preload):
        self.path = str(path)
        self.preload = preload and str(preload)
        self.environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "LC_ALL": "C.UTF-8"}

    def start(self, arguments, extra_environment=None, closed=()):
        """A process; with these of its descriptors 0 to 2 closed."""
        command = [self.path, *map(str, arguments)]
        if closed:
            closing = " ".join(f"{descriptor}>&-" for descriptor in closed)
            command = ["sh", "-c", f'exec "$@" {closing}', "sh", *command]
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**self.environment, **(extra_environment or {})})

    def wait(self, process, seconds=120):
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Failure(f"still running after {seconds} seconds") from None
        return Result(process.returncode, out.decode(errors="replace"),
                      err.decode(errors="replace"))

    def run(self, arguments, extra_environment=None, closed=()):
        return self.wait(self.start(arguments, extra_environment, closed))

    def failing(self, folder: Path, call, number, how, note: Path):
        """The environment in which that call below `folder` fails (system_calls.cpp)."""
        return {"LD_PRELOAD": self.preload, "LOOKBACK_CALLS_BELOW": str(folder),
                "LOOKBACK_CALLS_FAIL": f"{call}:{number}:{how}", "LOOKBACK_CALLS_NOTE": str(note)}
