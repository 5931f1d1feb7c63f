#!/usr/bin/env python3
"""The harness itself, beside programs that stand in for the real ones (stand_in.py)."""
import contextlib
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import line
import run
from expected import beside_expectation

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = ("nvidia-smi", "ncu", "compute-sanitizer")


def is_alive(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class Harness(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="lookback gpu test ")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.output = self.folder / "results"
        self.limits = {each.name: each.seconds for each in line.LINES}
        self.environment = dict(os.environ)
        self.addCleanup(self.put_back)
        os.environ["STAND_IN_PIDS"] = str(self.folder / "pids")
        self.install("lookback", "lookback_tests", "gemm_probe", "python_with_torch", *TOOLS)
        os.environ["PATH"] = f"{self.folder}:{os.environ['PATH']}"

    def put_back(self):
        os.environ.clear()
        os.environ.update(self.environment)
        for each in line.LINES:
            each.seconds = self.limits[each.name]

    def install(self, *names):
        for name in names:
            shutil.copy(HERE / "stand_in.py", self.folder / name)
            (self.folder / name).chmod(0o755)

    def pids(self):
        """Of what the stand-ins have started."""
        path = self.folder / "pids"
        return path.read_text().split() if path.exists() else []

    def limit(self, name, seconds):
        next(each for each in line.LINES if each.name == name).seconds = seconds

    def harness(self, plan=None, *more):
        """Its exit code; the report and what it said are kept."""
        os.environ["STAND_IN"] = json.dumps(plan or {})
        arguments = ["--output", str(self.output), *more]
        for flag, name in (("program", "lookback"), ("tests", "lookback_tests"),
                           ("probe", "gemm_probe"), ("python", "python_with_torch")):
            arguments += [f"--{flag}", str(self.folder / name)]
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = run.main(arguments)
        self.said = said.getvalue()
        self.lines = json.loads((self.output / "gpu.json").read_text())["lines"]
        return code

    def expect_failed(self, name, plan, text):
        code = self.harness(plan, "--only", name)
        self.assertEqual(self.lines[name]["status"], "failed", plan)
        self.assertIn(text, self.lines[name]["reason"])
        self.assertEqual(code, 1)

    def test_where_all_is_well_every_line_says_so(self):
        self.assertEqual(self.harness({}), 0, self.said)
        measured = {"environment", "train_124m", "train_0.5b", "train_1.4b", "queued_0.5b",
                    "attention", "kernels", "operations", "products", "torch_0.5b"}
        for name, result in self.lines.items():
            self.assertEqual(result["status"], "measured" if name in measured else "passed", name)
        self.assertEqual(list(self.lines)[:3], ["environment", "smoke_tests", "train_124m"])
        self.assertEqual(list(self.lines)[-2:], ["memcheck", "torch_0.5b"])
        self.assertEqual(self.lines["torch_0.5b"]["ratio"], 0.5)
        self.assertEqual(self.lines["queued_0.5b"]["of_recorded"], 1)
        self.assertEqual(self.lines["operations"]["operations"][0]["name"], "matmul_forward")

    def test_every_figure_stands_beside_what_was_expected_of_it(self):
        self.harness({}, "--only", "speed,products")
        figures = {each["name"]: each for result in self.lines.values()
                   for each in result.get("figures", [])}
        self.assertEqual(figures["train_124m tokens_per_second"]["ratio"], 1)
        self.assertEqual(figures["products 124m tflops"]["value"], 600)  # the better way to call it
        self.assertNotIn("expected", figures["queued_0.5b tokens_per_second"])
        table = {row.split("  ")[0]: row for row in self.said.splitlines()}
        self.assertNotIn("look here", table["train_124m tokens_per_second"])
        self.assertIn("expected 1.25e+05-1.4e+05", table["train_0.5b tokens_per_second"])
        self.assertIn("0.75 x  look here", table["train_0.5b tokens_per_second"])
        self.assertNotIn("ratio", beside_expectation("NVIDIA A100", "copy_gbps", 1))

    def test_what_runs_is_told_where_the_project_and_the_packages_of_the_interpreter_lie(self):
        self.output.mkdir()
        bench = line.Bench(root=self.folder, program=None, tests=None, probe=None,
                           python="/somewhere/bin/python3", output=self.output, seconds=10)
        ended = bench.run(["sh", "-c", 'echo "$LOOKBACK_SOURCE_DIR"; echo "$PATH"'])
        self.assertEqual(ended.out.split("\n")[:2],
                         [str(self.folder), f"/somewhere/bin:{os.environ['PATH']}"])

    def test_a_line_that_hangs_ends_with_all_that_it_started_and_the_next_one_runs(self):
        self.limit("train_0.5b", 2)
        start = time.monotonic()
        self.assertEqual(self.harness({"train 0.5b": "hang"}, "--only", "train_0.5b,train_1.4b"), 1)
        self.assertLess(time.monotonic() - start, 60)
        self.assertIn("took longer than its 2 seconds", self.lines["train_0.5b"]["reason"])
        self.assertEqual(self.lines["train_1.4b"]["status"], "measured")
        self.assertEqual(len(self.pids()), 2)
        self.assertEqual([pid for pid in self.pids() if is_alive(pid)], [])

    def test_a_child_that_is_left_behind_is_ended_too(self):
        self.assertEqual(self.harness({"train 124m": "leaves a child"}, "--only", "train_124m"), 0)
        self.assertEqual(len(self.pids()), 1)
        self.assertEqual([pid for pid in self.pids() if is_alive(pid)], [])

    def test_a_harness_that_is_ended_ends_all_that_it_started(self):
        environment = {**os.environ, "STAND_IN": '{"train 124m": "hang"}'}
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            (self.folder / "pids").unlink(missing_ok=True)
            process = subprocess.Popen(
                [sys.executable, HERE / "run.py", "--output", self.output, "--only", "train_124m",
                 "--program", self.folder / "lookback", "--tests", self.folder / "lookback_tests"],
                env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            end = time.monotonic() + 60
            while time.monotonic() < end and len(self.pids()) < 2:
                time.sleep(0.05)
            process.send_signal(number)
            self.assertEqual(process.wait(timeout=60), 128 + number)
            self.assertEqual(len(self.pids()), 2)
            self.assertEqual([pid for pid in self.pids() if is_alive(pid)], [])

    def test_what_the_time_for_all_does_not_reach_is_unverified(self):
        self.assertEqual(
            self.harness({"train 124m": "hang"}, "--seconds", "12", "--only", "speed"), 1)
        self.assertEqual(self.lines["train_124m"]["status"], "failed")
        for name in ("train_0.5b", "train_1.4b", "queued_0.5b", "attention"):
            self.assertEqual((self.lines[name]["status"], self.lines[name]["reason"]),
                             ("unverified", "no time left"))

    def test_programs_that_misbehave_are_failures_and_the_next_line_runs(self):
        for how, text in (("fail", "exit code 1: lookback: error: it went wrong"),
                          ("garbage", "wrote no JSON"), ("other JSON", "cannot be read"),
                          ("killed", "killed by signal 11"), ("not recorded", "was not recorded")):
            self.expect_failed("train_124m", {"train 124m": how}, text)
        for how, text in (("fail", "exit code 1"), ("garbage", "wrote no JSON"),
                          ("other JSON", "measured no product")):
            self.expect_failed("products", {"probe": how}, text)
        self.expect_failed("kernels", {"ncu": "fail"}, "exit code 1")
        self.expect_failed("kernels", {"ncu": "garbage"}, "no table that can be read")
        self.assertEqual(self.harness({"attention": "garbage"}, "--only", "speed"), 1)
        self.assertEqual(self.lines["train_1.4b"]["status"], "measured")
        (self.folder / "gemm_probe").unlink()
        self.expect_failed("products", {}, "cannot be run")

    def test_tests_that_fail_or_have_not_run_are_no_success(self):
        for how, text in (("one fails", "1 of 700 tests failed: SomeOnGpu.Test5"),
                          ("one is skipped", "1 of 700 tests were skipped: SomeOnGpu.Test7"),
                          ("matches nothing", "0 tests ran, must be 500 or more"),
                          ("few", "3 tests ran, must be 500 or more"),
                          ("fails at the end", "all tests passed, and the exit code is 1"),
                          ("no report", "left no report"), ("other JSON", "left no report"),
                          ("killed", "ended in StepOnGpu.DiesHere with exit code -11")):
            self.expect_failed("tests", {"tests": how}, text)
        self.expect_failed("memcheck", {"tests": "one is skipped"}, "skipped")
        self.expect_failed("repetition", {"repetition": "matches nothing"}, "0 tests ran")
        self.assertEqual(self.harness({"tests": "one fails"}, "--only", "tests"), 1)
        self.assertEqual(self.lines["tests"]["failed"], {"SomeOnGpu.Test5": "1 is not 2"})

    def test_reference_files_and_runs_that_differ_are_failures(self):
        self.expect_failed("verify", {"verify": "one fails"}, "files failed")
        self.expect_failed("same_bits", {"run cuda": "other bits"}, "the models differ")
        self.expect_failed("loss_curve", {"run cuda": "drift"}, "apart by")

    def test_a_profile_adds_up_the_launches_of_a_kernel(self):
        self.assertEqual(self.harness({}, "--only", "kernels"), 0, self.said)
        self.assertEqual(self.lines["kernels"]["kernels"],
                         [{"kernel": "Rotate<float>", "launches": 3, "microseconds": 6.0,
                           "megabytes": 12.0, "l2_hit_percent": 50.0, "gbps": 2000.0}])

    def test_results_are_on_the_disk_after_each_line(self):
        seen = []
        original = run.Report.add

        def add(report, name, what, result):
            original(report, name, what, result)
            seen.append(list(json.loads((self.output / "gpu.json").read_text())["lines"]))

        run.Report.add = add
        self.addCleanup(setattr, run.Report, "add", original)
        self.harness({}, "--only", "train_124m,attention")
        names = ["environment", "train_124m", "attention"]
        self.assertEqual(seen, [names[:1], names[:2], names])
        self.assertIn("bench attention", (self.output / "gpu.log").read_text())

    def test_without_a_gpu_every_line_says_why_it_is_unverified(self):
        (self.folder / "nvidia-smi").unlink()
        if shutil.which("nvidia-smi"):
            self.skipTest("there is an NVIDIA driver here")
        self.assertEqual(self.harness({"machine": "no GPU"}), 0)
        for name, result in self.lines.items():
            self.assertEqual(result["status"], "unverified", name)
            self.assertIn("there is no NVIDIA driver here", result["reason"])
        self.assertEqual(len(self.lines), 1 + len(line.LINES))

    def test_a_gpu_that_the_program_cannot_use_is_a_failure(self):
        self.assertEqual(self.harness({"machine": "no GPU"}, "--only", "speed"), 1)
        self.assertEqual(self.lines["environment"]["status"], "failed")
        self.assertEqual(self.lines["train_124m"]["status"], "unverified")
        self.assertIn("the program cannot use the GPU", self.lines["train_124m"]["reason"])

    def test_tools_that_are_missing_leave_their_lines_unverified(self):
        os.environ["CUDA_HOME"] = str(self.folder / "cuda")
        folders, line.TOOL_FOLDERS = line.TOOL_FOLDERS, []
        self.addCleanup(setattr, line, "TOOL_FOLDERS", folders)
        (self.folder / "cuda" / "bin").mkdir(parents=True)
        for tool, name in (("ncu", "kernels"), ("compute-sanitizer", "memcheck")):
            beside = self.folder / "cuda" / "bin" / tool
            (self.folder / tool).rename(beside)  # where CUDA's installer leaves it, off PATH
            self.assertEqual(self.harness({}, "--only", name), 0)
            self.assertIn(self.lines[name]["status"], ("measured", "passed"))
            beside.unlink()
            if shutil.which(tool) is None:
                self.assertEqual(self.harness({}, "--only", name), 0)
                self.assertEqual(self.lines[name]["reason"], f"{tool} is not installed")
                self.assertEqual(self.lines[name]["status"], "unverified")

    def test_a_python_without_torch_leaves_the_yardstick_unverified(self):
        self.assertEqual(self.harness({"torch": "not installed"}, "--only", "yardstick"), 0)
        self.assertEqual(self.lines["torch_0.5b"]["status"], "unverified")
        self.assertIn("No module named 'torch'", self.lines["torch_0.5b"]["reason"])
        self.expect_failed("torch_0.5b", {"torch": "garbage"}, "wrote no JSON")
        self.expect_failed("torch_0.5b", {"torch": "fail"}, "it went wrong")

    def test_a_profiler_that_may_not_look_leaves_its_line_unverified(self):
        self.assertEqual(self.harness({"ncu": "no permission"}, "--only", "kernels"), 0)
        self.assertEqual(self.lines["kernels"]["status"], "unverified")
        self.assertIn("ERR_NVGPUCTRPERM", self.lines["kernels"]["reason"])

    def test_wrong_usage_is_told_apart_from_failures(self):
        for wrong in (["--only", "spead"], ["--program", str(self.folder / "nowhere")]):
            with self.assertRaises(SystemExit) as ended:
                os.environ["STAND_IN"] = "{}"
                with contextlib.redirect_stderr(io.StringIO()):
                    run.main(["--tests", str(self.folder / "lookback_tests"), "--output",
                              str(self.output), *wrong])
            self.assertEqual(ended.exception.code, 2)


if __name__ == "__main__":
    sys.argv[1:2] = []  # the folder of the built programs, which these tests do without
    unittest.main(verbosity=2)
