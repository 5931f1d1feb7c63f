"""A run so small that it takes moments, and the ways a user has to go on with it."""

import json
import shutil
from pathlib import Path

import run_folder
from cases import Failure

MODEL = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 16,
         "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
         "num_key_value_heads": 2, "vocab_size": 256, "max_position_embeddings": 64}


class SmallRun:
    """The arguments of a run, and what whole runs of it look like."""

    STEPS, SAVE_STEPS = 6, 2

    def __init__(self, program, folder: Path, more=()):
        self.program = program
        folder.mkdir()
        self.folder = folder
        config, text = folder / "config.json", folder / "text.txt"
        config.write_text(json.dumps(MODEL))
        text.write_text("".join(f"so {i * i % 97} it goes; " for i in range(400)))
        self.arguments = [
            "train", "--config", config, "--data", text, "--batch-size", 2, "--block-size", 16,
            "--max-steps", self.STEPS, "--save-steps", self.SAVE_STEPS, "--save-total-limit", 2,
            "--logging-steps", 1, "--eval-steps", 3, "--eval-batches", 1, "--inspect-every", 4,
            "--threads", 1, "--device", "cpu", *more]
        self.whole_path, self.whole = self._reference("whole")
        # Another one, that gives way to --overwrite; and both with all of their checkpoints.
        self.old_path, self.old = self._reference("old", "--seed", 9)
        self.references = [self._reference("all", "--save-total-limit", 9)[1],
                           self._reference("all-of-old", "--seed", 9, "--save-total-limit", 9)[1]]

    def _reference(self, name, *more):
        path = self.folder / name
        result = self.program.run([*self.arguments, *more, "--output-dir", path])
        if result.code != 0:
            raise SystemExit(f"the run that the others are compared with fails: {result.err}")
        return path, run_folder.tree(path)

    def fresh(self, out):
        return [*self.arguments, "--output-dir", out]

    def overwriting(self, out):
        return [*self.fresh(out), "--overwrite"]

    def resumed(self, out):
        return ["train", "--resume", "--output-dir", out]

    def prepare(self, kind, out):
        """Makes the folder that a run of that kind finds; its arguments."""
        if kind == "fresh":
            return self.fresh(out)
        if kind == "overwritten":
            shutil.copytree(self.old_path, out)
            return self.overwriting(out)
        shutil.copytree(self.whole_path, out)
        shutil.rmtree(out / f"checkpoint-{self.STEPS}")
        return self.resumed(out)

    def check_in_between(self, out):
        """Whatever has happened to it, what is there is whole."""
        if out.exists():
            run_folder.check_checkpoints(out, self.references)

    def next_command(self, out):
        """What a user says next, who knows no more than that the run ended early."""
        found = out.exists() and any(out.iterdir())
        return self.resumed(out) if found else self.fresh(out)

    def finish(self, out):
        """Goes on with it until it is done. Raises Failure unless it ends like a whole run, or
        like the old one where nothing had taken its place yet."""
        result = self.program.run(self.next_command(out))
        if result.code != 0:
            result = self.program.run(self._anew(out, result))
            if result.code != 0:
                raise Failure(f"cannot be started anew: {result.err[-300:]}")
        if not self.is_old(out):
            run_folder.check_checkpoints(out, self.references)
            run_folder.check_is_whole(out, self.whole, older_checkpoints=("checkpoint-2/",))

    def _anew(self, out, result):
        """The command that a refused --resume advises."""
        error = result.error()
        if result.code != 1 or run_folder.checkpoints(out):
            raise Failure(f"cannot be resumed: {error}")
        if "--overwrite starts anew" in error:
            return self.overwriting(out)
        if "without --resume a new one starts there" in error:
            return self.fresh(out)
        raise Failure(f"cannot be resumed, and no way out is said: {error}")

    def is_old(self, out):
        return out.exists() and run_folder.tree(out) == self.old
