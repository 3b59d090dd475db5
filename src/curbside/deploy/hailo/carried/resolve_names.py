"""Put the names that Hailo's parser gave to layers into the model script. Only Python's own library.

python3 resolve_names.py check                         is the folder as it was packed?
python3 resolve_names.py names PARSED.har OUT.alls     model.alls with the parser's names
"""

import hashlib
import json
import re
import sys
import tarfile
from pathlib import Path

__all__ = ["check_files", "main", "parsed_names", "resolved_script"]

NAMES = "layer_names.json"


def parsed_names(archive, job):
    """The parser's layers for the nodes that a job names.

    Args:
        archive: A HAR: a tar file with the graph in a JSON file that ends in `.hn`.
        job: What `job.json` holds.

    Returns:
        Layers without the network's name in front, by node.

    Raises:
        ValueError: It is no such archive, or a node of the model script is in none of its layers.
    """
    try:
        with tarfile.open(str(archive)) as tar:
            inside = [item for item in tar.getmembers() if item.name.endswith(".hn")]
            file = tar.extractfile(inside[0]) if inside else None
            if file is None:
                raise ValueError(f"{archive} holds no .hn file")
            layers = json.loads(file.read().decode())["layers"]
    except (OSError, tarfile.TarError, KeyError, TypeError) as error:
        raise ValueError(f"{archive} is no HAR ({error})") from None
    found: dict = {}
    for name, layer in layers.items():
        if layer.get("type") in ("input_layer", "output_layer"):
            continue
        for node in layer.get("original_names", []):
            found.setdefault(node, name.split("/")[-1])
    missing = [node for node in job["needed"] if node not in found]
    if missing:
        raise ValueError(f"no layer of {archive} is made from the node {missing[0]}")
    return {node: found[node] for node in job["layers"] if node in found}


def resolved_script(script, predicted, names):
    """A model script with other names for its layers.

    Args:
        script: Its text.
        predicted: The layer that it names for each node.
        names: The layer of each node.
    """
    table = {predicted[node]: name for node, name in names.items()}
    words = re.compile(r"\b[A-Za-z_]\w*\b")
    return words.sub(lambda match: table.get(match.group(), match.group()), script)


def check_files(folder):
    """Names of files of the job that are missing or not as they were packed."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    wrong = []
    for name, digest in job["files"].items():
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            wrong.append(name)
    return wrong


def main(arguments, folder):
    """Do one of the two; returns the exit status."""
    if arguments == ["check"]:
        wrong = check_files(folder)
        if wrong:
            print(
                f"{len(wrong)} files are missing or changed, such as {wrong[0]}: copy the folder anew"
            )
        return 1 if wrong else 0
    if len(arguments) != 3 or arguments[0] != "names":
        print(__doc__)
        return 2
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    try:
        names = parsed_names(arguments[1], job)
    except ValueError as error:
        print(error)
        return 1
    script = (folder / "model.alls").read_text(encoding="utf-8")
    Path(arguments[2]).write_text(resolved_script(script, job["layers"], names), encoding="utf-8")
    (folder / NAMES).write_text(json.dumps(names, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(__file__).resolve().parent))
