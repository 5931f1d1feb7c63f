"""Power cuts by a model of the disk: the tests of power_cut_test.cpp, which count their cuts."""

import json
import os
import subprocess


def run(tests, scratch):
    """How many cuts, and the failures."""
    report = scratch / "power_cuts.json"
    process = subprocess.run(
        [tests, "--gtest_filter=PowerCut.*:DiskModel.*", "--gtest_brief=1",
         f"--gtest_output=json:{report}"], capture_output=True, check=False,
        env={**os.environ, "OMP_WAIT_POLICY": "passive", "TMPDIR": str(scratch)})
    if not report.exists():
        return 0, ["lookback_tests wrote no report: " + process.stderr.decode()[-300:]]
    cuts, failures = 0, []
    for suite in json.loads(report.read_text())["testsuites"]:
        for test in suite["testsuite"]:
            cuts += int(test.get("power_cuts", 0))
            name = f"{suite['name']}.{test['name']}"
            failures += [f"{name}: {failure['failure']}" for failure in test.get("failures", [])]
    if cuts == 0 and not failures:
        failures = [f"no power cut was tried: {process.stdout.decode()[-300:]}"]
    if process.returncode != 0 and not failures:
        failures = [f"lookback_tests ends with exit code {process.returncode}"]
    return cuts, failures
