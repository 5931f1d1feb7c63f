"""The program with a mutant in it: what the patch touches is compiled, all else is the build's."""
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess

from mutant import MutantError

TARGET = "lookback"


def output_of(command, folder):
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True,
                          check=True).stdout


class Build:
    """A build by Ninja, read and left as it is."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        cache = self.folder / "CMakeCache.txt"
        if not cache.is_file() or not (self.folder / "build.ninja").is_file():
            raise MutantError(f"{self.folder}: there is no build by Ninja: configure one first")
        home = re.search(r"^CMAKE_HOME_DIRECTORY:\w+=(.+)$", cache.read_text(), re.MULTILINE)
        self.sources = pathlib.Path(home[1])
        self._link = self._link_command()
        self._commands = self._compile_commands()
        self._dependents = self._read_dependents()

    def _link_command(self):
        last = output_of(["ninja", "-t", "commands", TARGET], self.folder).strip().split("\n")[-1]
        parts = [part for part in last.split(" && ") if " -o " in part]
        if len(parts) != 1:
            raise MutantError(f"{self.folder}: no link command of {TARGET}")
        return shlex.split(parts[0])

    def _compile_commands(self):
        commands = {}
        for entry in json.loads((self.folder / "compile_commands.json").read_text()):
            words = shlex.split(entry["command"])
            commands[words[words.index("-o") + 1]] = words
        return {name: commands[name] for name in self._link if name in commands}

    def _read_dependents(self):
        """The objects of the program that read a file, by the file's path."""
        dependents, target = {}, None
        for line in output_of(["ninja", "-t", "deps"], self.folder).splitlines():
            if line.startswith("    "):
                if target in self._commands:
                    path = os.path.normpath(self.folder / line.strip())
                    dependents.setdefault(path, []).append(target)
            else:
                target = line.split(":")[0]
        return dependents

    def is_finished(self):
        """Whether every object is there, and newer than what it was made of."""
        changed = {}
        for path, targets in self._dependents.items():
            source = pathlib.Path(path)
            if not source.is_relative_to(self.sources):
                continue
            if not source.is_file():
                return False
            for target in targets:
                changed[target] = max(changed.get(target, 0), source.stat().st_mtime_ns)
        return all((self.folder / target).is_file() and
                   (self.folder / target).stat().st_mtime_ns >= changed.get(target, 0)
                   for target in self._commands)

    def compiled(self, mutant, overlay, jobs):
        """Writes the mutant's program into the overlay; its path."""
        targets = set()
        for change in mutant.changes:
            path = os.path.normpath(self.sources / change.name)
            targets.update(self._dependents.get(path, []))
        if not targets:
            raise MutantError("nothing that it changes is part of the program of this build")
        objects = {target: str(overlay / f"{i}.o") for i, target in enumerate(sorted(targets))}
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for _ in pool.map(lambda target: self._compile(target, objects[target], overlay),
                              objects):
                pass
        program = overlay / TARGET
        words = [objects.get(word, word) for word in self._link]
        words[words.index("-o") + 1] = str(program)
        self._run(words, "does not link")
        return program

    def _compile(self, target, result, overlay):
        words = list(self._commands[target])
        words[words.index("-o") + 1] = result
        source = words.index("-c") + 1
        changed = overlay / os.path.relpath(words[source], self.sources)
        if changed.is_file():
            words[source] = str(changed)
        first_flag = next(i for i, word in enumerate(words) if word.startswith("-"))
        words.insert(first_flag, f"-I{overlay}")  # before the sources: changed headers come first
        self._run([*words, "-w"], "does not compile")

    def _run(self, words, failure):
        done = subprocess.run(words, cwd=self.folder, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            errors = [line for line in done.stdout.splitlines() if "error" in line]
            raise MutantError(f"{failure}: {(errors or [done.stdout])[0][:300]}")
