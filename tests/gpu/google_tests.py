"""Runs tests of lookback_tests, and believes no more than that they ran."""
import json
import re

from line import Failed


def begun_last(text):
    found = re.findall(r"^\[ RUN      \] (\S+)", text, re.MULTILINE)
    return f"in {found[-1]} " if found else ""


def run_tests(bench, tests, least, before=(), environment=None):
    """The tests that the filter `tests` names: all of them ran, `least` or more, and none failed.
    One that was skipped has shown nothing, and so has a filter that matches none."""
    report = bench.output / "tests.json"
    report.unlink(missing_ok=True)
    ended = bench.run([*before, bench.tests, f"--gtest_filter={tests}",
                       f"--gtest_output=json:{report}"], allowed=range(-64, 256),
                      environment=environment)
    try:
        suites = json.loads(report.read_text())["testsuites"]
        cases = [case for suite in suites for case in suite["testsuite"]]
        ran = [case for case in cases if case["status"] == "RUN"]
        names = {id(case): f"{case['classname']}.{case['name']}" for case in ran}
    except (OSError, ValueError, KeyError, TypeError):
        raise Failed(f"ended {begun_last(ended.out)}with exit code {ended.code} and left no "
                     f"report: {ended.tail()}") from None
    finally:
        report.unlink(missing_ok=True)
    failed = {names[id(case)]: case["failures"][0].get("failure", "")[:300]
              for case in ran if case.get("failures")}
    skipped = [names[id(case)] for case in ran if case.get("result") == "SKIPPED"]
    result = {"tests": len(ran), "failed": dict(list(failed.items())[:40])}
    if failed:
        raise Failed(f"{len(failed)} of {len(ran)} tests failed: {', '.join(failed)}", result)
    if skipped:
        raise Failed(f"{len(skipped)} of {len(ran)} tests were skipped: {', '.join(skipped)}",
                         result)
    if len(ran) < least:
        raise Failed(f"{len(ran)} tests ran, must be {least} or more: {tests}", result)
    if ended.code != 0:
        raise Failed(f"all tests passed, and the exit code is {ended.code}: {ended.tail()}", result)
    return {"status": "passed", **result}
