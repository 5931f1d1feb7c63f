"""Named cases of a part, run beside each other; what went wrong with each."""

import concurrent.futures
import dataclasses
import shutil
import traceback
from pathlib import Path
from typing import Callable


class Failure(Exception):
    """Something was lost, or silently wrong."""


@dataclasses.dataclass
class Case:
    name: str
    # Called with an empty folder; raises Failure. What it returns counts the outcome: "refused".
    run: Callable[[Path], str]


@dataclasses.dataclass
class Outcome:
    case: Case
    result: str = ""
    failure: str = ""
    folder: str = ""  # stays there after a failure


def _run(case, folder):
    folder.mkdir()
    try:
        outcome = Outcome(case, result=case.run(folder))
    except Failure as failure:
        return Outcome(case, failure=str(failure), folder=str(folder))
    except Exception:  # a fault of the test itself is a failure as well
        return Outcome(case, failure=traceback.format_exc(), folder=str(folder))
    shutil.rmtree(folder)
    return outcome


def run_cases(cases, scratch, at_once):
    """Yields the outcomes as they come."""
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(_run, case, scratch / f"case-{i}") for i, case in enumerate(cases)]
        for future in concurrent.futures.as_completed(futures):
            yield future.result()
