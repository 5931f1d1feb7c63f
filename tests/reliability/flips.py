"""One bit of a run's files is another, or a file is cut, or comes from another run: refused, or
harmless."""

import json
import random
import struct

import run_folder
from cases import Case, Failure

CHECKPOINT = "checkpoint-4"
FILES_OF_CHECKPOINT = ("config.json", "model.safetensors", "optimizer.safetensors",
                       "trainer_state.json")
# Other runs, whose files have the same shapes or nearly so.
STRANGERS = {"another seed": ("--seed", 5), "another rate": ("--learning-rate", "0.01"),
             "bfloat16": ("--dtype", "bfloat16"), "float64": ("--dtype", "float64"),
             "method1": ("--preset", "method1"), "another text": ("--data", None)}


def _tensor_at(data, at):
    """The name of the tensor that a byte of a safetensors file belongs to; none: the header."""
    header_bytes = struct.unpack_from("<Q", data)[0]
    at -= 8 + header_bytes
    for name, entry in json.loads(data[8:8 + header_bytes]).items():
        begin, end = entry.get("data_offsets", (0, 0))
        if begin <= at < end:
            return name
    return None


class _Damage:
    """Files of a run that lacks its last checkpoint are changed; and what that must come to."""

    def __init__(self, small, evaluations, changes, words):
        """`changes` by a file's name, from its bytes to others; `words` that a refusal holds."""
        self.small, self.evaluations = small, evaluations
        self.changes, self.words = changes, words

    def _refused(self, result, before, out):
        error = result.error()
        if result.code not in (1, 2):
            raise Failure(f"exit code {result.code}: {error}")
        # A warning before it names options.toml where what that names is not there.
        for word in self.words:
            if word not in result.err:
                raise Failure(f"the error does not name {word}: {error}")
        if run_folder.tree(out) != before:
            raise Failure(f"refused, and changed the folder: {error}")

    def run(self, folder):
        small, out = self.small, folder / "run"
        small.prepare("resumed", out)
        for name, change in self.changes.items():
            (out / name).write_bytes(change((out / name).read_bytes()))
        before = run_folder.tree(out)
        if before == self.small_without_last():
            return "the same"
        results = [self._evaluate(name, before, out) for name in self.evaluations]
        results.append(self._resume(before, out))
        return "refused" if "refused" in results else results[-1]

    def small_without_last(self):
        last = f"checkpoint-{self.small.STEPS}/"
        return {name: data for name, data in self.small.whole.items() if not name.startswith(last)}

    def _evaluate(self, subject, before, out):
        arguments = ["eval", out / subject, "--device", "cpu", "--threads", 1]
        result = self.small.program.run(arguments)
        if result.code != 0:
            self._refused(result, before, out)
            return "refused"
        if result.out != self.evaluations[subject]:
            raise Failure(f"eval of {subject or 'the run'} says {result.out!r}, it said "
                          f"{self.evaluations[subject]!r}")
        return "harmless"

    def _resume(self, before, out):
        result = self.small.program.run([*self.small.resumed(out), "--device", "cpu"])
        if result.code != 0:
            self._refused(result, before, out)
            return "refused"
        last = f"checkpoint-{self.small.STEPS}/"
        decides = ("model.safetensors", "config.json", *(
            last + name for name in FILES_OF_CHECKPOINT[:3]))
        different = run_folder.differing_files(run_folder.tree(out), self.small.whole)
        if any(name in decides for name in different):
            raise Failure(f"--resume goes on, and ends with another {', '.join(different)}")
        if "metrics.jsonl" not in different:
            return "harmless"
        # Of lines that are gone or changed the weights do not depend: it is enough to say it.
        if "lookback: warning: " not in result.err or "metrics.jsonl" not in result.err:
            raise Failure(f"--resume does not say that metrics.jsonl has other lines: {result.err}")
        return "harmless, and said"


def _evaluations(small):
    """What eval says of the run and of its checkpoint as they are."""
    said = {}
    for subject in ("", CHECKPOINT):
        result = small.program.run(
            ["eval", small.whole_path / subject, "--device", "cpu", "--threads", 1])
        if result.code != 0:
            raise SystemExit(f"eval of a whole run fails: {result.err}")
        said[subject] = result.out
    return said


def _files(small):
    """Their bytes, by name, but for what is not read again."""
    return {name: data for name, data in small.whole.items()
            if not name.startswith((f"checkpoint-{small.STEPS}/", "inspect/", "events."))}


def _place(name, data, choice):
    """Any byte; of a safetensors file one in three times of its header."""
    if name.endswith(".safetensors") and choice.random() < 1 / 3:
        return choice.randrange(8 + struct.unpack_from("<Q", data)[0])
    return choice.randrange(len(data))


def _flip(small, evaluations, name, at, bit):
    def change(data):
        return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1:]

    tensor = _tensor_at(small.whole[name], at) if name.endswith(".safetensors") else None
    words = [name.rsplit("/", 1)[-1], *([tensor] if tensor else [])]
    return Case(f"{name} bit {bit} of byte {at}",
                _Damage(small, evaluations, {name: change}, words).run)


def _damages(small, count, seed, damage):
    """`damage(evaluations, name, data, choice)` for each file in turn, `count` times in all."""
    choice = random.Random(seed)
    evaluations = _evaluations(small)
    files = _files(small)
    names = sorted(files)
    in_turn = (names[i % len(names)] for i in range(count))
    return [damage(evaluations, name, files[name], choice) for name in in_turn]


def flips(small, count, seed):
    def flip(evaluations, name, data, choice):
        at = _place(name, data, choice)
        return _flip(small, evaluations, name, at, choice.randrange(8))
    return _damages(small, count, seed, flip)


def cuts(small, count, seed):
    def cut(evaluations, name, data, choice):
        length = choice.choice((0, len(data) - 1, choice.randrange(len(data))))
        if name.endswith((".toml", ".jsonl")) and choice.random() < 0.5:  # behind a line
            lines = data.splitlines(keepends=True)
            length = len(b"".join(lines[:choice.randrange(len(lines))]))
        return Case(f"{name} cut to {length} bytes",
                    _Damage(small, evaluations, {name: lambda whole: whole[:length]},
                            [name.rsplit("/", 1)[-1]]).run)
    return _damages(small, count, seed, cut)


def swaps(small, count, seed):
    """Files of another run in the checkpoint that this one goes on from; or all of them."""
    evaluations = _evaluations(small)
    cases = []
    for stranger, more in STRANGERS.items():
        path = small.folder / stranger.replace(" ", "-")
        if stranger == "another text":
            text = small.folder / "other.txt"
            text.write_text((small.folder / "text.txt").read_text().replace("so 1 ", "so 3 "))
            more = ("--data", text)
        result = small.program.run([*small.fresh(path), *more])
        if result.code != 0:
            raise SystemExit(f"a run of {stranger} fails: {result.err}")
        changes = {}
        for name in (f"{CHECKPOINT}/{each}" for each in FILES_OF_CHECKPOINT):
            data = (path / name).read_bytes()
            changes[name] = lambda _, data=data: data
            cases.append(Case(f"{name} of {stranger}",
                              _Damage(small, evaluations, {name: changes[name]}, ["/run/"]).run))
        # A model as good as any for eval; but no step of this run led to it.
        names = "text.txt" if stranger == "another text" else "/run/"
        cases.append(Case(f"{CHECKPOINT} of {stranger}", _Damage(small, {}, changes, [names]).run))
    random.Random(seed).shuffle(cases)
    return cases[:count]
