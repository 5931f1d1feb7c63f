#!/usr/bin/env python3
"""What is carried to a machine with a GPU, made of the programs in the folder that the first
argument names, and run where there is none: moved, with next to nothing in its environment."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import correctness_lines
import line
import speed_lines

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAMS = None  # see main
PLAIN = {"PATH": "/usr/bin:/bin", "LANG": "C"}


class FiltersOfTests(unittest.TestCase):
    def test_match_as_many_tests_as_they_want_to_see_pass(self):
        counted = {}

        def count(bench, tests, least, before=(), environment=None):
            listed = subprocess.run([bench.tests, f"--gtest_filter={tests}", "--gtest_list_tests"],
                                    stdout=subprocess.PIPE, text=True, check=True).stdout
            counted[tests] = sum(row.startswith("  ") for row in listed.splitlines())
            self.assertGreaterEqual(counted[tests], least, tests)
            return {"status": "passed"}

        bench = line.Bench(root=ROOT, program=PROGRAMS / "lookback",
                           tests=PROGRAMS / "lookback_tests", probe=None, python="", output=None)
        for module in (speed_lines, correctness_lines):
            self.addCleanup(setattr, module, "run_tests", module.run_tests)
            module.run_tests = count
        self.addCleanup(setattr, correctness_lines, "tool", correctness_lines.tool)
        correctness_lines.tool = str
        for each in line.LINES:
            if each.name in ("smoke_tests", "tests", "repetition", "memcheck"):
                each.run(bench)
        self.assertEqual(len(counted), 4)


class Probe(unittest.TestCase):
    def setUp(self):
        if not (PROGRAMS / "gemm_probe_without_gpu").exists():
            self.skipTest("built without CUDA: there is no gemm_probe")
        folder = tempfile.TemporaryDirectory(prefix="lookback probe test ")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        few = self.folder / "gemm_probe"
        few.write_text(f'#!/bin/sh\nexec "{PROGRAMS}/gemm_probe_without_gpu" 64\n')
        few.chmod(0o755)
        self.bench = line.Bench(root=ROOT, program=None, tests=None, probe=few, python="",
                                output=self.folder, gpu="NVIDIA H200", seconds=60)
        self.environment = {"LOOKBACK_CUBLAS": str(PROGRAMS / "stub_libraries" / "good")}

    def measured(self, **more):
        environment = dict(os.environ)
        os.environ.update(self.environment, **more)
        try:
            return speed_lines.products(self.bench)
        finally:
            os.environ.clear()
            os.environ.update(environment)

    def test_measures_every_product_in_three_ways_and_two_types(self):
        result = self.measured()
        seen = {(each["product"], each["call"], each["result"]) for each in result["products"]}
        self.assertEqual(len(seen), 13 * 3 * 3 * 2)
        self.assertEqual(len(result["products"]), len(seen))
        for each in result["products"]:
            self.assertAlmostEqual(each["tflops"], 2 * each["m"] * each["n"] * each["k"] /
                                   each["microseconds"] / 1e6, delta=0.01)
        for figure in result["figures"]:
            self.assertIn("expected", figure)
        self.assertEqual(len(result["figures"]), 4)

    def test_a_way_that_cublas_has_not_for_a_product_leaves_the_others(self):
        products = self.measured(STUB_LT_HAS_NOTHING="1")["products"]
        for each in products:
            self.assertEqual("error" in each, each["call"] == "lt")

    def test_without_cublas_says_where_it_was_looked_for(self):
        self.environment["LOOKBACK_CUBLAS"] = str(self.folder / "nowhere")
        with self.assertRaises(line.Failed) as failed:
            self.measured()
        self.assertIn(str(self.folder / "nowhere"), str(failed.exception))

    def test_without_a_gpu_says_so_in_one_line(self):
        if shutil.which("nvidia-smi"):
            self.skipTest("there is an NVIDIA driver here")
        ended = subprocess.run([PROGRAMS / "gemm_probe"], capture_output=True, text=True)
        self.assertEqual(ended.returncode, 1)
        self.assertRegex(ended.stderr, r"\Agemm_probe: error: .*\n\Z")


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not (PROGRAMS / "gemm_probe").exists():
            raise unittest.SkipTest("built without CUDA: there is no gemm_probe")
        cls.scratch = tempfile.TemporaryDirectory(prefix="lookback package test ")
        folder = pathlib.Path(cls.scratch.name)
        cls.made = folder / "made"
        cls.ended = cls.pack(cls.made)
        cls.moved = folder / "carried elsewhere" / "gpu"
        cls.moved.parent.mkdir()
        if cls.made.exists():
            cls.made.rename(cls.moved)
            # As gpu.sh does, which finds it packed again.
            subprocess.run(["gunzip", "--keep", *(cls.moved / "bin").glob("*.gz")], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    @staticmethod
    def pack(output):
        return subprocess.run(["bash", ROOT / "tests" / "gpu-package.sh", "--programs", PROGRAMS,
                               output], capture_output=True, text=True)

    def run_tests_program(self, *arguments, **environment):
        return subprocess.run([self.moved / "bin" / "lookback_tests", *arguments],
                              env={**PLAIN, **environment}, cwd="/", capture_output=True, text=True)

    def test_is_made_and_nothing_is_left_beside_it(self):
        self.assertEqual(self.ended.returncode, 0, self.ended.stderr)
        self.assertEqual(os.listdir(self.made.parent), ["carried elsewhere"])

    def test_is_not_made_over_what_is_there(self):
        before = sorted(self.moved.rglob("*"))
        ended = self.pack(self.moved)
        self.assertEqual(ended.returncode, 2)
        self.assertIn("is there already", ended.stderr)
        self.assertEqual(sorted(self.moved.rglob("*")), before)

    def test_finds_its_reference_files_where_it_was_carried(self):
        one = "--gtest_filter=ReferenceFiles.*"
        ended = self.run_tests_program(one, LOOKBACK_SOURCE_DIR=str(self.moved))
        self.assertEqual(ended.returncode, 0, ended.stdout)
        self.assertIn("[  PASSED  ] 1 test.", ended.stdout)
        without = self.run_tests_program(one, LOOKBACK_SOURCE_DIR="/nowhere")
        self.assertEqual(without.returncode, 1)
        self.assertIn("LOOKBACK_SOURCE_DIR must name the root", without.stdout)

    def test_tests_that_need_no_reference_file_run_without_any(self):
        ended = self.run_tests_program("--gtest_filter=Matmul.*", LOOKBACK_SOURCE_DIR="/nowhere")
        self.assertEqual(ended.returncode, 0, ended.stdout)
        self.assertNotIn("0 tests from", ended.stdout)

    def test_on_a_machine_without_a_gpu_every_line_says_so(self):
        if shutil.which("nvidia-smi"):
            self.skipTest("there is an NVIDIA driver here")
        results = self.moved.parent / "results"
        ended = subprocess.run(["bash", self.moved / "tests" / "gpu.sh", "--output", results],
                               env=PLAIN, cwd="/", capture_output=True, text=True)
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
        self.assertEqual(ended.stderr, "")
        names = ["environment", *(each.name for each in line.lines_in_order())]
        rows = ended.stdout.splitlines()
        for name, row in zip(names, rows):
            self.assertRegex(row, rf"^unverified {name} +[0-9.]+ s: .*no NVIDIA driver here")
        self.assertEqual(rows[len(names):],
                         [f"0 passed, 0 measured, 0 failed, {len(names)} unverified: "
                          f"{results / 'gpu.json'}"])
        lines = json.loads((results / "gpu.json").read_text())["lines"]
        self.assertEqual({each["status"] for each in lines.values()}, {"unverified"})


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"{sys.argv[0]}: needs the folder of the built programs")
    PROGRAMS = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
