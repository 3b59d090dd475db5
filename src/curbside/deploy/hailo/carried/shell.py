"""The shell script and the page that a job folder carries."""

from __future__ import annotations

__all__ = ["README", "SHELL"]

SHELL = r"""#!/usr/bin/env bash
# Compiles this job by the `hailo` command of Hailo's Dataflow Compiler; made by curbside.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

NETWORK=@NETWORK@
ARCH=@ARCH@
MAJOR=@MAJOR@
LEAST_MINOR=@MINOR@
ENDS=(@ENDS@)

fail() { echo "compile.sh: $1" >&2; exit 1; }

command -v python3 > /dev/null || fail "python3 is missing"
command -v hailo > /dev/null \
  || fail "the command hailo is missing: activate the environment of the Dataflow Compiler $MAJOR.x"
SAID=$(hailo --version < /dev/null 2>&1) || fail "hailo --version fails: $(tail -n 1 <<< "$SAID")"
VERSION=$(sed -n 's/.*Dataflow Compiler[^0-9]*\([0-9][0-9]*\.[0-9][0-9.]*\).*/\1/p' <<< "$SAID" | head -n 1)
[ -n "$VERSION" ] || fail "this hailo is no Dataflow Compiler (it may be HailoRT's)"
MINOR=${VERSION#*.}; MINOR=${MINOR%%.*}
[ "${VERSION%%.*}" = "$MAJOR" ] || fail "Dataflow Compiler $VERSION is here, and $ARCH needs $MAJOR.x"
[ "$MINOR" -ge "$LEAST_MINOR" ] \
  || fail "Dataflow Compiler $VERSION is too old: $MAJOR.$LEAST_MINOR or later is needed"
SAID=$(python3 resolve_names.py check) || fail "$SAID"

JOB=$PWD
WORK=$(mktemp -d "$JOB/build.XXXXXX")
trap 'rm -rf -- "$WORK"' EXIT
trap 'exit 130' INT TERM
cd -- "$WORK"

step() {
  echo "== hailo $1"
  local status=0
  # It may ask whether to stop at other nodes, or to add a post-process: no.
  hailo "$@" < <(yes n 2> /dev/null) || status=$?
  [ "$status" -le 128 ] || fail "hailo $1 was killed (signal $((status - 128))), often for want of memory"
  [ "$status" = 0 ] || fail "hailo $1 failed (exit $status); what it said stands above"
}

step parser onnx "$JOB/$NETWORK.onnx" --hw-arch "$ARCH" --end-node-names "${ENDS[@]}" \
  --har "$WORK/parsed.har"
SAID=$(python3 "$JOB/resolve_names.py" names "$WORK/parsed.har" "$WORK/resolved.alls") || fail "$SAID"
step optimize "$WORK/parsed.har" --hw-arch "$ARCH" --calib-set-path "$JOB/calib" \
  --model-script "$WORK/resolved.alls" --output-har-path "$WORK/$NETWORK.har"
step compiler "$WORK/$NETWORK.har" --hw-arch "$ARCH"

FOUND=("$WORK"/*.hef)
[ "${#FOUND[@]}" = 1 ] && [ -s "${FOUND[0]}" ] || fail "hailo compiler ended well and left no HEF"
mv -f -- "$WORK/$NETWORK.har" "$JOB/$NETWORK.har"
mv -f -- "${FOUND[0]}" "$JOB/$NETWORK.hef"
echo "wrote $JOB/$NETWORK.hef"
"""
"""Takes NETWORK, ARCH, MAJOR, MINOR and ENDS between `@`."""

README = """# @TITLE@: compile @NETWORK@

Made by curbside @VERSION@ from `@SOURCE@`. This folder is all that the Dataflow Compiler needs.

1. Copy the folder to an x86-64 Linux machine with Hailo's **Dataflow Compiler @MAJOR@.x**
   (@MAJOR@.@MINOR@ or later), which Hailo's Developer Zone gives to those with an account, and
   activate its environment.@GPU@
2. Run `bash compile.sh`, or by the compiler's Python module `python3 compile_with_sdk.py`. It parses,
   optimises and compiles, and writes `@NETWORK@.hef`, minutes to hours later.
3. Bring `@NETWORK@.hef` back, with `layer_names.json` beside it in this folder, and run
   `curbside compile --adopt @NETWORK@.hef`. That checks it against this job and writes its Manifest
   beside it, without which no curbside opens it.

| file | what it is |
|---|---|
| `@NETWORK@.onnx` | the network up to where the chip stops: @LISTED@ |
| `model.alls` | the model script; names of layers are guesses, which `resolve_names.py` corrects |
| `calib/` | @PICTURES@ pictures, (H, W, 3) bytes, @COLORS@ |
| `job.json` | the chip, the Manifest of the HEF to be, the SHA-256 of every file |
| `float.onnx`, `emulation.onnx` | the same part for ONNX Runtime, in float and in 8 bits; not needed there |
@NOTES@"""
"""Takes the words between `@`."""
