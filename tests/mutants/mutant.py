"""A mutant: one wrong place in healthy code, as a patch behind lines that say what is wrong."""
import dataclasses
import pathlib
import re
import shlex

REQUIRED = ("mutant", "kind", "what", "expect")
OPTIONAL = ("diagnose", "train", "needs", "out-of-scope")
HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@")


class MutantError(Exception):
    """Why a mutant cannot be made or run."""


@dataclasses.dataclass
class Hunk:
    line: int  # of the first line in the file before the change, from 1
    before: list
    after: list

    def place_in(self, lines, wanted):
        """The index nearest to `wanted` at which the lines before the change stand."""
        count = len(self.before)
        places = [i for i in range(len(lines) - count + 1) if lines[i:i + count] == self.before]
        return min(places, key=lambda i: abs(i - wanted), default=None)


@dataclasses.dataclass
class FileChange:
    name: str  # from the root of the sources
    hunks: list = dataclasses.field(default_factory=list)

    def applied(self, text):
        lines = text.splitlines()
        shift = 0
        for hunk in self.hunks:
            wanted = hunk.line - 1 + shift
            place = hunk.place_in(lines, wanted)
            if place is None:
                raise MutantError(f"{self.name}: the lines from {hunk.line} on are no longer there")
            lines[place:place + len(hunk.before)] = hunk.after
            shift += place - wanted + len(hunk.after) - len(hunk.before)
        return "\n".join(lines) + "\n"


@dataclasses.dataclass
class Mutant:
    name: str
    kind: str
    what: str
    expect: list  # the classes that fit
    diagnose: list  # flags
    train: list  # flags of a run that is diagnosed in place of a fresh model; None: no run
    needs: str  # "gpu", or nothing
    out_of_scope: str  # why nobody could call it wrong, or nothing
    changes: list

    def write_into(self, overlay, sources):
        """The files that it changes, changed, in a folder that holds no others."""
        for change in self.changes:
            original = pathlib.Path(sources, change.name)
            if not original.is_file():
                raise MutantError(f"{change.name} is no longer there")
            copy = pathlib.Path(overlay, change.name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(change.applied(original.read_text()))


def read_mutant(path):
    header, _, diff = path.read_text().partition("\n\n")
    fields = {}
    for line in header.splitlines():
        key, colon, value = line.partition(": ")
        if not colon or key not in REQUIRED + OPTIONAL or key in fields:
            raise MutantError(f"the header has the line \"{line}\": each is one of "
                              f"{', '.join(REQUIRED + OPTIONAL)}, a colon and a text")
        fields[key] = value.strip()
    for key in REQUIRED:
        if not fields.get(key):
            raise MutantError(f"the header lacks \"{key}\"")
    changes = changes_of(diff)
    if not changes:
        raise MutantError("the patch changes nothing")
    return Mutant(name=path.stem, kind=fields["kind"], what=fields["what"],
                  expect=[name.strip() for name in fields["expect"].split(",")],
                  diagnose=shlex.split(fields.get("diagnose", "")),
                  train=shlex.split(fields["train"]) if "train" in fields else None,
                  needs=fields.get("needs", ""), out_of_scope=fields.get("out-of-scope", ""),
                  changes=changes)


def changes_of(diff):
    changes = []
    for line in diff.splitlines():
        hunk = changes[-1].hunks[-1] if changes and changes[-1].hunks else None
        if line.startswith("--- "):
            continue
        if line.startswith("+++ "):
            if not line.startswith("+++ b/"):
                raise MutantError(f"\"{line}\": only files that stay may change")
            changes.append(FileChange(line.removeprefix("+++ b/").split("\t")[0]))
        elif (found := HUNK.match(line)) and changes:
            changes[-1].hunks.append(Hunk(line=int(found[1]), before=[], after=[]))
        elif hunk is not None and line[:1] in (" ", "-", "+", ""):
            if line[:1] != "+":
                hunk.before.append(line[1:])
            if line[:1] != "-":
                hunk.after.append(line[1:])
    return changes
