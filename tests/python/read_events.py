"""Prints the scalars that TensorBoard reads out of a folder, as JSON: {tag: [[step, value], ..]}."""

import json
import logging
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

logging.disable(logging.WARNING)  # it tells of each START that voids something
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0}, purge_orphaned_data=True)
events.Reload()
print(
    json.dumps(
        {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    )
)
