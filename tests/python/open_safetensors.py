"""open_safetensors.py FOLDER: which of the folder's files the official reader of safetensors takes."""
import json
import pathlib
import sys

from safetensors import safe_open


def opens(path):
    try:
        with safe_open(path, "pt") as file:
            file.keys()
        return True
    except Exception:
        return False


print(json.dumps({path.name: opens(path) for path in pathlib.Path(sys.argv[1]).iterdir()}))
