"""Files of expected ids: what the library `tokenizers` gives for each text and variant of a file.

{"texts": [..], "plain": {file: [case of each text]}, "variants": [{"file", "patch", "changed":
{place of the text: case}}]}. A case is [ids], or [ids, decoded] where that is not the text, or null where
the library has none. A patch is a JSON
merge patch (RFC 7396) of the file; its cases are the file's but for the changed.
"""
import copy
import json

from tokenizers import Tokenizer


def added(tokenizer, **tokens):
    """The file's added tokens and more of them, with consecutive ids."""
    rows = copy.deepcopy(tokenizer["added_tokens"])
    vocabulary = tokenizer["model"]["vocab"]
    if isinstance(vocabulary, list):  # Unigram's, with scores
        vocabulary = {token: number for number, (token, _) in enumerate(vocabulary)}
    next_id = 1 + max([*vocabulary.values(), *(row["id"] for row in rows)])
    for content, flags in tokens.items():
        rows.append({"id": vocabulary.get(content, next_id), "content": content,
                     "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                     "special": False, **flags})
        next_id += content not in vocabulary
    return {"added_tokens": rows}


def merged(document, patch):
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def cases_of(tokenizer, texts):
    """[ids, decoded] of each text; decoded where it is not the text. None: the library breaks down."""
    cases = []
    for text in texts:
        try:
            ids = tokenizer.encode(text, add_special_tokens=False).ids
        except BaseException as error:  # pyo3's PanicException is no Exception
            if type(error).__name__ != "PanicException":
                raise
            cases.append(None)
            continue
        decoded = tokenizer.decode(ids, skip_special_tokens=False)
        cases.append([ids] if decoded == text else [ids, decoded])
    return cases


def write(folder, files, variants, texts, name):
    """The files, {name: document}, and the expected ids of their variants, (file, patch)."""
    plain, variations = {}, []
    for file, patch in variants:
        cases = cases_of(Tokenizer.from_str(json.dumps(merged(files[file], patch))), texts)
        plain.setdefault(file, cases)
        if patch:
            changed = {i: case for i, case in enumerate(cases) if case != plain[file][i]}
            variations.append({"file": file, "patch": patch, "changed": changed})
    expected = {"texts": texts, "plain": plain, "variants": variations}
    folder.mkdir(parents=True, exist_ok=True)
    for file, document in files.items():
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        (folder / file).write_text(text + "\n")
    (folder / name).write_text(
        json.dumps(expected, ensure_ascii=True, separators=(",", ":")) + "\n")
